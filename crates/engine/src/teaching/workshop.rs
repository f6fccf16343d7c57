//! What the learner's handle and its thread share, and what each request does.
//!
//! Two locks: the live model (disk and network, may be held for a second) and the board (memory, held for moments). Who needs
//! both takes the live model first.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard};

use crossbeam_channel::{Receiver, Sender, bounded};
use network::{Label, NetworkBackend, TaskName};

use crate::EngineConfig;
use crate::model::samples::SampleStore;
use crate::model::store_error::list;
use crate::teaching::admission::Limits;
use crate::teaching::board::{Board, Job, Note, counts_of};
use crate::teaching::live_model::{Found, LiveModel, OnNetwork, drop_unused};
use crate::teaching::queue::{JobSpec, MAX_ATTEMPTS, QueueFile};
use crate::teaching::tasks::{
    AddTask, Exported, Imported, LabelledFace, Promise, RemoveTask, Removed, Stored, TaskError, TaskState, TaskStatus,
    TaskTicket,
};
use crate::threads::lock;

/// What a training is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrainingLimits {
    pub(crate) threads: usize,
    pub(crate) time_budget_s: f32,
    pub(crate) retain_samples: bool,
    pub(crate) strangers_named: f32,
}

/// The learner's state.
pub(crate) struct Workshop<B: NetworkBackend> {
    live: Mutex<LiveModel<B>>,
    board: Mutex<Board>,
    /// Work has come, or the end.
    pub(crate) wake: Condvar,
    /// Rings when the list of tasks has changed, or a training has got on.
    bell: (Sender<()>, Receiver<()>),
    limits: Limits,
    pub(crate) training: TrainingLimits,
}

/// Requests, whatever the backend.
pub(crate) trait Requests: Send + Sync {
    fn tasks(&self) -> Vec<TaskStatus>;
    fn changes(&self) -> Receiver<()>;
    /// `faces`: those of the request's samples.
    fn add_task(&self, request: &AddTask, faces: &[LabelledFace]) -> Result<TaskTicket, TaskError>;
    fn add_samples(&self, name: &TaskName, samples: &[LabelledFace]) -> Result<Stored, TaskError>;
    fn remove_task(&self, request: &RemoveTask) -> Result<Removed, TaskError>;
    fn cancel_training(&self, name: Option<&TaskName>) -> Result<TaskName, TaskError>;
    fn export_task(&self, name: &TaskName, directory: &Path, with_samples: bool) -> Result<Exported, TaskError>;
    fn import_task(&self, directory: &Path, name: Option<&TaskName>) -> Result<Imported, TaskError>;
    fn forget_samples(&self, name: &TaskName, label: Option<&Label>) -> Result<u32, TaskError>;
    fn stop(&self);
}

impl<B: NetworkBackend> Workshop<B> {
    /// Takes over what the last run left.
    pub(crate) fn open(config: &EngineConfig, found: Found<B>, on_network: OnNetwork<B>) -> Result<Self, TaskError> {
        let Found { model: base, state, network, device } = found;
        let samples = SampleStore::new(state.dir(), config.max_samples_per_label);
        let queue = QueueFile::new(state.dir());
        let mut board = Board {
            shipped: base.manifest().columns.clone(),
            taught: state.manifest().columns.clone(),
            knows_people: base.manifest().encoder.cohort.is_some(),
            ..Board::default()
        };
        for name in samples.tasks()? {
            board.kept.insert(name.clone(), samples.counts(&name)?);
        }
        // Who only reads leaves the trainings to the process that writes.
        if state.writable() {
            for spec in queue.read()? {
                let name = spec.name.clone();
                // Its end was not written down, so its samples may still be there.
                if !resume(&mut board, spec) && !config.retain_samples {
                    samples.forget(&name, None)?;
                    board.kept.remove(&name);
                }
            }
            queue.write(board.jobs().cloned().collect())?;
        }
        let cohort = base.load_cohort(&device)?;
        let live = LiveModel { base, state, samples, queue, network, cohort, device, on_network, answers: None };
        let workshop = Self {
            live: Mutex::new(live),
            board: Mutex::new(board),
            wake: Condvar::new(),
            bell: bounded(1),
            limits: Limits { queue: config.training.queue, epochs: config.training.epochs },
            training: TrainingLimits {
                threads: config.training_threads,
                time_budget_s: config.training.time_budget_s,
                retain_samples: config.retain_samples,
                strangers_named: config.training.strangers_named,
            },
        };
        workshop.tell();
        Ok(workshop)
    }

    pub(crate) fn live(&self) -> MutexGuard<'_, LiveModel<B>> {
        lock(&self.live)
    }

    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        lock(&self.board)
    }

    /// Tells who listens that there is something new; one ring stands for many.
    pub(crate) fn tell(&self) {
        self.bell.0.try_send(()).ok();
    }

    /// Brings the board's columns and sample counts up to what is on disk, and remembers the queue.
    pub(crate) fn settle(&self, live: &LiveModel<B>, board: &mut Board, names: &[TaskName]) -> Result<(), TaskError> {
        board.taught.clone_from(&live.state.manifest().columns);
        for name in names {
            let counts = live.samples.counts(name)?;
            if counts.is_empty() {
                board.kept.remove(name);
            } else {
                board.kept.insert(name.clone(), counts);
            }
        }
        Ok(live.queue.write(board.jobs().cloned().collect())?)
    }

    /// Ends a training that waits.
    fn cancel_waiting(&self, name: Option<&TaskName>) -> Result<TaskName, TaskError> {
        let live = self.live();
        let mut board = self.board();
        let Some(position) = board.waiting.iter().position(|job| name.is_none_or(|name| job.spec.name == *name)) else {
            // It may have begun to run in between.
            let runs = board.running.as_ref().is_some_and(|running| name.is_none_or(|name| running.spec.name == *name));
            return match name {
                _ if runs => board.cancel_running(),
                Some(name) if !board.names().contains(name) => Err(board.unknown_task(name)),
                _ => Err(TaskError::NothingToCancel),
            };
        };
        let Some(job) = board.waiting.remove(position) else { return Err(TaskError::NothingToCancel) };
        let name = job.spec.name.clone();
        if !self.training.retain_samples {
            live.samples.forget(&name, None)?;
        }
        let note = Note {
            state: TaskState::Cancelled,
            message: "cancelled before it began".to_owned(),
            epochs: 0,
            spec: Some(job.spec),
        };
        board.notes.insert(name.clone(), note);
        self.settle(&live, &mut board, std::slice::from_ref(&name))?;
        // Nobody may be waiting.
        job.outcome.try_send(Err(TaskError::Cancelled(name.clone()))).ok();
        Ok(name)
    }
}

/// Queues a training that the last run did not end; false for one that is over.
fn resume(board: &mut Board, spec: JobSpec) -> bool {
    // The program ended between storing the column and striking the training off the list.
    if board.taught(&spec.name).is_some_and(|record| record.version >= spec.version) {
        return false;
    }
    if spec.attempts >= MAX_ATTEMPTS {
        let message = format!(
            "the program ended {MAX_ATTEMPTS} times while this trained, so it is not tried again by itself; look at the log, then call add_task"
        );
        let note = Note { state: TaskState::Failed, message, epochs: 0, spec: Some(spec.clone()) };
        board.notes.insert(spec.name, note);
        return false;
    }
    tracing::info!(task = %spec.name, "the training had not ended when the program did: queued again");
    let message = "queued again: the program ended before its training did".to_owned();
    let (outcome, _) = bounded(1);
    board.waiting.push_back(Job { spec, message, outcome });
    true
}

impl<B: NetworkBackend> Requests for Workshop<B> {
    fn tasks(&self) -> Vec<TaskStatus> {
        self.board().statuses()
    }

    fn changes(&self) -> Receiver<()> {
        self.bell.1.clone()
    }

    fn add_task(&self, request: &AddTask, faces: &[LabelledFace]) -> Result<TaskTicket, TaskError> {
        let live = self.live();
        live.state.require_writable()?;
        let name = &request.name;
        let stored = live.samples.counts(name)?;
        let spec = {
            let board = self.board();
            if board.stopping {
                return Err(TaskError::ShutDown);
            }
            board.admit(request, &stored, self.limits)?
        };
        // On the disk before anything trains: a crash loses no sample.
        let counts = live.samples.add(name, faces)?;
        let (sender, outcome) = bounded(1);
        let ticket = TaskTicket { id: spec.id(), samples: counts_of(&spec.labels, &counts), outcome };
        {
            let mut board = self.board();
            board.notes.remove(name);
            board.waiting.push_back(Job { spec, message: "waits for its training".to_owned(), outcome: sender });
            if let Err(error) = self.settle(&live, &mut board, std::slice::from_ref(name)) {
                board.waiting.pop_back();
                return Err(error);
            }
        }
        drop(live);
        self.wake.notify_all();
        self.tell();
        Ok(ticket)
    }

    fn add_samples(&self, name: &TaskName, samples: &[LabelledFace]) -> Result<Stored, TaskError> {
        let live = self.live();
        live.state.require_writable()?;
        {
            let board = self.board();
            if board.is_shipped(name) {
                return Err(TaskError::Shipped(name.clone()));
            }
            // They would be erased with those that the training uses.
            if !self.training.retain_samples && board.in_training(name) {
                return Err(TaskError::InTraining(name.clone()));
            }
        }
        let counts = live.samples.add(name, samples)?;
        self.board().kept.insert(name.clone(), counts.clone());
        drop(live);
        self.tell();
        Ok(Stored { counts })
    }

    fn remove_task(&self, request: &RemoveTask) -> Result<Removed, TaskError> {
        if request.cascade && request.keep_as_source {
            return Err(TaskError::Contradiction("cascade", "keep_as_source"));
        }
        let name = &request.name;
        let mut live = self.live();
        live.state.require_writable()?;
        let mut gone = self.board().removable(request)?;
        let mut plan = live.plan();
        if request.keep_as_source {
            for planned in plan.iter_mut().filter(|planned| planned.record.name == *name) {
                planned.record.silent = true;
            }
        } else {
            plan.retain(|planned| !gone.contains(&planned.record.name));
            gone.extend(drop_unused(&mut plan));
        }
        let changed: BTreeSet<TaskName> = gone.iter().cloned().collect();
        let promise: Promise = live.change(plan, &changed)?;
        // The columns are gone whatever becomes of the samples: the list says so before an error does.
        let to_forget = if request.keep_samples { &[][..] } else { &gone[..] };
        let forgotten = to_forget.iter().try_for_each(|name| live.samples.forget(name, None).map(drop));
        {
            let mut board = self.board();
            for name in &gone {
                board.notes.remove(name);
            }
            self.settle(&live, &mut board, &gone)?;
        }
        drop(live);
        self.tell();
        forgotten?;
        Ok(Removed { names: gone, promise })
    }

    fn cancel_training(&self, name: Option<&TaskName>) -> Result<TaskName, TaskError> {
        let running = {
            let board = self.board();
            let runs = board.running.as_ref().is_some_and(|running| name.is_none_or(|name| running.spec.name == *name));
            runs.then(|| board.cancel_running())
        };
        let cancelled = running.unwrap_or_else(|| self.cancel_waiting(name))?;
        self.tell();
        Ok(cancelled)
    }

    fn export_task(&self, name: &TaskName, directory: &Path, with_samples: bool) -> Result<Exported, TaskError> {
        let live = self.live();
        let record = {
            let board = self.board();
            match board.taught(name) {
                Some(record) => record.clone(),
                None if board.is_shipped(name) => return Err(TaskError::Shipped(name.clone())),
                None => return Err(board.unknown_task(name)),
            }
        };
        live.export(&record, directory, with_samples)
    }

    fn import_task(&self, directory: &Path, name: Option<&TaskName>) -> Result<Imported, TaskError> {
        let mut live = self.live();
        live.state.require_writable()?;
        let travelling = live.read_exported(directory, name, self.training.retain_samples)?;
        let name = travelling.record.name.clone();
        {
            let board = self.board();
            if board.in_training(&name) {
                return Err(TaskError::InTraining(name));
            }
            if board.column(&name).is_some() {
                return Err(TaskError::NameInUse(name));
            }
        }
        let imported = live.import(directory, travelling)?;
        {
            let mut board = self.board();
            let message = format!("imported from {}", directory.display());
            board.notes.insert(name.clone(), Note { state: TaskState::Ready, message, epochs: 0, spec: None });
            self.settle(&live, &mut board, &[name])?;
        }
        drop(live);
        self.tell();
        Ok(imported)
    }

    fn forget_samples(&self, name: &TaskName, label: Option<&Label>) -> Result<u32, TaskError> {
        let live = self.live();
        live.state.require_writable()?;
        let stored = live.samples.counts(name)?;
        {
            let board = self.board();
            if board.in_training(name) {
                return Err(TaskError::InTraining(name.clone()));
            }
            if stored.is_empty() && !board.names().contains(name) {
                return Err(board.unknown_task(name));
            }
        }
        if let Some(label) = label.filter(|label| !stored.iter().any(|(other, _)| other == *label)) {
            let labels = list(stored.iter().map(|(label, _)| label));
            return Err(TaskError::NoSamples { label: label.clone(), labels });
        }
        let erased = live.samples.forget(name, label)?;
        self.settle(&live, &mut self.board(), std::slice::from_ref(name))?;
        drop(live);
        self.tell();
        Ok(erased)
    }

    fn stop(&self) {
        let mut board = self.board();
        board.stopping = true;
        for job in &board.waiting {
            // Nobody may be waiting.
            job.outcome.try_send(Err(TaskError::ShutDown)).ok();
        }
        drop(board);
        self.wake.notify_all();
    }
}

//! What the handle of the tasks and its thread share.
//!
//! Two locks: the served model (disk and network, may be held for a second) and the board (memory, held for moments). Who needs
//! both takes the served model first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use network::{NetworkBackend, TaskName};

use crate::EngineConfig;
use crate::model::samples::SampleStore;
use crate::model::state::StateStore;
use crate::sync::lock;
use crate::teaching::admission::Limits;
use crate::teaching::board::{Board, Job, Note};
use crate::teaching::exchange::Exchange;
use crate::teaching::queue::{JobSpec, MAX_ATTEMPTS, QueueFile};
use crate::teaching::served_model::{Found, OnNetwork, ServedModel};
use crate::teaching::tasks::{TaskError, TaskState};

/// What a training is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrainingLimits {
    pub(crate) threads: usize,
    pub(crate) time_budget_s: f32,
    pub(crate) retain_samples: bool,
    pub(crate) strangers_named: f32,
    pub(crate) nice: u32,
}

/// What all requests and the teaching thread share.
pub(crate) struct Workshop<B: NetworkBackend> {
    served: Mutex<ServedModel<B>>,
    /// Imports are read one after the other: each may be large.
    pub(crate) importing: Mutex<()>,
    board: Mutex<Board>,
    /// The network judges faces at this moment.
    judging: Arc<AtomicBool>,
    /// Work has come, or the end.
    pub(crate) wake: Condvar,
    /// Rings when the list of tasks has changed, or a training has got on.
    pub(crate) bell: (Sender<()>, Receiver<()>),
    pub(crate) limits: Limits,
    pub(crate) exchange: Exchange,
    pub(crate) training: TrainingLimits,
}

/// A training waits no longer than this for the network to have judged.
const MOST_YIELDED: Duration = Duration::from_millis(100);

/// Finishes what the last run left unfinished, in a folder that is this process's own.
fn take_over(
    state: &StateStore,
    samples: &SampleStore,
    queue: &QueueFile,
    board: &mut Board,
    retain_samples: bool,
) -> Result<(), TaskError> {
    samples.recover(|name| state.is_taught(name))?;
    let (encrypted, plain) = samples.encrypt_all();
    if encrypted > 0 {
        tracing::info!("{encrypted} samples from before there was a key are encrypted now");
    }
    if plain > 0 {
        tracing::error!("{plain} samples could not be encrypted; the next start tries again");
    }
    count_samples(samples, board)?;
    for spec in queue.read_or_set_aside()? {
        let name = spec.name.clone();
        // Its end was not written down, so its samples may still be there.
        if !resume(board, spec) && !retain_samples {
            samples.forget(&name, None)?;
            board.kept.remove(&name);
        }
    }
    Ok(queue.write(board.jobs().cloned().collect())?)
}

fn count_samples(samples: &SampleStore, board: &mut Board) -> Result<(), TaskError> {
    for name in samples.tasks()? {
        match samples.counts(&name) {
            Ok(counts) => drop(board.kept.insert(name, counts)),
            // One task's samples are no reason to see nobody.
            Err(error) => tracing::error!("samples of {name} cannot be used: {}", error.without_labels()),
        }
    }
    Ok(())
}

impl<B: NetworkBackend> Workshop<B> {
    /// Takes over what the last run left.
    pub(crate) fn open(config: &EngineConfig, found: Found<B>, on_network: OnNetwork<B>) -> Result<Self, TaskError> {
        let Found { model: base, mut state, samples, network, device, judging } = found;
        let queue = QueueFile::new(state.dir());
        let mut board = Board {
            shipped: base.manifest().columns.clone(),
            taught: state.manifest().columns.clone(),
            knows_people: base.manifest().encoder.cohort.is_some(),
            ..Board::default()
        };
        // Who only reads leaves the trainings to the process that writes.
        let taken_over = if state.writable() {
            take_over(&state, &samples, &queue, &mut board, config.retain_samples)
        } else {
            count_samples(&samples, &mut board)
        };
        // What is taught already answers all the same.
        if let Err(error) = taken_over {
            state.set_read_only(error.without_labels());
        }
        // Trainings wait for a start in which something can be taught.
        board.held = state.require_teachable().is_err();
        let exchange = Exchange::new(&config.exchange(), state.dir());
        let cohort = base.load_cohort(&device)?;
        let served = ServedModel { base, state, samples, queue, network, cohort, device, on_network, answers: None };
        let workshop = Self {
            served: Mutex::new(served),
            importing: Mutex::new(()),
            judging,
            board: Mutex::new(board),
            wake: Condvar::new(),
            bell: bounded(1),
            exchange,
            limits: Limits { queue: config.training.queue, epochs: config.training.epochs },
            training: TrainingLimits {
                threads: config.training_threads,
                time_budget_s: config.training.time_budget_s,
                retain_samples: config.retain_samples,
                strangers_named: config.training.strangers_named,
                nice: config.training.nice,
            },
        };
        workshop.tell();
        Ok(workshop)
    }

    pub(crate) fn served(&self) -> MutexGuard<'_, ServedModel<B>> {
        lock(&self.served)
    }

    /// [`Self::served`], where nobody has it.
    pub(crate) fn served_if_free(&self) -> Option<MutexGuard<'_, ServedModel<B>>> {
        match self.served.try_lock() {
            Ok(served) => Some(served),
            Err(TryLockError::Poisoned(served)) => Some(served.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Samples have come that can be read before their task is taught.
    pub(crate) fn read_ahead(&self, name: &TaskName) {
        let mut board = self.board();
        if !board.unread.contains(name) {
            board.unread.push_back(name.clone());
        }
        drop(board);
        self.wake.notify_all();
    }

    /// Whether the teaching thread has more to do than to read samples.
    pub(crate) fn is_wanted_elsewhere(&self) -> bool {
        let board = self.board();
        board.stopping || (!board.waiting.is_empty() && !board.held) || board.fresh.are_waiting()
    }

    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        lock(&self.board)
    }

    /// Lets the network go first: between two steps of a training the cores are its own while it judges.
    pub(crate) fn yield_to_network(&self) {
        let since = Instant::now();
        while self.judging.load(Ordering::Relaxed) && since.elapsed() < MOST_YIELDED {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Tells who listens that there is something new; one ring stands for many.
    pub(crate) fn tell(&self) {
        self.bell.0.try_send(()).ok();
    }

    /// Brings the board's columns and sample counts up to what is on disk, and remembers the queue.
    pub(crate) fn settle(
        &self,
        served: &ServedModel<B>,
        board: &mut Board,
        names: &[TaskName],
    ) -> Result<(), TaskError> {
        board.taught.clone_from(&served.state.manifest().columns);
        for name in names {
            let counts = served.samples.counts(name)?;
            if counts.is_empty() {
                board.kept.remove(name);
                board.fresh.forget(name);
            } else {
                board.kept.insert(name.clone(), counts);
            }
        }
        Ok(served.queue.write(board.jobs().cloned().collect())?)
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

//! What each request of the handle does.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use network::{FaceCrop, Label, NetworkBackend, TaskName};

use crate::model::sample_list::StoredCrop;
use crate::model::state::CannotTeach;
use crate::model::store_error::list;
use crate::sync::lock;
use crate::teaching::board::{Job, Note, counts_of};
use crate::teaching::served_model::drop_unused;
use crate::teaching::tasks::{
    AddTask, Exported, Imported, LabelledFace, Promise, RemoveTask, Removed, Stored, TaskError, TaskState, TaskStatus,
    TaskTicket,
};
use crate::teaching::transfer::Parcel;
use crate::teaching::workshop::Workshop;

/// How long a request that holds the model is waited for when the program ends.
const FORGIVE_WITHIN: Duration = Duration::from_millis(300);

/// What [`crate::Tasks`] asks for, with faces where its callers give pictures. A trait, so that the handle names no backend.
pub(crate) trait Requests: Send + Sync {
    fn tasks(&self) -> Vec<TaskStatus>;
    fn cannot_teach(&self) -> Option<CannotTeach>;
    fn changes(&self) -> Receiver<()>;
    fn add_task(&self, request: &AddTask<LabelledFace>) -> Result<TaskTicket, TaskError>;
    fn add_samples(&self, name: &TaskName, samples: &[LabelledFace]) -> Result<Stored, TaskError>;
    /// Crops that a capture has just taken: they are read while it runs.
    fn read_fresh(&self, name: &TaskName, crops: &[FaceCrop]);
    /// The capture of these crops has failed.
    fn drop_fresh(&self, name: &TaskName, crops: &[FaceCrop]);
    /// Crops without a file that were read.
    #[cfg(test)]
    fn fresh_readings(&self) -> usize;
    fn remove_task(&self, request: &RemoveTask) -> Result<Removed, TaskError>;
    fn cancel_training(&self, name: Option<&TaskName>) -> Result<TaskName, TaskError>;
    fn export_task(&self, name: &TaskName, directory: &Path, with_samples: bool) -> Result<Exported, TaskError>;
    fn import_task(&self, directory: &Path, name: Option<&TaskName>) -> Result<Imported, TaskError>;
    fn forget_samples(&self, name: &TaskName, label: Option<&Label>) -> Result<u32, TaskError>;
    fn crops(&self, name: &TaskName) -> Result<Vec<StoredCrop>, TaskError>;
    fn crop(&self, name: &TaskName, id: &str) -> Result<FaceCrop, TaskError>;
    fn discard(&self, name: &TaskName, id: &str) -> Result<(), TaskError>;
    fn stop(&self);
}

impl<B: NetworkBackend> Requests for Workshop<B> {
    fn tasks(&self) -> Vec<TaskStatus> {
        self.board().statuses()
    }

    fn cannot_teach(&self) -> Option<CannotTeach> {
        self.served().state.cannot_teach()
    }

    fn changes(&self) -> Receiver<()> {
        self.bell.1.clone()
    }

    fn add_task(&self, request: &AddTask<LabelledFace>) -> Result<TaskTicket, TaskError> {
        let served = self.served();
        served.state.require_teachable()?;
        let name = &request.name;
        let stored = served.samples.counts(name)?;
        let spec = {
            let board = self.board();
            if board.stopping {
                return Err(TaskError::ShutDown);
            }
            board.admit(request, &stored, self.limits)?
        };
        // On the disk before anything trains: a crash loses no sample.
        let counts = served.samples.add(name, &request.samples)?;
        let (sender, outcome) = bounded(1);
        let ticket = TaskTicket { id: spec.id(), samples: counts_of(&spec.labels, &counts), outcome };
        {
            let mut board = self.board();
            board.notes.remove(name);
            board.waiting.push_back(Job { spec, message: "waits for its training".to_owned(), outcome: sender });
            if let Err(error) = self.settle(&served, &mut board, std::slice::from_ref(name)) {
                board.waiting.pop_back();
                return Err(error);
            }
        }
        drop(served);
        self.wake.notify_all();
        self.tell();
        Ok(ticket)
    }

    fn add_samples(&self, name: &TaskName, samples: &[LabelledFace]) -> Result<Stored, TaskError> {
        let served = self.served();
        served.state.require_teachable()?;
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
        let counts = served.samples.add(name, samples)?;
        {
            let mut board = self.board();
            board.kept.insert(name.clone(), counts.clone());
            let crops: Vec<FaceCrop> = samples.iter().map(|sample| sample.face.clone()).collect();
            board.fresh.stored(name, &crops);
        }
        drop(served);
        self.read_ahead(name);
        self.tell();
        Ok(Stored { counts })
    }

    fn read_fresh(&self, name: &TaskName, crops: &[FaceCrop]) {
        if crops.is_empty() {
            return;
        }
        self.board().fresh.add(name, crops);
        self.wake.notify_all();
    }

    fn drop_fresh(&self, name: &TaskName, crops: &[FaceCrop]) {
        self.board().fresh.drop_crops(name, crops);
    }

    #[cfg(test)]
    fn fresh_readings(&self) -> usize {
        self.board().fresh.read()
    }

    fn remove_task(&self, request: &RemoveTask) -> Result<Removed, TaskError> {
        if request.cascade && request.keep_as_source {
            return Err(TaskError::Contradiction("cascade", "keep_as_source"));
        }
        let name = &request.name;
        let mut served = self.served();
        served.state.require_writable()?;
        let mut gone = self.board().removable(request)?;
        let mut plan = served.plan();
        if request.keep_as_source {
            for planned in plan.iter_mut().filter(|planned| planned.record.name == *name) {
                planned.record.silent = true;
            }
        } else {
            plan.retain(|planned| !gone.contains(&planned.record.name));
            gone.extend(drop_unused(&mut plan));
        }
        let changed: BTreeSet<TaskName> = gone.iter().cloned().collect();
        // A crash from here on leaves tasks with their samples, or neither.
        let to_forget = if request.keep_samples { &[][..] } else { &gone[..] };
        let aside = to_forget.iter().try_for_each(|name| served.samples.remove(name)).map_err(TaskError::from);
        let promise: Promise = match aside.and_then(|()| served.change(plan, &changed)) {
            Ok(promise) => promise,
            Err(error) => {
                to_forget.iter().try_for_each(|name| served.samples.keep_removed(name))?;
                return Err(error);
            }
        };
        // The columns are gone whatever becomes of the samples: the list says so before an error does.
        let forgotten = to_forget.iter().try_for_each(|name| served.samples.erase_removed(name));
        {
            let mut board = self.board();
            for name in &gone {
                board.notes.remove(name);
            }
            self.settle(&served, &mut board, &gone)?;
        }
        drop(served);
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
        let served = self.served();
        let record = {
            let board = self.board();
            match board.taught(name) {
                Some(record) => record.clone(),
                None if board.is_shipped(name) => return Err(TaskError::Shipped(name.clone())),
                None => return Err(board.unknown_task(name)),
            }
        };
        served.export(&record, &self.exchange.place(directory)?, with_samples)
    }

    fn import_task(&self, directory: &Path, name: Option<&TaskName>) -> Result<Imported, TaskError> {
        let directory = &self.exchange.place(directory)?;
        let limit = {
            let served = self.served();
            served.state.require_teachable()?;
            served.samples.limit()
        };
        let _alone = lock(&self.importing);
        let mut parcel = Parcel::read(directory, self.training.retain_samples, limit)?;
        let mut served = self.served();
        served.address(&mut parcel, name)?;
        let name = parcel.record.name.clone();
        {
            let board = self.board();
            if board.in_training(&name) {
                return Err(TaskError::InTraining(name));
            }
            if board.column(&name).is_some() {
                return Err(TaskError::NameInUse(name));
            }
        }
        let imported = served.import(parcel)?;
        {
            let mut board = self.board();
            let message = format!("imported from {}", directory.display());
            board.notes.insert(name.clone(), Note { state: TaskState::Ready, message, epochs: 0, spec: None });
            self.settle(&served, &mut board, &[name])?;
        }
        drop(served);
        self.tell();
        Ok(imported)
    }

    fn forget_samples(&self, name: &TaskName, label: Option<&Label>) -> Result<u32, TaskError> {
        let served = self.served();
        served.state.require_writable()?;
        let (stored, broken) = match served.samples.counts(name) {
            Ok(stored) => (stored, false),
            // All of them can be erased, whatever their list of labels says.
            Err(_) if label.is_none() => (Vec::new(), true),
            Err(error) => return Err(error.into()),
        };
        {
            let board = self.board();
            if board.in_training(name) {
                return Err(TaskError::InTraining(name.clone()));
            }
            if stored.is_empty() && !broken && !board.names().contains(name) {
                return Err(board.unknown_task(name));
            }
        }
        if let Some(label) = label.filter(|label| !stored.iter().any(|(other, _)| other == *label)) {
            let labels = list(stored.iter().map(|(label, _)| label));
            return Err(TaskError::NoSamples { label: label.clone(), labels });
        }
        let erased = served.samples.forget(name, label)?;
        self.board().fresh.forget(name);
        self.settle(&served, &mut self.board(), std::slice::from_ref(name))?;
        drop(served);
        self.tell();
        Ok(erased)
    }

    fn crops(&self, name: &TaskName) -> Result<Vec<StoredCrop>, TaskError> {
        Ok(self.served().samples.crops(name)?)
    }

    fn crop(&self, name: &TaskName, id: &str) -> Result<FaceCrop, TaskError> {
        let found = self.served().samples.crop(name, id)?;
        found.ok_or_else(|| TaskError::NoCrop { name: name.clone(), id: id.to_owned() })
    }

    fn discard(&self, name: &TaskName, id: &str) -> Result<(), TaskError> {
        let served = self.served();
        served.state.require_writable()?;
        if self.board().in_training(name) {
            return Err(TaskError::InTraining(name.clone()));
        }
        let crop = served.samples.crop(name, id).ok().flatten();
        if !served.samples.discard(name, id)? {
            return Err(TaskError::NoCrop { name: name.clone(), id: id.to_owned() });
        }
        self.board().fresh.drop_crops(name, &Vec::from_iter(crop));
        self.settle(&served, &mut self.board(), std::slice::from_ref(name))?;
        drop(served);
        self.tell();
        Ok(())
    }

    fn stop(&self) {
        let mut board = self.board();
        if std::mem::replace(&mut board.stopping, true) {
            return;
        }
        for job in &board.waiting {
            // Nobody may be waiting.
            job.outcome.try_send(Err(TaskError::ShutDown)).ok();
        }
        drop(board);
        self.wake.notify_all();
        self.record_forgiven_attempt();
    }
}

impl<B: NetworkBackend> Workshop<B> {
    /// A training that is ended in good order was no attempt. On a busy machine the process may end before the training's thread
    /// can say so.
    fn record_forgiven_attempt(&self) {
        let deadline = Instant::now() + FORGIVE_WITHIN;
        let served = loop {
            match self.served_if_free() {
                Some(served) => break served,
                None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
                None => return,
            }
        };
        let mut board = self.board();
        // One that is being stored will be done.
        let Some(running) = board.running.as_mut().filter(|running| !running.storing) else { return };
        running.forgive_attempt();
        if let Err(error) = served.queue.write(board.jobs().cloned().collect()) {
            tracing::warn!("a restart will count the running training as one that took the node down: {error}");
        }
    }

    /// Ends a training that waits.
    fn cancel_waiting(&self, name: Option<&TaskName>) -> Result<TaskName, TaskError> {
        let served = self.served();
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
            served.samples.forget(&name, None)?;
        }
        let note = Note {
            state: TaskState::Cancelled,
            message: "cancelled before it began".to_owned(),
            epochs: 0,
            spec: Some(job.spec),
        };
        board.notes.insert(name.clone(), note);
        self.settle(&served, &mut board, std::slice::from_ref(&name))?;
        // Nobody may be waiting.
        job.outcome.try_send(Err(TaskError::Cancelled(name.clone()))).ok();
        Ok(name)
    }
}

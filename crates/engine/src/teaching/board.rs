//! What is known of every task at this moment: columns in service, trainings that run or wait, what happened last.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::Sender;
use network::{Label, TaskName};

use crate::TaskKind;
use crate::model::manifest::ColumnRecord;
use crate::model::samples::SampleCounts;
use crate::model::store_error::list;
use crate::teaching::fresh_crops::FreshCrops;
use crate::teaching::queue::JobSpec;
use crate::teaching::tasks::{RemoveTask, TaskError, TaskState, TaskStatus, TrainingOutcome};

/// A training that waits.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) spec: JobSpec,
    pub(crate) message: String,
    pub(crate) outcome: Sender<Result<TrainingOutcome, TaskError>>,
}

/// The training that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) spec: JobSpec,
    pub(crate) message: String,
    pub(crate) cancel: Arc<AtomicBool>,
    pub(crate) progress: Option<learning::Progress>,
    /// Trained, and past the point where it could be cancelled.
    pub(crate) storing: bool,
    /// Ended in good order: that was no attempt.
    pub(crate) forgiven: bool,
}

impl Running {
    /// Takes the attempt back, once.
    pub(crate) fn forgive_attempt(&mut self) {
        if !std::mem::replace(&mut self.forgiven, true) {
            self.spec.attempts = self.spec.attempts.saturating_sub(1);
        }
    }
}

/// What happened last to a task.
#[derive(Debug)]
pub(crate) struct Note {
    pub(crate) state: TaskState,
    pub(crate) message: String,
    /// Epochs that its last training took in this run.
    pub(crate) epochs: u32,
    /// What was to be trained; the only trace of a task that has no column.
    pub(crate) spec: Option<JobSpec>,
}

impl Note {
    /// How a training ended.
    pub(crate) fn of(spec: JobSpec, result: &Result<TrainingOutcome, TaskError>) -> Self {
        match result {
            Ok(outcome) => Self {
                state: TaskState::Ready,
                message: format!(
                    "trained in {:.1} s{} with {} samples; {}",
                    outcome.training_seconds,
                    over(outcome.epochs),
                    outcome.samples.iter().sum::<u32>(),
                    outcome.accuracy.in_words(),
                ),
                epochs: outcome.epochs,
                spec: None,
            },
            Err(error) => {
                let cancelled = matches!(error, TaskError::Cancelled(_));
                let state = if cancelled { TaskState::Cancelled } else { TaskState::Failed };
                Self { state, message: error.to_string(), epochs: 0, spec: Some(spec) }
            }
        }
    }
}

/// ` over N epochs`; nothing for a head in closed form.
fn over(epochs: u32) -> String {
    if epochs == 0 { String::new() } else { format!(" over {epochs} epochs") }
}

/// The registry of tasks. Everything here is in memory and quick; the disk has its own lock.
#[derive(Debug, Default)]
pub(crate) struct Board {
    pub(crate) shipped: Vec<ColumnRecord>,
    pub(crate) taught: Vec<ColumnRecord>,
    /// Whether the model has a face descriptor and a cohort of strangers.
    pub(crate) knows_people: bool,
    pub(crate) waiting: VecDeque<Job>,
    /// Tasks with samples that may not have been read yet.
    pub(crate) unread: VecDeque<TaskName>,
    /// Crops of captures that run.
    pub(crate) fresh: FreshCrops,
    pub(crate) running: Option<Running>,
    pub(crate) notes: BTreeMap<TaskName, Note>,
    pub(crate) kept: BTreeMap<TaskName, SampleCounts>,
    pub(crate) stopping: bool,
    /// No training begins.
    pub(crate) held: bool,
}

impl Board {
    pub(crate) fn column(&self, name: &TaskName) -> Option<&ColumnRecord> {
        self.shipped.iter().chain(&self.taught).find(|record| record.name == *name)
    }

    pub(crate) fn is_shipped(&self, name: &TaskName) -> bool {
        self.shipped.iter().any(|record| record.name == *name)
    }

    pub(crate) fn taught(&self, name: &TaskName) -> Option<&ColumnRecord> {
        self.taught.iter().find(|record| record.name == *name)
    }

    /// The running training and those that wait, in their order.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = &JobSpec> {
        self.running.iter().map(|running| &running.spec).chain(self.waiting.iter().map(|job| &job.spec))
    }

    pub(crate) fn in_training(&self, name: &TaskName) -> bool {
        self.jobs().any(|spec| spec.name == *name)
    }

    /// Columns and trainings that draw from a column.
    pub(crate) fn drawing_from(&self, name: &TaskName) -> Vec<TaskName> {
        let columns = self.taught.iter().filter(|record| record.draws_from(name)).map(|record| record.name.clone());
        let mut found: Vec<TaskName> = columns.collect();
        for spec in self.jobs().filter(|spec| spec.sources.contains(name)) {
            if !found.contains(&spec.name) {
                found.push(spec.name.clone());
            }
        }
        found
    }

    /// Names that a removal would take away or make silent, the one asked for first.
    pub(crate) fn removable(&self, request: &RemoveTask) -> Result<Vec<TaskName>, TaskError> {
        let name = &request.name;
        if self.is_shipped(name) {
            return Err(TaskError::Shipped(name.clone()));
        }
        if self.in_training(name) {
            return Err(TaskError::InTraining(name.clone()));
        }
        if self.taught(name).is_none() && !self.notes.contains_key(name) {
            return Err(self.unknown_task(name));
        }
        let mut gone = vec![name.clone()];
        if request.keep_as_source {
            return Ok(gone);
        }
        let mut looked_at = 0;
        while looked_at < gone.len() {
            let by = self.drawing_from(&gone[looked_at]);
            if !by.is_empty() && !request.cascade {
                return Err(TaskError::DrawnFrom { name: name.clone(), by: list(by) });
            }
            for dependent in by {
                if self.in_training(&dependent) {
                    return Err(TaskError::InTraining(dependent));
                }
                if !gone.contains(&dependent) {
                    gone.push(dependent);
                }
            }
            looked_at += 1;
        }
        Ok(gone)
    }

    /// Names that a request may mean.
    pub(crate) fn names(&self) -> Vec<TaskName> {
        self.statuses().into_iter().map(|status| status.name).collect()
    }

    /// Asks the running training to end.
    pub(crate) fn cancel_running(&self) -> Result<TaskName, TaskError> {
        let Some(running) = &self.running else { return Err(TaskError::NothingToCancel) };
        if running.storing {
            return Err(TaskError::TooLate(running.spec.name.clone()));
        }
        running.cancel.store(true, Ordering::Relaxed);
        Ok(running.spec.name.clone())
    }

    /// Every task: shipped ones, taught ones, then those that have no column yet, be it that they have samples alone.
    pub(crate) fn statuses(&self) -> Vec<TaskStatus> {
        let shipped = self.shipped.iter().map(|record| self.status(Some(record), &record.name, true));
        let taught = self.taught.iter().map(|record| self.status(Some(record), &record.name, false));
        let mut all: Vec<TaskStatus> = shipped.chain(taught).collect();
        let noted = self.notes.iter().filter(|(_, note)| note.spec.is_some()).map(|(name, _)| name);
        let sampled = self.kept.iter().filter(|(_, counts)| !counts.is_empty()).map(|(name, _)| name);
        for name in self.jobs().map(|spec| &spec.name).chain(noted).chain(sampled) {
            if !all.iter().any(|status| status.name == *name) {
                all.push(self.status(None, name, false));
            }
        }
        all
    }

    fn status(&self, record: Option<&ColumnRecord>, name: &TaskName, shipped: bool) -> TaskStatus {
        let running = self.running.as_ref().filter(|running| running.spec.name == *name);
        let waiting = self.waiting.iter().position(|job| job.spec.name == *name);
        let note = self.notes.get(name);
        let spec = running
            .map(|running| &running.spec)
            .or_else(|| waiting.map(|position| &self.waiting[position].spec))
            .or_else(|| note.and_then(|note| note.spec.as_ref()));
        let (state, message) = match (running, waiting) {
            (Some(running), _) => (TaskState::Training, running.message.clone()),
            (_, Some(position)) => {
                (TaskState::Queued, format!("{}; {position} before it", self.waiting[position].message))
            }
            _ => match note {
                Some(note) => (note.state, note.message.clone()),
                None => match record {
                    Some(record) => (TaskState::Ready, standing(record, shipped)),
                    None => (
                        TaskState::Untaught,
                        "samples, not taught yet: add_task teaches, forget_samples erases".to_owned(),
                    ),
                },
            },
        };
        let progress = running.and_then(|running| running.progress.as_ref());
        let accuracy = record.and_then(|record| record.metrics.as_ref());
        let labels = match (record, spec) {
            (Some(record), _) => record.labels.clone(),
            (None, Some(spec)) => spec.labels.clone(),
            (None, None) => self.kept.get(name).into_iter().flatten().map(|(label, _)| label.clone()).collect(),
        };
        TaskStatus {
            name: name.clone(),
            kind: match (record, spec) {
                (Some(record), _) => record.kind(),
                (None, Some(spec)) => spec.kind,
                (None, None) => TaskKind::General,
            },
            sources: match (record, spec) {
                (Some(record), _) => record.source_names(),
                (None, Some(spec)) => spec.sources.clone(),
                (None, None) => Vec::new(),
            },
            transferable: record
                .map_or_else(|| spec.is_some_and(|spec| spec.transferable), |record| record.transferable),
            shipped,
            state,
            progress: match state {
                TaskState::Ready => 1.0,
                TaskState::Training => progress.map_or(0.0, share_done),
                _ => 0.0,
            },
            epoch: progress.map_or_else(|| note.map_or(0, |note| note.epochs), |progress| progress.epoch),
            epochs: spec.map_or_else(|| note.map_or(0, |note| note.epochs), |spec| spec.epochs),
            loss: progress.map_or(0.0, |progress| progress.loss),
            eta: progress.map_or(0.0, |progress| progress.eta_s),
            accuracy: accuracy.map_or(0.0, |accuracy| accuracy.value),
            accuracy_low: accuracy.map_or(0.0, |accuracy| accuracy.low),
            accuracy_high: accuracy.map_or(0.0, |accuracy| accuracy.high),
            held_back: accuracy.map_or(0, |accuracy| accuracy.held_back),
            samples: self.sample_counts(name, &labels, record),
            kept: self.kept.get(name).cloned().unwrap_or_default(),
            has_column: record.is_some(),
            silent: record.is_some_and(|record| record.silent),
            labels,
            version: record.map_or_else(|| spec.map_or(0, |spec| spec.version), |record| record.version),
            training_seconds: record.map_or(0.0, |record| record.training_seconds),
            digest: record.map_or_else(String::new, |record| record.sha256.clone()),
            message,
        }
    }

    /// Kept samples per label, or those that the column was trained with when none are kept.
    fn sample_counts(&self, name: &TaskName, labels: &[Label], record: Option<&ColumnRecord>) -> Vec<u32> {
        let kept = self.kept.get(name).map_or(&[] as &[_], Vec::as_slice);
        let counts = counts_of(labels, kept);
        match record {
            Some(record) if counts.iter().all(|count| *count == 0) => record.samples.clone(),
            _ => counts,
        }
    }
}

/// One count per label, in the labels' order.
pub(crate) fn counts_of(labels: &[Label], counts: &[(Label, u32)]) -> Vec<u32> {
    labels.iter().map(|label| counts.iter().find(|(other, _)| other == label).map_or(0, |(_, count)| *count)).collect()
}

/// What a column is when nothing has happened to it in this run.
fn standing(record: &ColumnRecord, shipped: bool) -> String {
    match (&record.replaced_by, record.silent, shipped) {
        (Some(newer), _, _) => format!("older version of {newer}, kept silently because others draw from it"),
        (_, true, _) => "kept as a silent source: it does not answer".to_owned(),
        (_, _, true) => "shipped with the model".to_owned(),
        _ => format!("taught, version {}", record.version),
    }
}

fn share_done(progress: &learning::Progress) -> f32 {
    let steps = progress.steps.max(1) as f32;
    let epochs = progress.epochs.max(1) as f32;
    ((progress.epoch as f32 + progress.step as f32 / steps) / epochs).clamp(0.0, 1.0)
}

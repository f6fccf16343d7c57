//! Tasks as their users see them: what can be asked, and what is told. Field by field as in `msg/` and `srv/`.

use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use learning::Accuracy;
use network::{Label, TaskName};

use crate::TaskKind;

pub use crate::model::samples::LabelledFace;
use crate::model::samples::SampleCounts;
use crate::teaching::crops::Sample;
pub use crate::teaching::task_error::TaskError;

/// What a task is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum TaskState {
    /// Answers.
    Ready = 0,
    /// Waits for another training to end.
    Queued = 1,
    /// Trains now; answers with its older column if it had one.
    Training = 2,
    /// The last training failed; the message says why.
    Failed = 3,
    /// The last training was cancelled.
    Cancelled = 4,
    /// Has samples and no column: captured, but not taught yet.
    Untaught = 5,
}

/// One task and its column, as in `Task.msg`.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskStatus {
    /// The task.
    pub name: TaskName,
    /// What it tells apart.
    pub kind: TaskKind,
    /// Labels, in the order of the column's outputs.
    pub labels: Vec<Label>,
    /// Tasks whose columns feed this one.
    pub sources: Vec<TaskName>,
    /// May serve as a source of later tasks.
    pub transferable: bool,
    /// Part of the model that ships.
    pub shipped: bool,
    /// What it is doing.
    pub state: TaskState,
    /// Share of the training that is done, [0, 1]; 1 when ready.
    pub progress: f32,
    /// Epochs done.
    pub epoch: u32,
    /// Epochs planned at most.
    pub epochs: u32,
    /// Mean training loss of the last epoch, 0 before the first.
    pub loss: f32,
    /// Estimated seconds to the end of the training; 0 when not training.
    pub eta: f32,
    /// On held-back samples, [0, 1]; 0 where `held_back` is 0: nothing was measured.
    pub accuracy: f32,
    /// 95 % Wilson interval, lower bound.
    pub accuracy_low: f32,
    /// 95 % Wilson interval, upper bound.
    pub accuracy_high: f32,
    /// Held-back samples behind the accuracy.
    pub held_back: u32,
    /// Kept samples, or those used when none are kept; one count per label.
    pub samples: Vec<u32>,
    /// Kept samples of all labels, also of those that the column does not know yet; none after they were forgotten.
    pub kept: SampleCounts,
    /// A column answers, or is drawn from; a first training that has not ended well leaves none.
    pub has_column: bool,
    /// The column is a source of others and does not answer.
    pub silent: bool,
    /// Starts at 1, grows at each training.
    pub version: u32,
    /// Time that the last training took, in seconds.
    pub training_seconds: f32,
    /// SHA-256 of the column's weights, hexadecimal; empty before the first training.
    pub digest: String,
    /// What happened last, in words.
    pub message: String,
}

/// Teaches a new task, or retrains a taught one. `S` is what its samples are: pictures and crops as they were sent, or the
/// faces found in them.
#[derive(Debug, Clone)]
pub struct AddTask<S = Sample> {
    /// Not in use unless `retrain`.
    pub name: TaskName,
    /// What it tells apart; with `retrain`, what it told apart before.
    pub kind: TaskKind,
    /// At least two (one person is enough for an identity task), distinct; the order of the column's outputs. Empty with `retrain`:
    /// as they were. For an identity task with `retrain`: the people who are learned anew or added; all others stay as they are.
    pub labels: Vec<Label>,
    /// Samples of this request; may be empty when some are stored under this name.
    pub samples: Vec<S>,
    /// Tasks to draw from; empty: every transferable one, with `retrain` those it drew from.
    pub sources: Vec<TaskName>,
    /// No lateral connections at all (for identities).
    pub no_sources: bool,
    /// Later tasks may draw from this one.
    pub transferable: bool,
    /// The task exists: add the samples, train its column anew.
    pub retrain: bool,
    /// Epochs at most; 0: as configured.
    pub epochs: u32,
}

impl<S> AddTask<S> {
    /// The same request, with what `found` makes of its samples.
    pub(crate) fn try_with_samples<T, E>(
        self,
        found: impl FnOnce(Vec<S>) -> Result<Vec<T>, E>,
    ) -> Result<AddTask<T>, E> {
        let Self { name, kind, labels, samples, sources, no_sources, transferable, retrain, epochs } = self;
        let samples = found(samples)?;
        Ok(AddTask { name, kind, labels, samples, sources, no_sources, transferable, retrain, epochs })
    }
}

/// An accepted training.
#[derive(Debug)]
pub struct TaskTicket {
    /// `name@version` of the column that will answer.
    pub id: String,
    /// Samples that it trains with, one count per label.
    pub samples: Vec<u32>,
    pub(crate) outcome: Receiver<Result<TrainingOutcome, TaskError>>,
}

impl TaskTicket {
    /// Waits until the training has ended.
    ///
    /// # Errors
    /// When it failed, was cancelled, or the program shuts down.
    pub fn wait(&self) -> Result<TrainingOutcome, TaskError> {
        self.outcome.recv().unwrap_or(Err(TaskError::ShutDown))
    }

    /// The same for so long; none while the training goes on.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn wait_for(&self, time: Duration) -> Option<Result<TrainingOutcome, TaskError>> {
        match self.outcome.recv_timeout(time) {
            Ok(outcome) => Some(outcome),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(TaskError::ShutDown)),
        }
    }
}

/// That a change altered no other column's answers, bit for bit, on the probe batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// Always true: a change that would break it is not made.
    pub kept: bool,
    /// SHA-256 over names and answers of the columns that were there before and stay, hexadecimal.
    pub digest: String,
    /// Those columns.
    pub columns: Vec<TaskName>,
}

/// A training that ended well.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingOutcome {
    /// `name@version` of the column that answers now.
    pub task_id: String,
    /// On held-back samples.
    pub accuracy: Accuracy,
    /// Time that the training took, in seconds.
    pub training_seconds: f32,
    /// Epochs that it took.
    pub epochs: u32,
    /// Samples used, one count per label.
    pub samples: Vec<u32>,
    /// What became of the other columns.
    pub promise: Promise,
}

/// Removes a taught task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveTask {
    /// The task.
    pub name: TaskName,
    /// Also remove the tasks that draw from it.
    pub cascade: bool,
    /// Stop answering, but keep the column as a silent source.
    pub keep_as_source: bool,
    /// Leave its stored samples.
    pub keep_samples: bool,
}

/// What a removal did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Names of what was removed, or made silent.
    pub names: Vec<TaskName>,
    /// What became of the other columns.
    pub promise: Promise,
}

/// What is stored under a task's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Labels that have samples now, with their counts.
    pub counts: SampleCounts,
}

/// What an export wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Where it is.
    pub directory: PathBuf,
    /// The files.
    pub files: Vec<PathBuf>,
}

/// What an import brought in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// `name@version` of the column that answers now.
    pub task_id: String,
    /// What became of the other columns.
    pub promise: Promise,
}

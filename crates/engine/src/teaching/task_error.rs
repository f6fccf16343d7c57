//! Why a request about tasks was refused or a training did not end well. Every message says what to do.

use std::path::{Path, PathBuf};

use network::{Label, NameError, TaskName};

use crate::model::sample_error::SampleError;
use crate::model::store_error::StoreError;
use crate::teaching::crops::CropError;

/// A request about a task was refused, or its training failed. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// A task's name is not `[a-z][a-z0-9_]{0,62}`, or a label is empty, too long, or has control characters.
    #[error(transparent)]
    InvalidName(#[from] NameError),
    /// There is a task of this name.
    #[error("task `{0}` exists already; choose another name, or set `retrain` to add the samples and train it anew")]
    NameInUse(TaskName),
    /// The name is that of a column which others still draw from.
    #[error(
        "`{0}` is kept as a silent source of other tasks; choose another name, or set `retrain` to bring it back with a new column"
    )]
    NameSilent(TaskName),
    /// It has samples alone.
    #[error("`{0}` has samples and was not taught; add_task without `retrain` teaches it, forget_samples erases them")]
    Untaught(TaskName),
    /// There is no such task.
    #[error("there is no task `{name}`; there are: {known}")]
    UnknownTask {
        /// What was asked for.
        name: TaskName,
        /// Names of all tasks.
        known: String,
    },
    /// A task tells at least two labels apart, or recognises at least one person.
    #[error(
        "task `{name}` has {given} labels; give at least {least} (for one state, add a second label such as `other`; for one person, set `kind` to IDENTITY)"
    )]
    TooFewLabels {
        /// The task.
        name: TaskName,
        /// Labels given.
        given: usize,
        /// Labels needed: 2, for people 1.
        least: usize,
    },
    /// The model cannot recognise people.
    #[error(
        "the model has no face descriptor with a cohort of strangers, so it cannot learn the identity task `{0}`; use a model that has them, or leave `kind` at GENERAL"
    )]
    NoDescriptor(TaskName),
    /// A task that tells other things apart.
    #[error("task `{0}` is no identity task and cannot become one; choose another name, or remove it first")]
    OtherKind(TaskName),
    /// The same label twice.
    #[error("label `{0}` is given twice; give each label once")]
    DuplicateLabel(Label),
    /// Labels that nothing shows.
    #[error("no samples of {labels}; add some with add_samples or capture_samples, or in the request")]
    LabelsWithoutSamples {
        /// The labels.
        labels: String,
    },
    /// Nothing is stored under a label.
    #[error("no samples labelled `{label}` are stored; there are samples of: {labels}")]
    NoSamples {
        /// The label.
        label: Label,
        /// Labels that have samples.
        labels: String,
    },
    /// No crop of this id is stored.
    #[error("task `{name}` has no crop `{id}`; it may have been erased already")]
    NoCrop {
        /// The task.
        name: TaskName,
        /// What was asked for.
        id: String,
    },
    /// A sample shows something that the task does not tell apart.
    #[error("a sample is labelled `{label}`, but the task's labels are {labels}; add the label or correct the sample")]
    UnlistedLabel {
        /// The sample's label.
        label: Label,
        /// The task's labels.
        labels: String,
    },
    /// There is no such column to draw from.
    #[error(
        "there is no task `{name}` to draw from; there are: {known}. Leave `sources` empty to draw from every transferable task"
    )]
    UnknownSource {
        /// What was asked for.
        name: TaskName,
        /// Names of the transferable tasks.
        known: String,
    },
    /// The column to draw from is still to be trained.
    #[error(
        "task `{0}` has no trained column to draw from yet; wait until it is ready on `tasks`, or leave it out of `sources`"
    )]
    SourceNotReady(TaskName),
    /// The task may not be drawn from.
    #[error("task `{0}` is not transferable; leave it out of `sources`, or retrain it with `transferable` set")]
    SourceNotTransferable(TaskName),
    /// The same source twice, or the task itself.
    #[error("`{0}` cannot be a source here: it is given twice or is the task itself; correct `sources`")]
    InvalidSource(TaskName),
    /// Two options of a request exclude each other.
    #[error("`{0}` and `{1}` exclude each other; set one of them")]
    Contradiction(&'static str, &'static str),
    /// Enough trainings wait already.
    #[error("{limit} trainings wait already; try again when one has ended, or end one with cancel_training")]
    QueueFull {
        /// How many may wait.
        limit: usize,
    },
    /// The task trains or waits for it.
    #[error(
        "task `{0}` is being trained or waits for it; wait until it is ready on `tasks`, or call cancel_training first"
    )]
    InTraining(TaskName),
    /// The task ships with the model.
    #[error(
        "task `{0}` is part of the shipped model and cannot be changed, removed or exported; teach a task of another name"
    )]
    Shipped(TaskName),
    /// Others need the column.
    #[error(
        "{by} draw(s) from task `{name}`; set `cascade` to remove those too, `keep_as_source` to keep the column as a silent source, \
         or remove them first"
    )]
    DrawnFrom {
        /// The task.
        name: TaskName,
        /// Who draws from it.
        by: String,
    },
    /// Nothing trains and nothing waits.
    #[error("no training runs; `tasks` shows what each task is doing")]
    NothingToCancel,
    /// The training is past the point where it could be cancelled.
    #[error("the training of `{0}` has ended and is being stored; call remove_task if it is not wanted")]
    TooLate(TaskName),
    /// The training was cancelled.
    #[error(
        "the training of `{0}` was cancelled; its samples are kept as configured, an older column stays in service"
    )]
    Cancelled(TaskName),
    /// The training broke off.
    #[error(
        "the training of `{name}` failed: {reason}; the samples are kept as configured: correct the cause and call add_task again"
    )]
    Failed {
        /// The task.
        name: TaskName,
        /// Why.
        reason: String,
    },
    /// A change would have altered the answers of other columns.
    #[error("the change was not made: it would have altered the answers of {columns}; please report this with the log")]
    PromiseBroken {
        /// The columns.
        columns: String,
    },
    /// The probe's answers cannot be read from the device.
    #[error("the columns' answers cannot be compared: {0}; the change was not made, please report this with the log")]
    Probe(String),
    /// A folder to export to or import from is not usable.
    #[error("{}: {reason}", path.display())]
    Directory {
        /// The folder.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// An imported task draws from a column that is not here.
    #[error(
        "the task draws from `{name}` (SHA-256 {sha256}), which is not here; import that task first, or use the model it was taught on"
    )]
    MissingSource {
        /// The source.
        name: TaskName,
        /// Digest of its weights.
        sha256: String,
    },
    /// Samples are stored under the name that an import wants.
    #[error("samples are stored under `{0}` already; erase them with forget_samples, or import under another name")]
    SamplesInTheWay(TaskName),
    /// A picture of the request has no usable face.
    #[error(transparent)]
    Crop(#[from] CropError),
    /// The model on disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The samples on disk.
    #[error(transparent)]
    Samples(#[from] SampleError),
    /// The system gives no thread.
    #[error("cannot start the teaching thread: {0}")]
    Thread(std::io::Error),
    /// The engine ends.
    #[error(
        "the node ends, or lets its model go; a training that waits or runs starts again when the model is loaded again"
    )]
    ShutDown,
}

impl TaskError {
    /// For the log, which names no label.
    pub(crate) fn without_labels(&self) -> String {
        match self {
            Self::Samples(error) => error.without_labels(),
            Self::Store(error) => error.without_labels(),
            _ => "`tasks` says why".to_owned(),
        }
    }

    pub(crate) fn directory(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Directory { path: path.to_path_buf(), reason: reason.to_string() }
    }
}

//! Which requests to train are accepted, and as what. Pure: nothing is written here.

use network::{Label, TaskName};

use crate::TaskKind;
use crate::model::manifest::ColumnRecord;
use crate::model::samples::{LabelledFace, SampleCounts};
use crate::model::store_error::list;
use crate::teaching::board::{Board, counts_of};
use crate::teaching::queue::JobSpec;
use crate::teaching::tasks::{AddTask, TaskError};

/// What a request is measured by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Trainings that may wait behind the running one.
    pub(crate) queue: usize,
    /// Epochs when a request names none.
    pub(crate) epochs: u32,
}

impl Board {
    /// Turns a request into a training, or says what to do instead. `stored` are the samples kept under its name.
    pub(crate) fn admit(
        &self,
        request: &AddTask<LabelledFace>,
        stored: &SampleCounts,
        limits: Limits,
    ) -> Result<JobSpec, TaskError> {
        let name = &request.name;
        if self.is_shipped(name) {
            return Err(if request.retrain {
                TaskError::Shipped(name.clone())
            } else {
                TaskError::NameInUse(name.clone())
            });
        }
        if self.in_training(name) {
            return Err(TaskError::InTraining(name.clone()));
        }
        let old = self.taught(name);
        match old {
            Some(old) if !request.retrain && old.silent => return Err(TaskError::NameSilent(name.clone())),
            Some(_) if !request.retrain => return Err(TaskError::NameInUse(name.clone())),
            // A task whose first training failed or was cancelled may be retrained too.
            None if request.retrain && !self.notes.contains_key(name) => return Err(self.unknown_task(name)),
            _ => {}
        }
        let kind = self.kind_of(request, old)?;
        let labels = self.labels_of(request, old, kind);
        check_labels(name, &labels, request, kind)?;
        let sources = match kind {
            TaskKind::General => self.sources_of(request)?,
            TaskKind::Identity => Vec::new(),
        };
        let learned = learned(request, old, kind);
        let stays = |label: &Label| !learned.is_empty() && !learned.contains(label);
        let missing: Vec<&Label> = labels
            .iter()
            .zip(counts_of(&labels, stored))
            .filter(|(label, _)| !stays(label))
            .filter(|(label, stored)| *stored == 0 && !request.samples.iter().any(|sample| sample.label == **label))
            .map(|(label, _)| label)
            .collect();
        if !missing.is_empty() {
            return Err(TaskError::LabelsWithoutSamples { labels: list(missing) });
        }
        if self.jobs().count() > limits.queue {
            return Err(TaskError::QueueFull { limit: limits.queue });
        }
        Ok(JobSpec {
            name: name.clone(),
            version: old.map_or(1, |old| old.version + 1),
            kind,
            labels,
            learned,
            sources,
            transferable: request.transferable,
            epochs: match (kind, request.epochs) {
                (TaskKind::Identity, _) => 0,
                (TaskKind::General, 0) => limits.epochs,
                (TaskKind::General, epochs) => epochs,
            },
            attempts: 0,
        })
    }

    pub(crate) fn unknown_task(&self, name: &TaskName) -> TaskError {
        if self.column(name).is_none() && self.kept.get(name).is_some_and(|counts| !counts.is_empty()) {
            return TaskError::Untaught(name.clone());
        }
        TaskError::UnknownTask { name: name.clone(), known: list(self.names()) }
    }

    fn kind_of(&self, request: &AddTask<LabelledFace>, old: Option<&ColumnRecord>) -> Result<TaskKind, TaskError> {
        let noted = || self.notes.get(&request.name).and_then(|note| note.spec.as_ref()).map(|spec| spec.kind);
        let before = if request.retrain { old.map(ColumnRecord::kind).or_else(noted) } else { None };
        let kind = match (before, request.kind) {
            (Some(TaskKind::General), TaskKind::Identity) => return Err(TaskError::OtherKind(request.name.clone())),
            (Some(before), _) => before,
            (None, asked) => asked,
        };
        if kind == TaskKind::General {
            return Ok(kind);
        }
        if !self.knows_people {
            return Err(TaskError::NoDescriptor(request.name.clone()));
        }
        if !request.sources.is_empty() {
            return Err(TaskError::Contradiction("kind IDENTITY", "sources"));
        }
        if request.transferable {
            return Err(TaskError::Contradiction("kind IDENTITY", "transferable"));
        }
        if request.epochs > 0 {
            return Err(TaskError::Contradiction("kind IDENTITY", "epochs"));
        }
        Ok(kind)
    }

    fn labels_of(&self, request: &AddTask<LabelledFace>, old: Option<&ColumnRecord>, kind: TaskKind) -> Vec<Label> {
        if let (TaskKind::Identity, true, Some(old)) = (kind, request.retrain, old) {
            let new = request.labels.iter().filter(|label| !old.labels.contains(label));
            return old.labels.iter().chain(new).cloned().collect();
        }
        if !request.labels.is_empty() || !request.retrain {
            return request.labels.clone();
        }
        let noted = || self.notes.get(&request.name).and_then(|note| note.spec.as_ref()).map(|spec| &spec.labels);
        old.map(|old| &old.labels).or_else(noted).cloned().unwrap_or_default()
    }

    /// What a task draws from where nobody says: in the newest version what it drew from, or all that may be drawn from.
    pub(crate) fn default_sources(&self, name: &TaskName) -> Vec<TaskName> {
        match self.taught(name) {
            Some(old) => old.sources.iter().map(|source| self.newest(&source.name, name)).collect(),
            None => self.drawable(name).map(|other| other.name.clone()).collect(),
        }
    }

    /// Columns that a task of this name may draw from.
    fn drawable(&self, name: &TaskName) -> impl Iterator<Item = &ColumnRecord> {
        self.shipped.iter().chain(&self.taught).filter(move |other| other.transferable && other.name != *name)
    }

    fn sources_of(&self, request: &AddTask<LabelledFace>) -> Result<Vec<TaskName>, TaskError> {
        let name = &request.name;
        if request.no_sources {
            return if request.sources.is_empty() {
                Ok(Vec::new())
            } else {
                Err(TaskError::Contradiction("sources", "no_sources"))
            };
        }
        let columns = || self.shipped.iter().chain(&self.taught);
        if request.sources.is_empty() {
            return Ok(self.default_sources(name));
        }
        for (position, source) in request.sources.iter().enumerate() {
            if source == name || request.sources[..position].contains(source) {
                return Err(TaskError::InvalidSource(source.clone()));
            }
            match columns().find(|other| other.name == *source) {
                Some(column) if column.transferable => {}
                Some(_) => return Err(TaskError::SourceNotTransferable(source.clone())),
                None if self.names().contains(source) => return Err(TaskError::SourceNotReady(source.clone())),
                None => {
                    let known = list(self.drawable(name).map(|other| &other.name));
                    return Err(TaskError::UnknownSource { name: source.clone(), known });
                }
            }
        }
        Ok(request.sources.clone())
    }

    /// The task that replaced a silent older version, where there still is one.
    fn newest(&self, source: &TaskName, of: &TaskName) -> TaskName {
        let replaced_by = self.taught(source).and_then(|record| record.replaced_by.as_ref());
        replaced_by.filter(|newer| *newer != of && self.taught(newer).is_some()).unwrap_or(source).clone()
    }
}

/// The people whom an identity task learns, where others stay as they are: those whom the request names or shows.
fn learned(request: &AddTask<LabelledFace>, old: Option<&ColumnRecord>, kind: TaskKind) -> Vec<Label> {
    if old.is_none() || kind == TaskKind::General {
        return Vec::new();
    }
    let mut learned = request.labels.clone();
    for sample in &request.samples {
        if !learned.contains(&sample.label) {
            learned.push(sample.label.clone());
        }
    }
    learned
}

fn check_labels(
    name: &TaskName,
    labels: &[Label],
    request: &AddTask<LabelledFace>,
    kind: TaskKind,
) -> Result<(), TaskError> {
    let least = match kind {
        TaskKind::General => 2,
        TaskKind::Identity => 1,
    };
    if labels.len() < least {
        return Err(TaskError::TooFewLabels { name: name.clone(), given: labels.len(), least });
    }
    let given = if request.labels.is_empty() { labels } else { &request.labels };
    if let Some(twice) = given.iter().enumerate().find(|(position, label)| given[..*position].contains(label)) {
        return Err(TaskError::DuplicateLabel(twice.1.clone()));
    }
    match request.samples.iter().find(|sample| !labels.contains(&sample.label)) {
        Some(sample) => Err(TaskError::UnlistedLabel { label: sample.label.clone(), labels: list(labels) }),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;

//! Random changes of what was taught, and what may be found when one of them was cut off.

use std::collections::BTreeMap;
use std::path::Path;

use network::{Label, TaskName};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use serde::{Deserialize, Serialize};

use super::facts::{ANY, Facts};
use crate::TaskKind;
use crate::model::testing::samples;
use crate::teaching::handle::Tasks;
use crate::teaching::tasks::{AddTask, RemoveTask, TaskError, TaskTicket};
use crate::teaching::transfer::Parcel;
use crate::testing::{label, task};

const NAMES: [&str; 5] = ["gaze", "mood", "nod", "smile", "wink"];
const LABELS: [&str; 2] = ["up", "down"];
/// Small enough to be trained in a moment.
const MOST_SAMPLES: u32 = 12;

/// A call that changes what was taught.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Change {
    /// `add_task`, with so many samples of each label; draws from the tasks that are there, or from none.
    Add { name: String, each: usize, draws: bool },
    /// `add_task` with `retrain`.
    Retrain { name: String, each: usize },
    /// `add_samples`.
    AddSamples { name: String, label: String, count: usize },
    /// `remove_task`.
    Remove { name: String, cascade: bool, keep_as_source: bool, keep_samples: bool },
    /// `forget_samples`.
    Forget { name: String, label: Option<String> },
    /// `export_task`, then `import_task` under another name.
    Copy { name: String, to: String },
}

impl Change {
    /// One that fits what is there. `drawing`: tasks may draw from each other.
    pub(super) fn random(random: &mut StdRng, now: &Facts, drawing: bool) -> Self {
        let known = |name: &str| now.tasks.contains_key(name);
        let free: Vec<&str> = NAMES.into_iter().filter(|name| !known(name)).collect();
        let taught: Vec<&str> = NAMES.into_iter().filter(|name| known(name)).collect();
        loop {
            let a_free = free.iter().choose(random).map(|name| (*name).to_owned());
            let a_taught = taught.iter().choose(random).map(|name| (*name).to_owned());
            let anybody = NAMES.into_iter().choose(random).map(str::to_owned);
            let a_label = LABELS.into_iter().choose(random).map(str::to_owned);
            let stored = |name: &str| now.samples.get(name).map_or(0, |counts| counts.values().sum::<u32>());
            let change = match (random.random_range(0..6), a_free, a_taught, anybody, a_label) {
                (0, Some(name), ..) => Self::Add { name, each: random.random_range(2..4), draws: drawing },
                (1, _, Some(name), ..) => Self::Retrain { name, each: random.random_range(1..3) },
                (2, .., Some(name), Some(label)) if stored(&name) < MOST_SAMPLES => {
                    Self::AddSamples { name, label, count: random.random_range(1..4) }
                }
                (3, _, Some(name), ..) => {
                    let keep_as_source = drawing && random.random_bool(0.3);
                    let cascade = drawing && !keep_as_source;
                    Self::Remove { name, cascade, keep_as_source, keep_samples: random.random_bool(0.3) }
                }
                (4, .., Some(name), label) if stored(&name) > 0 => {
                    let label = label.filter(|label| now.samples[&name].get(label).is_some_and(|count| *count > 0));
                    Self::Forget { name, label: label.filter(|_| random.random_bool(0.5)) }
                }
                (5, Some(to), Some(name), ..) if stored(&to) == 0 => Self::Copy { name, to },
                _ => continue,
            };
            // Retraining needs samples of both labels.
            if let Self::Retrain { name, .. } = &change
                && stored(name) >= MOST_SAMPLES
            {
                continue;
            }
            return change;
        }
    }

    /// Makes the call. `acknowledged` is called when it has answered, which is before a training is over.
    pub(super) fn make(&self, tasks: &Tasks, out: &Path, acknowledged: &mut dyn FnMut()) -> Result<(), TaskError> {
        let mut wait = |ticket: TaskTicket| {
            acknowledged();
            ticket.wait().map(drop)
        };
        match self {
            Self::Add { name, each, draws } => {
                wait(tasks.add(AddTask { no_sources: !draws, ..request(name, *each) })?)?;
            }
            Self::Retrain { name, each } => {
                let request = AddTask { labels: Vec::new(), retrain: true, ..request(name, *each) };
                wait(tasks.add(request)?)?;
            }
            Self::AddSamples { name, label, count } => {
                tasks.add_samples(&task(name), samples(label, *count))?;
                acknowledged();
            }
            Self::Remove { name, cascade, keep_as_source, keep_samples } => {
                let (cascade, keep_as_source, keep_samples) = (*cascade, *keep_as_source, *keep_samples);
                tasks.remove(&RemoveTask { name: task(name), cascade, keep_as_source, keep_samples })?;
                acknowledged();
            }
            Self::Forget { name, label } => {
                let label: Option<Label> = label.as_deref().map(label_of);
                tasks.forget(&task(name), label.as_ref())?;
                acknowledged();
            }
            Self::Copy { name, to } => {
                let (name, to): (TaskName, TaskName) = (task(name), task(to));
                tasks.export(&name, out, true)?;
                tasks.import(out, Some(&to))?;
                acknowledged();
            }
        }
        Ok(())
    }

    /// What is there after it, as far as it can be foretold; of changes of tasks that draw from others it cannot.
    pub(super) fn foretold(&self, before: &Facts) -> Facts {
        let mut after = before.clone();
        let mut add = |name: &str, label: &str, count: usize| {
            *after.samples.entry(name.to_owned()).or_default().entry(label.to_owned()).or_default() += count as u32;
        };
        match self {
            Self::Add { name, each, .. } | Self::Retrain { name, each } => {
                LABELS.iter().for_each(|label| add(name, label, *each));
                let version = before.tasks.get(name).map_or(1, |(version, _)| version + 1);
                after.tasks.insert(name.clone(), (version, ANY.to_owned()));
            }
            Self::AddSamples { name, label, count } => add(name, label, *count),
            Self::Remove { name, keep_samples, .. } => {
                after.tasks.remove(name);
                if !keep_samples {
                    after.samples.remove(name);
                }
            }
            Self::Forget { name, label: None } => drop(after.samples.remove(name)),
            Self::Forget { name, label: Some(label) } => {
                let left = after.samples.get_mut(name).map(|counts| {
                    counts.remove(label);
                    counts.values().sum::<u32>()
                });
                if left == Some(0) {
                    after.samples.remove(name);
                }
            }
            Self::Copy { name, to } => {
                if let Some(column) = before.tasks.get(name) {
                    after.tasks.insert(to.clone(), column.clone());
                }
                if let Some(counts) = before.samples.get(name) {
                    after.samples.insert(to.clone(), counts.clone());
                }
            }
        }
        after
    }

    /// What may be found when it was cut off: all of it, nothing, or a training's samples without its column.
    pub(super) fn allowed(&self, before: &Facts, after: &Facts) -> Vec<Facts> {
        let mut allowed = vec![before.clone(), after.clone()];
        if matches!(self, Self::Add { .. } | Self::Retrain { .. }) {
            allowed.push(Facts { samples: after.samples.clone(), ..before.clone() });
        }
        allowed
    }

    /// Holds the folder of an export that may have been cut off against what was exported: an import takes all of it or
    /// refuses it. `finished`: it must not be refused.
    pub(super) fn check_export(&self, before: &Facts, out: &Path, finished: bool) -> Result<(), String> {
        let Self::Copy { name, .. } = self else { return Ok(()) };
        let parcel = match Parcel::read(out, true, usize::MAX) {
            Ok(parcel) => parcel,
            Err(error) if finished => return Err(format!("exported, and refused: {error}")),
            Err(_) => return Ok(()),
        };
        let found = (parcel.record.version, parcel.record.sha256.clone());
        if before.tasks.get(name) != Some(&found) {
            return Err(format!("another column was exported: {found:?}"));
        }
        let mut samples = BTreeMap::new();
        for sample in &parcel.samples {
            *samples.entry(sample.label.to_string()).or_default() += 1;
        }
        let whole = before.samples.get(name).cloned().unwrap_or_default();
        if samples == whole { Ok(()) } else { Err(format!("exported {samples:?} of {whole:?}")) }
    }

    /// Whether an acknowledged training is there or waits.
    pub(super) fn is_kept(&self, before: &Facts, found: &Facts) -> bool {
        let (Self::Add { name, .. } | Self::Retrain { name, .. }) = self else { return true };
        let version = before.tasks.get(name).map_or(1, |(version, _)| version + 1);
        found.tasks.get(name).is_some_and(|(found, _)| *found == version)
            || found.waiting.contains(&format!("{name}@{version}"))
    }
}

fn label_of(text: &str) -> Label {
    label(text)
}

fn request(name: &str, each: usize) -> AddTask {
    AddTask {
        name: task(name),
        kind: TaskKind::General,
        labels: LABELS.map(label).into(),
        samples: LABELS.into_iter().flat_map(|text| samples(text, each)).collect(),
        sources: Vec::new(),
        no_sources: true,
        transferable: true,
        retrain: false,
        epochs: 0,
    }
}

/// Changes by kind, for a report.
pub(super) fn kinds(changes: &[Change]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for change in changes {
        let kind = match change {
            Change::Add { .. } => "add",
            Change::Retrain { .. } => "retrain",
            Change::AddSamples { .. } => "add samples",
            Change::Remove { .. } => "remove",
            Change::Forget { .. } => "forget",
            Change::Copy { .. } => "export and import",
        };
        *counts.entry(kind).or_default() += 1;
    }
    counts
}

//! The network in service and everything on disk that must change together with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use network::{Cohort, Column, ColumnConfig, ColumnEntry, Label, NetworkBackend, Person, ProgressiveNetwork, TaskName};

use crate::EngineConfig;
use crate::model::heads::NetworkUpdate;
use crate::model::load::heads;
use crate::model::manifest::{ColumnRecord, SourceRecord};
use crate::model::samples::SampleStore;
use crate::model::state::StateStore;
use crate::model::store::ModelStore;
use crate::model::store_error::StoreError;
use crate::teaching::promise::Answers;
use crate::teaching::queue::QueueFile;
use crate::teaching::tasks::{Promise, TaskError};

/// Called with every network that shall be put into service, between two batches.
pub(crate) type OnNetwork<B> = Box<dyn Fn(NetworkUpdate<B>) + Send>;

/// What the last run left, and where it is computed.
pub(crate) struct Found<B: NetworkBackend> {
    pub(crate) model: ModelStore,
    pub(crate) state: StateStore,
    pub(crate) samples: SampleStore,
    /// The model with the taught columns.
    pub(crate) network: ProgressiveNetwork<B>,
    pub(crate) device: B::Device,
    /// Set while the network judges faces.
    pub(crate) judging: Arc<AtomicBool>,
}

/// The samples of a state folder. Where they cannot be opened nothing is taught there.
pub(crate) fn open_samples(config: &EngineConfig, state: &mut StateStore) -> SampleStore {
    let dir = state.dir().to_path_buf();
    let store = || SampleStore::new(&dir, config.max_samples_per_label).with_total(config.max_samples);
    store().with_key(config.samples_key_file.as_deref()).unwrap_or_else(|reason| {
        state.set_no_key(reason);
        store()
    })
}

/// Behind one lock: whoever holds it may change the model.
pub(crate) struct ServedModel<B: NetworkBackend> {
    pub(crate) base: ModelStore,
    pub(crate) state: StateStore,
    pub(crate) samples: SampleStore,
    pub(crate) queue: QueueFile,
    pub(crate) network: ProgressiveNetwork<B>,
    /// The model's strangers.
    pub(crate) cohort: Option<Cohort<B>>,
    pub(crate) device: B::Device,
    pub(crate) on_network: OnNetwork<B>,
    /// The network's answers on the probe batch, once a change has needed them.
    pub(crate) answers: Option<Answers>,
}

/// A taught column of the next model, and where its weights come from.
pub(crate) struct Planned<B: NetworkBackend> {
    pub(crate) record: ColumnRecord,
    pub(crate) weights: Weights<B>,
}

/// Where a planned column's weights come from.
pub(crate) enum Weights<B: NetworkBackend> {
    /// The column in service under this name.
    InService(TaskName),
    /// A new one.
    New(Box<Column<B>>),
}

impl<B: NetworkBackend> ServedModel<B> {
    /// The taught columns as they are.
    pub(crate) fn plan(&self) -> Vec<Planned<B>> {
        let columns = self.state.manifest().columns.iter();
        columns
            .map(|record| Planned { record: record.clone(), weights: Weights::InService(record.name.clone()) })
            .collect()
    }

    /// Sizes of a taught column: those of the model's columns, so that they can draw from each other, but without blocks,
    /// which a few samples cannot train.
    pub(crate) fn column_config(&self) -> ColumnConfig {
        let model = self.base.manifest();
        let like = match model.columns.first() {
            Some(column) => column.config.clone(),
            None => ColumnConfig { features: model.encoder.config.features(), ..ColumnConfig::new(2, 0) },
        };
        ColumnConfig { own_blocks: false, unit_hidden: false, ..like }
    }

    /// What a taught identity task knows of its people, by label, and from how many samples; nothing where there is no such task.
    ///
    /// # Errors
    /// Its column cannot be read.
    pub(crate) fn people(&self, name: &TaskName) -> Result<BTreeMap<Label, (Person, u32)>, StoreError> {
        let Some(record) = self.state.manifest().columns.iter().find(|record| record.name == *name) else {
            return Ok(BTreeMap::new());
        };
        let column = self.state.load_column::<B>(record, &self.device)?;
        let Some(head) = column.people_head() else { return Ok(BTreeMap::new()) };
        let people = head.people.into_iter().zip(record.samples.iter().copied());
        Ok(record.labels.iter().cloned().zip(people).collect())
    }

    /// Digests of the columns in service with these names.
    pub(crate) fn digests(&self, names: &[TaskName]) -> Vec<Option<String>> {
        let columns = || self.base.manifest().columns.iter().chain(&self.state.manifest().columns);
        let find = |name: &TaskName| columns().find(|column| column.name == *name);
        names.iter().map(|name| find(name).map(|column| column.sha256.clone())).collect()
    }

    /// Puts the digests of the columns in service into a record's sources.
    pub(crate) fn fill_sources(&self, record: &mut ColumnRecord) -> Result<(), TaskError> {
        let columns = || self.base.manifest().columns.iter().chain(&self.state.manifest().columns);
        for source in &mut record.sources {
            let Some(origin) = columns().find(|column| column.name == source.name) else {
                return Err(TaskError::MissingSource { name: source.name.clone(), sha256: source.sha256.clone() });
            };
            source.sha256.clone_from(&origin.sha256);
        }
        Ok(())
    }

    /// Makes a staged column the newest one of its name. Columns that draw from an older version keep that one, silently.
    pub(crate) fn put(&mut self, record: ColumnRecord) -> Result<Promise, TaskError> {
        let column = self.state.load_column::<B>(&record, &self.device)?;
        let mut plan = self.plan();
        let mut changed = BTreeSet::from([record.name.clone()]);
        if let Some(position) = plan.iter().position(|planned| planned.record.name == record.name) {
            if plan.iter().any(|planned| planned.record.draws_from(&record.name)) {
                let older = older_name(&plan, &plan[position].record);
                changed.insert(older.clone());
                retire(&mut plan, position, older);
            } else {
                plan.remove(position);
            }
        }
        plan.push(Planned { record, weights: Weights::New(Box::new(column)) });
        changed.extend(drop_unused(&mut plan));
        self.change(plan, &changed)
    }

    /// Makes these the taught columns: the promise is checked, then the disk changes, then the network in service.
    /// `changed` may answer differently; every other column must not.
    pub(crate) fn change(&mut self, plan: Vec<Planned<B>>, changed: &BTreeSet<TaskName>) -> Result<Promise, TaskError> {
        self.state.require_writable()?;
        let (records, next) = self.assemble(plan)?;
        let before = match self.answers.take() {
            Some(answers) => answers,
            None => Answers::of(&self.network, &self.device)?,
        };
        let after = Answers::of(&next, &self.device)?;
        let promise = after.hold_against(&before, changed);
        self.answers = Some(before);
        let promise = promise?;
        if let Some(name) = changed.iter().find(|name| !after.finite(name)) {
            let reason = "the new column's answers are not finite".to_owned();
            return Err(TaskError::Failed { name: name.clone(), reason });
        }
        self.state.commit(self.base.manifest(), records)?;
        self.network = next;
        self.answers = Some(after);
        self.serve();
        Ok(promise)
    }

    /// Puts the network into service.
    fn serve(&self) {
        let heads = heads(self.base.manifest().columns.iter().chain(&self.state.manifest().columns));
        (self.on_network)(NetworkUpdate { network: self.network.clone(), heads });
    }

    fn assemble(&self, plan: Vec<Planned<B>>) -> Result<(Vec<ColumnRecord>, ProgressiveNetwork<B>), TaskError> {
        let mut columns: BTreeMap<&TaskName, &ColumnEntry<B>> =
            self.network.columns().iter().map(|entry| (&entry.name, entry)).collect();
        let mut next = self.network.without_columns();
        for shipped in &self.base.manifest().columns {
            if let Some(entry) = columns.remove(&shipped.name) {
                next.insert(entry.clone()).map_err(StoreError::from)?;
            }
        }
        let mut records = Vec::with_capacity(plan.len());
        for Planned { record, weights } in plan {
            let (name, sources) = (record.name.clone(), record.source_names());
            let entry = match weights {
                Weights::New(column) => ColumnEntry::new(name, sources, *column, record.silent),
                Weights::InService(older) => match columns.get(&older) {
                    Some(entry) => entry.placed(name, sources, record.silent),
                    None => {
                        let column = self.state.load_column::<B>(&record, &self.device)?;
                        ColumnEntry::new(name, sources, column, record.silent)
                    }
                },
            };
            next.insert(entry).map_err(StoreError::from)?;
            records.push(record);
        }
        Ok((records, next))
    }
}

/// Keeps a column for those that draw from it, under another name and without an answer of its own.
fn retire<B: NetworkBackend>(plan: &mut [Planned<B>], position: usize, older: TaskName) {
    let record = &mut plan[position].record;
    let name = std::mem::replace(&mut record.name, older.clone());
    record.silent = true;
    record.transferable = false;
    record.replaced_by = Some(name.clone());
    let sources = plan.iter_mut().flat_map(|planned| &mut planned.record.sources);
    for SourceRecord { name: source, .. } in sources.filter(|source| source.name == name) {
        source.clone_from(&older);
    }
}

/// A free name for an older version: `gaze_v3`.
fn older_name<B: NetworkBackend>(plan: &[Planned<B>], record: &ColumnRecord) -> TaskName {
    let taken = |name: &TaskName| plan.iter().any(|planned| planned.record.name == *name);
    let stem = record.name.as_ref();
    (record.version..)
        .filter_map(|number| {
            let suffix = format!("_v{number}");
            // Names are ASCII and at most 63 long.
            format!("{}{suffix}", &stem[..stem.len().min(63 - suffix.len())]).parse().ok()
        })
        .find(|name| !taken(name))
        .unwrap_or_else(|| record.name.clone())
}

/// Drops older versions that nobody draws from any more, and returns their names.
pub(crate) fn drop_unused<B: NetworkBackend>(plan: &mut Vec<Planned<B>>) -> Vec<TaskName> {
    let mut dropped = Vec::new();
    // Backwards: what draws from a column stands after it.
    for position in (0..plan.len()).rev() {
        let record = &plan[position].record;
        let needed = plan.iter().any(|planned| planned.record.draws_from(&record.name));
        if record.replaced_by.is_some() && !needed {
            dropped.push(plan.remove(position).record.name);
        }
    }
    dropped
}

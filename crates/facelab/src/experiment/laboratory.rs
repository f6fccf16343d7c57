//! Where cells are computed, or read when they were computed before.

use super::cell::{Cell, CellResult, TaskData};
use crate::common::{Common, write_json};
use crate::progress;
use anyhow::{Context, bail};
use engine::{ColumnRecord, ModelStore};
use learning::refine::{RefineConfig, RefineData, RefinePhase, RefineTask, Start, refine};
use learning::{
    Checkpoint, ColumnTrainingConfig, Confusion, Parts, TrainError, Training, evaluate_column, train_column,
};
use network::weights::Precision;
use network::{ColumnConfig, ColumnEntry, NetworkBackend, ProgressiveNetwork, TaskName};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Instant;

/// Sizes of a whole column: those of the model's first one, or Table III's.
fn sizes(store: &ModelStore, classes: usize, sources: usize) -> ColumnConfig {
    let table =
        ColumnConfig { features: store.manifest().encoder.config.features(), ..ColumnConfig::new(classes, sources) };
    match store.manifest().columns.first().map(|column| &column.config) {
        Some(first) => ColumnConfig {
            channels: first.channels,
            adapter_channels: first.adapter_channels,
            hidden: first.hidden,
            ..table
        },
        None => table,
    }
}

/// How much of a face the network sees, and how large; whole faces of 128×128 are the paper's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pictures {
    /// Side, pixels: 32, 64 or 128.
    pub side: usize,
    /// Faces are enlarged so many times around their middle, ≥ 1.
    pub zoom: f32,
}

impl FromStr for Pictures {
    type Err = String;

    /// From `SIDE` or `SIDE:ZOOM`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (side, zoom) = text.split_once(':').unwrap_or((text, "1"));
        let side: usize = side.parse().map_err(|e| format!("side '{side}': {e}"))?;
        let zoom: f32 = zoom.parse().map_err(|e| format!("zoom '{zoom}': {e}"))?;
        match (side, zoom) {
            (32 | 64 | 128, 1.0..=4.0) => Ok(Self { side, zoom }),
            (32 | 64 | 128, _) => Err("zoom must be from 1 to 4".into()),
            _ => Err("side must be 32, 64 or 128".into()),
        }
    }
}

/// Settings that all cells of an experiment share.
pub struct Laboratory<'a> {
    /// Model whose encoder is used.
    pub model: PathBuf,
    /// Data of each task.
    pub tasks: BTreeMap<TaskName, PathBuf>,
    /// Tasks whose rows are wanted, the others serving as sources; none: all.
    pub only: Vec<TaskName>,
    /// Folder of results.
    pub out: PathBuf,
    /// Faces learned from and asked for, at most; 0: all.
    pub subset: usize,
    /// How faces are shown.
    pub pictures: Pictures,
    /// How columns are trained.
    pub config: ColumnTrainingConfig,
    pub common: &'a Common,
}

impl Laboratory<'_> {
    /// Data of a task.
    ///
    /// # Errors
    /// None was given.
    fn data(&self, task: &TaskName, run: u32) -> anyhow::Result<TaskData> {
        let Some(path) = self.tasks.get(task) else { bail!("no data for '{task}'; give --task {task}=PACK") };
        Ok(TaskData::load(path, task, self.subset, run)?.enlarged(self.pictures.zoom))
    }

    /// The result of a cell: from its file, or computed and written to it.
    ///
    /// # Errors
    /// Data is missing, a training fails, or the disk refuses.
    pub fn result<B: NetworkBackend>(&self, cell: &Cell) -> anyhow::Result<CellResult> {
        let path = self.out.join("cells").join(format!("{}.json", cell.id()));
        if let Ok(text) = std::fs::read_to_string(&path) {
            return serde_json::from_str(&text)
                .with_context(|| format!("{}: remove it to compute it anew", path.display()));
        }
        let found = if cell.retrained { self.retrained::<B>(cell)? } else { self.frozen::<B>(cell)? };
        write_json(&path, &found)?;
        self.common.say(format!(
            "{}: {:.1}% of {} in {:.0} s",
            cell.id(),
            found.accuracy * 100.0,
            found.tested,
            found.seconds
        ));
        Ok(found)
    }

    /// The model of a repetition: the encoder, and the plain columns that others draw from.
    fn store(&self, run: u32) -> anyhow::Result<ModelStore> {
        let dir = self.out.join(format!("run{run}"));
        if dir.join(engine::MANIFEST).is_file() {
            return Ok(ModelStore::open(&dir)?);
        }
        let from = ModelStore::open(&self.model)?;
        let sizes = from.manifest().encoder.config.clone();
        let encoder = from.load_encoder::<network::CpuBackend>(&Default::default())?;
        Ok(ModelStore::create(&dir, "experiment", &from.manifest().licence, &encoder, sizes, Precision::F32)?)
    }

    fn config(&self, cell: &Cell) -> ColumnTrainingConfig {
        ColumnTrainingConfig { seed: self.config.seed + u64::from(cell.run), ..self.config.clone() }
    }

    fn frozen<B: NetworkBackend>(&self, cell: &Cell) -> anyhow::Result<CellResult> {
        // A source is a cell too; its column stays in the repetition's model.
        for source in &cell.sources {
            self.result::<B>(&Cell::plain(source, cell.run))?;
        }
        let started = Instant::now();
        let data = self.data(&cell.task, cell.run)?;
        let mut store = self.store(cell.run)?;
        let device = B::Device::default();
        let network = store.load::<B>(&device)?.for_faces_of(self.pictures.side)?;
        let config = self.config(cell);
        let sizes = sizes(&store, data.train.labels.len(), cell.sources.len());
        let work = self.out.join("work").join(cell.id());
        let checkpoint = Checkpoint::open(&work, &(cell, &config, data.train.counts()))?;
        let bar = progress::bar(self.common, &cell.id(), 1);
        let parts = Parts { train: &data.train, validation: &data.validation };
        let mut observer = progress::shown_on(&bar);
        let training =
            Training { network: &network, sources: &cell.sources, sizes, device: &device, observer: &mut observer };
        let trained = train_column(training, parts, &config, Some(&checkpoint))?;
        bar.finish_and_clear();
        let mut answering = network.clone();
        if answering.get(&cell.task).is_some() {
            answering = network.restricted_to(&cell.sources)?;
        }
        answering.insert(ColumnEntry::new(cell.task.clone(), cell.sources.clone(), trained.column.clone(), false))?;
        let (accuracy, tested) = self.test(&answering, cell, &data, &device)?;
        if cell.sources.is_empty() {
            let labels = data.train.labels.clone();
            let record = ColumnRecord::new(cell.task.clone(), labels, &[], trained.config, trained.calibration);
            store.put_column(record, &trained.column, Precision::F32)?;
        }
        // The checkpoint has served.
        std::fs::remove_dir_all(&work).with_context(|| format!("removing {}", work.display()))?;
        Ok(CellResult {
            cell: cell.clone(),
            accuracy,
            tested,
            trained: data.train.len(),
            curve: trained.curve,
            seconds: started.elapsed().as_secs_f32(),
        })
    }

    /// Encoder and column learn together.
    fn retrained<B: NetworkBackend>(&self, cell: &Cell) -> anyhow::Result<CellResult> {
        let started = Instant::now();
        let data = self.data(&cell.task, cell.run)?;
        let store = self.store(cell.run)?;
        let device = B::Device::default();
        let column = self.config(cell);
        let steps = column.epochs * data.train.len().div_ceil(column.batch.max(1)) as u32;
        let config = RefineConfig {
            phases: vec![RefinePhase::new(self.pictures.side, steps)],
            batch: column.batch,
            learning_rate: column.learning_rate,
            weight_decay: column.weight_decay,
            dropout: column.dropout,
            own_blocks: true,
            class_weighting: column.class_weighting,
            augment: column.augment,
            seed: column.seed,
            ..RefineConfig::default()
        };
        let work = self.out.join("work").join(cell.id());
        let checkpoint = Checkpoint::open(&work, &(cell, &config, data.train.counts()))?;
        let bar = progress::bar(self.common, &cell.id(), u64::from(steps));
        let task = RefineTask {
            name: cell.task.clone(),
            train: data.train.clone(),
            validation: data.validation.clone(),
            repeat: 1,
        };
        let start = Start {
            encoder: store.load_encoder::<B>(&device)?,
            sizes: store.manifest().encoder.config.clone(),
            columns: BTreeMap::new(),
        };
        let data_of_task = RefineData { tasks: vec![task], described: None };
        let refined = refine(start, &data_of_task, &config, &checkpoint, &device, &mut |step, _| {
            bar.set_position(u64::from(step));
            ControlFlow::Continue(())
        })?;
        bar.finish_and_clear();
        let mut network = ProgressiveNetwork::new(refined.encoder).for_faces_of(self.pictures.side)?;
        for (column, _) in refined.columns {
            network.insert(ColumnEntry::new(cell.task.clone(), Vec::new(), column, false))?;
        }
        let (accuracy, tested) = self.test(&network, cell, &data, &device)?;
        std::fs::remove_dir_all(&work).with_context(|| format!("removing {}", work.display()))?;
        Ok(CellResult {
            cell: cell.clone(),
            accuracy,
            tested,
            trained: data.train.len(),
            curve: Vec::new(),
            seconds: started.elapsed().as_secs_f32(),
        })
    }

    /// Best validation accuracy of a plain column that is trained so, and the seconds that took; 0 where the loss was no
    /// number.
    ///
    /// # Errors
    /// Data is missing or too little.
    pub fn validate<B: NetworkBackend>(
        &self,
        task: &TaskName,
        config: &ColumnTrainingConfig,
    ) -> anyhow::Result<(f32, f32)> {
        let started = Instant::now();
        let data = self.data(task, 0)?;
        if data.in_folds {
            bail!("'{task}' has no training part, but folds: settings chosen on them would be tested on them");
        }
        let store = ModelStore::open(&self.model)?;
        let device = B::Device::default();
        let network = ProgressiveNetwork::new(store.load_encoder::<B>(&device)?).for_faces_of(self.pictures.side)?;
        let sizes = sizes(&store, data.train.labels.len(), 0);
        let bar = progress::bar(self.common, task.as_str(), 1);
        let parts = Parts { train: &data.train, validation: &data.validation };
        let mut observer = progress::shown_on(&bar);
        let training = Training { network: &network, sources: &[], sizes, device: &device, observer: &mut observer };
        let trained = train_column(training, parts, config, None);
        bar.finish_and_clear();
        let best = match trained {
            Ok(trained) => trained.curve.iter().map(|epoch| epoch.validation_accuracy).fold(0.0, f32::max),
            Err(TrainError::Diverged { .. }) => 0.0,
            Err(error) => return Err(error.into()),
        };
        Ok((best, started.elapsed().as_secs_f32()))
    }

    fn test<B: NetworkBackend>(
        &self,
        network: &ProgressiveNetwork<B>,
        cell: &Cell,
        data: &TaskData,
        device: &B::Device,
    ) -> anyhow::Result<(f32, usize)> {
        let found = evaluate_column(network, &cell.task, &data.test, device, &mut |_| ())?;
        let accuracy = Confusion::new(data.test.labels.len(), &found.logits, &found.truth).accuracy();
        Ok((accuracy.value, data.test.len()))
    }
}

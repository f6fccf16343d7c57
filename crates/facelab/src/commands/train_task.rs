//! `facelab train-task`: one column on a labelled data set.

use crate::common::Common;
use crate::progress;
use crate::report::digest;
use crate::training_log::{Failure, Log};
use crate::values::{parse_batch, parse_below_one, parse_share};
use anyhow::{Context, ensure};
use clap::{Args as ClapArgs, ValueEnum};
use engine::{ColumnRecord, ModelStore};
use learning::augment::AugmentConfig;
use learning::data;
use learning::{Annealing, Checkpoint, ColumnTrainingConfig, Parts, Progress, Trainable, Training, train_column};
use network::weights::Precision;
use network::{ColumnConfig, NetworkBackend, TaskName};
use std::path::PathBuf;

/// Train a task's column on labelled faces and put it into a model.
///
/// Checkpoints and the learning curve (log.jsonl) go to --work; a training that was cut off continues when it is called
/// again with the same settings. Columns that exist already are not touched.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  facelab train-task gender --data fairface --model models/mine --work runs/gender
  facelab train-task emotion --data ferplus --model models/mine --sources gender,age --work runs/emotion
  facelab train-task age --data fairface --model models/mine --channels 64,128 --work runs/age
  facelab train-task smile --data my_faces/ --model models/mine --work runs/smile --epochs 20
     (my_faces/smiling/*.jpg, my_faces/neutral/*.jpg)

Exit codes: 0 trained, 1 failed, 2 wrong usage.")]
pub struct Args {
    /// Name of the task, [a-z][a-z0-9_]{0,62}
    task: TaskName,
    /// Pack, or folder with one folder of crops per class
    #[arg(long, value_name = "PACK|FOLDER")]
    data: PathBuf,
    /// The table's column with the labels (packs only)
    #[arg(long)]
    column: Option<String>,
    /// The model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Folder for checkpoints and log
    #[arg(long, value_name = "DIR")]
    work: PathBuf,
    /// Columns to draw from; 'all': every transferable one; 'none'
    #[arg(long, default_value = "all", value_delimiter = ',')]
    sources: Vec<String>,
    /// Begin with copies of this column's blocks instead of random weights
    #[arg(long, value_name = "TASK")]
    start_from: Option<TaskName>,
    /// Which weights change: all, or the fully connected layers on top of blocks that stay as they begin
    #[arg(long, value_enum, default_value_t = Part::All)]
    trainable: Part,
    /// Give the column no blocks of its own: its head reads the encoder's features and the sources, as tasks that are
    /// taught on the robot do
    #[arg(long)]
    no_blocks: bool,
    /// Channels of the first three and the last three convolutions of a block; adapters have as many as the latter. All columns
    /// that draw from each other need the same [default: Table III's 128,256]
    #[arg(long, value_name = "NARROW,WIDE", value_parser = parse_channels, conflicts_with = "no_blocks")]
    channels: Option<[usize; 2]>,
    /// Train on so many faces at most; 0: all
    #[arg(long, default_value_t = 0)]
    training_faces: usize,
    /// Later tasks may not draw from this one
    #[arg(long)]
    not_transferable: bool,
    /// Epochs at most
    #[arg(long, default_value_t = ColumnTrainingConfig::default().epochs)]
    epochs: u32,
    /// Faces per epoch, drawn anew each time; 0: all
    #[arg(long, default_value_t = 0)]
    epoch_faces: usize,
    /// Faces per step
    #[arg(long, default_value_t = ColumnTrainingConfig::default().batch, value_parser = parse_batch)]
    batch: usize,
    /// Adam's first learning rate
    #[arg(long, default_value_t = ColumnTrainingConfig::default().learning_rate)]
    learning_rate: f64,
    /// How the rate falls: on plateaus of the loss, or along a cosine over all epochs
    #[arg(long, value_enum, default_value_t = Anneal::Plateau)]
    annealing: Anneal,
    /// Share of each weight that a step takes away, times the rate
    #[arg(long, default_value_t = ColumnTrainingConfig::default().weight_decay)]
    weight_decay: f32,
    /// Epochs without a better validation loss after which training ends; 0: never
    #[arg(long, default_value_t = ColumnTrainingConfig::default().patience)]
    patience: u32,
    /// Evens out rare classes: 0 not at all, 1 fully
    #[arg(long, default_value_t = 0.0)]
    class_weighting: f32,
    /// Share of each label that goes to the labels beside it, as for age groups, [0, 0.6]
    #[arg(long, default_value_t = 0.0, value_parser = parse_share)]
    neighbours: f32,
    /// Share of hidden units dropped
    #[arg(long, default_value_t = ColumnTrainingConfig::default().dropout, value_parser = parse_below_one::<f64>)]
    dropout: f64,
    /// Compute the features of so many changed copies of each face once and keep them; 0: change faces anew each time
    #[arg(long, default_value_t = 0)]
    cached_copies: usize,
    /// Train on faces as they are
    #[arg(long)]
    no_augment: bool,
    /// Train blocks without batch normalisation, as the paper's Table III stands
    #[arg(long)]
    no_normalise: bool,
    /// Validate on so many faces at most; 0: all
    #[arg(long, default_value_t = 0)]
    validation_faces: usize,
    /// Stop after so many seconds, with the best epoch; 0: never
    #[arg(long, default_value_t = 0.0)]
    time_budget: f32,
    /// Seed of weights, order and augmentation
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the data comes from and its terms; one line for the manifest, may be given several times
    #[arg(long)]
    provenance: Vec<String>,
}

fn parse_channels(text: &str) -> Result<[usize; 2], String> {
    let number = |text: &str| text.parse().ok().filter(|number| (1..=1024).contains(number));
    match text.split_once(',').map(|(narrow, wide)| (number(narrow), number(wide))) {
        Some((Some(narrow), Some(wide))) => Ok([narrow, wide]),
        _ => Err("expected two numbers from 1 to 1024, such as 64,128".into()),
    }
}

/// See [`Annealing`].
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Anneal {
    Plateau,
    Cosine,
}

/// See [`Trainable`].
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Part {
    All,
    Head,
}

impl Args {
    fn config(&self) -> ColumnTrainingConfig {
        ColumnTrainingConfig {
            epochs: self.epochs,
            batch: self.batch,
            learning_rate: self.learning_rate,
            annealing: match self.annealing {
                Anneal::Plateau => Annealing::Plateau,
                Anneal::Cosine => Annealing::Cosine,
            },
            weight_decay: self.weight_decay,
            patience: self.patience,
            epoch_faces: self.epoch_faces,
            class_weighting: self.class_weighting,
            dropout: self.dropout,
            augment: if self.no_augment { AugmentConfig::none() } else { AugmentConfig::default() },
            cached_copies: self.cached_copies,
            time_budget_s: self.time_budget,
            start_from: self.start_from.clone(),
            trainable: match self.trainable {
                Part::All => Trainable::All,
                Part::Head => Trainable::Head,
            },
            normalise: !self.no_normalise,
            seed: self.seed,
            ..ColumnTrainingConfig::default()
        }
    }

    fn sources(&self, store: &ModelStore) -> anyhow::Result<Vec<TaskName>> {
        match self.sources.as_slice() {
            [none] if none == "none" => Ok(Vec::new()),
            [all] if all == "all" => {
                let columns = store.manifest().columns.iter();
                Ok(columns.filter(|c| c.transferable && c.name != self.task).map(|c| c.name.clone()).collect())
            }
            names => names.iter().map(|name| Ok(name.parse()?)).collect(),
        }
    }
}

/// Runs the command.
pub fn run(args: Args, common: &Common) -> anyhow::Result<()> {
    let (device, why) = common.device()?;
    tracing::info!("{why}");
    network::on_device!(device, B => train::<B>(&args, common))
}

fn train<B: NetworkBackend>(args: &Args, common: &Common) -> anyhow::Result<()> {
    let device = B::Device::default();
    let mut store = ModelStore::open(&args.model)?;
    store.check_replaceable(&args.task)?;
    let sources = args.sources(&store)?;
    let network = store.load::<B>(&device)?;
    let data = data::load(&args.data, args.task.as_str(), args.column.as_deref(), args.seed)?;
    let validation = data.val.spread(args.validation_faces);
    let training = data.train.spread(args.training_faces).with_neighbours(args.neighbours);
    let config = args.config();
    // Other settings, other faces or other columns to begin from are another training.
    let faces = (training.counts(), digest(&training), digest(&validation));
    let columns: Vec<_> = sources.iter().chain(&config.start_from).map(|name| store.manifest().column(name)).collect();
    let begins: Vec<_> = columns.into_iter().map(|column| column.map(|column| &column.sha256)).collect();
    let key = (&args.task, &config, (args.no_blocks, args.channels, args.neighbours), &sources, begins);
    let key = (key, &store.manifest().encoder.sha256, faces);
    let checkpoint = Checkpoint::open(&args.work, &key)?;
    let mut log = Log::append(&args.work.join("log.jsonl"))?;
    let bar = progress::bar(common, args.task.as_str(), 1);
    let mut failure = Failure::default();
    let table = ColumnConfig::new(data.labels.len(), sources.len());
    let sizes = ColumnConfig {
        features: store.manifest().encoder.config.features(),
        own_blocks: !args.no_blocks,
        channels: args.channels.unwrap_or(table.channels),
        adapter_channels: args.channels.map_or(table.adapter_channels, |[_, wide]| wide),
        ..table
    };
    for record in store.manifest().columns.iter().filter(|record| sources.contains(&record.name)) {
        let (given, taken) = (record.config.width(), sizes.channels[1]);
        ensure!(
            given == taken,
            "'{}' gives {given} channels, but the column draws from {taken}; see --channels",
            record.name
        );
    }
    let parts = Parts { train: &training, validation: &validation };
    let mut show = progress::shown_on(&bar);
    let mut observer = |progress: &Progress| {
        failure.watch(log.write(progress))?;
        show(progress)
    };
    let lesson = Training { network: &network, sources: &sources, sizes, device: &device, observer: &mut observer };
    let trained = train_column(lesson, parts, &config, Some(&checkpoint));
    let trained = trained.map_err(|error| failure.or(error))?;
    bar.finish();
    let curve = args.work.join("curve.json");
    std::fs::write(&curve, serde_json::to_string_pretty(&trained.curve)?)
        .with_context(|| format!("writing {}", curve.display()))?;
    let seconds = trained.curve.last().map_or(trained.seconds, |epoch| epoch.seconds);
    let mut record = ColumnRecord::new(
        args.task.clone(),
        data.labels.clone(),
        &sources,
        trained.config.clone(),
        trained.calibration,
    );
    record.transferable = !args.not_transferable && record.config.can_be_drawn_from();
    if !args.not_transferable && !record.transferable {
        common.say("later tasks cannot draw from it: it has more hidden units than channels");
    }
    record.metrics = Some(trained.accuracy);
    record.provenance = args.provenance.clone();
    record.samples = training.counts().into_iter().map(|count| count as u32).collect();
    record.training_seconds = seconds;
    store.put_column(record, &trained.column, Precision::F16)?;
    common.say(format!(
        "{}: '{}' {:.1}% on {} held-back faces (95% interval {:.1}% to {:.1}%), temperature {:.2}",
        args.model.display(),
        args.task,
        trained.accuracy.value * 100.0,
        trained.accuracy.held_back,
        trained.accuracy.low * 100.0,
        trained.accuracy.high * 100.0,
        trained.calibration.temperature,
    ));
    Ok(())
}

//! `facelab refine-encoder`: an encoder goes on learning from labels of several tasks.

mod model;

use crate::common::{self, Common, NewModel};
use crate::progress;
use crate::training_log::{Failure, Log};
use crate::values::{
    parse_batch, parse_below_one, parse_described, parse_named_share, parse_phase, parse_task, parse_text, parse_times,
    parse_weight,
};
use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use engine::ModelStore;
use learning::augment::AugmentConfig;
use learning::data::Split;
use learning::refine::{self, DescribedParts, RefineConfig, RefineData, RefinePhase, RefineTask, Start};
use learning::{Checkpoint, data};
use model::keep;
use network::{EncoderConfig, NetworkBackend, TaskName};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Let an encoder learn on from labelled faces of several tasks at once, and make a new model of it.
///
/// The encoder of --start (without it, a random one) gets a column for each task, and all learn together; columns of --start
/// with the same name, labels and sizes go on learning. They are thrown away (train-task makes the ones that stay) unless
/// --keep-columns is given. With --descriptors the encoder also learns a teacher's face descriptor, which tells people apart
/// (scripts/teacher-targets makes the files). Checkpoints and a log (log.jsonl:
/// losses, accuracy on validation faces) go to --work. A refinement that was cut off continues when it is called again with
/// the same settings.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  facelab refine-encoder --start models/began --task gender=fairface --task age=fairface \\
      --task emotion=ferplus --work runs/refined --out models/refined
  facelab refine-encoder --start models/began --task smile=my_faces --work runs/r --out models/r \\
      --phases 128:500 --own-blocks
  facelab refine-encoder --task gender=fairface --task age=fairface --neighbours age=0.25 --work runs/r --out models/r \\
      --phases 64:5000:1.5,128:2000 --keep-columns
  facelab refine-encoder --start models/default --task gender=fairface --descriptors fairface \\
      --cohort-provenance 'FairFace, CC BY 4.0' --averaging 0.999 --occlusion 0.3 --keep-columns --work runs/r --out models/r

Exit codes: 0 refined, 1 failed, 2 wrong usage.")]
pub struct Args {
    /// Model whose encoder it begins with; none: a random encoder
    #[arg(long, value_name = "DIR")]
    start: Option<PathBuf>,
    /// Task and its labelled faces; may be given several times
    #[arg(long = "task", required = true, value_name = "NAME=PACK|FOLDER", value_parser = parse_task)]
    tasks: Vec<(TaskName, PathBuf)>,
    /// Folder of the model that is made; must not hold one yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Folder for checkpoints and log
    #[arg(long, value_name = "DIR")]
    work: PathBuf,
    /// Picture sides and steps, in order, and how much of the middle alone is shown (1.5: two thirds of the side)
    #[arg(long, default_values_t = RefineConfig::default().phases, value_delimiter = ',', value_name = "SIDE:STEPS[:ZOOM]", value_parser = parse_phase)]
    phases: Vec<RefinePhase>,
    /// Faces per step
    #[arg(long, default_value_t = RefineConfig::default().batch, value_parser = parse_batch)]
    batch: usize,
    /// AdamW's highest rate
    #[arg(long, default_value_t = RefineConfig::default().learning_rate)]
    learning_rate: f64,
    /// Share of each weight that a step takes away, times the rate
    #[arg(long, default_value_t = RefineConfig::default().weight_decay)]
    weight_decay: f32,
    /// Share of a column's hidden units dropped
    #[arg(long, default_value_t = RefineConfig::default().dropout, value_parser = parse_below_one::<f64>)]
    dropout: f64,
    /// Give each task the four blocks of Table III; without, its head reads pooled features
    #[arg(long)]
    own_blocks: bool,
    /// How much it counts beside the labels that histograms of oriented gradients can be read from the features; 0: not at all
    #[arg(long, default_value_t = RefineConfig::default().hog_weight, value_parser = parse_weight)]
    hog_weight: f32,
    /// Learn the descriptors of a teacher on a pack's faces. FILES is the folder with its labels*.dlib128.f16; without it they are
    /// looked for in the pack's folder. May be given several times
    #[arg(long, requires = "cohort_provenance", value_name = "PACK[=FILES]", value_parser = parse_described)]
    descriptors: Vec<(PathBuf, Option<PathBuf>)>,
    /// How much the teacher's descriptor counts beside the labels
    #[arg(long, default_value_t = RefineConfig::default().descriptor_weight, value_parser = parse_weight)]
    descriptor_weight: f32,
    /// Keep the weights' running mean, which keeps this share of itself in each step (0.999 is usual); 0: the last weights
    #[arg(long, default_value_t = RefineConfig::default().averaging, value_name = "SHARE", value_parser = parse_below_one::<f32>)]
    averaging: f32,
    /// Share of faces that are partly covered
    #[arg(long, default_value_t = RefineConfig::default().augment.occlusion, value_name = "SHARE", value_parser = parse_below_one::<f32>)]
    occlusion: f32,
    /// So many of the encoder's 13 layers stay as they are, from the first on: 3 save two fifths of the time on 128×128 pixels
    #[arg(long, default_value_t = 0, value_name = "LAYERS", value_parser = clap::value_parser!(u8).range(0..=13))]
    frozen_layers: u8,
    /// Share of each label of a task that goes to the labels beside it, as for age groups; may be given several times
    #[arg(long, value_name = "NAME=SHARE", value_parser = parse_named_share)]
    neighbours: Vec<(TaskName, f32)>,
    /// Learn so many times an epoch from each face of a task, if its task has fewer faces or needs more; may be given
    /// several times
    #[arg(long, value_name = "NAME=TIMES", value_parser = parse_times)]
    repeat: Vec<(TaskName, usize)>,
    /// Keep the columns that the tasks learned with
    #[arg(long)]
    keep_columns: bool,
    /// Where a kept column's data comes from and its terms; one line for the manifest, may be given several times
    #[arg(long, requires = "keep_columns", value_name = "NAME=TEXT", value_parser = parse_text)]
    provenance: Vec<(TaskName, String)>,
    /// Where the faces of --descriptors come from and their terms; those of their validation parts become the strangers of the
    /// model's cohort
    #[arg(long, requires = "descriptors", value_name = "TEXT")]
    cohort_provenance: Option<String>,
    /// Evens out rare classes: 0 not at all, 1 fully
    #[arg(long, default_value_t = RefineConfig::default().class_weighting)]
    class_weighting: f32,
    /// Train on so many faces of each task at most; 0: all
    #[arg(long, default_value_t = 0)]
    training_faces: usize,
    /// Look at so many validation faces of each task at most; 0: all
    #[arg(long, default_value_t = RefineConfig::default().validation_faces)]
    validation_faces: usize,
    /// Calibrate kept columns on so many validation faces of each task; 0: all. A model that is only a start needs few
    #[arg(long, default_value_t = 0, requires = "keep_columns")]
    calibration_faces: usize,
    /// Steps between checkpoints
    #[arg(long, default_value_t = RefineConfig::default().checkpoint_every)]
    checkpoint_every: u32,
    /// Make the model from the newest checkpoint as it is, and train no further; the training may go on elsewhere
    #[arg(long)]
    finish: bool,
    /// Seed of columns, order and augmentation
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    model: NewModel,
}

/// Runs the command.
pub fn run(args: Args, common: &Common) -> anyhow::Result<()> {
    common::require_no_model(&args.out)?;
    if !args.descriptors.is_empty() && args.descriptor_weight == 0.0 {
        bail!(
            "--descriptor-weight 0 learns nothing from --descriptors; leave --descriptors out, or give a weight above 0"
        );
    }
    let named = args.neighbours.iter().map(|(name, _)| name).chain(args.provenance.iter().map(|(name, _)| name));
    let named = named.chain(args.repeat.iter().map(|(name, _)| name));
    if let Some(unknown) = named.into_iter().find(|name| args.tasks.iter().all(|(task, _)| task != *name)) {
        bail!("'{unknown}' is not among the tasks; give --task {unknown}=PACK too");
    }
    let (device, why) = common.device()?;
    tracing::info!("{why}");
    network::on_device!(device, B => refine::<B>(&args, common))
}

fn load(args: &Args) -> anyhow::Result<RefineData> {
    let each = args.tasks.iter().map(|(name, path)| {
        let data = data::load(path, name.as_str(), None, args.seed)?;
        let share = args.neighbours.iter().find(|(of, _)| of == name).map_or(0.0, |(_, share)| *share);
        let train = data.train.spread(args.training_faces).with_neighbours(share);
        let repeat = args.repeat.iter().find(|(of, _)| of == name).map_or(1, |(_, times)| *times);
        Ok(RefineTask { name: name.clone(), train, validation: data.val, repeat })
    });
    let tasks = each.collect::<anyhow::Result<_>>()?;
    let mut parts = DescribedParts::default();
    for (pack, files) in &args.descriptors {
        parts.train.extend(data::load_described(pack, files.as_deref(), Split::Train)?);
        parts.validation.extend(data::load_described(pack, files.as_deref(), Split::Val)?);
    }
    if !args.descriptors.is_empty() && parts.validation.len() < 2 {
        bail!("the packs of --descriptors have no validation faces, which the model's cohort is made of");
    }
    let described = (!args.descriptors.is_empty()).then_some(parts);
    Ok(RefineData { tasks, described })
}

/// What the refinement begins with, and the digest of its encoder.
fn start<B: NetworkBackend>(
    args: &Args,
    tasks: &[RefineTask],
    device: &B::Device,
) -> anyhow::Result<(Start<B>, Option<String>)> {
    let Some(dir) = &args.start else {
        let sizes = EncoderConfig::default();
        return Ok((Start { encoder: sizes.init(device, args.seed), sizes, columns: BTreeMap::new() }, None));
    };
    let store = ModelStore::open(dir)?;
    let (network, manifest) = (store.load::<B>(device)?, store.manifest());
    let mut columns = BTreeMap::new();
    for record in &manifest.columns {
        // The same labels in another order are other labels.
        let same = |task: &RefineTask| task.name == record.name && task.train.labels == record.labels;
        if !tasks.iter().any(same) {
            continue;
        }
        if let Some(entry) = network.columns().iter().find(|entry| entry.name == record.name) {
            columns.insert(record.name.clone(), (entry.column()?.clone(), record.config.clone()));
        }
    }
    let record = &manifest.encoder;
    Ok((
        Start { encoder: store.load_encoder(device)?, sizes: record.config.clone(), columns },
        Some(record.sha256.clone()),
    ))
}

fn refine<B: NetworkBackend>(args: &Args, common: &Common) -> anyhow::Result<()> {
    let device = B::Device::default();
    let data = load(args)?;
    let (start, start_digest) = start::<B>(args, &data.tasks, &device)?;
    if start.sizes.descriptor > 0 && data.described.is_none() {
        bail!("the model's face descriptor would no longer fit its encoder; give --descriptors, too");
    }
    let config = RefineConfig {
        phases: args.phases.clone(),
        batch: args.batch,
        learning_rate: args.learning_rate,
        weight_decay: args.weight_decay,
        dropout: args.dropout,
        own_blocks: args.own_blocks,
        hog_weight: args.hog_weight,
        descriptor_weight: args.descriptor_weight,
        averaging: args.averaging,
        augment: AugmentConfig { occlusion: args.occlusion, ..RefineConfig::default().augment },
        frozen_layers: args.frozen_layers.into(),
        class_weighting: args.class_weighting,
        checkpoint_every: args.checkpoint_every,
        validation_faces: args.validation_faces,
        seed: args.seed,
    };
    // Another start or other faces are another refinement.
    let faces: Vec<_> = data.tasks.iter().map(|task| (&task.name, task.train.counts())).collect();
    let described = data.described.as_ref().map_or(0, |parts| parts.train.len());
    let identity = (&config, &start_digest, faces, described, &args.neighbours, &args.repeat);
    let checkpoint = Checkpoint::open(&args.work, &identity)?;
    if args.finish {
        let refined = refine::refined_so_far(start, &data, &config, &checkpoint, &device)?;
        let refined = refined.with_context(|| format!("{} holds no checkpoint yet", args.work.display()))?;
        return keep(args, common, &data, refined, &device);
    }
    let mut log = Log::append(&args.work.join("log.jsonl"))?;
    let steps: u32 = config.phases.iter().map(|phase| phase.steps).sum();
    let bar = progress::bar(common, "refining", u64::from(steps));
    let mut failure = Failure::default();
    let refined = refine::refine(start, &data, &config, &checkpoint, &device, &mut |step, record| {
        bar.set_position(u64::from(step));
        let Some(record) = record else { return ControlFlow::Continue(()) };
        let each = record.accuracies.iter().map(|(task, share)| format!("{task} {:.1}%", share * 100.0));
        let explained = record.descriptor_explained.map(|share| format!("descriptor {:.1}%", share * 100.0));
        let each = each.chain(explained).collect::<Vec<_>>();
        bar.set_message(format!("{} px  {}", record.side, each.join("  ")));
        failure.watch(log.write(record))
    })
    .map_err(|error| failure.or(error))?;
    bar.finish();
    keep(args, common, &data, refined, &device)
}

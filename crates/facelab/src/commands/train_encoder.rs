//! `facelab train-encoder`: BEGAN on unlabelled faces.

use crate::common::{self, Common, NewModel};
use crate::progress;
use crate::report::digest_of_faces;
use crate::training_log::{Failure, Log};
use crate::values::{parse_batch, parse_side};
use anyhow::Context;
use clap::Args as ClapArgs;
use engine::ModelStore;
use learning::Checkpoint;
use learning::augment::AugmentConfig;
use learning::began::{self, BeganConfig, Objective, Phase};
use learning::data::load_unlabelled;
use network::weights::Precision;
use network::{Encoder, NetworkBackend};
use std::path::PathBuf;

/// Train the shared encoder as the discriminator of a BEGAN, on faces without labels.
///
/// Checkpoints, a log (log.jsonl) and sample sheets (step-N.png: faces, reconstructions, generated faces) go to --work.
/// A training that was cut off continues when it is called again with the same settings.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  facelab train-encoder --data fairface --data ferplus --work runs/encoder --out models/mine
  facelab train-encoder --data my_faces/ --work runs/e --out models/mine --phases 64:500,128:100 --batch 8

Exit codes: 0 trained, 1 failed, 2 wrong usage.")]
pub struct Args {
    /// Pack, or folder of face crops; may be given several times
    #[arg(long, required = true, value_name = "PACK|FOLDER")]
    data: Vec<PathBuf>,
    /// Folder of the model that is made; must not hold one yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Folder for checkpoints, log and sheets
    #[arg(long, value_name = "DIR")]
    work: PathBuf,
    /// Picture sides and steps, in order
    #[arg(long, default_values_t = BeganConfig::default().phases, value_delimiter = ',', value_name = "SIDE:STEPS", value_parser = parse_side)]
    phases: Vec<Phase>,
    /// Pictures per step
    #[arg(long, default_value_t = BeganConfig::default().batch, value_parser = parse_batch)]
    batch: usize,
    /// Adam's learning rate
    #[arg(long, default_value_t = BeganConfig::default().learning_rate)]
    learning_rate: f64,
    /// Train a plain auto-encoder in place of a BEGAN, to compare with; its steps are cheaper
    #[arg(long)]
    autoencoder: bool,
    /// γ of eq. 2, 0 to 1
    #[arg(long, default_value_t = BeganConfig::default().gamma)]
    gamma: f32,
    /// λ of eq. 1
    #[arg(long, default_value_t = BeganConfig::default().lambda)]
    lambda: f32,
    /// Change faces at random as trainings with labels do (turned, moved, lit, covered), not only mirrored
    #[arg(long)]
    augment: bool,
    /// Steps between checkpoints
    #[arg(long, default_value_t = BeganConfig::default().checkpoint_every)]
    checkpoint_every: u32,
    /// Seed of weights, order and codes
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    model: NewModel,
}

/// Runs the command.
pub fn run(args: Args, common: &Common) -> anyhow::Result<()> {
    common::require_no_model(&args.out)?;
    let (device, why) = common.device()?;
    tracing::info!("{why}");
    network::on_device!(device, B => train::<B>(&args, common))
}

fn train<B: NetworkBackend>(args: &Args, common: &Common) -> anyhow::Result<()> {
    let mut faces = Vec::new();
    for data in &args.data {
        faces.extend(load_unlabelled(data).with_context(|| format!("reading {}", data.display()))?);
    }
    let augment = if args.augment { AugmentConfig::default() } else { BeganConfig::default().augment };
    let config = BeganConfig {
        augment,
        objective: if args.autoencoder { Objective::Autoencoder } else { Objective::Began },
        phases: args.phases.clone(),
        batch: args.batch,
        learning_rate: args.learning_rate,
        gamma: args.gamma,
        lambda: args.lambda,
        checkpoint_every: args.checkpoint_every,
        seed: args.seed,
        ..BeganConfig::default()
    };
    // Other faces are another training.
    let checkpoint = Checkpoint::open(&args.work, &(&config, digest_of_faces(&faces)))?;
    let mut log = Log::append(&args.work.join("log.jsonl"))?;
    let bar = progress::bar(common, "encoder", u64::from(config.steps()));
    let mut failure = Failure::default();
    let device = B::Device::default();
    let encoder: Encoder<B> = began::train::<B>(&faces, &config, &checkpoint, &device, &mut |record, sheet| {
        bar.set_position(u64::from(record.step));
        bar.set_message(format!(
            "{} px  M {:.4}  L(x) {:.4}  k {:.3}",
            record.side, record.m, record.loss_real, record.k
        ));
        let write = || -> anyhow::Result<()> {
            log.write(record)?;
            if let Some(sheet) = sheet {
                let path = args.work.join(format!("step-{:06}.png", record.step));
                sheet.to_image().save(&path).with_context(|| format!("writing {}", path.display()))?;
            }
            Ok(())
        };
        failure.watch(write())
    })
    .map_err(|error| failure.or(error))?;
    bar.finish();
    ModelStore::create(
        &args.out,
        &args.model.name,
        &args.model.licence,
        &encoder,
        config.encoder.clone(),
        Precision::F16,
    )?;
    common.say(format!("{}: encoder trained on {} faces, {} steps", args.out.display(), faces.len(), config.steps()));
    Ok(())
}

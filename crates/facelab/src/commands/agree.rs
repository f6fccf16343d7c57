//! `facelab agree`: whether a card computes what the CPU computes.

use super::bench_step::numbers;
use crate::common::{Common, command_line, print, write_json};
use anyhow::{Context, anyhow, bail};
use burn::tensor::{Tensor, TensorData};
use clap::Args as ClapArgs;
use engine::ModelStore;
use learning::ColumnFit;
use learning::began::{BeganConfig, Game};
use learning::data::argmax;
use network::{
    ColumnConfig, ColumnEntry, CpuBackend, FACE_PIXELS, FACE_SIZE, NetworkBackend, ProgressiveNetwork, TrainBackend,
    faces_to_tensor, rows,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// Largest relative error that agrees, in f32.
const TOLERANCE: f32 = 1e-3;
/// Losses of trainings drift apart with every step.
const LOSS_TOLERANCE: f32 = 1e-2;
/// Training steps.
const STEPS: usize = 3;
/// Faces of a training step.
const BATCH: usize = 8;
/// Adam's rate.
const RATE: f64 = 1e-4;

/// Hold a device against the CPU: answers, training steps, and the promise.
///
/// The same faces go through the same weights on the device and on this machine's CPU. Measured are the largest error of the features
/// and of each column's logits, relative to the largest value, and the share of equal labels; the losses of three training steps of a column and of a
/// BEGAN; whether the other columns answer bit for bit the same after a column was added; and how long the first answer takes, and
/// the second. Faces are made up unless --data is given.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  facelab agree --model models/default --device cuda
  facelab agree --model models/default --device cuda --data fairface --faces 256 --json agree.json

Exit codes: 0 they agree, 1 they do not or it failed, 2 wrong usage.")]
pub struct Args {
    /// The model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Pack or folder of faces; of a pack the training part
    #[arg(long, value_name = "PACK|FOLDER")]
    data: Option<PathBuf>,
    /// Faces
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    faces: u32,
    /// Write the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What was compared.
#[derive(Debug, Serialize)]
struct Compared {
    what: String,
    /// Largest error over the largest value.
    relative_error: f32,
    /// Most that agrees.
    tolerance: f32,
    /// Share of faces with the same label, of columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    equal_labels: Option<f32>,
}

#[derive(Debug, Serialize)]
struct Report {
    device: String,
    faces: usize,
    first_answer_s: f64,
    second_answer_s: f64,
    compared: Vec<Compared>,
    promise_kept: bool,
    agree: bool,
    command: String,
}

/// Runs the command.
pub fn run(args: Args, common: &Common) -> anyhow::Result<()> {
    let (device, why) = common.device()?;
    let report = network::on_device!(device, B => compare::<B>(&args, why)?);
    if let Some(path) = &args.json {
        write_json(path, &report)?;
    }
    print(&text(&report))?;
    if !report.agree {
        bail!("the device does not agree with the CPU");
    }
    Ok(())
}

fn text(report: &Report) -> String {
    let line = |found: &Compared| {
        let labels =
            found.equal_labels.map_or_else(String::new, |share| format!(", {:.1}% equal labels", share * 100.0));
        let verdict = if found.relative_error <= found.tolerance { "agrees" } else { "DIFFERS" };
        format!("{:<28} {verdict}: relative error {:.1e}{labels}", found.what, found.relative_error)
    };
    let mut lines = vec![format!("device {}; {} faces", report.device, report.faces)];
    lines.extend(report.compared.iter().map(line));
    lines.push(format!("the promise {}", if report.promise_kept { "is kept" } else { "IS BROKEN" }));
    lines.push(format!("first answer {:.2} s, second {:.3} s", report.first_answer_s, report.second_answer_s));
    lines.join("\n")
}

fn faces(args: &Args) -> anyhow::Result<Vec<Vec<u8>>> {
    let count = args.faces as usize;
    let Some(path) = &args.data else {
        let mut rng = StdRng::seed_from_u64(5);
        let mut made = || {
            let (x, y) = (rng.random_range(0.02..0.4f32), rng.random_range(0.02..0.4f32));
            let value = |at| ((at % FACE_SIZE) as f32 * x).sin() + ((at / FACE_SIZE) as f32 * y).cos();
            (0..FACE_PIXELS).map(|at| (128.0 + 50.0 * value(at)) as u8).collect()
        };
        return Ok((0..count).map(|_| made()).collect());
    };
    let all = learning::data::load_unlabelled(path).with_context(|| format!("reading {}", path.display()))?;
    if all.is_empty() {
        bail!("{} has no faces", path.display());
    }
    Ok((0..count.min(all.len())).map(|at| all[at * all.len() / count.min(all.len())].to_vec()).collect())
}

/// Everything that is compared, computed on one backend.
struct Computed {
    features: Vec<f32>,
    /// Name and rows of each column.
    logits: Vec<(String, Vec<Vec<f32>>)>,
    column_losses: Vec<f32>,
    began_losses: Vec<f32>,
    promise_kept: bool,
    seconds: [f64; 2],
}

fn compute<B: NetworkBackend>(store: &ModelStore, faces: &[Vec<u8>]) -> anyhow::Result<Computed> {
    let device = B::Device::default();
    let done = || B::sync(&device).map_err(|error| anyhow!("the device failed: {error:?}"));
    let network = store.load::<B>(&device)?;
    let batches: Vec<Vec<&[u8]>> = faces.chunks(BATCH).map(|batch| batch.iter().map(Vec::as_slice).collect()).collect();
    let mut seconds = [0.0; 2];
    for second in &mut seconds {
        let start = Instant::now();
        drop(network.forward(faces_to_tensor::<B>(&batches[0][..1], &device)));
        done()?;
        *second = start.elapsed().as_secs_f64();
    }
    let mut features = Vec::new();
    let mut logits: Vec<(String, Vec<Vec<f32>>)> = Vec::new();
    for batch in &batches {
        let batch = faces_to_tensor::<B>(batch, &device);
        features.extend(numbers(network.features(batch.clone())));
        for (at, (name, said)) in network.forward(batch).into_iter().enumerate() {
            if logits.len() <= at {
                logits.push((name.to_string(), Vec::new()));
            }
            logits[at].1.extend(rows(said));
        }
    }
    let first: Vec<&[u8]> = faces.iter().cycle().take(BATCH).map(Vec::as_slice).collect();
    let first = faces_to_tensor::<B>(&first, &device);
    let column_losses = train_column(store, &network, first.clone(), &device);
    let began_losses = train_began::<B>(first.clone(), &device);
    let promise_kept = promise(store, network, &first, &device)?;
    Ok(Computed { features, logits, column_losses, began_losses, promise_kept, seconds })
}

/// Losses of a column of Table III on the encoder's features.
fn train_column<B: NetworkBackend>(
    store: &ModelStore,
    network: &ProgressiveNetwork<B>,
    faces: Tensor<B, 4>,
    device: &B::Device,
) -> Vec<f32> {
    let sizes = sizes(store);
    let mut fit = ColumnFit::new(sizes.init::<B>(device, 2), 0.0);
    let features = Tensor::<TrainBackend<B>, 4>::from_inner(network.features(faces));
    let targets: Vec<f32> =
        (0..BATCH).flat_map(|at| (0..sizes.classes).map(move |class| f32::from(u8::from(class == at % 2)))).collect();
    let targets = Tensor::<TrainBackend<B>, 2>::from_data(TensorData::new(targets, [BATCH, sizes.classes]), device);
    let mut losses = Vec::new();
    for _ in 0..STEPS {
        let logits = fit.column.forward(features.clone(), &[]).logits;
        let loss = -(targets.clone() * burn::tensor::activation::log_softmax(logits, 1)).sum_dim(1).mean();
        losses.extend(numbers(loss.clone()));
        fit = fit.step(loss, RATE);
    }
    losses
}

/// Losses of the paper's BEGAN: of faces, then of generated ones.
fn train_began<B: NetworkBackend>(faces: Tensor<B, 4>, device: &B::Device) -> Vec<f32> {
    let config = BeganConfig::default();
    let mut game = Game::<B>::new(&config, FACE_SIZE, device);
    let mut rng = StdRng::seed_from_u64(9);
    let codes: Vec<f32> = (0..BATCH * config.encoder.latent).map(|_| rng.random_range(-1.0..1.0)).collect();
    let codes = Tensor::<TrainBackend<B>, 2>::from_data(TensorData::new(codes, [BATCH, config.encoder.latent]), device);
    let faces = Tensor::<TrainBackend<B>, 4>::from_inner(faces);
    let mut said = Vec::new();
    for _ in 0..STEPS {
        let (after, losses) = game.step(faces.clone(), codes.clone(), 0.1, RATE);
        game = after;
        said.extend([losses.real, losses.fake]);
    }
    said
}

/// Whether all columns answer bit for bit the same when there is one more.
fn promise<B: NetworkBackend>(
    store: &ModelStore,
    mut network: ProgressiveNetwork<B>,
    faces: &Tensor<B, 4>,
    device: &B::Device,
) -> anyhow::Result<bool> {
    let answers = |network: &ProgressiveNetwork<B>| -> Vec<u32> {
        let columns = network.forward(faces.clone()).into_iter().filter(|(name, _)| name.as_str() != "one_more");
        columns.flat_map(|(_, logits)| numbers(logits)).map(f32::to_bits).collect()
    };
    let before = answers(&network);
    network.insert(ColumnEntry::new("one_more".parse()?, Vec::new(), sizes(store).init(device, 4), false))?;
    Ok(answers(&network) == before)
}

/// A column of Table III for the model's encoder.
fn sizes(store: &ModelStore) -> ColumnConfig {
    let features = store.manifest().encoder.config.features();
    ColumnConfig { features, dropout: 0.0, ..ColumnConfig::new(2, 0) }
}

/// Largest difference over the largest value; what is no number is infinitely far away.
fn relative_error(of: &[f32], from: &[f32]) -> f32 {
    let largest = from.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    let far = |(a, b): (&f32, &f32)| if a.is_finite() { (a - b).abs() } else { f32::INFINITY };
    if of.len() == from.len() { of.iter().zip(from).map(far).fold(0.0, f32::max) / largest } else { f32::INFINITY }
}

fn compare<B: NetworkBackend>(args: &Args, device: String) -> anyhow::Result<Report> {
    let store = ModelStore::open(&args.model)?;
    let faces = faces(args)?;
    let there = compute::<B>(&store, &faces).context("on the device")?;
    let here = compute::<CpuBackend>(&store, &faces).context("on the CPU")?;
    let of = |what: &str, of: &[f32], from: &[f32], tolerance| Compared {
        what: what.to_owned(),
        relative_error: relative_error(of, from),
        tolerance,
        equal_labels: None,
    };
    let mut compared = vec![of("features", &there.features, &here.features, TOLERANCE)];
    for ((name, there), (_, here)) in there.logits.iter().zip(&here.logits) {
        let equal = there.iter().zip(here).filter(|(a, b)| argmax(a) == argmax(b)).count();
        let found = of(&format!("column {name}"), &there.concat(), &here.concat(), TOLERANCE);
        compared.push(Compared { equal_labels: Some(equal as f32 / here.len().max(1) as f32), ..found });
    }
    compared.push(of("training of a column", &there.column_losses, &here.column_losses, LOSS_TOLERANCE));
    compared.push(of("training of a BEGAN", &there.began_losses, &here.began_losses, LOSS_TOLERANCE));
    let agree = there.promise_kept && compared.iter().all(|found| found.relative_error <= found.tolerance);
    Ok(Report {
        device,
        faces: faces.len(),
        first_answer_s: there.seconds[0],
        second_answer_s: there.seconds[1],
        compared,
        promise_kept: there.promise_kept,
        agree,
        command: command_line(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_or_missing_does_not_agree() {
        assert_eq!(relative_error(&[1.0, 2.0], &[1.0, 2.0]), 0.0);
        assert!((relative_error(&[1.0, 2.1], &[1.0, 2.0]) - 0.05).abs() < 1e-3);
        assert_eq!(relative_error(&[f32::NAN, 2.0], &[1.0, 2.0]), f32::INFINITY);
        assert_eq!(relative_error(&[1.0], &[1.0, 2.0]), f32::INFINITY);
    }
}

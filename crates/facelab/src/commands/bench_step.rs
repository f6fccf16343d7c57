//! `facelab bench-step`: one step of the work, as often as it is asked for. `scripts/bench-peers` talks to it.

use crate::commands::bench_inputs::untrained_model;
#[cfg(feature = "perception")]
use crate::common::DetectorFiles;
use crate::common::{Common, print, write_file};
use anyhow::{Context, ensure};
use burn::tensor::{Tensor, TensorData};
use clap::{Args as ClapArgs, ValueEnum};
use engine::{Memory, ModelStore};
use learning::ColumnFit;
use learning::began::{BeganConfig, Game};
use network::weights::{self, Precision};
use network::{CpuBackend, DeviceKind, EncoderConfig, FACE_PIXELS, FACE_SIZE, TrainBackend, faces_to_tensor};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::time::Instant;
#[cfg(feature = "perception")]
use vision::{BgrImage, DetectorConfig, open_detector};

type B = CpuBackend;
type Train = TrainBackend<B>;

/// The columns and their labels; each draws from those before it.
const COLUMNS: [(&str, usize); 4] = [("gender", 2), ("age", 9), ("emotion", 8), ("identity", 50)];
/// The column whose training is timed: it has one source.
const TRAINED: usize = 1;
/// Most faces of a step.
const FACES: usize = 32;
/// The picture for the detector.
const PICTURE: (u32, u32) = (640, 480);
/// A picture given is at most so large, pixels.
#[cfg(feature = "perception")]
const MAX_PIXELS: u64 = 100_000_000;
/// Adam's rate, as in the paper.
const LEARNING_RATE: f64 = 1e-4;

/// Run one step of the work each time a line comes on standard input, and say how long it took.
///
/// For comparisons with other programs in the same minutes: scripts/bench-peers starts it beside them. With --prepare it
/// writes weights and inputs that all of them read: an untrained model with four columns, the networks of a BEGAN, faces,
/// codes, features and a picture (raw values, rows first).
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  facelab bench-step --work peers --prepare
  yes run | head -5 | facelab bench-step --work peers --step encoder --batch 1

Each line that comes gives one: {\"ms\": 28.1, \"values\": [...], \"peak_mb\": 120.5}

Exit codes: 0 done, 1 failed, 2 wrong usage.")]
pub struct Args {
    /// Folder of weights and inputs
    #[arg(long, value_name = "DIR")]
    work: PathBuf,
    /// Write weights and inputs, and end
    #[arg(long)]
    prepare: bool,
    /// Picture for the detector, brought to 640x480 [default: a made-up one without a face]
    #[cfg(feature = "perception")]
    #[arg(long, value_name = "FILE", requires = "prepare")]
    picture: Option<PathBuf>,
    /// What to run
    #[arg(long, value_enum, required_unless_present = "prepare")]
    step: Option<Step>,
    /// Faces at once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=FACES as i64))]
    batch: u32,
    #[cfg(feature = "perception")]
    #[command(flatten)]
    detectors: DetectorFiles,
}

/// A step that can be asked for.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Step {
    /// Faces to features
    Encoder,
    /// Faces to the logits of four columns
    Columns,
    /// A training step of a column with one source, on features
    TrainColumn,
    /// A training step of a BEGAN on pictures of 128×128
    TrainBegan,
    /// YuNet on a picture of 640×480
    #[cfg(feature = "perception")]
    Yunet,
}

/// The answer to a line.
#[derive(Debug, Serialize)]
struct Answer {
    ms: f64,
    /// What came out: features, logits, losses, or boxes with scores.
    values: Vec<f32>,
    peak_mb: f32,
}

/// Runs the command.
pub fn run(args: Args, common: &Common) -> anyhow::Result<()> {
    // Peers are on the CPU; `cpu-reference` shows what burn's own operations give and take.
    if common.device()?.0 != DeviceKind::Cpu {
        anyhow::bail!("bench-step measures CPUs: give --device cpu or cpu-reference");
    }
    let work = &args.work;
    let Some(step) = args.step else {
        #[cfg(feature = "perception")]
        let picture = args.picture.as_deref().map(picture).transpose()?;
        #[cfg(not(feature = "perception"))]
        let picture = None;
        return prepare(work, picture);
    };
    let batch = args.batch as usize;
    match step {
        Step::Encoder => {
            let (network, faces) = (model(work)?.load_answering::<B>(&Default::default())?, faces(work, batch)?);
            serve(|| Ok(numbers(network.features(faces.clone()))))
        }
        Step::Columns => {
            let (network, faces) = (model(work)?.load_answering::<B>(&Default::default())?, faces(work, batch)?);
            serve(|| Ok(network.forward(faces.clone()).into_iter().flat_map(|(_, logits)| numbers(logits)).collect()))
        }
        Step::TrainColumn => {
            let network = model(work)?.load::<B>(&Default::default())?;
            let mut fit = Some(ColumnFit::new(network.columns()[TRAINED].column()?.clone(), 0.0));
            let (features, source) = column_inputs(work, batch)?;
            let classes = COLUMNS[TRAINED].1;
            let targets: Vec<f32> =
                (0..batch).flat_map(|at| (0..classes).map(move |c| f32::from(u8::from(c == at % classes)))).collect();
            let targets: Tensor<Train, 2> =
                Tensor::from_data(TensorData::new(targets, [batch, classes]), &Default::default());
            serve(|| {
                let before = fit.take().context("a step failed before")?;
                let logits = before.column.forward(features.clone(), std::slice::from_ref(&source)).logits;
                let loss = -(targets.clone() * burn::tensor::activation::log_softmax(logits, 1)).sum_dim(1).mean();
                let value = numbers(loss.clone());
                fit = Some(before.step(loss, LEARNING_RATE));
                Ok(value)
            })
        }
        Step::TrainBegan => {
            let mut game = Some(Game::<B>::new(&BeganConfig::default(), FACE_SIZE, &Default::default()));
            let x = Tensor::<Train, 4>::from_inner(faces(work, batch)?);
            let latent = EncoderConfig::default().latent;
            let z = read(&work.join("codes.f32"), batch * latent)?;
            let z = Tensor::<Train, 2>::from_data(TensorData::new(z, [batch, latent]), &Default::default());
            serve(|| {
                let before = game.take().context("a step failed before")?;
                let (after, losses) = before.step(x.clone(), z.clone(), 0.0, LEARNING_RATE);
                game = Some(after);
                Ok(vec![losses.real, losses.fake])
            })
        }
        #[cfg(feature = "perception")]
        Step::Yunet => {
            vision::set_threads(i32::try_from(common.threads).unwrap_or(1))?;
            let bytes = std::fs::read(work.join("picture.bgr")).context("reading picture.bgr")?;
            let picture = BgrImage::new(PICTURE.0, PICTURE.1, bytes)?;
            let yunet = args.detectors.yunet();
            let mut detector = open_detector(yunet.as_deref(), None, &DetectorConfig::default())?;
            serve(|| {
                let found = detector.detect(&picture)?;
                let best = found.iter().max_by(|a, b| a.score.total_cmp(&b.score));
                Ok(best.map_or_else(Vec::new, |face| vec![face.roi.x, face.roi.y, face.roi.width, face.roi.height]))
            })
        }
    }
}

/// Answers each line of standard input with a run of `work`.
fn serve(mut work: impl FnMut() -> anyhow::Result<Vec<f32>>) -> anyhow::Result<()> {
    let memory = network::recycle();
    for line in std::io::stdin().lock().lines() {
        line.context("reading standard input")?;
        let start = Instant::now();
        let values = work()?;
        memory.step();
        let ms = start.elapsed().as_secs_f64() * 1e3;
        print(&serde_json::to_string(&Answer { ms, values, peak_mb: Memory::now().peak_rss_mb })?)?;
    }
    Ok(())
}

/// A tensor's values.
pub(super) fn numbers<K: burn::tensor::backend::Backend, const D: usize>(tensor: Tensor<K, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn model(work: &Path) -> anyhow::Result<ModelStore> {
    ModelStore::open(&work.join("model")).context("run with --prepare first")
}

fn read(path: &Path, count: usize) -> anyhow::Result<Vec<f32>> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let values =
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).take(count).collect::<Vec<_>>();
    ensure!(values.len() == count, "{}: {count} values expected, {} found", path.display(), values.len());
    Ok(values)
}

fn faces(work: &Path, batch: usize) -> anyhow::Result<Tensor<B, 4>> {
    let bytes = std::fs::read(work.join("faces.u8")).context("reading faces.u8")?;
    let faces: Vec<&[u8]> = bytes.chunks_exact(FACE_PIXELS).take(batch).collect();
    ensure!(faces.len() == batch, "faces.u8: {batch} faces expected, {} found", faces.len());
    Ok(faces_to_tensor(&faces, &Default::default()))
}

/// Features, and the block outputs of one source column.
fn column_inputs(work: &Path, batch: usize) -> anyhow::Result<(Tensor<Train, 4>, Vec<Tensor<Train, 4>>)> {
    let tensor = |name: String, side: usize| -> anyhow::Result<Tensor<Train, 4>> {
        let values = read(&work.join(name), batch * side * side * 256)?;
        Ok(Tensor::from_data(TensorData::new(values, [batch, side, side, 256]), &Default::default()))
    };
    let sides = [16, 16, 8, 4];
    let source = sides.iter().enumerate().map(|(at, side)| tensor(format!("source.{at}.f32"), *side));
    Ok((tensor("features.f32".to_owned(), 16)?, source.collect::<anyhow::Result<_>>()?))
}

/// Writes weights and inputs.
fn prepare(work: &Path, picture: Option<Vec<u8>>) -> anyhow::Result<()> {
    let device = Default::default();
    let dir = work.join("model");
    if dir.exists() {
        std::fs::remove_dir_all(&dir).with_context(|| format!("removing {}", dir.display()))?;
    }
    untrained_model::<B>(&dir, &COLUMNS, Precision::F32, &device)?;
    let game = Game::<B>::new(&BeganConfig::default(), FACE_SIZE, &device);
    weights::save::<Train, _>(&game.discriminator, &work.join("discriminator.safetensors"), Precision::F32)?;
    weights::save::<Train, _>(&game.generator, &work.join("generator.safetensors"), Precision::F32)?;

    let mut rng = StdRng::seed_from_u64(7);
    let faces: Vec<u8> = (0..FACES * FACE_PIXELS).map(|_| rng.random()).collect();
    write_file(&work.join("faces.u8"), &faces)?;
    let mut floats = |name: String, count: usize| {
        let bytes: Vec<u8> = (0..count).flat_map(|_| rng.random_range(-1.0f32..1.0).to_le_bytes()).collect();
        write_file(&work.join(name), &bytes)
    };
    floats("codes.f32".to_owned(), FACES * BeganConfig::default().encoder.latent)?;
    floats("features.f32".to_owned(), FACES * 16 * 16 * 256)?;
    for (at, side) in [16, 16, 8, 4].into_iter().enumerate() {
        floats(format!("source.{at}.f32"), FACES * side * side * 256)?;
    }
    let (width, height) = PICTURE;
    let made_up =
        || (0..width * height).flat_map(|at| [(at % width * 200 / width) as u8, (at / height) as u8, 90]).collect();
    let picture: Vec<u8> = picture.unwrap_or_else(made_up);
    write_file(&work.join("picture.bgr"), &picture)
}

/// The pixels of a picture, brought to the size that all programs detect in.
#[cfg(feature = "perception")]
fn picture(path: &Path) -> anyhow::Result<Vec<u8>> {
    let (width, height) = PICTURE;
    Ok(BgrImage::read(path, MAX_PIXELS)?.resized(width, height)?.into_data())
}

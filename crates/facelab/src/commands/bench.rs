//! `facelab bench`: how long each step of a face's way takes on this machine.

use super::bench_inputs::{test_faces, untrained_model};
#[cfg(feature = "perception")]
use super::bench_pictures;
use super::bench_roof::{Roof, measure_roof};
use super::growth::{Growth, draw, growth};
use crate::common::Common;
#[cfg(feature = "perception")]
use crate::common::DetectorFiles;
use crate::common::{command_line, print, write_json};
use crate::progress;
use crate::timing::{Timing, measure};
use anyhow::{Context, anyhow};
use burn::tensor::Tensor;
use clap::Args as ClapArgs;
use engine::{Memory, ModelStore};
use indicatif::ProgressBar;
use learning::ColumnFit;
use learning::began::{BeganConfig, Game};
use network::weights::Precision;
use network::{ColumnConfig, FACE_SIZE, NetworkBackend, ProgressiveNetwork, TrainBackend};
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Instant;

/// Faces of a training step.
const TRAINING_BATCH: usize = 16;
/// Adam's rate, as in the paper.
const LEARNING_RATE: f64 = 1e-4;
/// Labels of the tasks that ship; in a model of its own making the bench has their columns.
const TASKS: [(&str, usize); 3] = [("gender", 2), ("age", 9), ("emotion", 8)];

/// Measure detection, alignment, encoder and columns on this machine.
///
/// Without --model, an untrained network of the default sizes with the columns gender, age and emotion is measured;
/// weights do not change the times. Without a face detector, detection is left out.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  facelab bench
  facelab bench --model models/default --threads 2 --json bench.json
  facelab bench --picture group.jpg --runs 50
  facelab bench --device cuda --batches 1,4,16,64 --training --json card.json
  facelab bench --growth growth.png --json growth.json
  FASTCONV_ISA=avx2 facelab bench --roof --batches 1,8

Exit codes: 0 measured, 1 failed, 2 wrong usage.")]
pub struct Args {
    /// The model
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Picture for the detector (JPEG or PNG) [default: a made-up one of 640x480]
    #[cfg(feature = "perception")]
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Runs of each step, after one to warm up
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Faces at once
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 4], value_parser = clap::value_parser!(u32).range(1..=1024))]
    batches: Vec<u32>,
    /// Also time a training step of a whole column on the encoder's features and one of a BEGAN, 16 faces each
    #[arg(long)]
    training: bool,
    /// Also measure how times grow with faces, columns, threads and the frame's size, and draw it (PNG)
    #[arg(long, value_name = "FILE")]
    growth: Option<PathBuf>,
    /// Also measure what this machine's processor can do at most, and each layer against it; FASTCONV_ISA=avx2 takes a narrower instruction set
    #[arg(long)]
    roof: bool,
    /// Write the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[cfg(feature = "perception")]
    #[command(flatten)]
    detectors: DetectorFiles,
}

/// Everything measured.
#[derive(Debug, Serialize)]
struct Figures {
    device: String,
    threads: usize,
    runs: u32,
    /// Name of the model; none for an untrained one.
    model: Option<String>,
    /// `yunet` or `haar`; none when no detector could be had.
    detector: Option<&'static str>,
    /// Width and height of the picture, pixels; none without OpenCV.
    picture: Option<(u32, u32)>,
    /// Reading and checking all weights, milliseconds, once.
    load_ms: f64,
    timings: Vec<Timing>,
    growth: Vec<Growth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roof: Option<Roof>,
    memory: Memory,
    command: String,
}

/// Runs the command.
pub fn run(args: Args, common: &Common) -> anyhow::Result<()> {
    let (device, why) = common.device()?;
    let figures = network::on_device!(device, B => bench::<B>(&args, common, why)?);
    if let Some(path) = &args.json {
        write_json(path, &figures)?;
    }
    print(&text(&figures)?)
}

fn bench<B: NetworkBackend>(args: &Args, common: &Common, device_line: String) -> anyhow::Result<Figures> {
    let runs = args.runs as usize;
    let bar = progress::bar(common, "bench", 0);
    let mut timings = Vec::new();
    #[cfg(feature = "perception")]
    let (detector, picture) = {
        let picture = bench_pictures::picture(args.picture.as_deref())?;
        let detector = bench_pictures::detect(&args.detectors, &picture, runs, common, &mut timings)?;
        timings.push(bench_pictures::alignment(&picture, runs)?);
        (detector, Some((picture.width(), picture.height())))
    };
    #[cfg(not(feature = "perception"))]
    let (detector, picture) = {
        common.say("detection and alignment are left out: this facelab was built without OpenCV");
        (None, None)
    };

    let device = B::Device::default();
    let made_up = tempfile::tempdir().context("making a folder for the untrained model")?;
    let dir = match &args.model {
        Some(dir) => dir.clone(),
        None => untrained_model::<B>(&made_up.path().join("model"), &TASKS, Precision::F16, &device)?,
    };
    let start = Instant::now();
    let store = ModelStore::open(&dir)?;
    let network = store.load_answering::<B>(&device)?;
    let load_ms = start.elapsed().as_secs_f64() * 1e3;
    for &batch in &args.batches {
        networks(&network, batch as usize, runs, &device, &bar, &mut timings)?;
    }
    if args.training {
        training(&network, runs, &device, &mut timings)?;
    }
    let growth = match &args.growth {
        Some(path) => {
            bar.set_message("growth");
            #[cfg(feature = "perception")]
            let of_pictures = bench_pictures::growth(args.detectors.yunet().as_deref(), runs)?;
            #[cfg(not(feature = "perception"))]
            let of_pictures = None;
            let all: Vec<Growth> = growth(&network, runs, &device)?.into_iter().chain(of_pictures).collect();
            draw(path, &all)?;
            all
        }
        None => vec![],
    };
    let memory = Memory::now();
    bar.set_message("roof");
    let roof = args.roof.then(|| measure_roof(&args.batches, runs)).transpose()?;
    bar.finish_and_clear();
    Ok(Figures {
        device: device_line,
        threads: rayon::current_num_threads(),
        runs: args.runs,
        model: args.model.as_ref().map(|_| store.manifest().name.clone()),
        detector,
        picture,
        load_ms,
        timings,
        growth,
        roof,
        memory,
        command: command_line(),
    })
}

/// Times encoder, each column on the encoder's features, and all together.
fn networks<B: NetworkBackend>(
    network: &ProgressiveNetwork<B>,
    batch: usize,
    runs: usize,
    device: &B::Device,
    bar: &ProgressBar,
    timings: &mut Vec<Timing>,
) -> anyhow::Result<()> {
    let faces = test_faces::<B>(batch, device);
    // Cards work asynchronously.
    let done = || B::sync(device).map_err(|error| anyhow!("the device failed: {error:?}"));
    let mut time = |step: &str, work: &mut dyn FnMut()| -> anyhow::Result<()> {
        bar.set_message(format!("{step}, batch {batch}"));
        bar.tick();
        timings.push(measure(step, batch, runs, || {
            work();
            done()
        })?);
        Ok(())
    };
    time("encoder", &mut || drop(network.features(faces.clone())))?;
    let features = network.features(faces.clone());
    for entry in network.columns() {
        let alone = network.restricted_to(std::slice::from_ref(&entry.name))?;
        let step = match alone.columns().len() {
            1 => format!("column {}", entry.name),
            count => format!("column {} and {} that it draws from", entry.name, count - 1),
        };
        time(&step, &mut || drop(alone.columns_forward(features.clone())))?;
    }
    time("encoder + all columns", &mut || drop(network.forward(faces.clone())))
}

/// Times training steps.
fn training<B: NetworkBackend>(
    network: &ProgressiveNetwork<B>,
    runs: usize,
    device: &B::Device,
    timings: &mut Vec<Timing>,
) -> anyhow::Result<()> {
    let done = || B::sync(device).map_err(|error| anyhow!("the device failed: {error:?}"));
    let faces = test_faces::<B>(TRAINING_BATCH, device);
    let features = Tensor::<TrainBackend<B>, 4>::from_inner(network.features(faces.clone()));
    let sizes = ColumnConfig { features: features.dims()[3], ..ColumnConfig::new(TASKS[2].1, 0) };
    let mut fit = Some(ColumnFit::new(sizes.init::<B>(device, 1), 0.0));
    timings.push(measure("training step, column", TRAINING_BATCH, runs, || {
        let before = fit.take().context("a step failed before")?;
        let logits = before.column.forward(features.clone(), &[]).logits;
        let loss = -burn::tensor::activation::log_softmax(logits, 1).narrow(1, 0, 1).mean();
        fit = Some(before.step(loss, LEARNING_RATE));
        done()
    })?);
    let config = BeganConfig::default();
    let mut game = Some(Game::<B>::new(&config, FACE_SIZE, device));
    let codes = Tensor::<TrainBackend<B>, 2>::ones([TRAINING_BATCH, config.encoder.latent], device) * 0.5;
    let faces = Tensor::<TrainBackend<B>, 4>::from_inner(faces);
    timings.push(measure("training step, BEGAN", TRAINING_BATCH, runs, || {
        let before = game.take().context("a step failed before")?;
        game = Some(before.step(faces.clone(), codes.clone(), 0.1, LEARNING_RATE).0);
        done()
    })?);
    Ok(())
}

fn text(figures: &Figures) -> anyhow::Result<String> {
    let mut text = String::new();
    let model = figures.model.as_deref().unwrap_or("untrained, default sizes");
    let (width, height) = figures.picture.unwrap_or_default();
    writeln!(text, "device {}; {} threads; model: {model}", figures.device, figures.threads)?;
    writeln!(text, "{:<28} {:>5} {:>11} {:>11} {:>11}", "step", "batch", "median ms", "p95 ms", "ms a face")?;
    for t in &figures.timings {
        let step = match (t.step.as_str(), figures.detector) {
            ("detect", Some(name)) => format!("detect ({name}, {width}x{height})"),
            (step, _) => step.to_owned(),
        };
        writeln!(text, "{step:<28} {:>5} {:>11.2} {:>11.2} {:>11.2}", t.batch, t.median_ms, t.p95_ms, t.per_face_ms)?;
    }
    writeln!(text, "model load {:.0} ms; peak memory {:.0} MB", figures.load_ms, figures.memory.peak_rss_mb)?;
    if let Some(roof) = &figures.roof {
        write!(text, "{}", roof.text()?)?;
    }
    Ok(text)
}

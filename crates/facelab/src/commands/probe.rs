//! `facelab probe`: what a linear classifier makes of an encoder's features.

use crate::common::{Common, command_line, print, write_json};
use crate::progress;
use crate::values::parse_task;
use clap::Args as ClapArgs;
use engine::ModelStore;
use learning::{Accuracy, Confusion, FewShotConfig, LabelledFaces, NOTHING_KNOWN, Reader, data, fit};
use network::{ColumnConfig, Encoder, EncoderConfig, NetworkBackend, ProgressiveNetwork, TaskName};
use serde::Serialize;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Measure how good an encoder's features are: accuracy of a linear classifier on them, on validation faces.
///
/// The classifier is ridge regression on pooled features, its penalty chosen on held-out training faces. No column takes part.
/// Encoders with random weights show what the architecture alone is worth.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  facelab probe --model models/default --random 0 --task gender=fairface --task emotion=ferplus
  facelab probe --model runs/gamma_3 --model runs/gamma_5 --task age=fairface --json probe.json

Exit codes: 0 measured, 1 failed, 2 wrong usage.")]
pub struct Args {
    /// Model whose encoder is measured; may be given several times
    #[arg(long = "model", value_name = "DIR", required_unless_present = "random")]
    models: Vec<PathBuf>,
    /// Measure an encoder with random weights of this seed, too; may be given several times
    #[arg(long, value_name = "SEED")]
    random: Vec<u64>,
    /// Task and its labelled faces; may be given several times
    #[arg(long = "task", required = true, value_name = "NAME=PACK|FOLDER", value_parser = parse_task)]
    tasks: Vec<(TaskName, PathBuf)>,
    /// Training faces of each task
    #[arg(long, default_value_t = 1500, value_parser = clap::value_parser!(u32).range(10..=5000))]
    training_faces: u32,
    /// Validation faces of each task at most; 0: all
    #[arg(long, default_value_t = 1000)]
    validation_faces: usize,
    /// Write the table as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// All that is written.
#[derive(Debug, Serialize)]
struct Report {
    rows: Vec<Row>,
    device: String,
    command: String,
}

/// One encoder and one task.
#[derive(Debug, Serialize)]
struct Row {
    /// The model's folder, or the seed of random weights.
    encoder: String,
    /// Digest of the encoder's file.
    encoder_sha256: Option<String>,
    task: TaskName,
    /// Faces it was fitted on.
    training_faces: usize,
    /// Faces it was asked for.
    n: usize,
    accuracy: f32,
    accuracy_low: f32,
    accuracy_high: f32,
    /// What always answering the most frequent label reaches.
    majority: f32,
}

/// Runs the command.
pub fn run(args: Args, common: &Common) -> anyhow::Result<()> {
    let (device, why) = common.device()?;
    network::on_device!(device, B => measure::<B>(&args, common, why))
}

/// An encoder to measure, and what it is called.
struct Candidate<B: NetworkBackend> {
    name: String,
    sha256: Option<String>,
    sizes: EncoderConfig,
    encoder: Encoder<B>,
}

fn candidates<B: NetworkBackend>(args: &Args, device: &B::Device) -> anyhow::Result<Vec<Candidate<B>>> {
    let models = args.models.iter().map(|dir| {
        let store = ModelStore::open(dir)?;
        let record = &store.manifest().encoder;
        let name = dir.file_name().unwrap_or(dir.as_os_str()).to_string_lossy().into_owned();
        let (sizes, sha256) = (record.config.clone(), Some(record.sha256.clone()));
        Ok(Candidate { name, sha256, sizes, encoder: store.load_encoder(device)? })
    });
    let random = args.random.iter().map(|&seed| {
        let sizes = EncoderConfig::default();
        let encoder = sizes.init(device, seed);
        Ok(Candidate { name: format!("random {seed}"), sha256: None, sizes, encoder })
    });
    models.chain(random).collect()
}

fn measure<B: NetworkBackend>(args: &Args, common: &Common, device_line: String) -> anyhow::Result<()> {
    let device = B::Device::default();
    let parts = args.tasks.iter().map(|(name, path)| {
        let data = data::load(path, name.as_str(), None, 0)?;
        let (train, val) = (data.train.spread(args.training_faces as usize), data.val.spread(args.validation_faces));
        anyhow::Ok((name, train, val))
    });
    let parts: Vec<(&TaskName, LabelledFaces, LabelledFaces)> = parts.collect::<Result<_, _>>()?;
    let candidates = candidates::<B>(args, &device)?;
    let faces: usize = parts.iter().map(|(_, train, val)| train.len() + val.len()).sum();
    let bar = progress::bar(common, "reading", (faces * candidates.len()) as u64);
    let config = FewShotConfig { looks: 1, ..FewShotConfig::default() };
    let mut rows = Vec::new();
    for candidate in candidates {
        let like = ColumnConfig { features: candidate.sizes.features(), ..ColumnConfig::new(2, 0) };
        let network = ProgressiveNetwork::new(candidate.encoder);
        for (task, train, val) in &parts {
            bar.set_message(format!("{} {task}", candidate.name));
            let read = |faces: &LabelledFaces| {
                let before = bar.position();
                let reader = Reader { network: &network, sources: &[], device: &device };
                let read = reader.read(&faces.faces, &like, &config, 0, NOTHING_KNOWN, &mut |at| {
                    bar.set_position(before + faces.len() as u64 * u64::from(at.step) / u64::from(at.steps.max(1)));
                    ControlFlow::Continue(())
                });
                bar.set_position(before + faces.len() as u64);
                read
            };
            let (known, asked) = (read(train)?, read(val)?);
            let answers = asked.answers(&fit(&known, train, &config)?.head);
            let confusion = Confusion::new(val.labels.len(), &answers, &val.classes());
            let Accuracy { value, low, high, .. } = confusion.accuracy();
            rows.push(Row {
                encoder: candidate.name.clone(),
                encoder_sha256: candidate.sha256.clone(),
                task: (*task).clone(),
                training_faces: train.len(),
                n: val.len(),
                accuracy: value,
                accuracy_low: low,
                accuracy_high: high,
                majority: confusion.majority(),
            });
        }
    }
    bar.finish_and_clear();
    let table = table(&rows);
    if let Some(path) = &args.json {
        write_json(path, &Report { rows, device: device_line, command: command_line() })?;
    }
    print(&table)
}

fn table(rows: &[Row]) -> String {
    let mut text =
        format!("{:<24} {:<12} {:>8} {:>16} {:>9}\n", "encoder", "task", "accuracy", "95% interval", "majority");
    for row in rows {
        let interval = format!("{:.3} to {:.3}", row.accuracy_low, row.accuracy_high);
        let _ = writeln!(
            text,
            "{:<24} {:<12} {:>8.3} {:>16} {:>9.3}",
            row.encoder,
            row.task.as_str(),
            row.accuracy,
            interval,
            row.majority
        );
    }
    text
}

//! Teaches a task from a folder of pictures with one folder for each label, while the engine could go on answering a camera.
//!
//! ```sh
//! . .prefix/env.sh     # names the face detector
//! cargo run --release -p engine --example teach_a_task -- models/default state glasses faces
//! ```
//!
//! `faces/with/1.jpg`, `faces/without/1.jpg` …: in each picture the largest face is taken. The task lies in `state` then, and answers
//! in every engine that is started on it.

use engine::{AddTask, Engine, EngineConfig, Sample, SamplePixels, TaskKind};
use network::{Label, TaskName};
use std::error::Error;
use std::path::{Path, PathBuf};
use vision::BgrImage;

/// Pixels of a picture at most.
const MAX_PIXELS: u64 = 50_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [model, state, name, folder] = words.as_slice() else {
        return Err("usage: teach_a_task MODEL STATE NAME FOLDER".into());
    };
    let config = EngineConfig {
        model: model.into(),
        state_dir: state.into(),
        yunet: std::env::var_os("FACE_ATTRIBUTES_YUNET").map(PathBuf::from),
        ..EngineConfig::default()
    };
    let engine = Engine::start(config, 1)?;
    let samples = samples(Path::new(folder))?;
    let mut labels: Vec<Label> = samples.iter().map(|sample| sample.label.clone()).collect();
    labels.dedup();
    let ticket = engine.tasks().add(AddTask {
        name: name.parse::<TaskName>()?,
        kind: TaskKind::General,
        labels,
        samples,
        // Draws from every shipped task that helps.
        sources: vec![],
        no_sources: false,
        transferable: false,
        retrain: false,
        epochs: 0,
    })?;
    let outcome = ticket.wait()?;
    println!("{}: {} in {:.1} s", outcome.task_id, outcome.accuracy.in_words(), outcome.training_seconds);
    println!("all other tasks answer bit for bit as before: {}", outcome.promise.kept);
    Ok(())
}

/// The pictures of all folders, label after label.
fn samples(folder: &Path) -> Result<Vec<Sample>, Box<dyn Error>> {
    let mut samples = Vec::new();
    for labelled in sorted(folder)?.into_iter().filter(|path| path.is_dir()) {
        let label: Label = labelled.file_name().unwrap_or_default().to_string_lossy().parse()?;
        for file in sorted(&labelled)? {
            let pixels = SamplePixels::Picture(BgrImage::read(&file, MAX_PIXELS)?);
            samples.push(Sample { label: label.clone(), pixels });
        }
    }
    Ok(samples)
}

fn sorted(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

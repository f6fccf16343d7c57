//! `facelab models`: what a model consists of.

use crate::common::{Common, print};
use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use engine::{ColumnRecord, MANIFEST, ModelStore};
use network::CpuBackend;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// List the columns of a model, or of every model in a folder.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  facelab models
  facelab models models/default --verify

Exit codes: 0 listed (and verified), 1 failed, 2 wrong usage.")]
pub struct Args {
    /// A model, or a folder of models
    #[arg(default_value = "models", value_name = "DIR")]
    dir: PathBuf,
    /// Read every file: hold its digest and the shapes of its weights against the manifest
    #[arg(long)]
    verify: bool,
}

/// Runs the command.
pub fn run(args: Args, common: &Common) -> anyhow::Result<()> {
    let mut text = String::new();
    for dir in models(&args.dir)? {
        let store = ModelStore::open(&dir)?;
        describe(&store, &mut text)?;
        if args.verify {
            common.say(format!("verifying {}", dir.display()));
            let device = Default::default();
            let network = store.load::<CpuBackend>(&device).map(drop);
            network
                .and_then(|()| store.load_cohort::<CpuBackend>(&device).map(drop))
                .with_context(|| format!("{} is damaged", dir.display()))?;
            writeln!(text, "  verified: all digests and shapes match the manifest")?;
        }
    }
    print(&text)
}

/// The folder itself, or the models right below it.
fn models(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if dir.join(MANIFEST).is_file() {
        return Ok(vec![dir.to_owned()]);
    }
    let entries = std::fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("reading {}", dir.display()))?.path();
        if path.join(MANIFEST).is_file() {
            found.push(path);
        }
    }
    if found.is_empty() {
        bail!("{} is no model ({MANIFEST} is missing) and holds none", dir.display());
    }
    found.sort();
    Ok(found)
}

fn size(path: &Path) -> String {
    std::fs::metadata(path).map_or_else(|_| "missing".to_owned(), |data| format!("{:.2} MB", data.len() as f64 / 1e6))
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

fn describe(store: &ModelStore, text: &mut String) -> anyhow::Result<()> {
    let (dir, manifest) = (store.dir(), store.manifest());
    let encoder = &manifest.encoder;
    writeln!(text, "{}: '{}', {}, schema {}", dir.display(), manifest.name, manifest.licence, manifest.schema)?;
    writeln!(text, "  encoder, {} channels", list(encoder.config.channels))?;
    writeln!(text, "    {} ({}), SHA-256 {}", encoder.file, size(&dir.join(&encoder.file)), encoder.sha256)?;
    if let Some(cohort) = &encoder.cohort {
        writeln!(text, "  cohort of {} strangers ({})", cohort.strangers, cohort.provenance)?;
        writeln!(text, "    {} ({}), SHA-256 {}", cohort.file, size(&dir.join(&cohort.file)), cohort.sha256)?;
    }
    for column in &manifest.columns {
        describe_column(column, dir, text)?;
    }
    Ok(())
}

fn describe_column(column: &ColumnRecord, dir: &Path, text: &mut String) -> anyhow::Result<()> {
    let mut notes = Vec::new();
    if !column.transferable {
        notes.push("later tasks do not draw from it".to_owned());
    }
    if column.silent {
        notes.push("silent".to_owned());
    }
    if let Some(newer) = &column.replaced_by {
        notes.push(format!("replaced by '{newer}'"));
    }
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    writeln!(text, "  {}{notes}", column.id())?;
    writeln!(text, "    labels: {}", list(&column.labels))?;
    let sources = if column.sources.is_empty() { "the encoder alone".to_owned() } else { list(column.source_names()) };
    writeln!(text, "    draws from: {sources}")?;
    if let Some(accuracy) = &column.metrics {
        writeln!(
            text,
            "    accuracy: {:.1}% (95% interval {:.1}% to {:.1}%) on {} held-back faces",
            accuracy.value * 100.0,
            accuracy.low * 100.0,
            accuracy.high * 100.0,
            accuracy.held_back
        )?;
    }
    let samples: u32 = column.samples.iter().sum();
    writeln!(text, "    trained: {samples} faces, {:.0} s", column.training_seconds)?;
    for origin in &column.provenance {
        writeln!(text, "    data: {origin}")?;
    }
    writeln!(text, "    {} ({}), SHA-256 {}", column.file, size(&dir.join(&column.file)), column.sha256)?;
    Ok(())
}

//! `facelab fewshot`: what can be learned from a few samples a label.

use crate::chart::{Chart, write_charts};
use crate::common::{Common, command_line, print, write_json};
use crate::fewshot::{Bench, Covered, Draw, Method, Outcome, Pool, Row, Strangers, draws, folds, text};
use crate::progress;
use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use engine::{MANIFEST, ModelStore};
use learning::FewShotConfig;
use network::{ColumnConfig, Label, NetworkBackend, TaskName};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Measure how well a task is learned from a few samples a label, by add_task's default and by other methods.
///
/// Samples are drawn anew many times; mean accuracy on faces that were not drawn, with its 95% interval over the draws. A
/// column of the task's own name is never read, nor are those of --without.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  facelab fewshot smile --model models/default --data london --column emotion --shots 1,5,20
  facelab fewshot who --model models/default --data lfw --column identity --classes 12 --no-sources
  facelab fewshot who --model models/default --data lfw --column identity --folds id_fold --no-sources
  facelab fewshot emotion --model models/default --data ferplus --column votes \\
      --labels neutral,happiness,surprise,sadness,anger --json few.json --png few.png

Exit codes: 0 measured, 1 failed, 2 wrong usage.")]
pub struct Args {
    /// Name of the task
    task: TaskName,
    /// The model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Pack
    #[arg(long, value_name = "PACK")]
    data: PathBuf,
    /// The table's column with the labels; 'votes' for FER+'s majority (validation part)
    #[arg(long, value_name = "NAME")]
    column: String,
    /// Labels that take part; none: all
    #[arg(long, value_delimiter = ',', value_name = "LABEL")]
    labels: Vec<String>,
    /// Labels of a draw at most, drawn too; 0: all
    #[arg(long, default_value_t = 0)]
    classes: usize,
    /// Samples a label
    #[arg(long, value_delimiter = ',', default_value = "1,5,20")]
    shots: Vec<usize>,
    /// The table's column with folds: each is asked for once, the others are taught; instead of --shots
    #[arg(long, value_name = "NAME")]
    folds: Option<String>,
    /// Draws
    #[arg(long, default_value_t = 20)]
    draws: usize,
    /// Faces a label that are asked for in a draw, at most
    #[arg(long, default_value_t = 20)]
    ask: usize,
    /// Faces a label that are read, at most; 0: all
    #[arg(long, default_value_t = 150)]
    pool: usize,
    /// Labels with fewer faces take no part and are not read [default: one more than the smallest of --shots]
    #[arg(long, value_name = "FACES")]
    least: Option<usize>,
    /// Methods
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Method::Default, Method::Features, Method::Sources,
        Method::Both, Method::FeaturesLogistic, Method::BothLogistic, Method::HogLogistic])]
    methods: Vec<Method>,
    /// Draws for methods that learn by gradients, which take long
    #[arg(long, default_value_t = 3)]
    gradient_draws: usize,
    /// Column that gradients may begin from
    #[arg(long, value_name = "TASK")]
    closest: Option<TaskName>,
    /// Columns that are not read
    #[arg(long, value_delimiter = ',', value_name = "TASK")]
    without: Vec<TaskName>,
    /// No column is read, as add_task with no_sources
    #[arg(long)]
    no_sources: bool,
    /// Measure too how well the default, and 'identity' where it is among --methods, tell strangers (labels that are not in a draw) from those who were taught
    #[arg(long)]
    strangers: bool,
    /// Measure too what the default keeps back for the unknown, of the faces as they are and with mouth and eyes covered
    #[arg(long)]
    covered: bool,
    /// At how many looks of the node's each sample is learned from in closed form, at most: sizes, and as a mirror shows it
    #[arg(long, default_value_t = FewShotConfig::default().looks)]
    looks: usize,
    /// Write everything as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw accuracy over samples
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// Seed of the draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// All that is written.
#[derive(Debug, Serialize)]
struct Report<'a> {
    task: &'a TaskName,
    data: String,
    labels: Vec<String>,
    sources: Vec<TaskName>,
    rows: Vec<Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    strangers: Vec<Strangers>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    covered: Vec<Covered>,
    model_sha256: String,
    device: String,
    command: String,
}

/// Runs the command.
pub fn run(args: Args, common: &Common) -> anyhow::Result<()> {
    let (device, why) = common.device()?;
    network::on_device!(device, B => measure::<B>(&args, common, why))
}

/// Labels for a report, which may be published: people are numbers, in the order of their names.
fn named(column: &str, labels: &[Label]) -> Vec<String> {
    let name = |(at, label): (usize, &Label)| match column {
        "identity" => (at + 1).to_string(),
        _ => label.to_string(),
    };
    labels.iter().enumerate().map(name).collect()
}

fn measure<B: NetworkBackend>(args: &Args, common: &Common, device_line: String) -> anyhow::Result<()> {
    let store = ModelStore::open(&args.model)?;
    let device = B::Device::default();
    let network = store.load::<B>(&device)?;
    let columns = &store.manifest().columns;
    let read = |name: &TaskName| !args.no_sources && *name != args.task && !args.without.contains(name);
    let sources: Vec<TaskName> =
        columns.iter().filter(|c| c.transferable && read(&c.name)).map(|c| c.name.clone()).collect();
    let like = match columns.first() {
        Some(column) => column.config.clone(),
        None => ColumnConfig { features: store.manifest().encoder.config.features(), ..ColumnConfig::new(2, 0) },
    };
    // Strangers may have a single face, and folds have what they have.
    let shots = args.shots.iter().min().filter(|_| args.folds.is_none() && !args.strangers);
    let least = args.least.unwrap_or(shots.map_or(1, |shots| shots + 1));
    let pool = Pool::load(&args.data, &args.column, &args.labels, args.folds.as_deref(), [least, args.pool], args.seed)
        .with_context(|| format!("reading {}", args.data.display()))?;
    let labels = named(&args.column, &pool.labels);
    let bar = progress::bar(common, "reading", 100);
    let config = FewShotConfig { looks: args.looks.max(1), ..FewShotConfig::default() };
    let closest = args.closest.clone();
    let cohort = store.load_cohort::<B>(&device)?;
    if args.methods.contains(&Method::Identity) && cohort.is_none() {
        bail!("{} has no cohort of strangers: method 'identity' is not possible", args.model.display());
    }
    let bench =
        Bench::new(&network, sources.clone(), closest, like, config, pool, cohort.as_ref(), &device, &mut |share| {
            bar.set_position((share * 100.0) as u64);
        })?;
    bar.finish_and_clear();
    let bench = if args.covered { bench.with_covered()? } else { bench };

    let sets: Vec<(usize, Vec<Draw>)> = if args.folds.is_some() {
        let draws = folds(&bench.pool);
        let taught = draws.first().map_or(0, |draw| draw.teach.len() / draw.labels.len().max(1));
        vec![(taught, draws)]
    } else {
        let drawn = |&shots: &usize| (shots, draws(&bench.pool, shots, args.classes, args.ask, args.draws, args.seed));
        args.shots.iter().map(drawn).collect()
    };
    if sets.iter().all(|(_, draws)| draws.is_empty()) {
        bail!("no label has as many faces as --shots asks for, and one more");
    }
    let (mut rows, mut strangers, mut covered) = (Vec::new(), Vec::new(), Vec::new());
    for (shots, draws) in sets.iter().filter(|(_, draws)| !draws.is_empty()) {
        let bar = progress::bar(common, &format!("{shots} shots"), (args.methods.len() * draws.len()) as u64);
        let mut found: BTreeMap<Method, Vec<(f32, f32)>> = BTreeMap::new();
        for &method in &args.methods {
            let count = if method.is_slow() { args.gradient_draws.min(draws.len()) } else { draws.len() };
            for draw in &draws[..count] {
                bar.set_message(method.name());
                if let Some(result) = bench.run(method, draw)? {
                    found.entry(method).or_default().push(result);
                }
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        if args.strangers {
            let asked = args.methods.contains(&Method::Identity);
            for method in [Some(Method::Default), asked.then_some(Method::Identity)].into_iter().flatten() {
                let scores = draws.iter().map(|draw| bench.familiarity(method, draw));
                let scores: Vec<_> = scores.collect::<Result<_, _>>()?;
                if scores.iter().any(|draw| draw.strangers.is_empty()) {
                    bail!("every label takes part in a draw: nobody is a stranger; give --classes");
                }
                strangers.push(Strangers::of(method, *shots, &scores));
            }
        }
        if args.covered {
            let shares: Vec<(f32, f32)> = draws.iter().map(|draw| bench.unknown(draw)).collect::<Result<_, _>>()?;
            let (unknown, unknown_covered) = shares.into_iter().unzip();
            let (unknown, unknown_covered) = (Outcome::of(unknown), Outcome::of(unknown_covered));
            covered.push(Covered { shots: *shots, unknown, unknown_covered });
        }
        let default: Option<Vec<f32>> = found.get(&Method::Default).map(|each| each.iter().map(|(a, _)| *a).collect());
        rows.extend(found.into_iter().map(|(method, each)| {
            let difference = default.as_ref().filter(|_| method != Method::Default).map(|default| {
                Outcome::of(default.iter().zip(&each).map(|(default, (other, _))| default - other).collect())
            });
            Row {
                method,
                shots: *shots,
                seconds: each.iter().map(|(_, seconds)| seconds).sum::<f32>() / each.len().max(1) as f32,
                accuracy: Outcome::of(each.into_iter().map(|(accuracy, _)| accuracy).collect()),
                default_is_better_by: difference,
            }
        }));
    }
    if let Some(path) = &args.png {
        let roc = (!strangers.is_empty()).then(|| roc(args, &strangers));
        write_charts(path, &std::iter::once(chart(args, &rows)).chain(roc).collect::<Vec<_>>())?;
    }
    let mut table = text(&rows);
    for found in &strangers {
        let (area, named) = (&found.area, &found.named_at_95);
        let (taught, strangers) = (&found.unknown_taught, &found.unknown_strangers);
        table += &format!(
            "strangers, {}, {} shots: area under the ROC curve {:.3} ± {:.3}; {:.3} ± {:.3} pass where 95% of those taught do; \
             unknown share {:.3} ± {:.3}, of those taught {:.3} ± {:.3}\n",
            found.method.name(),
            found.shots,
            area.mean,
            area.interval,
            named.mean,
            named.interval,
            strangers.mean,
            strangers.interval,
            taught.mean,
            taught.interval
        );
    }
    for Covered { shots, unknown, unknown_covered } in &covered {
        table += &format!(
            "unknown share, {shots} shots: {:.3} ± {:.3}; mouth and eyes covered {:.3} ± {:.3}\n",
            unknown.mean, unknown.interval, unknown_covered.mean, unknown_covered.interval
        );
    }
    if let Some(path) = &args.json {
        let report = Report {
            task: &args.task,
            data: args.data.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
            labels,
            sources,
            rows,
            strangers,
            covered,
            model_sha256: network::weights::sha256_file(&args.model.join(MANIFEST))?,
            device: device_line,
            command: command_line(),
        };
        write_json(path, &report)?;
    }
    print(&table)
}

fn roc(args: &Args, strangers: &[Strangers]) -> Chart {
    let line = |found: &Strangers| {
        let points = found.curve.iter().map(|&(strangers, known)| (f64::from(strangers), f64::from(known)));
        (format!("{}, {} samples a label", found.method.name(), found.shots), points.collect())
    };
    Chart {
        title: format!("{}: strangers", args.task),
        x: "share of strangers that pass".into(),
        y: "share of those taught that pass".into(),
        lines: strangers.iter().map(line).collect(),
        ..Chart::default()
    }
}

fn chart(args: &Args, rows: &[Row]) -> Chart {
    let line = |method: &Method| {
        let points = rows.iter().filter(|row| row.method == *method);
        (method.name(), points.map(|row| (row.shots as f64, f64::from(row.accuracy.mean))).collect())
    };
    Chart {
        title: format!("{}: accuracy after a few samples", args.task),
        x: "samples a label".into(),
        y: "accuracy".into(),
        lines: args.methods.iter().map(line).collect(),
        ..Chart::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_numbers_in_reports_and_other_labels_are_not() {
        let labels: Vec<Label> = ["ada", "bob"].map(|label| label.parse().unwrap()).into();
        assert_eq!(named("identity", &labels), ["1", "2"]);
        assert_eq!(named("mood", &labels), ["ada", "bob"]);
    }
}

//! `facelab evaluate`: how well one column answers on labelled faces.

use crate::chart::{Chart, write_charts};
use crate::common::{Common, command_line, print, write_json};
use crate::mistake_sheet::{surest_mistakes, write_mistakes};
use crate::report::{Corrupted, Figures, Report};
use crate::{figure, labels, progress, report};
use anyhow::{Context, bail};
use clap::{Args as ClapArgs, ValueEnum};
use engine::{MANIFEST, ModelStore};
use learning::data::{self, Split};
use learning::{Accuracy, Calibration, Corruption, LOOKS, LabelledFaces, evaluate_column, evaluate_looks};
use network::FaceCrop;
use network::{NetworkBackend, ProgressiveNetwork, TaskName};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Instant;

/// Evaluate a task of a model on labelled faces.
///
/// Prints accuracy with its 95% Wilson interval, what always answering the most frequent label would reach, recall per
/// label, the share within one group for ordered labels (age groups), and the calibration error with and without the
/// column's temperature. Labels are matched by name; faces with a label that the model does not know are left out and
/// counted. It takes the mean of the logits of six looks at each face, in three sizes as it is and as a mirror shows it; the
/// node takes these looks one after the other and merges their probabilities.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  facelab evaluate --model models/default --task emotion --data ferplus --split val
  facelab evaluate --model models/default --task gender --data lfw --split all --json gender.json --png gender.png
  facelab evaluate --model models/default --task age --data fairface --split test --mistakes mistakes.png
  facelab evaluate --model models/default --task gender --data lfw --split test --corrupted
  facelab evaluate --model models/mine --task smile --data my_faces/ --split test
     (my_faces/smiling/*.jpg, my_faces/neutral/*.jpg)

Exit codes: 0 evaluated, 1 failed, 2 wrong usage.")]
pub struct Args {
    /// The model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Task whose column is evaluated
    #[arg(long, value_name = "NAME")]
    task: TaskName,
    /// Pack, or folder with one folder of crops per class
    #[arg(long, value_name = "PACK|FOLDER")]
    data: PathBuf,
    /// The table's column with the labels (packs only)
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// Part of the data
    #[arg(long, value_enum, default_value = "val")]
    split: Part,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the confusion matrix as a picture
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// Draw accuracy over confidence, with and without the column's temperature
    #[arg(long, value_name = "FILE")]
    reliability: Option<PathBuf>,
    /// Draw the 24 faces that it was surest of and wrong about; they show people
    #[arg(long, value_name = "FILE")]
    mistakes: Option<PathBuf>,
    /// Report accuracy by what the table says in these columns too, such as gender, race7 (packs of files only)
    #[arg(long, value_delimiter = ',', value_name = "COLUMN")]
    groups: Vec<String>,
    /// Report what is called unknown where the faces are blurred or covered too (one look at each)
    #[arg(long)]
    corrupted: bool,
    /// Evaluate so many faces at most, spread over the part; 0: all
    #[arg(long, value_name = "N", default_value_t = 0)]
    limit: usize,
    /// Look at each face once, as it is: the node's first answer for a new face, in a sixth of the time
    #[arg(long)]
    one_look: bool,
    /// Seed that parts a folder without train/ and test/; the one it was trained with
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Part {
    Train,
    Val,
    Test,
    All,
}

impl Part {
    fn split(self) -> Option<Split> {
        match self {
            Self::Train => Some(Split::Train),
            Self::Val => Some(Split::Val),
            Self::Test => Some(Split::Test),
            Self::All => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
            Self::All => "all",
        }
    }
}

/// Runs the command.
pub fn run(args: Args, common: &Common) -> anyhow::Result<()> {
    let (device, why) = common.device()?;
    let report = network::on_device!(device, B => evaluate::<B>(&args, common, why)?);
    if let Some(path) = &args.json {
        write_json(path, &report)?;
    }
    if let Some(path) = &args.png {
        let f = &report.figures;
        let title =
            format!("{} on {}/{}: {:.1}% of {} faces", report.task, report.data, report.split, f.accuracy * 100.0, f.n);
        figure::write_confusion(path, f, &title)?;
    }
    if let Some(path) = &args.reliability {
        write_charts(path, &[reliability_chart(&report)])?;
    }
    print(&report.text())
}

fn reliability_chart(report: &Report) -> Chart {
    let f = &report.figures;
    let bins = f.reliability.iter().filter(|bin| bin.count > 0);
    let points = bins.map(|bin| (f64::from(bin.confidence), f64::from(bin.accuracy))).collect();
    Chart {
        title: format!("{} on {}/{}: calibration error {:.1}%", report.task, report.data, report.split, f.ece * 100.0),
        x: "confidence".into(),
        y: "share that is right".into(),
        lines: vec![("answers".into(), points), ("as it should be".into(), vec![(0.0, 0.0), (1.0, 1.0)])],
        ..Chart::default()
    }
}

/// Accuracy by what the table says of each face.
fn by_group(
    args: &Args,
    faces: &LabelledFaces,
    logits: &[Vec<f32>],
    truth: &[usize],
) -> anyhow::Result<BTreeMap<String, BTreeMap<String, Accuracy>>> {
    let mut counts: BTreeMap<String, BTreeMap<String, (usize, usize)>> = BTreeMap::new();
    if args.groups.is_empty() {
        return Ok(BTreeMap::new());
    }
    let columns: Vec<&str> = args.groups.iter().map(String::as_str).collect();
    let rows = data::load_rows(&args.data, &columns).with_context(|| format!("reading {}", args.data.display()))?;
    let said: HashMap<FaceCrop, Vec<String>> = rows.into_iter().collect();
    for ((face, row), &class) in faces.faces.iter().zip(logits).zip(truth) {
        let right = usize::from(data::argmax(row) == class);
        for (column, group) in args.groups.iter().zip(said.get(face).into_iter().flatten()) {
            let count = counts.entry(column.clone()).or_default().entry(group.clone()).or_default();
            *count = (count.0 + right, count.1 + 1);
        }
    }
    let accuracies = |groups: BTreeMap<String, (usize, usize)>| {
        groups.into_iter().map(|(group, (right, all))| (group, Accuracy::of(right, all))).collect()
    };
    Ok(counts.into_iter().map(|(column, groups)| (column, accuracies(groups))).collect())
}

/// What is called unknown, for each [`Corruption`].
fn corrupted<B: NetworkBackend>(
    network: &ProgressiveNetwork<B>,
    args: &Args,
    faces: &LabelledFaces,
    calibration: &Calibration,
    device: &B::Device,
) -> anyhow::Result<Vec<Corrupted>> {
    let each = Corruption::ALL.into_iter().map(|corruption| {
        // Others than a training on the same faces would make.
        let change = |(at, face)| corruption.of(face, !(at as u64));
        let changed = LabelledFaces { faces: faces.faces.iter().enumerate().map(change).collect(), ..faces.clone() };
        let found = evaluate_column(network, &args.task, &changed, device, &mut |_| ())?;
        Ok(Corrupted::new(corruption, &found.logits, &found.truth, calibration))
    });
    each.collect()
}

fn evaluate<B: NetworkBackend>(args: &Args, common: &Common, device_line: String) -> anyhow::Result<Report> {
    let store = ModelStore::open(&args.model)?;
    let Some(record) = store.manifest().column(&args.task) else {
        let names: Vec<String> = store.manifest().columns.iter().map(|column| format!("'{}'", column.name)).collect();
        bail!("{} has no task '{}'; it has {}", args.model.display(), args.task, names.join(", "));
    };
    let dataset = data::load(&args.data, args.task.as_str(), args.column.as_deref(), args.seed)
        .with_context(|| format!("reading {}", args.data.display()))?;
    let mapped = labels::onto(&dataset.part(args.split.split()), &record.labels)
        .with_context(|| format!("matching the labels of {} and '{}'", args.data.display(), args.task))?;
    for (label, count) in &mapped.left_out {
        common.say(format!("left out: {count} faces of '{label}', which the model does not know"));
    }
    let faces = mapped.faces.spread(args.limit);
    if faces.is_empty() {
        bail!("{} has no faces in '{}'", args.data.display(), args.split.name());
    }
    let device = B::Device::default();
    let network = store.load_answering::<B>(&device)?;
    let bar = progress::bar(common, args.task.as_str(), faces.len() as u64);
    let start = Instant::now();
    let mut progress = |done| bar.set_position(done as u64);
    let evaluation = if args.one_look {
        evaluate_column(&network, &args.task, &faces, &device, &mut progress)?
    } else {
        evaluate_looks(&network, &args.task, &faces, &device, &mut progress)?
    };
    bar.finish_and_clear();
    let corrupted =
        if args.corrupted { corrupted(&network, args, &faces, &record.calibration, &device)? } else { Vec::new() };
    if let Some(path) = &args.mistakes {
        let mistakes = surest_mistakes(&faces, &evaluation, &record.calibration);
        let title = format!(
            "{} on {}/{}: the {} surest mistakes, of {} faces",
            args.task,
            dataset.name,
            args.split.name(),
            mistakes.len(),
            faces.len()
        );
        write_mistakes(path, &title, &mistakes)?;
    }
    Ok(Report {
        task: args.task.to_string(),
        data: dataset.name,
        split: args.split.name().to_owned(),
        figures: Figures::new(&record.labels, &evaluation.logits, &evaluation.truth, &record.calibration),
        corrupted,
        groups: by_group(args, &faces, &evaluation.logits, &evaluation.truth)?,
        left_out: mapped.left_out.into_iter().map(|(label, count)| (label.to_string(), count)).collect(),
        labels_not_in_data: mapped.absent,
        looks: if args.one_look { 1 } else { LOOKS.len() },
        model: store.manifest().name.clone(),
        model_sha256: network::weights::sha256_file(&args.model.join(MANIFEST))?,
        column_sha256: record.sha256.clone(),
        data_sha256: report::digest(&faces),
        device: device_line,
        seconds: start.elapsed().as_secs_f32(),
        command: command_line(),
    })
}

//! `facelab explain`: where in a face the columns look.

use crate::common::{Common, DetectorFiles, print};
use crate::explanation_sheet::{Line, write_sheet};
use crate::progress;
use crate::source::Source;
use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use engine::ModelStore;
use learning::data;
use network::FaceCrop;
use network::{Label, NetworkBackend, TaskName, explain};
use std::path::{Path, PathBuf};
use vision::align::{self, from_crop};
use vision::{BgrImage, DetectorConfig, open_detector};

/// A picture is at most so large, pixels.
const MAX_PIXELS: u64 = 100_000_000;

/// Show where in a face the columns look, as a sheet of pictures.
///
/// A row for each face and task: the face, guided backpropagation (which pixels' light speaks for the label), Grad-CAM of
/// the column's last maps, both together, and Grad-CAM of the encoder's features. For the label that the column answers,
/// or for --label.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  facelab explain photo.jpg --model models/default --out where.png
  facelab explain faces/ --crops --model models/default --task emotion --label happiness --out happy.png
  facelab explain london --model models/default --task gender --count 4 --out sheet.png
     (a pack: faces spread over all of it)

Exit codes: 0 explained, 1 failed, 2 wrong usage.")]
pub struct Args {
    /// Picture, folder of pictures, or pack
    #[arg(value_name = "IMAGE|FOLDER|PACK")]
    input: PathBuf,
    /// The model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Tasks; none: all
    #[arg(long = "task", value_delimiter = ',', value_name = "NAME")]
    tasks: Vec<TaskName>,
    /// The label to explain, not the one that is answered
    #[arg(long)]
    label: Option<Label>,
    /// Pictures are face crops already; otherwise their largest face is found and aligned
    #[arg(long)]
    crops: bool,
    /// Faces at most
    #[arg(long, default_value_t = 8)]
    count: usize,
    /// The sheet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    detectors: DetectorFiles,
}

/// Runs the command.
pub fn run(args: Args, common: &Common) -> anyhow::Result<()> {
    let (device, _) = common.device()?;
    network::on_device!(device, B => sheet::<B>(&args, common))
}

/// Names and faces of the input.
fn faces(args: &Args) -> anyhow::Result<Vec<(String, FaceCrop)>> {
    if args.input.join("labels.csv").is_file() {
        let all = data::load_rows(&args.input, &["file"]);
        let all = all.with_context(|| format!("reading {}", args.input.display()))?;
        let count = args.count.min(all.len());
        let chosen = (0..count).map(|at| &all[at * all.len() / count.max(1)]);
        return Ok(chosen.map(|(face, cells)| (cells.concat(), face.clone())).collect());
    }
    let Source::Pictures { root, files } = Source::open(&args.input)? else {
        bail!("{} is no picture; annotate takes videos, and writes their crops", args.input.display());
    };
    let mut detector = if args.crops {
        None
    } else {
        let (yunet, haar) = (args.detectors.yunet(), args.detectors.haar());
        Some(open_detector(yunet.as_deref(), haar.as_deref(), &DetectorConfig::default())?)
    };
    let mut found = Vec::new();
    for file in files.iter().take(args.count) {
        let image = BgrImage::read(&root.join(file), MAX_PIXELS)?;
        let face = match &mut detector {
            None => from_crop(&image),
            Some(detector) => {
                let seen = detector.detect(&image)?;
                let largest = vision::largest(&seen, |found| &found.roi);
                let largest =
                    largest.with_context(|| format!("{} has no face; is it a crop (--crops)?", name(file)))?;
                align::face(&image, largest.landmarks.as_ref(), &largest.roi)?
            }
        };
        found.push((name(file), face.pixels.into()));
    }
    Ok(found)
}

fn name(file: &Path) -> String {
    file.display().to_string()
}

fn sheet<B: NetworkBackend>(args: &Args, common: &Common) -> anyhow::Result<()> {
    let store = ModelStore::open(&args.model)?;
    let records: Vec<_> = store
        .manifest()
        .columns
        .iter()
        .filter(|column| !column.silent && (args.tasks.is_empty() || args.tasks.contains(&column.name)))
        .collect();
    if let Some(missing) = args.tasks.iter().find(|task| store.manifest().column(task).is_none()) {
        bail!("{} has no task '{missing}'", args.model.display());
    }
    let device = B::Device::default();
    let network = store.load::<B>(&device)?;
    let faces = faces(args)?;
    let bar = progress::bar(common, "explaining", (faces.len() * records.len()) as u64);
    let (mut lines, mut text) = (Vec::new(), String::new());
    for (file, face) in &faces {
        for record in &records {
            let class = match &args.label {
                None => None,
                Some(label) => match record.labels.iter().position(|known| known == label) {
                    None => continue,
                    class => class,
                },
            };
            let explanation = explain(&network, &record.name, class, face.as_slice(), &device)?;
            let caption =
                format!("{}: {} (logit {:.2})", record.name, record.labels[explanation.class], explanation.logit);
            text += &format!("{file}  {caption}\n");
            lines.push(Line { face: face.to_vec(), caption, explanation });
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    if lines.is_empty() {
        match &args.label {
            Some(label) if !faces.is_empty() => bail!("nothing to explain: none of the tasks has the label '{label}'"),
            _ => bail!("nothing to explain: no face was found"),
        }
    }
    write_sheet(&args.out, &lines)?;
    print(&text)
}

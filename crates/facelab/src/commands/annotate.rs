//! `facelab annotate`: what the node would say, drawn into videos and pictures, as a table, and as face crops.

use crate::annotation::{Outputs, Tally};
use crate::common::{Common, DetectorFiles, print};
use crate::progress;
use crate::source::Source;
use anyhow::{Context, bail};
use clap::{ArgGroup, Args as ClapArgs};
use engine::{EngineConfig, Frame, Pipeline, Stamp};
use std::path::{Path, PathBuf};
use vision::BgrImage;
use vision::video::VideoReader;

/// A picture is at most so large, pixels.
const MAX_PIXELS: u64 = 100_000_000;
/// Where a video does not say.
const USUAL_FPS: f64 = 25.0;
/// Pictures are so many seconds apart: longer than any track lives, so that each stands for itself.
const APART_S: i32 = 3600;

/// Find, follow and judge the faces of a video, a picture or a folder of pictures.
///
/// The same engine as the node's, frame by frame: the same input gives the same output. Labels are guesses of a
/// classifier, not facts about a person. Crops are the aligned 128x128 faces that the network sees; those of a video
/// go to one folder per track, those of pictures keep their subfolders, so that they can become a training set with
/// one folder per class. Outputs that exist are overwritten.
#[derive(Debug, ClapArgs)]
#[command(group(ArgGroup::new("outputs").required(true).multiple(true).args(["out", "csv", "crops"])))]
#[command(after_help = "Examples:
  facelab annotate talk.mp4 --model models/default --out talk_faces.mp4 --csv talk.csv
  facelab annotate photos/ --model models/default --out marked/
  facelab annotate photos/ --model models/default --crops my_faces/
     (photos/smiling/a.jpg becomes my_faces/smiling/000000_a_1.png)
  facelab annotate talk.mp4 --model models/default --crops people/ --every 5 --seconds 20

Exit codes: 0 annotated, 1 failed (or a picture could not be read), 2 wrong usage.")]
pub struct Args {
    /// Video, picture (.jpg, .png) or folder of pictures
    #[arg(value_name = "VIDEO|FOLDER|IMAGE")]
    input: PathBuf,
    /// The model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Annotated video (.mp4, .avi, .mov, .mkv) or picture, or the folder for it
    #[arg(long, value_name = "DIR|FILE")]
    out: Option<PathBuf>,
    /// Table with one row per face and frame
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Folder for the aligned faces
    #[arg(long, value_name = "DIR")]
    crops: Option<PathBuf>,
    /// Take every Nth frame or picture
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    /// Stop after so many seconds of the video
    #[arg(long, value_name = "N", value_parser = seconds)]
    seconds: Option<f64>,
    /// Folder of taught tasks (the node's state_dir), which answer too
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    #[command(flatten)]
    detectors: DetectorFiles,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if seconds.is_finite() && seconds > 0.0 { Ok(seconds) } else { Err("must be above 0".into()) }
}

/// Runs the command.
pub fn run(args: Args, common: &Common) -> anyhow::Result<()> {
    let source = Source::open(&args.input)?;
    let mut outputs = Outputs::new(&source, &args.input, args.out.as_deref(), args.crops.as_deref())?;
    // Without --state nothing that was taught on this machine may change the answer.
    let nothing_taught = tempfile::tempdir().context("making an empty folder for taught tasks")?;
    let mut config = EngineConfig {
        model: args.model.clone(),
        state_dir: args.state.clone().unwrap_or_else(|| nothing_taught.path().to_owned()),
        device: common.device,
        threads: common.threads,
        yunet: args.detectors.yunet(),
        haar: args.detectors.haar(),
        ..EngineConfig::default()
    };
    // The same video gives the same table.
    config.tracker.id_seed = 1;
    if matches!(source, Source::Pictures { .. }) {
        // A picture has no next frame to confirm a face in.
        config.tracker.confirm_hits = 1;
    }
    if config.yunet.is_none() && config.haar.is_none() {
        bail!("no face detector: give --yunet FILE, or source the env.sh that scripts/setup writes");
    }
    let mut pipeline = Pipeline::new(&config)?;
    outputs.begin(args.csv.as_deref(), pipeline.heads(), config.scheduler.min_quality)?;
    let tally = match &source {
        Source::Video(path) => video(path, &args, &mut pipeline, &mut outputs, common)?,
        Source::Pictures { root, files } => pictures(root, files, &args, &mut pipeline, &mut outputs, common)?,
    };
    outputs.finish()?;
    print(&tally.text())?;
    if tally.unreadable > 0 {
        bail!("{} pictures could not be read", tally.unreadable);
    }
    if let Some(missing) = tally.missing {
        bail!("{}: {missing}; what could be read is there", args.input.display());
    }
    Ok(())
}

fn video(
    path: &Path,
    args: &Args,
    pipeline: &mut Pipeline,
    outputs: &mut Outputs,
    common: &Common,
) -> anyhow::Result<Tally> {
    let mut reader = VideoReader::open(path)?;
    let fps = reader.fps().unwrap_or(USUAL_FPS);
    let last = args.seconds.map_or(u64::MAX, |seconds| (seconds * fps).ceil() as u64);
    let bar = progress::bar(common, "frames", reader.frame_count().unwrap_or(0).min(last));
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut tally = Tally::default();
    for number in 0..last {
        let Some(image) = reader.next_frame().with_context(|| format!("reading {}", path.display()))? else {
            tally.missing = cut_off(number, reader.frame_count());
            break;
        };
        bar.set_position(number + 1);
        if number % u64::from(args.every) != 0 {
            continue;
        }
        // Frames need not be as far apart as their mean.
        let time = reader.time_s().filter(|time| number == 0 || *time > 0.0).unwrap_or(number as f64 / fps);
        let frame = Frame { image, stamp: Stamp::from_seconds(time), frame_id: name.clone() };
        let result = pipeline.process(&frame)?;
        tally.add(&result.faces);
        outputs.frame(number as usize, time, fps / f64::from(args.every), frame, &result.faces)?;
    }
    bar.finish_and_clear();
    if tally.frames == 0 {
        bail!("{} has no frames", path.display());
    }
    Ok(tally)
}

/// Says that a file ends before its header says; headers are not exact.
fn cut_off(read: u64, told: Option<u64>) -> Option<String> {
    let told = told.filter(|told| read + told.div_ceil(20).max(8) < *told)?;
    Some(format!("the file ends after {read} of {told} frames"))
}

fn pictures(
    root: &Path,
    files: &[PathBuf],
    args: &Args,
    pipeline: &mut Pipeline,
    outputs: &mut Outputs,
    common: &Common,
) -> anyhow::Result<Tally> {
    let bar = progress::bar(common, "pictures", files.len() as u64);
    let mut tally = Tally::default();
    for (number, file) in files.iter().enumerate().step_by(args.every as usize) {
        bar.set_position(number as u64 + 1);
        let image = match BgrImage::read(&root.join(file), MAX_PIXELS) {
            Ok(image) => image,
            Err(error) => {
                bar.suspend(|| tracing::error!("left out: {error}"));
                tally.unreadable += 1;
                continue;
            }
        };
        let stamp = Stamp { sec: i32::try_from(tally.frames).unwrap_or(i32::MAX).saturating_mul(APART_S), nanosec: 0 };
        let frame = Frame { image, stamp, frame_id: file.display().to_string() };
        let result = pipeline.process(&frame)?;
        tally.add(&result.faces);
        outputs.picture(number, file, frame, &result.faces)?;
    }
    bar.finish_and_clear();
    Ok(tally)
}

//! Writes what each target begins with, made here: `seeds FOLDER`. The detector's file is added where
//! FACE_ATTRIBUTES_YUNET names it.

use std::error::Error;
use std::fs;
use std::path::Path;

use engine::{AddTask, Engine, EngineConfig, MANIFEST, MANIFEST_COPY, Sample, SamplePixels, TaskKind};
use fuzz::SEPARATOR;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use network::weights::{self, Precision};
use network::{CpuBackend, DeviceChoice, FaceCrop};
use vision::Haar;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn put(root: &Path, target: &str, name: &str, content: &[u8]) -> Result<()> {
    fs::create_dir_all(root.join(target))?;
    Ok(fs::write(root.join(target).join(name), content)?)
}

fn pictures(root: &Path) -> Result<()> {
    let colour = |x, y| Rgb([(x * 9) as u8, (y * 13) as u8, (x * y) as u8]);
    let picture = DynamicImage::from(RgbImage::from_fn(33, 21, colour));
    let kinds = [
        ("grey", DynamicImage::from(picture.to_luma8())),
        ("alpha", DynamicImage::from(picture.to_rgba8())),
        ("deep", DynamicImage::from(picture.to_rgb16())),
        ("colour", picture),
    ];
    for (name, picture) in kinds {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let mut file = std::io::Cursor::new(Vec::new());
            if picture.write_to(&mut file, format).is_ok() {
                put(root, "compressed_picture", &format!("{name}.{}", format.extensions_str()[0]), file.get_ref())?;
            }
        }
    }
    put(root, "raw_picture", "few", &[7; 200])
}

fn column(root: &Path) -> Result<()> {
    let column = fuzz::column_config().init::<CpuBackend>(&Default::default(), 1);
    for (name, precision) in [("half", Precision::F16), ("single", Precision::F32)] {
        put(root, "weights", name, &weights::to_bytes::<CpuBackend, _>(&column, precision)?)?;
    }
    Ok(())
}

/// The only file of a folder with this ending.
fn only(dir: &Path, ending: &str) -> Result<Vec<u8>> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == ending) {
            return Ok(fs::read(path)?);
        }
    }
    Err(format!("{}: no .{ending}", dir.display()).into())
}

/// A small task, taught, and exported.
fn folders(root: &Path) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (model, state) = (dir.path().join("model"), dir.path().join("state"));
    fs::create_dir(&model)?;
    fuzz::small_model(&model);
    let config = EngineConfig {
        model,
        state_dir: state.clone(),
        device: DeviceChoice::Cpu,
        haar: Haar::installed(),
        ..EngineConfig::default()
    };
    let engine = Engine::start(config, 1)?;
    let (up, down) = ("up".parse()?, "down".parse()?);
    let samples = (0..8).map(|number| {
        let (label, first) = if number % 2 == 0 { (&up, 0) } else { (&down, 64) };
        let face = FaceCrop::from_fn(|pixel| ((pixel / 128 + number) % 128 + first) as u8);
        Sample { label: network::Label::clone(label), pixels: SamplePixels::Crop(face) }
    });
    let request = AddTask {
        name: "gaze".parse()?,
        kind: TaskKind::General,
        labels: vec![up.clone(), down.clone()],
        samples: samples.collect(),
        sources: vec![],
        no_sources: true,
        transferable: true,
        retrain: false,
        epochs: 0,
    };
    engine.tasks().add(request)?.wait()?;
    let exported = state.join("exchange/gaze");
    engine.tasks().export(&"gaze".parse()?, &exported, true)?;
    engine.shutdown();
    let samples = state.join("samples/gaze");
    let labels = fs::read(samples.join("labels.yaml"))?;
    let picture = only(&samples.join("00-up"), "png")?;
    let whole = |files: [Vec<u8>; 4]| files.join(SEPARATOR);
    let (manifest, copy) = (fs::read(state.join(MANIFEST))?, fs::read(state.join(MANIFEST_COPY))?);
    put(root, "state_folder", "whole", &whole([manifest, copy, labels.clone(), picture.clone()]))?;
    let (manifest, weights) = (fs::read(exported.join(MANIFEST))?, only(&exported, "safetensors")?);
    // Without digests, as the first versions wrote them, a change is found by what it makes of the task.
    let text = String::from_utf8(manifest.clone())?;
    let undigested = text.lines().filter(|line| !line.contains("record_sha256")).collect::<Vec<_>>().join("\n");
    put(root, "exported_task", "undigested", &whole([undigested.into(), weights.clone(), labels.clone(), picture.clone()]))?;
    put(root, "exported_task", "whole", &whole([manifest, weights, labels, picture]))
}

fn main() -> Result<()> {
    // `cargo fuzz run` puts options of its own in front.
    let root = std::env::args_os().skip(1).last().ok_or("usage: seeds FOLDER")?;
    let root = Path::new(&root);
    pictures(root)?;
    column(root)?;
    folders(root)?;
    match std::env::var_os("FACE_ATTRIBUTES_YUNET") {
        Some(path) => put(root, "onnx", "yunet", &fs::read(path)?),
        None => put(root, "onnx", "nothing", b"\x08\x07"),
    }
}

//! A small model, pictures, and the program itself.

use engine::{ColumnRecord, ModelStore};
use learning::Calibration;
use network::weights::Precision;
use network::{ColumnConfig, CpuBackend, EncoderConfig, Label, TaskName};
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a run of the program gave.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs facelab on the CPU, without what the environment says about face detectors.
pub fn facelab<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Run {
    facelab_told("", args)
}

/// The same with something on standard input.
pub fn facelab_told<I: AsRef<OsStr>>(input: &str, args: impl IntoIterator<Item = I>) -> Run {
    told_with(&[], input, args)
}

/// The same with variables in its environment, and nothing on standard input.
pub fn facelab_with<I: AsRef<OsStr>>(variables: &[(&str, &str)], args: impl IntoIterator<Item = I>) -> Run {
    told_with(variables, "", args)
}

fn told_with<I: AsRef<OsStr>>(variables: &[(&str, &str)], input: &str, args: impl IntoIterator<Item = I>) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_facelab"))
        .args(args)
        .envs(variables.iter().copied())
        .env_remove("FACE_ATTRIBUTES_YUNET")
        .env_remove("FACE_ATTRIBUTES_HAAR")
        .env_remove("FACELAB_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that reads nothing may have ended already.
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Arguments of different types as one list.
#[macro_export]
macro_rules! args {
    ($($argument:expr),* $(,)?) => { vec![$(std::ffi::OsString::from(&$argument)),*] };
}

pub fn labels(names: &[&str]) -> Vec<Label> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// A small untrained model with `side` (above, below, none) and `age` (three groups), which draws from it.
pub fn model(dir: &Path) -> PathBuf {
    let device = Default::default();
    let config = EncoderConfig { channels: [16, 16, 16, 16], latent: 8, ..EncoderConfig::default() };
    let encoder = config.init::<CpuBackend>(&device, 1);
    let dir = dir.join("model");
    let mut store = ModelStore::create(&dir, "tiny", "CC0-1.0", &encoder, config.clone(), Precision::F32).unwrap();
    let mut put = |name: &str, texts: &[&str], sources: &[&str], seed| {
        let sources: Vec<TaskName> = sources.iter().map(|source| source.parse().unwrap()).collect();
        let sizes = ColumnConfig {
            features: config.features(),
            channels: [16, 16],
            adapter_channels: 16,
            hidden: 16,
            ..ColumnConfig::new(texts.len(), sources.len())
        };
        let column = sizes.init::<CpuBackend>(&device, seed);
        let calibration = Calibration { temperature: 2.0, ..Calibration::default() };
        let mut record = ColumnRecord::new(name.parse().unwrap(), labels(texts), &sources, sizes, calibration);
        record.provenance = vec!["painted by a test".into()];
        store.put_column(record, &column, Precision::F32).unwrap();
    };
    put("side", &["above", "below", "none"], &[], 2);
    put("age", &["0-9", "10-19", "20+"], &["side"], 3);
    dir
}

/// A grey picture: bright above for even, below for odd numbers, each a little different.
pub fn picture(path: &Path, number: u32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let pixel = |x: u32, y: u32| {
        let bright = (y < 64) == number.is_multiple_of(2);
        let noise = (x * 31 + y * 17 + number * 101) % 50;
        image::Luma([(if bright { 180 } else { 20 } + noise) as u8])
    };
    image::GrayImage::from_fn(128, 128, pixel).save(path).unwrap();
}

/// `data/<class>/<n>.png`, so many of each class.
pub fn folders(dir: &Path, classes: &[(&str, u32)]) -> PathBuf {
    let dir = dir.join("data");
    for (number, (class, count)) in (0..).zip(classes) {
        for at in 0..*count {
            picture(&dir.join(class).join(format!("{at}.png")), 2 * at + number);
        }
    }
    dir
}

/// A pack whose column `side` has so many rows of each label.
pub fn pack(dir: &Path, labels: &[(&str, u32)]) -> PathBuf {
    let dir = dir.join("pack");
    let mut table = "file,split,side\n".to_owned();
    let mut tar = tar::Builder::new(Vec::new());
    for (number, (label, count)) in (0..).zip(labels) {
        for at in 0..*count {
            let path = dir.join("picture.jpg");
            picture(&path, 2 * at + number);
            tar.append_path_with_name(&path, format!("{label}_{at}.jpg")).unwrap();
            table += &format!("{label}_{at}.jpg,train,{label}\n");
        }
    }
    std::fs::write(dir.join("faces.tar"), tar.into_inner().unwrap()).unwrap();
    std::fs::write(dir.join("labels.csv"), table).unwrap();
    dir
}

pub fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

//! Writes a small model with random weights, for tests that need a model that answers and learns fast, not one that
//! knows faces.
//!
//!     cargo run -p engine --example untrained_model -- FOLDER
//!
//! It has a face descriptor and a cohort of strangers. Its tasks: `mood`, `glasses` which draws from it, and `person`, from which nothing may be drawn.

use std::path::PathBuf;
use std::process::ExitCode;

use engine::{ColumnRecord, ModelStore};
use learning::Calibration;
use network::weights::Precision;
use network::{ColumnConfig, CpuBackend, EncoderConfig, Label, NameError, TaskName};

type Error = Box<dyn std::error::Error>;

fn names<T: std::str::FromStr<Err = NameError>>(texts: &[&str]) -> Result<Vec<T>, NameError> {
    texts.iter().map(|text| text.parse()).collect()
}

/// Values of the face descriptor.
const DESCRIPTOR: usize = 32;

/// Directions of length 1 that point anywhere.
fn strangers() -> Vec<Vec<f32>> {
    let value = |at: usize| ((at.wrapping_mul(2_654_435_761) >> 7) & 0xff) as f32 / 128.0 - 1.0;
    let stranger = |number: usize| {
        let values: Vec<f32> = (0..DESCRIPTOR).map(|at| value(number * DESCRIPTOR + at + 1)).collect();
        let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
        values.into_iter().map(|value| value / length).collect()
    };
    (0..100).map(stranger).collect()
}

fn write(folder: PathBuf) -> Result<(), Error> {
    let device = Default::default();
    // A sixteenth of Table I's channels.
    let sizes = EncoderConfig { channels: [4, 8, 8, 16], latent: 8, descriptor: DESCRIPTOR };
    let encoder = sizes.init::<CpuBackend>(&device, 1);
    let mut store = ModelStore::create(&folder, "untrained", "CC0-1.0", &encoder, sizes.clone(), Precision::F16)?;
    store.put_cohort::<CpuBackend>(&strangers(), "made up", &device)?;
    let mut put = |task: &str, labels: &[&str], sources: &[&str], transferable, seed| -> Result<(), Error> {
        let config = ColumnConfig {
            features: sizes.features(),
            channels: [8, 16],
            adapter_channels: 8,
            hidden: 16,
            ..ColumnConfig::new(labels.len(), sources.len())
        };
        let column = config.init::<CpuBackend>(&device, seed);
        let (labels, sources): (Vec<Label>, Vec<TaskName>) = (names(labels)?, names(sources)?);
        let record = ColumnRecord::new(task.parse()?, labels, &sources, config, Calibration::default());
        store.put_column(ColumnRecord { transferable, ..record }, &column, Precision::F16)?;
        Ok(())
    };
    put("mood", &["calm", "glad", "tense"], &[], true, 2)?;
    put("glasses", &["none", "worn"], &["mood"], true, 3)?;
    put("person", &["ada", "grace"], &[], false, 4)
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: untrained_model FOLDER");
        return ExitCode::from(2);
    };
    match write(folder.into()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("untrained_model: {error}");
            ExitCode::FAILURE
        }
    }
}

//! What the targets share: a small untrained model, and several files in one input.

use std::cell::OnceCell;
use std::path::Path;

use engine::{ColumnRecord, ModelStore};
use network::weights::Precision;
use network::{ColumnConfig, CpuBackend, EncoderConfig};
use tempfile::TempDir;

/// Between the files of one input.
pub const SEPARATOR: &[u8] = b"\n====\n";

/// The files that an input holds, in order.
pub fn files(data: &[u8]) -> Vec<&[u8]> {
    let mut files = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(SEPARATOR.len()).position(|window| window == SEPARATOR) {
        files.push(&rest[..at]);
        rest = &rest[at + SEPARATOR.len()..];
    }
    files.push(rest);
    files
}

/// Writes the files of an input to these places below a folder; missing ones are left out.
///
/// # Panics
/// The disk refuses.
pub fn lay_out(data: &[u8], dir: &Path, places: &[&str]) {
    for (content, place) in files(data).into_iter().zip(places) {
        let path = dir.join(place);
        let parent = path.parent().expect("a place below the folder");
        std::fs::create_dir_all(parent).expect("a folder");
        std::fs::write(path, content).expect("a file");
    }
}

/// Gives the path of a file that holds an input. One file for all inputs: a new one each would wear the disk.
///
/// # Panics
/// The disk refuses.
pub fn as_file(data: &[u8], read: impl FnOnce(&Path)) {
    thread_local!(static DIR: OnceCell<TempDir> = const { OnceCell::new() });
    DIR.with(|dir| {
        let path = dir.get_or_init(|| TempDir::new().expect("a folder")).path().join("input");
        std::fs::write(&path, data).expect("a file");
        read(&path);
    });
}

/// Sizes of a small column.
pub fn column_config() -> ColumnConfig {
    let encoder = encoder_config();
    ColumnConfig {
        features: encoder.features(),
        channels: [4, 8],
        adapter_channels: 4,
        hidden: 8,
        ..ColumnConfig::new(2, 0)
    }
}

fn encoder_config() -> EncoderConfig {
    EncoderConfig { channels: [4, 4, 4, 8], latent: 8, ..EncoderConfig::default() }
}

/// A model with one column, `mood`.
///
/// # Panics
/// The disk refuses.
pub fn small_model(dir: &Path) {
    let device = Default::default();
    let config = encoder_config();
    let encoder = config.init::<CpuBackend>(&device, 1);
    let mut store = ModelStore::create(dir, "small", "CC0-1.0", &encoder, config, Precision::F16).expect("a model");
    let labels = ["calm", "tense"].map(|label| label.parse().expect("a label")).to_vec();
    let name = "mood".parse().expect("a name");
    let record = ColumnRecord::new(name, labels, &[], column_config(), Default::default());
    store.put_column(record, &column_config().init::<CpuBackend>(&device, 2), Precision::F16).expect("a column");
}

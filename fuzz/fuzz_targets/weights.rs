//! A column's weights (safetensors).
#![no_main]

use std::cell::OnceCell;

use network::{CpuBackend, weights};
use tempfile::TempDir;

thread_local!(static DIR: OnceCell<TempDir> = const { OnceCell::new() });

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    DIR.with(|dir| {
        let path = dir.get_or_init(|| TempDir::new().expect("a folder")).path().join("column.safetensors");
        std::fs::write(&path, data).expect("a file");
        let device = Default::default();
        let column = fuzz::column_config().init::<CpuBackend>(&device, 0);
        let _ = weights::load::<CpuBackend, _>(column, &path, None, &device);
    });
});

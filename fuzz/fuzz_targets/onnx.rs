//! The detector's file.
#![no_main]

use std::cell::OnceCell;

use tempfile::TempDir;
use vision::{DetectorConfig, YuNet};

thread_local!(static DIR: OnceCell<TempDir> = const { OnceCell::new() });

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    DIR.with(|dir| {
        let path = dir.get_or_init(|| TempDir::new().expect("a folder")).path().join("detector.onnx");
        std::fs::write(&path, data).expect("a file");
        let _ = YuNet::from_file(&path, &DetectorConfig::default());
    });
});

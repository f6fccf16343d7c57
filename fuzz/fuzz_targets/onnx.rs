//! The detector's file.
#![no_main]

use vision::{DetectorConfig, YuNet};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::as_file(data, |path| {
        let _ = YuNet::from_file(path, &DetectorConfig::default());
    });
});

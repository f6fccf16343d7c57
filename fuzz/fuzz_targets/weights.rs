//! A column's weights (safetensors).
#![no_main]

use network::{CpuBackend, weights};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::as_file(data, |path| {
        let device = Default::default();
        let column = fuzz::column_config().init::<CpuBackend>(&device, 0);
        let _ = weights::load::<CpuBackend, _>(column, path, None, &device);
    });
});

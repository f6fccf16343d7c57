//! A JPEG or PNG, as a camera or a sample brings it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = vision::encoding::decode_compressed(data, 1 << 20);
});

//! The files of a state folder, and of a model: manifest, its copy, lists of labels, a stored picture.
#![no_main]

use engine::{MANIFEST, MANIFEST_COPY, ModelStore, SampleStore, StateStore, check_state, repair_state};
use std::sync::LazyLock;
use tempfile::TempDir;

static MODEL: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = TempDir::new().expect("a folder");
    fuzz::small_model(dir.path());
    dir
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let dir = TempDir::new().expect("a folder");
    let places = [MANIFEST, MANIFEST_COPY, "samples/gaze/labels.yaml", "samples/gaze/00-up/0000.png"];
    fuzz::lay_out(data, dir.path(), &places);
    let _ = ModelStore::open(dir.path());
    let model = ModelStore::open(MODEL.path()).expect("the small model");
    let samples = SampleStore::new(dir.path(), 100);
    for task in samples.tasks().into_iter().flatten() {
        let labels = samples.counts(&task).unwrap_or_default().into_iter().map(|(label, _)| label);
        let _ = samples.load(&task, &labels.collect::<Vec<_>>());
    }
    let _ = check_state(dir.path());
    let _ = StateStore::open(dir.path(), model.manifest());
    if repair_state(dir.path()).is_ok()
        && let Ok(store) = StateStore::open(dir.path(), model.manifest())
    {
        assert!(store.damage().is_none(), "repaired, and still damaged: {}", store.damage());
    }
});

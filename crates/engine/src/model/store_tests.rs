use std::fs;

use network::{CpuBackend, faces_to_tensor, rows};

use super::*;
use crate::model::samples::LabelledFace;
use crate::model::state::StateStore;
use crate::model::testing::{TestDevice, column_config, empty_model, encoder_config, put, record, small_model};
use crate::testing::task;

fn load_error(dir: &Path) -> String {
    match ModelStore::open(dir).and_then(|store| store.load::<CpuBackend>(&TestDevice::default())) {
        Ok(_) => panic!("the model was loaded"),
        Err(error) => error.to_string(),
    }
}

fn bits(network: &ProgressiveNetwork<CpuBackend>) -> Vec<(String, Vec<Vec<u32>>)> {
    let faces: Vec<LabelledFace> = crate::model::testing::faces("up", 2);
    let faces: Vec<&[u8]> = faces.iter().map(|sample| sample.face.as_slice()).collect();
    let answers = network.forward(faces_to_tensor::<CpuBackend>(&faces, &TestDevice::default()));
    let to_bits = |row: Vec<f32>| row.into_iter().map(f32::to_bits).collect();
    answers
        .into_iter()
        .map(|(name, logits)| (name.to_string(), rows(logits).into_iter().map(to_bits).collect()))
        .collect()
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn edit(dir: &Path, from: &str, to: &str) {
    let path = dir.join(MANIFEST);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from} is not in\n{text}");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_model_answers_after_reading_as_it_did_before_writing() {
    let dir = tempfile::tempdir().unwrap();
    let device = TestDevice::default();
    let mut store = empty_model(dir.path());
    let mut network = ProgressiveNetwork::new(encoder_config().init::<CpuBackend>(&device, 1));
    for (seed, record) in
        [record("emotion", &["a", "b"], &[]), record("gender", &["c", "d"], &["emotion"])].into_iter().enumerate()
    {
        let column = record.config.init::<CpuBackend>(&device, seed as u64);
        store.put_column(record.clone(), &column, Precision::F32).unwrap();
        let entry = ColumnEntry::new(record.name.clone(), record.source_names(), column, false);
        network.insert(entry).unwrap();
    }
    let read = ModelStore::open(dir.path()).unwrap().load::<CpuBackend>(&device).unwrap();
    assert_eq!(bits(&read), bits(&network));
}

#[test]
fn a_crash_before_the_manifest_is_renamed_leaves_the_old_model() {
    let dir = tempfile::tempdir().unwrap();
    let device = TestDevice::default();
    let mut store = small_model(dir.path());
    let before = bits(&store.load::<CpuBackend>(&device).unwrap());
    // Written and synced, but the program dies before the manifest is renamed; half of the new manifest is there too.
    let next = record("emotion", &["x", "y"], &[]);
    let column = next.config.init::<CpuBackend>(&device, 77);
    let staged = store.stage_column(next, &column, Precision::F32).unwrap();
    let half = serde_yaml::to_string(&staged).unwrap();
    fs::write(dir.path().join(format!("{}x", disk::UNFINISHED)), &half[..half.len() / 2]).unwrap();

    let reopened = ModelStore::open(dir.path()).unwrap();
    assert_eq!(bits(&reopened.load::<CpuBackend>(&device).unwrap()), before);
    // The next change clears what was left.
    put(&mut store, record("age", &["young", "old"], &[]), 5);
    assert_eq!(files(dir.path()).len(), 1 + 1 + 3, "{:?}", files(dir.path()));
}

#[test]
fn a_crash_after_the_manifest_is_renamed_leaves_the_new_model() {
    let dir = tempfile::tempdir().unwrap();
    let device = TestDevice::default();
    let store = small_model(dir.path());
    let next = record("emotion", &["x", "y"], &[]);
    let column = next.config.init::<CpuBackend>(&device, 77);
    let staged = store.stage_column(next, &column, Precision::F32).unwrap();
    parts::commit(dir.path(), Access::Shared, &staged).unwrap();
    // The old file is still there.
    assert_eq!(files(dir.path()).len(), 1 + 1 + 3);

    let mut reopened = ModelStore::open(dir.path()).unwrap();
    let record = reopened.manifest().column(&task("emotion")).unwrap();
    assert_eq!((record.version, record.labels.len()), (2, 2));
    reopened.load::<CpuBackend>(&device).unwrap();
    put(&mut reopened, crate::model::testing::record("age", &["young", "old"], &[]), 5);
    assert_eq!(files(dir.path()).len(), 1 + 1 + 3, "{:?}", files(dir.path()));
}

#[test]
fn a_refused_column_leaves_the_model_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = small_model(dir.path());
    let before = files(dir.path());
    let orphan = record("gaze", &["left", "right"], &["nobody"]);
    let column = orphan.config.init::<CpuBackend>(&TestDevice::default(), 1);
    let message = store.put_column(orphan, &column, Precision::F32).unwrap_err().to_string();
    assert!(message.contains("gaze") && message.contains("nobody") && message.contains("emotion"), "{message}");
    assert_eq!(files(dir.path()), before);
    assert_eq!(store.manifest().columns.len(), 2);
}

#[test]
fn a_column_is_not_replaced_under_one_that_draws_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = small_model(dir.path());
    put(&mut store, record("gaze", &["left", "right"], &["emotion"]), 4);
    let next = record("emotion", &["x", "y"], &[]);
    let column = next.config.init::<CpuBackend>(&TestDevice::default(), 1);
    let message = store.put_column(next, &column, Precision::F32).unwrap_err().to_string();
    assert!(message.contains("gaze"), "{message}");
}

#[test]
fn a_model_is_not_overwritten_by_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    small_model(dir.path());
    let encoder = encoder_config().init::<CpuBackend>(&TestDevice::default(), 9);
    let again = ModelStore::create(dir.path(), "other", "CC0-1.0", &encoder, encoder_config(), Precision::F32);
    assert!(matches!(again, Err(StoreError::Exists(_))));
}

#[test]
fn a_truncated_or_altered_part_is_refused_by_name_and_digest() {
    for part in ["encoder", "emotion"] {
        let dir = tempfile::tempdir().unwrap();
        small_model(dir.path());
        let name = files(dir.path()).into_iter().find(|name| name.starts_with(part)).unwrap();
        let path = dir.path().join(&name);
        let bytes = fs::read(&path).unwrap();
        let mut altered = bytes.clone();
        *altered.last_mut().unwrap() ^= 1;
        for broken in [&bytes[..bytes.len() - 7], &altered] {
            fs::write(&path, broken).unwrap();
            let message = load_error(dir.path());
            assert!(message.contains(&name) && message.contains("SHA-256 expected"), "{message}");
        }
        fs::remove_file(&path).unwrap();
        assert!(load_error(dir.path()).contains(&name));
    }
}

#[test]
fn a_wrong_manifest_is_refused_with_key_expected_and_found() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("schema: 1", "schema: 7", &["schema: expected 1, found 7"]),
        ("licence:", "license:", &["license"]),
        ("transferable: true", "transferable: true\n  colour: blue", &["colour"]),
        ("name: emotion", "name: Emotion", &["Emotion", "lower-case"]),
        ("name: person", "name: emotion", &["emotion twice"]),
        ("- happy", "- sad", &["emotion", "labels", "distinct"]),
        ("classes: 3", "classes: 4", &["emotion", "config.classes: expected 3, found 4"]),
        ("features: 8", "features: 16", &["config.features: expected 8, found 16"]),
        ("file: emotion", "file: ../emotion", &["emotion", "without folders"]),
        ("hidden: 8", "hidden: 16", &["emotion", "hidden", "expected shape", "16", "found", "8"]),
        ("temperature: 1", "temperature: -1", &["emotion", "calibration"]),
    ];
    for (from, to, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        small_model(dir.path());
        edit(dir.path(), from, to);
        let message = load_error(dir.path());
        for part in *expected {
            assert!(message.contains(part), "{to}: {part} is not in: {message}");
        }
        assert!(message.contains("manifest.yaml") || message.contains("safetensors"), "{message}");
    }
}

#[test]
fn a_source_that_is_missing_or_has_other_weights_is_refused() {
    let model = tempfile::tempdir().unwrap();
    let mut store = small_model(model.path());
    put(&mut store, record("gaze", &["left", "right"], &["emotion"]), 4);
    edit(model.path(), "sources:\n  - name: emotion", "sources:\n  - name: emotions");
    let message = load_error(model.path());
    assert!(message.contains("gaze") && message.contains("emotions") && message.contains("person"), "{message}");
    edit(model.path(), "name: emotions", "name: person");
    let message = load_error(model.path());
    assert!(message.contains("source person") && message.contains("move this folder away"), "{message}");
}

#[test]
fn a_source_without_blocks_whose_hidden_units_find_no_room_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = empty_model(dir.path());
    for (hidden, name) in [(8, "fits"), (9, "large")] {
        let mut source = record(name, &["up", "down"], &[]);
        source.config.own_blocks = false;
        source.config.hidden = hidden;
        assert_eq!(source.config.can_be_drawn_from(), hidden == 8);
        put(&mut store, source, 2);
    }
    put(&mut store, record("gaze", &["left", "right"], &["fits"]), 4);
    let (large, sources) = (record("look", &["left", "right"], &["large"]), 1);
    let column = large.config.init::<CpuBackend>(&Default::default(), sources);
    let message = store.put_column(large, &column, Precision::F32).unwrap_err().to_string();
    assert!(
        message.contains("look") && message.contains("8 hidden units") && message.contains("9 in large"),
        "{message}"
    );
}

#[test]
fn columns_that_two_programs_train_at_once_both_stay() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = small_model(dir.path());
    let mut second = ModelStore::open(dir.path()).unwrap();
    put(&mut first, record("age", &["young", "old"], &[]), 5);
    put(&mut second, record("gaze", &["left", "right"], &[]), 6);
    let model = ModelStore::open(dir.path()).unwrap();
    assert!(model.manifest().column(&task("age")).is_some() && model.manifest().column(&task("gaze")).is_some());
    model.load::<CpuBackend>(&TestDevice::default()).unwrap();
    // What the second one trains on is another one by now.
    put(&mut first, record("age", &["young", "old"], &[]), 7);
    let late = record("look", &["left", "right"], &["age"]);
    let column = late.config.init::<CpuBackend>(&TestDevice::default(), 8);
    let message = second.put_column(late, &column, Precision::F32).unwrap_err().to_string();
    assert!(message.contains("'age' was changed"), "{message}");
}

#[test]
fn weights_that_the_manifest_on_disk_names_are_not_swept() {
    let dir = tempfile::tempdir().unwrap();
    let store = small_model(dir.path());
    let next = record("emotion", &["x", "y"], &[]);
    let column = next.config.init::<CpuBackend>(&TestDevice::default(), 77);
    let staged = store.stage_column(next, &column, Precision::F32).unwrap();
    // The renaming happened, then the disk refused: the program goes on with the older manifest.
    parts::commit(dir.path(), Access::Shared, &staged).unwrap();
    store.sweep().unwrap();
    ModelStore::open(dir.path()).unwrap().load::<CpuBackend>(&TestDevice::default()).unwrap();
    store.load::<CpuBackend>(&TestDevice::default()).unwrap();
}

#[test]
fn sizes_that_no_column_has_are_refused_before_memory_is_asked_for() {
    for (key, value) in [("hidden", "1000000000000"), ("dropout", "2.0"), ("version", "4294967295")] {
        let dir = tempfile::tempdir().unwrap();
        small_model(dir.path());
        let text = fs::read_to_string(dir.path().join(MANIFEST)).unwrap();
        let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{key}: "))).unwrap();
        let indent = &line[..line.len() - line.trim_start().len()];
        edit(dir.path(), line, &format!("{indent}{key}: {value}"));
        let message = load_error(dir.path());
        assert!(message.contains("expected") && message.contains(value.trim_end_matches(".0")), "{message}");
    }
}

#[test]
fn taught_tasks_of_another_encoder_are_refused_with_what_to_do() {
    let (model, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = small_model(model.path());
    let mut taught = StateStore::open(state.path(), first.manifest()).unwrap();
    let mut smile = record("smile", &["yes", "no"], &[]);
    let column = smile.config.init::<CpuBackend>(&TestDevice::default(), 4);
    taught.stage(&mut smile, &column).unwrap();
    taught.commit(first.manifest(), vec![smile]).unwrap();
    drop(taught);

    let other = tempfile::tempdir().unwrap();
    let encoder = encoder_config().init::<CpuBackend>(&TestDevice::default(), 99);
    let other =
        ModelStore::create(other.path(), "other", "CC0-1.0", &encoder, encoder_config(), Precision::F32).unwrap();
    let message = StateStore::open(state.path(), other.manifest()).unwrap_err().to_string();
    let digests = [&first.manifest().encoder.sha256, &other.manifest().encoder.sha256];
    for part in ["model small", "state_dir", "teach again", digests[0], digests[1]] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    // Where nothing is taught any more, the folder serves any model.
    let mut taught = StateStore::open(state.path(), first.manifest()).unwrap();
    taught.commit(first.manifest(), Vec::new()).unwrap();
    drop(taught);
    StateStore::open(state.path(), other.manifest()).unwrap();
}

#[test]
fn a_second_process_reads_the_taught_tasks_but_does_not_write() {
    let (model, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let model = small_model(model.path());
    let first = StateStore::open(state.path(), model.manifest()).unwrap();
    let mut second = StateStore::open(state.path(), model.manifest()).unwrap();
    assert!(first.writable() && !second.writable());
    assert!(matches!(second.commit(model.manifest(), Vec::new()), Err(StoreError::InUse(_))));
    drop((first, second));
    assert!(StateStore::open(state.path(), model.manifest()).unwrap().writable());
}

#[test]
fn a_taught_task_does_not_hide_a_shipped_one() {
    let (model, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let model = small_model(model.path());
    let mut taught = StateStore::open(state.path(), model.manifest()).unwrap();
    let mut clash = record("emotion", &["a", "b"], &[]);
    let column = column_config(2, 0).init::<CpuBackend>(&TestDevice::default(), 1);
    taught.stage(&mut clash, &column).unwrap();
    assert!(matches!(taught.commit(model.manifest(), vec![clash]), Err(StoreError::NameTaken { .. })));
}

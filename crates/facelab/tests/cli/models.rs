use crate::args;
use crate::support::{facelab, model};
use engine::ModelStore;

#[test]
fn a_model_is_listed_with_labels_sources_sizes_and_digests() {
    let dir = tempfile::tempdir().unwrap();
    let model = model(dir.path());
    let run = facelab(args!["models", dir.path(), "--verify"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let store = ModelStore::open(&model).unwrap();
    let manifest = store.manifest();
    for expected in [
        "'tiny', CC0-1.0, schema 1",
        "side@1",
        "labels: above, below, none",
        "draws from: the encoder alone",
        "draws from: side",
        "data: painted by a test",
        manifest.encoder.sha256.as_str(),
        manifest.columns[1].sha256.as_str(),
        "verified",
    ] {
        assert!(run.stdout.contains(expected), "{expected} is missing in\n{}", run.stdout);
    }
    assert!(!run.stdout.contains("missing"), "{}", run.stdout);
}

#[test]
fn a_damaged_file_is_named_with_expected_and_found_digest() {
    let dir = tempfile::tempdir().unwrap();
    let model = model(dir.path());
    let record = ModelStore::open(&model).unwrap().manifest().columns[0].clone();
    let file = model.join(&record.file);
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    assert_eq!(facelab(args!["models", model]).code, Some(0));
    let run = facelab(args!["models", model, "--verify"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    for expected in [record.file.as_str(), record.sha256.as_str(), &network::weights::sha256(&bytes)] {
        assert!(run.stderr.contains(expected), "{expected} is missing in\n{}", run.stderr);
    }
}

#[test]
fn a_folder_without_a_model_fails_and_says_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let run = facelab(args!["models", dir.path()]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("manifest.yaml"), "{}", run.stderr);
}

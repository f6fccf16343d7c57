use super::*;
use crate::model::manifest::{ColumnRecord, Manifest};
use crate::model::state::StateStore;
use crate::model::testing::{column_config, record, small_model};
use crate::testing::make_pipe;
use network::CpuBackend;

/// A folder in which `gaze` and `nod` were taught, and `tilt`, which draws from `gaze`.
fn taught(dir: &Path, model: &Manifest) -> Vec<ColumnRecord> {
    let mut state = StateStore::open(dir, model).unwrap();
    let mut columns: Vec<ColumnRecord> = Vec::new();
    for (name, sources) in [("gaze", vec![]), ("nod", vec![]), ("tilt", vec!["gaze"])] {
        let mut record = record(name, &["a", "b"], &sources);
        for source in &mut record.sources {
            source.sha256.clone_from(&columns[0].sha256);
        }
        let column = column_config(2, sources.len()).init::<CpuBackend>(&Default::default(), columns.len() as u64);
        state.stage(&mut record, &column).unwrap();
        columns.push(record);
        state.commit(model, columns.clone()).unwrap();
    }
    columns
}

fn names(state: &StateStore) -> Vec<String> {
    state.manifest().columns.iter().map(|column| column.name.to_string()).collect()
}

fn all_files(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_pipe_in_the_place_of_a_file_holds_nothing_up() {
    let model = tempfile::tempdir().unwrap();
    let model = small_model(model.path());
    for replaced in [MANIFEST, MANIFEST_COPY, ".lock", "gaze-v1", "queue.yaml"] {
        let dir = tempfile::tempdir().unwrap();
        taught(dir.path(), model.manifest());
        let found = all_files(dir.path()).into_iter().find(|name| name.starts_with(replaced));
        let path = dir.path().join(found.unwrap_or_else(|| replaced.to_owned()));
        let _ = std::fs::remove_file(&path);
        make_pipe(&path);
        match StateStore::open(dir.path(), model.manifest()) {
            Ok(mut state) => {
                // A copy that cannot be kept is no reason to teach nothing.
                assert_eq!(state.writable(), [MANIFEST_COPY, "queue.yaml"].contains(&replaced), "{replaced}");
                let columns = state.manifest().columns.clone();
                assert_eq!(state.commit(model.manifest(), columns).is_ok(), state.writable(), "{replaced}");
            }
            Err(error) => assert!(replaced == ".lock" && error.to_string().contains(".lock"), "{replaced}: {error}"),
        }
        if replaced != ".lock" {
            repair_state(dir.path()).unwrap();
            let tasks = StateStore::open(dir.path(), model.manifest()).unwrap().manifest().columns.len();
            assert_eq!(tasks, if replaced == "gaze-v1" { 1 } else { 3 }, "{replaced}");
        }
    }
}

#[test]
fn a_lost_or_broken_manifest_costs_nothing() {
    let (model, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let model = small_model(model.path());
    taught(dir.path(), model.manifest());
    let manifest = dir.path().join(MANIFEST);
    let whole = std::fs::read(&manifest).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    let other_version = text.replacen("schema: 1", "schema: 3", 1);
    let digest = &model.manifest().encoder.sha256;
    let other_encoder = text.replacen(digest.as_str(), &digest.replace('a', "b"), 1);
    let files: [Option<&[u8]>; 6] = [
        None,
        Some(b"schema: 1\nmodel: ["),
        Some(&whole[..whole.len() / 2]),
        Some(b"\xff\xfe"),
        Some(other_version.as_bytes()),
        Some(other_encoder.as_bytes()),
    ];
    for broken in files {
        match broken {
            None => std::fs::remove_file(&manifest).unwrap(),
            Some(bytes) => std::fs::write(&manifest, bytes).unwrap(),
        }
        let before = all_files(dir.path());
        let mut state = StateStore::open(dir.path(), model.manifest()).unwrap();
        assert!(!state.writable() && names(&state).is_empty());
        let refusal = state.commit(model.manifest(), Vec::new()).unwrap_err().to_string();
        assert!(refusal.contains("facelab state repair") && refusal.contains(MANIFEST), "{refusal}");
        drop(state);
        assert_eq!(all_files(dir.path()), before, "nothing is swept");
        assert!(check_state(dir.path()).unwrap().damage.manifest.is_some());

        repair_state(dir.path()).unwrap();
        assert_eq!(std::fs::read(&manifest).unwrap(), whole);
        assert!(check_state(dir.path()).unwrap().damage.is_none());
        let state = StateStore::open(dir.path(), model.manifest()).unwrap();
        assert_eq!((state.writable(), names(&state)), (true, ["gaze", "nod", "tilt"].map(str::to_owned).to_vec()));
    }
}

#[test]
fn a_flipped_bit_in_weights_takes_that_task_and_those_that_draw_from_it() {
    let (model, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let model = small_model(model.path());
    let columns = taught(dir.path(), model.manifest());
    let weights = dir.path().join(&columns[0].file);
    let mut bytes = std::fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&weights, &bytes).unwrap();

    let state = StateStore::open(dir.path(), model.manifest()).unwrap();
    assert_eq!((state.writable(), names(&state)), (false, vec!["nod".to_owned()]));
    let told = state.damage().to_string();
    assert!(told.contains("task gaze: its weights") && told.contains("task tilt: it draws from gaze"), "{told}");
    assert!(matches!(repair_state(dir.path()), Err(StoreError::InUse(_))), "the node still runs");
    drop(state);

    let report = repair_state(dir.path()).unwrap();
    assert_eq!((report.sound, report.damage.columns.len()), (vec!["nod@1".to_owned()], 2));
    let kept = dir.path().join(format!("damaged-1-{}", columns[0].file));
    assert_eq!(std::fs::read(&kept).unwrap(), bytes, "what is broken is kept aside");
    let state = StateStore::open(dir.path(), model.manifest()).unwrap();
    assert_eq!((state.writable(), names(&state)), (true, vec!["nod".to_owned()]));
    // The start after it sweeps: neither what was broken, nor what draws from it, nor what the manifest said.
    let aside = ["damaged-1-manifest.yaml".to_owned(), format!("damaged-1-{}", columns[2].file)];
    assert!(kept.exists() && aside.iter().all(|name| dir.path().join(name).exists()), "{:?}", all_files(dir.path()));
}

#[test]
fn without_manifest_and_copy_nothing_is_made_up() {
    let (model, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let model = small_model(model.path());
    taught(dir.path(), model.manifest());
    for name in [MANIFEST, MANIFEST_COPY] {
        std::fs::remove_file(dir.path().join(name)).unwrap();
    }
    let before = all_files(dir.path());
    assert!(!StateStore::open(dir.path(), model.manifest()).unwrap().writable());
    let message = repair_state(dir.path()).unwrap_err().to_string();
    assert!(message.contains("3 weights") && message.contains("samples/"), "{message}");
    assert_eq!(all_files(dir.path()), before);
}

#[test]
fn a_folder_in_which_nothing_was_taught_is_whole() {
    let (model, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let model = small_model(model.path());
    let mut state = StateStore::open(dir.path(), model.manifest()).unwrap();
    state.commit(model.manifest(), Vec::new()).unwrap();
    drop(state);
    std::fs::remove_file(dir.path().join(MANIFEST)).unwrap();
    assert!(check_state(dir.path()).unwrap().damage.is_none());
    assert!(StateStore::open(dir.path(), model.manifest()).unwrap().writable());
}

#[test]
fn a_record_that_was_changed_calls_nobody_by_another_name_and_comes_back_from_the_copy() {
    let (model, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let model = small_model(model.path());
    taught(dir.path(), model.manifest());
    let path = dir.path().join(MANIFEST);
    let whole = std::fs::read_to_string(&path).unwrap();
    for (from, to) in [("  - a\n  - b\n", "  - b\n  - a\n"), ("temperature: 1.0", "temperature: 2.0")] {
        assert!(whole.contains(from), "{whole}");
        std::fs::write(&path, whole.replacen(from, to, 1)).unwrap();
        let state = StateStore::open(dir.path(), model.manifest()).unwrap();
        assert_eq!((state.writable(), names(&state)), (false, vec!["nod".to_owned()]), "{to}");
        assert!(state.damage().to_string().contains("task gaze: its record"), "{}", state.damage());
        drop(state);
        let report = repair_state(dir.path()).unwrap();
        assert_eq!(report.sound, ["gaze@1", "nod@1", "tilt@1"]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
        assert!(!all_files(dir.path()).iter().any(|name| name.contains("safetensors") && name.starts_with("damaged")));
    }
    // What no training finds is refused also where no digest speaks against it.
    let text = whole.replacen("temperature: 1.0", "temperature: 1e-38", 1);
    let unsealed: String =
        text.lines().filter(|line| !line.contains("record_sha256")).map(|line| format!("{line}\n")).collect();
    std::fs::write(&path, unsealed).unwrap();
    let message = StateStore::open(dir.path(), model.manifest()).unwrap_err().to_string();
    assert!(message.contains("calibration") && message.contains("0.01"), "{message}");
}

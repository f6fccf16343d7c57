//! From a teacher's descriptors to a model that recognises people, and a device held against the CPU.

use crate::args;
use crate::support::{facelab, folders, json, model, pack};
use engine::ModelStore;
use learning::data::DESCRIPTOR;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A pack of which every fourth face chooses, with made-up descriptors beside it.
fn described_pack(dir: &Path) -> PathBuf {
    let dir = pack(dir, &[("above", 12), ("below", 12)]);
    let table = std::fs::read_to_string(dir.join("labels.csv")).unwrap();
    let split = |(at, line): (usize, &str)| if at % 4 == 3 { line.replace("train", "val") } else { line.to_owned() };
    let lines: Vec<String> = table.lines().enumerate().map(split).collect();
    std::fs::write(dir.join("labels.csv"), lines.join("\n") + "\n").unwrap();
    // 1.0 and −1.0 as f16, little-endian.
    let value = |at: usize| if at * 7 % 5 < 3 { [0x00, 0x3c] } else { [0x00, 0xbc] };
    let bytes: Vec<u8> = (0..24 * DESCRIPTOR).flat_map(value).collect();
    std::fs::write(dir.join("labels.dlib128.f16"), bytes).unwrap();
    dir
}

fn refine(dir: &Path, start: &Path, data: &Path, more: &[&str]) -> Vec<OsString> {
    let task = format!("side={}", data.display());
    let mut args = args!["refine-encoder", "--threads", "1", "--start", start, "--task", task, "--keep-columns"];
    args.extend(args!["--descriptors", data, "--descriptor-weight", "2", "--averaging", "0.9", "--occlusion", "0.5"]);
    args.extend(args!["--cohort-provenance", "made up", "--batch", "4", "--phases", "32:4", "--checkpoint-every", "2"]);
    args.extend(args!["--work", dir.join("work"), "--out", dir.join("refined")]);
    args.extend(more.iter().map(Into::into));
    args
}

#[test]
fn an_encoder_learns_a_descriptor_and_its_model_recognises_people() {
    let dir = tempfile::tempdir().unwrap();
    let (start, data) = (model(dir.path()), described_pack(dir.path()));
    let run = facelab(refine(dir.path(), &start, &data, &[]));
    assert_eq!(run.code, Some(0), "{run:?}");
    let log = std::fs::read_to_string(dir.path().join("work/log.jsonl")).unwrap();
    assert!(log.contains("descriptor_loss") && log.contains("descriptor_explained"), "{log}");
    let refined = dir.path().join("refined");
    let store = ModelStore::open(&refined).unwrap();
    let encoder = &store.manifest().encoder;
    let cohort = encoder.cohort.as_ref().unwrap();
    assert_eq!((encoder.config.descriptor, cohort.strangers, cohort.provenance.as_str()), (DESCRIPTOR, 6, "made up"));
    let run = facelab(args!["models", refined, "--verify"]);
    assert!(run.code == Some(0) && run.stdout.contains("6 strangers"), "{run:?}");

    let found = dir.path().join("who.json");
    let mut args = args!["fewshot", "who", "--model", refined, "--data", data, "--column", "side", "--shots", "2"];
    args.extend(args!["--draws", "2", "--methods", "default,identity", "--covered", "--json", found]);
    let run = facelab(args);
    assert_eq!(run.code, Some(0), "{run:?}");
    let found = json(&found);
    assert_eq!(found["rows"].as_array().unwrap().len(), 2, "{found}");
    assert!(found["covered"][0]["unknown_covered"]["mean"].is_number(), "{found}");

    // A cohort of one's own.
    let strangers = folders(dir.path(), &[("anyone", 5)]);
    let run = facelab(args!["cohort", refined, "--data", strangers, "--provenance", "our lab"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let store = ModelStore::open(&refined).unwrap();
    let cohort = store.manifest().encoder.cohort.as_ref().unwrap();
    assert_eq!((cohort.strangers, cohort.provenance.as_str()), (5, "our lab"));
}

#[test]
fn an_encoder_that_stays_as_it_is_gets_a_descriptor() {
    let dir = tempfile::tempdir().unwrap();
    let (model, data, out) = (model(dir.path()), described_pack(dir.path()), dir.path().join("people"));
    let mut args = args!["descriptor", "--model", model, "--descriptors", data, "--out", out];
    args.extend(args!["--cohort-provenance", "made up", "--threads", "1"]);
    let run = facelab(args.clone());
    assert!(run.code == Some(0) && run.stderr.contains("6 strangers"), "{run:?}");
    let (before, after) = (ModelStore::open(&model).unwrap(), ModelStore::open(&out).unwrap());
    let digests = |store: &ModelStore| {
        store.manifest().columns.iter().map(|column| (column.name.clone(), column.labels.clone())).collect::<Vec<_>>()
    };
    assert_eq!(digests(&before), digests(&after));
    assert_eq!(after.manifest().encoder.config.descriptor, DESCRIPTOR);
    assert_eq!(after.manifest().encoder.cohort.as_ref().unwrap().provenance, "made up");
    let run = facelab(args);
    assert!(run.code == Some(1) && run.stderr.contains("holds"), "{run:?}");
}

#[test]
fn a_refinement_that_goes_on_can_be_made_a_model_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let (start, data) = (model(dir.path()), described_pack(dir.path()));
    let run = facelab(refine(dir.path(), &start, &data, &["--finish"]));
    assert!(run.code == Some(1) && run.stderr.contains("no checkpoint yet"), "{run:?}");
    assert_eq!(facelab(refine(dir.path(), &start, &data, &[])).code, Some(0));
    let mut args = refine(dir.path(), &start, &data, &["--finish"]);
    let out = args.iter().position(|word| word == "--out").unwrap() + 1;
    args[out] = dir.path().join("meanwhile").into();
    let run = facelab(args);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(ModelStore::open(&dir.path().join("meanwhile")).unwrap().manifest().encoder.cohort.is_some());
}

#[test]
fn what_has_no_descriptors_cannot_be_learned_from() {
    let dir = tempfile::tempdir().unwrap();
    let (start, data) = (model(dir.path()), described_pack(dir.path()));
    std::fs::write(data.join("labels.dlib128.f16"), [0; 100]).unwrap();
    let run = facelab(refine(dir.path(), &start, &data, &[]));
    assert!(run.code == Some(1) && run.stderr.contains("24 rows need 6144"), "{run:?}");
    std::fs::remove_file(data.join("labels.dlib128.f16")).unwrap();
    let run = facelab(refine(dir.path(), &start, &data, &[]));
    assert!(run.code == Some(1) && run.stderr.contains("labels.dlib128.f16"), "{run:?}");

    let plain = model(&dir.path().join("plain"));
    let run = facelab(args!["cohort", plain, "--data", data, "--provenance", "x"]);
    assert!(run.code == Some(1) && run.stderr.contains("no descriptor"), "{run:?}");
    let run =
        facelab(args!["fewshot", "who", "--model", plain, "--data", data, "--column", "side", "--methods", "identity"]);
    assert!(run.code == Some(1) && run.stderr.contains("no cohort"), "{run:?}");
}

#[test]
fn a_device_is_held_against_the_cpu() {
    let dir = tempfile::tempdir().unwrap();
    let (model, found) = (model(dir.path()), dir.path().join("agree.json"));
    let run = facelab(args!["agree", "--model", model, "--device", "cpu", "--faces", "3", "--json", found]);
    assert!(run.code == Some(0) && run.stdout.contains("the promise is kept"), "{run:?}");
    let found = json(&found);
    assert_eq!(found["agree"], true);
    let compared: Vec<&str> =
        found["compared"].as_array().unwrap().iter().map(|found| found["what"].as_str().unwrap()).collect();
    assert_eq!(compared, ["features", "column side", "column age", "training of a column", "training of a BEGAN"]);
}

//! Tasks that recognise people.

use super::*;
use crate::model::testing::model_that_knows_people;

fn bench() -> Bench {
    let bench = Bench::new();
    let model = tempfile::tempdir().unwrap();
    model_that_knows_people(model.path());
    Bench { model, ..bench }
}

/// `count` samples of each of these people, who are taught in their order.
fn people(names: &[&str], count: usize) -> AddTask {
    AddTask {
        kind: TaskKind::Identity,
        labels: names.iter().map(|name| label(name)).collect(),
        samples: names.iter().flat_map(|name| samples(name, count)).collect(),
        transferable: false,
        ..request("who", 0)
    }
}

#[test]
fn one_person_is_taught_with_one_sample_and_another_is_added_without_changing_the_first() {
    let mut bench = bench();
    // Nothing but the column knows the first one when the second comes.
    bench.config.retain_samples = false;
    let tasks = bench.start();
    let outcome = teach(&tasks, people(&["up"], 1));
    assert_eq!((outcome.samples.as_slice(), outcome.accuracy.held_back), (&[1][..], 0));
    let found = status(&tasks, "who");
    assert_eq!((found.kind, found.labels.len(), found.transferable), (TaskKind::Identity, 1, false));
    assert!(found.sources.is_empty());
    let first = bits(&bench.newest(), "who");

    let added = AddTask { retrain: true, kind: TaskKind::General, ..people(&["down"], 3) };
    let outcome = teach(&tasks, added);
    assert_eq!((outcome.task_id.as_str(), outcome.samples.as_slice()), ("who@2", &[1, 3][..]));
    let found = status(&tasks, "who");
    assert_eq!((found.kind, found.labels), (TaskKind::Identity, vec![label("up"), label("down")]));
    let second = bits(&bench.newest(), "who");
    for (before, after) in first.iter().zip(&second) {
        assert_eq!((before[0], after.len()), (after[0], 2));
    }
    drop(tasks);
    assert_eq!(bits(&bench.reloaded(), "who"), second);
}

#[test]
fn who_is_named_again_is_learned_anew_from_all_their_samples() {
    let bench = bench();
    let tasks = bench.start();
    teach(&tasks, people(&["up", "down"], 2));
    let before = bits(&bench.newest(), "who");
    let again = AddTask { retrain: true, ..people(&["down"], 4) };
    assert_eq!(teach(&tasks, again).samples, [2, 6]);
    let after = bits(&bench.newest(), "who");
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before[0], after[0]);
        assert_ne!(before[1], after[1]);
    }
}

#[test]
fn what_an_identity_task_cannot_be_is_refused_with_what_to_do() {
    let bench = bench();
    let tasks = bench.start();
    let says = |request: AddTask| message(tasks.add(request));
    assert!(says(AddTask { sources: vec![task("emotion")], ..people(&["up"], 1) }).contains("exclude each other"));
    assert!(says(AddTask { transferable: true, ..people(&["up"], 1) }).contains("exclude each other"));
    assert!(says(AddTask { epochs: 3, ..people(&["up"], 1) }).contains("exclude each other"));
    assert!(says(people(&["up", "up"], 1)).contains("given twice"));
    assert!(says(people(&[], 1)).contains("labels"));
    teach(&tasks, request("mood", 3));
    let other = AddTask { retrain: true, kind: TaskKind::Identity, ..request("mood", 1) };
    assert!(says(other).contains("no identity task"));

    // The small model has no descriptor.
    let without = Bench::new();
    assert!(message(without.start().add(people(&["up"], 1))).contains("no face descriptor"));
}

#[test]
fn a_person_whose_training_was_cut_off_is_learned_after_a_restart_and_the_others_stay() {
    let bench = bench();
    let tasks = bench.start();
    teach(&tasks, people(&["up"], 2));
    let before = bits(&bench.newest(), "who");
    tasks.add_samples(&task("who"), samples("down", 2)).unwrap();
    drop(tasks);
    let job = "schema: 1\njobs:\n- name: who\n  version: 2\n  kind: identity\n  labels: [up, down]\n  learned: [down]\n  sources: []\n  transferable: false\n  epochs: 0\n  attempts: 1\n";
    fs::write(bench.state.path().join("queue.yaml"), job).unwrap();
    let tasks = bench.start();
    let found = loop {
        let found = status(&tasks, "who");
        if found.version == 2 && found.state == TaskState::Ready {
            break found;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert_eq!((found.labels, found.samples), (vec![label("up"), label("down")], vec![2, 2]));
    for (before, after) in before.iter().zip(&bits(&bench.newest(), "who")) {
        assert_eq!((before[0], after.len()), (after[0], 2));
    }
}

#[test]
fn people_travel_to_a_model_with_the_same_encoder_whatever_its_cohort() {
    let there = bench();
    let tasks = there.start();
    teach(&tasks, people(&["up", "down"], 2));
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("who");
    tasks.export(&task("who"), &folder, true).unwrap();

    // Other strangers: the column brings its threshold along.
    let here = bench();
    let mut model = ModelStore::open(here.model.path()).unwrap();
    let stranger = |at: usize| (0..16).map(|value| if value == at { 1.0 } else { 0.0 }).collect::<Vec<f32>>();
    let strangers: Vec<Vec<f32>> = (0..16).map(stranger).collect();
    model.put_cohort::<CpuBackend>(&strangers, "our lab", &TestDevice::default()).unwrap();
    let tasks = here.start();
    tasks.import(&folder, None).unwrap();
    assert_eq!(bits(&here.newest(), "who"), bits(&there.newest(), "who"));

    // Another encoder describes faces otherwise.
    let other = Bench::new();
    assert!(message(other.start().import(&folder, None)).contains("encoder"));
}

use super::*;
use crate::TaskKind;
use crate::model::testing::{faces, record};
use crate::teaching::board::{Job, Note};
use crate::teaching::tasks::{RemoveTask, TaskState};
use crate::testing::{label, task};

const LIMITS: Limits = Limits { queue: 4, epochs: 30 };

/// `emotion` ships, `person` ships and is not transferable, `gaze` was taught.
fn board() -> Board {
    let record = |name: &str, transferable, sources: &[&str]| ColumnRecord {
        transferable,
        ..record(name, &["x", "y"], sources)
    };
    Board {
        shipped: vec![record("emotion", true, &[]), record("person", false, &[])],
        taught: vec![record("gaze", true, &["emotion"])],
        ..Board::default()
    }
}

fn request(name: &str, labels: &[&str]) -> AddTask<LabelledFace> {
    AddTask {
        name: task(name),
        kind: TaskKind::General,
        labels: labels.iter().map(|text| label(text)).collect(),
        samples: labels.iter().flat_map(|text| faces(text, 1)).collect(),
        sources: Vec::new(),
        no_sources: false,
        transferable: true,
        retrain: false,
        epochs: 0,
    }
}

fn sources(names: &[&str]) -> Vec<TaskName> {
    names.iter().map(|name| task(name)).collect()
}

fn wait(board: &mut Board, name: &str) {
    let spec = board.admit(&request(name, &["x", "y"]), &Vec::new(), LIMITS).unwrap();
    let (outcome, _) = crossbeam_channel::bounded(1);
    board.waiting.push_back(Job { spec, message: String::new(), outcome });
}

#[test]
fn a_new_task_draws_from_every_transferable_one_by_default() {
    let spec = board().admit(&request("mood", &["up", "down"]), &Vec::new(), LIMITS).unwrap();
    assert_eq!(spec.sources, sources(&["emotion", "gaze"]));
    assert_eq!((spec.version, spec.epochs), (1, 30));
    let alone = AddTask { no_sources: true, epochs: 7, ..request("mood", &["up", "down"]) };
    let spec = board().admit(&alone, &Vec::new(), LIMITS).unwrap();
    assert_eq!((spec.sources.len(), spec.epochs), (0, 7));
}

#[test]
fn a_retrained_task_keeps_labels_and_sources_unless_told_otherwise() {
    let mut board = board();
    let again = AddTask { retrain: true, ..request("gaze", &[]) };
    let stored = vec![(label("x"), 3), (label("y"), 4)];
    let spec = board.admit(&again, &stored, LIMITS).unwrap();
    assert_eq!(spec.labels, [label("x"), label("y")]);
    assert_eq!((spec.sources, spec.version), (sources(&["emotion"]), 2));

    // A silent older version is replaced by the newer one.
    board.taught.insert(
        0,
        ColumnRecord { replaced_by: Some(task("mood")), silent: true, ..record("mood_v1", &["x", "y"], &[]) },
    );
    board.taught.push(record("mood", &["x", "y"], &[]));
    board.taught[1].sources[0].name = task("mood_v1");
    assert_eq!(board.admit(&again, &stored, LIMITS).unwrap().sources, sources(&["mood"]));
}

#[test]
fn every_wrong_request_is_refused_with_what_to_do() {
    let full = {
        let mut board = board();
        for name in ["one", "two", "three", "four", "five"] {
            wait(&mut board, name);
        }
        board
    };
    let silent = {
        let mut board = board();
        board.taught[0].silent = true;
        board
    };
    let new = || request("mood", &["up", "down"]);
    let drawing = |names: &[&str]| AddTask { sources: sources(names), ..new() };
    let without = AddTask { samples: faces("up", 2), ..new() };
    let unlisted = AddTask { samples: faces("sideways", 1), ..new() };
    let refused: Vec<(&Board, AddTask<LabelledFace>, &[&str])> = vec![
        (&full, new(), &["4 trainings", "cancel_training"]),
        (&full, request("three", &["a", "b"]), &["three", "cancel_training"]),
        (&full, drawing(&["three"]), &["three", "wait"]),
        (&silent, request("gaze", &["a", "b"]), &["gaze", "silent", "retrain"]),
    ];
    let board = board();
    let more: Vec<(&Board, AddTask<LabelledFace>, &[&str])> = vec![
        (&board, request("gaze", &["a", "b"]), &["gaze", "retrain"]),
        (&board, request("emotion", &["a", "b"]), &["emotion", "another name"]),
        (&board, AddTask { retrain: true, ..request("emotion", &["a", "b"]) }, &["emotion", "shipped"]),
        (&board, AddTask { retrain: true, ..new() }, &["mood", "emotion", "gaze"]),
        (&board, request("mood", &["up"]), &["1 labels", "at least 2"]),
        (&board, request("mood", &[]), &["0 labels", "at least 2"]),
        (&board, request("mood", &["up", "down", "up"]), &["`up`", "twice"]),
        (&board, without, &["down", "capture_samples"]),
        (&board, unlisted, &["sideways", "up, down"]),
        (&board, drawing(&["nobody"]), &["nobody", "emotion, gaze"]),
        (&board, drawing(&["person"]), &["person", "not transferable"]),
        (&board, drawing(&["emotion", "emotion"]), &["emotion", "twice"]),
        (&board, drawing(&["mood"]), &["mood", "itself"]),
        (&board, AddTask { no_sources: true, ..drawing(&["emotion"]) }, &["sources", "no_sources", "exclude"]),
    ];
    for (board, request, expected) in refused.into_iter().chain(more) {
        let message = board.admit(&request, &Vec::new(), LIMITS).unwrap_err().to_string();
        for part in expected {
            assert!(message.contains(part), "{part} is not in: {message}");
        }
    }
}

#[test]
fn stored_samples_count_like_given_ones() {
    let nothing_given = AddTask { samples: Vec::new(), ..request("mood", &["up", "down"]) };
    let board = board();
    assert!(board.admit(&nothing_given, &vec![(label("up"), 3)], LIMITS).is_err());
    board.admit(&nothing_given, &vec![(label("up"), 3), (label("down"), 1)], LIMITS).unwrap();
}

#[test]
fn a_task_whose_training_failed_may_be_added_or_retrained() {
    let mut board = board();
    let spec = board.admit(&request("mood", &["up", "down"]), &Vec::new(), LIMITS).unwrap();
    let note = Note { state: TaskState::Failed, message: "why".into(), epochs: 0, spec: Some(spec) };
    board.notes.insert(task("mood"), note);
    let status = board.statuses().pop().unwrap();
    assert_eq!((status.name.clone(), status.state, status.message.as_str()), (task("mood"), TaskState::Failed, "why"));
    board.admit(&request("mood", &["up", "down"]), &Vec::new(), LIMITS).unwrap();
    let again = AddTask { retrain: true, labels: Vec::new(), ..request("mood", &["up", "down"]) };
    assert_eq!(board.admit(&again, &Vec::new(), LIMITS).unwrap().labels, [label("up"), label("down")]);
}

#[test]
fn removal_names_those_that_draw_from_the_task_and_cascades_when_told() {
    let mut board = board();
    board.taught.push(record("mood", &["x", "y"], &["gaze"]));
    board.taught.push(record("trust", &["x", "y"], &["mood"]));
    let remove =
        |name: &str| RemoveTask { name: task(name), cascade: false, keep_as_source: false, keep_samples: false };
    let message = board.removable(&remove("gaze")).unwrap_err().to_string();
    assert!(message.contains("mood") && message.contains("cascade") && message.contains("keep_as_source"), "{message}");
    let all = board.removable(&RemoveTask { cascade: true, ..remove("gaze") }).unwrap();
    assert_eq!(all, sources(&["gaze", "mood", "trust"]));
    let kept = board.removable(&RemoveTask { keep_as_source: true, ..remove("gaze") }).unwrap();
    assert_eq!(kept, sources(&["gaze"]));
    assert!(matches!(board.removable(&remove("emotion")), Err(TaskError::Shipped(_))));
    assert!(matches!(board.removable(&remove("nobody")), Err(TaskError::UnknownTask { .. })));
    // A training that draws from it counts as well.
    wait(&mut board, "later");
    let cascade = RemoveTask { cascade: true, ..remove("trust") };
    assert!(matches!(board.removable(&cascade), Err(TaskError::InTraining(name)) if name == task("later")));
}

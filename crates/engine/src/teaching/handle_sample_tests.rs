//! What becomes of samples before, while and after a task is taught with them.

use super::*;
use crate::model::sample_reading::reading_in;
use crate::testing::{seen, track};

#[test]
fn samples_are_erased_after_the_training_when_they_are_not_to_be_kept() {
    let mut bench = Bench::new();
    bench.config.retain_samples = false;
    let tasks = bench.start();
    teach(&tasks, request("mood", 5));
    assert!(bench.stored("mood").is_empty());
    assert!(!bench.state.path().join("samples/mood").exists());
    // What it was taught with is still told.
    assert_eq!(wait_for(&tasks, "mood", TaskState::Ready).samples, [5, 5]);
}

#[test]
fn samples_are_erased_too_when_the_end_of_their_training_was_not_written_down() {
    for (version, attempts) in [(1, 1), (2, 3)] {
        let mut bench = Bench::new();
        let tasks = bench.start();
        teach(&tasks, request("mood", 3));
        drop(tasks);
        assert!(!bench.stored("mood").is_empty());
        bench.config.retain_samples = false;
        bench.queue("mood", version, attempts);
        let _learner = bench.start();
        assert!(bench.stored("mood").is_empty(), "version {version} after {attempts} attempts");
    }
}

#[test]
fn samples_can_be_collected_before_the_task_and_erased_after_it() {
    let mut bench = Bench::new();
    bench.config.max_samples_per_label = 4;
    let tasks = bench.start();
    tasks.add_samples(&task("mood"), samples("up", 3)).unwrap();
    let stored = tasks.add_samples(&task("mood"), samples("down", 3)).unwrap();
    assert_eq!(stored.counts, [(label("up"), 3), (label("down"), 3)]);
    assert!(message(tasks.add_samples(&task("mood"), samples("up", 2))).contains("at most 4"));
    assert!(message(tasks.add_samples(&task("emotion"), samples("up", 2))).contains("shipped"));
    teach(&tasks, AddTask { samples: Vec::new(), ..request("mood", 0) });
    let before = bits(&bench.newest(), "mood");

    assert!(message(tasks.forget(&task("mood"), Some(&label("left")))).contains("up, down"));
    assert_eq!(tasks.forget(&task("mood"), Some(&label("up"))).unwrap(), 3);
    assert_eq!(tasks.forget(&task("mood"), None).unwrap(), 3);
    assert!(message(tasks.forget(&task("nobody"), None)).contains("nobody"));
    assert_eq!(bits(&bench.newest(), "mood"), before);
}

#[test]
fn a_training_that_a_shutdown_ends_counts_as_no_attempt_and_a_crash_before_it_still_does() {
    let bench = Bench::new();
    let tasks = bench.start();
    tasks.add_samples(&task("mood"), [samples("up", 40), samples("down", 40)].concat()).unwrap();
    drop(tasks);
    bench.queue("mood", 1, 1);
    let path = bench.state.path().join("queue.yaml");
    let text = fs::read_to_string(&path).unwrap().replace("epochs: 2", "epochs: 1000");
    fs::write(&path, text).unwrap();
    let tasks = bench.start();
    let attempts = || fs::read_to_string(&path).unwrap().lines().last().unwrap().trim().to_owned();
    let begun = std::time::Instant::now();
    while attempts() != "attempts: 2" {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", attempts());
        std::thread::sleep(Duration::from_millis(2));
    }
    tasks.shutdown(Duration::from_secs(60));
    drop(tasks);
    assert_eq!(attempts(), "attempts: 1");
}

#[test]
fn without_the_key_of_its_samples_a_node_answers_and_teaches_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let mut bench = Bench::new();
    let key = bench.model.path().join("key");
    fs::write(&key, [7; 32]).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    bench.config.samples_key_file = Some(key);
    let tasks = bench.start();
    teach(&tasks, request("mood", 3));
    drop(tasks);
    let before = bits(&bench.newest(), "mood");
    let tasks = bench.start();
    let out = bench.model.path().join("out");
    tasks.export(&task("mood"), &out, true).unwrap();
    drop(tasks);

    for (key, said) in [(None, "samples_key_file is empty"), (Some("no/such/key".into()), "no/such/key")] {
        let with_key = std::mem::replace(&mut bench.config.samples_key_file, key);
        let tasks = bench.start();
        assert_eq!(bits(&bench.reloaded(), "mood"), before);
        assert!(message(tasks.add(request("nod", 3)).map(drop)).contains(said));
        assert!(message(tasks.add_samples(&task("mood"), samples("up", 1))).contains(said));
        drop(tasks);
        bench.config.samples_key_file = with_key;
    }
    let tasks = bench.start();
    teach(&tasks, AddTask { labels: Vec::new(), retrain: true, ..request("mood", 1) });
    assert_eq!(bench.stored("mood"), [(label("up"), 4), (label("down"), 4)]);
    drop(tasks);

    // A training that waits outlives a start without the key, and can be cancelled there; nothing comes in, all can be erased.
    bench.queue("mood", 3, 0);
    let with_key = bench.config.samples_key_file.take();
    let tasks = bench.start();
    wait_for(&tasks, "mood", TaskState::Queued);
    assert!(message(tasks.import(&out, Some(&task("nod"))).map(drop)).contains("samples_key_file is empty"));
    drop(tasks);
    bench.config.samples_key_file = with_key;
    let tasks = bench.start();
    assert_eq!(wait_for(&tasks, "mood", TaskState::Ready).version, 3);
    drop(tasks);
    bench.queue("mood", 4, 0);
    bench.config.samples_key_file = None;
    let tasks = bench.start();
    tasks.cancel(Some(&task("mood"))).unwrap();
    assert_eq!(tasks.forget(&task("mood"), Some(&label("up"))).unwrap(), 4);
    tasks.remove(&remove("mood")).unwrap();
    assert!(bench.stored("mood").is_empty());
}

/// Files of the crops of `up`, then of `down`.
fn crops(bench: &Bench, name: &str) -> Vec<std::path::PathBuf> {
    SampleStore::new(bench.state.path(), 1000).paths(&task(name), &[label("up"), label("down")]).unwrap()
}

/// What was read of the crop of a file.
fn reading(path: &std::path::PathBuf) -> Option<Vec<u8>> {
    reading_in(&fs::read(path).unwrap()).map(<[u8]>::to_vec)
}

/// Waits until all crops of a task were read.
fn wait_until_read(bench: &Bench, name: &str) {
    let start = std::time::Instant::now();
    while !crops(bench, name).iter().all(|path| reading(path).is_some()) {
        assert!(start.elapsed() < Duration::from_secs(60), "samples of {name} were not read");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn samples_are_read_before_their_task_is_taught() {
    let mut bench = Bench::new();
    // In closed form.
    bench.config.training.epochs = 0;
    let tasks = bench.start();
    tasks.add_samples(&task("mood"), [samples("up", 4), samples("down", 3)].concat()).unwrap();
    wait_until_read(&bench, "mood");
    let before = bench.stored("mood");
    let outcome = teach(&tasks, AddTask { samples: Vec::new(), ..request("mood", 0) });
    assert_eq!((outcome.samples, outcome.accuracy.value), (vec![4, 3], 1.0));
    assert_eq!(bits(&bench.newest(), "mood"), bits(&bench.reloaded(), "mood"));
    assert_eq!(bench.stored("mood"), before);
    // What travels is the crops alone.
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = elsewhere.path().join("mood");
    tasks.export(&task("mood"), &folder, true).unwrap();
    let pictures = SampleStore::new(&folder, 100).paths(&task("mood"), &[label("up"), label("down")]).unwrap();
    assert_eq!(pictures.iter().filter_map(reading).count(), 0);
}

#[test]
fn what_was_read_before_is_what_a_task_is_taught_with() {
    let mut bench = Bench::new();
    // In closed form.
    bench.config.training.epochs = 0;
    let tasks = bench.start();
    tasks.add_samples(&task("mood"), [samples("up", 4), samples("down", 4)].concat()).unwrap();
    wait_until_read(&bench, "mood");
    let says_up = |name: &str| {
        let logits = bits(&bench.newest(), name).remove(0);
        f32::from_bits(logits[0]) > f32::from_bits(logits[1])
    };
    // Readings of the other label: the task learns the labels the wrong way round.
    let (files, store) = (crops(&bench, "mood"), SampleStore::new(bench.state.path(), 1000));
    let readings: Vec<Vec<u8>> = files.iter().filter_map(reading).collect();
    for (at, path) in files.iter().enumerate() {
        let face = crate::model::sample_pictures::read_picture(path, None).unwrap();
        assert!(store.keep_reading(path, &face, &readings[(at + 4) % 8]).unwrap());
    }
    teach(&tasks, AddTask { samples: Vec::new(), ..request("mood", 0) });
    assert!(!says_up("mood"));
    teach(&tasks, request("plain", 4));
    assert!(says_up("plain"));
}

#[test]
fn a_training_goes_before_samples_that_are_read_ahead_which_then_goes_on() {
    let bench = Bench::new();
    let tasks = bench.start();
    tasks.add_samples(&task("mood"), [samples("up", 60), samples("down", 60)].concat()).unwrap();
    teach(&tasks, request("trust", 3));
    wait_until_read(&bench, "mood");
}

#[test]
fn samples_that_are_forgotten_while_they_are_read_stay_forgotten() {
    let bench = Bench::new();
    let tasks = bench.start();
    for _ in 0..10 {
        tasks.add_samples(&task("mood"), [samples("up", 6), samples("down", 6)].concat()).unwrap();
        assert_eq!(tasks.forget(&task("mood"), None).unwrap(), 12);
        assert!(!bench.state.path().join("samples/mood").exists());
    }
    drop(tasks);
    let left: Vec<_> = fs::read_dir(bench.state.path().join("samples")).into_iter().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Captures crops of the one face in view, all of them different.
fn capture(tasks: &Tasks, text: &str, go_on: &mut (dyn FnMut(u32) -> bool + Send)) -> Result<Captured, CaptureError> {
    let wanted = CaptureRequest {
        name: task("mood"),
        label: label(text),
        camera: None,
        track: TrackSelector::Largest,
        count: 4,
        time: Duration::from_secs(1),
    };
    std::thread::scope(|scope| {
        let captured = scope.spawn(|| tasks.capture(&wanted, go_on));
        let mut crops = faces(text, 1000).into_iter();
        while !captured.is_finished() {
            let mut seen = seen(0.0, &[(track(0), 40.0, 0.9)]);
            seen.faces[0].crop = crops.next().map(|sample| sample.face);
            tasks.captures[0].offer(&seen);
            std::thread::sleep(Duration::from_millis(20));
        }
        captured.join().unwrap()
    })
}

fn wait_until_fresh_are_read(tasks: &Tasks, count: usize) {
    let start = std::time::Instant::now();
    while tasks.requests.fresh_readings() < count {
        assert!(start.elapsed() < Duration::from_secs(60), "{count} crops were not read");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn crops_are_read_while_their_capture_runs() {
    let mut bench = Bench::new();
    // In closed form.
    bench.config.training.epochs = 0;
    let tasks = bench.start();
    for text in ["up", "down"] {
        let mut go_on = |taken| {
            wait_until_fresh_are_read(&tasks, taken as usize);
            true
        };
        assert_eq!(capture(&tasks, text, &mut go_on).unwrap().captured, 4);
    }
    let outcome = teach(&tasks, AddTask { samples: Vec::new(), ..request("mood", 0) });
    assert_eq!((outcome.samples, outcome.accuracy.value), (vec![4, 4], 1.0));
    wait_until_read(&bench, "mood");
    drop(tasks);
}

#[test]
fn of_a_capture_that_is_cancelled_nothing_stays() {
    let bench = Bench::new();
    let tasks = bench.start();
    let mut go_on = |taken| {
        wait_until_fresh_are_read(&tasks, taken as usize);
        taken < 2
    };
    assert!(matches!(capture(&tasks, "up", &mut go_on), Err(CaptureError::Cancelled)));
    assert_eq!(tasks.requests.fresh_readings(), 0);
}

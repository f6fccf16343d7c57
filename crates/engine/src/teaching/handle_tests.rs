use std::fs;
use std::sync::Mutex as StdMutex;

use network::{CpuBackend, ProgressiveNetwork, faces_to_tensor, rows};
use tempfile::TempDir;

use super::*;
use crate::TaskKind;
use crate::model::load;
use crate::model::samples::SampleStore;
use crate::model::state::StateStore;
use crate::model::store::ModelStore;
use crate::model::testing::{TestDevice, faces, samples, small_model};
use crate::teaching::served_model::open_samples;
use crate::teaching::tasks::TaskState;
use crate::testing::{PaintedFaces, label, task};

type Network = ProgressiveNetwork<CpuBackend>;

/// Each network that was put into service, with the names of the tasks that answer.
type Served = Arc<StdMutex<Vec<(Network, Vec<String>)>>>;

/// A model, a state folder, and what was put into service.
struct Bench {
    model: TempDir,
    state: TempDir,
    config: EngineConfig,
    served: Served,
}

impl Bench {
    fn new() -> Self {
        let (model, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        small_model(model.path());
        let mut config = EngineConfig::default();
        config.training.epochs = 3;
        // Where `tempfile` makes folders.
        config.exchange_dir = std::env::temp_dir();
        Self { model, state, config, served: Arc::default() }
    }

    fn start(&self) -> Tasks {
        let model = ModelStore::open(self.model.path()).unwrap();
        let mut state = StateStore::open(self.state.path(), model.manifest()).unwrap();
        let device = TestDevice::default();
        let network = load::load::<CpuBackend>(&model, &state, &device).unwrap().network;
        let served = Arc::clone(&self.served);
        let on_network = move |update: NetworkUpdate<CpuBackend>| {
            let names = update.heads.iter().map(|head| head.name.to_string()).collect();
            served.lock().unwrap().push((update.network, names));
        };
        let samples = open_samples(&self.config, &mut state);
        let found = Found { model, state, samples, network, device, judging: Arc::default() };
        Tasks::start(&self.config, found, Box::new(PaintedFaces), vec![Arc::default()], on_network).unwrap()
    }

    /// The network in service.
    fn newest(&self) -> Network {
        self.served.lock().unwrap().last().unwrap().0.clone()
    }

    fn answering(&self) -> Vec<String> {
        self.served.lock().unwrap().last().unwrap().1.clone()
    }

    /// What a restart would load.
    fn reloaded(&self) -> Network {
        let model = ModelStore::open(self.model.path()).unwrap();
        let state = StateStore::open(self.state.path(), model.manifest()).unwrap();
        load::load::<CpuBackend>(&model, &state, &TestDevice::default()).unwrap().network
    }

    fn stored(&self, name: &str) -> Vec<(Label, u32)> {
        SampleStore::new(self.state.path(), 10_000).counts(&task(name)).unwrap()
    }

    /// What a run that was cut off left of its trainings.
    fn queue(&self, name: &str, version: u32, attempts: u32) {
        let text = format!(
            "schema: 1\njobs:\n- name: {name}\n  version: {version}\n  labels: [up, down]\n  sources: [emotion]\n  transferable: true\n  epochs: 2\n  attempts: {attempts}\n"
        );
        fs::write(self.state.path().join("queue.yaml"), text).unwrap();
    }

    fn weights(&self) -> usize {
        let is_part = |name: String| name.ends_with(".safetensors");
        fs::read_dir(self.state.path())
            .unwrap()
            .filter(|entry| is_part(entry.as_ref().unwrap().file_name().into_string().unwrap()))
            .count()
    }
}

fn bits(network: &Network, name: &str) -> Vec<Vec<u32>> {
    let shown = faces("up", 2);
    let shown: Vec<&[u8]> = shown.iter().map(|sample| sample.face.as_slice()).collect();
    let answers = network.forward(faces_to_tensor::<CpuBackend>(&shown, &TestDevice::default()));
    let (_, logits) = answers.into_iter().find(|(answered, _)| answered.as_str() == name).unwrap();
    rows(logits).into_iter().map(|row| row.into_iter().map(f32::to_bits).collect()).collect()
}

fn request(name: &str, per_label: usize) -> AddTask {
    AddTask {
        kind: TaskKind::General,
        name: task(name),
        labels: vec![label("up"), label("down")],
        samples: [samples("up", per_label), samples("down", per_label)].concat(),
        sources: Vec::new(),
        no_sources: false,
        transferable: true,
        retrain: false,
        epochs: 0,
    }
}

/// Takes so long that a test can do something meanwhile.
fn long(name: &str) -> AddTask {
    AddTask { epochs: 1000, ..request(name, 100) }
}

fn teach(tasks: &Tasks, request: AddTask) -> crate::teaching::tasks::TrainingOutcome {
    tasks.add(request).unwrap().wait().unwrap()
}

fn status(tasks: &Tasks, name: &str) -> TaskStatus {
    tasks.list().into_iter().find(|status| status.name.as_str() == name).unwrap()
}

fn wait_for(tasks: &Tasks, name: &str, state: TaskState) -> TaskStatus {
    loop {
        let status = status(tasks, name);
        if status.state == state {
            return status;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn remove(name: &str) -> RemoveTask {
    RemoveTask { name: task(name), cascade: false, keep_as_source: false, keep_samples: false }
}

fn message<T>(result: Result<T, TaskError>) -> String {
    result.err().expect("the request was accepted").to_string()
}

#[test]
fn earlier_columns_answer_bit_for_bit_the_same_after_a_task_is_added_and_it_survives_a_restart() {
    let bench = Bench::new();
    let before = bench.reloaded();
    let tasks = bench.start();
    let ticket = tasks.add(request("mood", 12)).unwrap();
    assert_eq!((ticket.id.as_str(), &ticket.samples[..]), ("mood@1", &[12, 12][..]));
    // On the disk already, whatever the training does.
    assert_eq!(bench.stored("mood"), [(label("up"), 12), (label("down"), 12)]);
    let outcome = ticket.wait().unwrap();
    assert!(outcome.promise.kept);
    assert_eq!(outcome.promise.columns, [task("emotion"), task("person")]);
    assert_eq!(outcome.promise.digest.len(), 64);
    assert!(outcome.accuracy.held_back > 0);

    assert_eq!(bench.answering(), ["emotion", "person", "mood"]);
    for name in ["emotion", "person"] {
        assert_eq!(bits(&bench.newest(), name), bits(&before, name), "{name}");
    }
    let ready = wait_for(&tasks, "mood", TaskState::Ready);
    assert_eq!((ready.version, ready.progress, &ready.samples[..]), (1, 1.0, &[12, 12][..]));
    assert_eq!(ready.sources, [task("emotion")]);
    assert_eq!(ready.digest.len(), 64);
    assert!(ready.accuracy_low <= ready.accuracy && ready.accuracy <= ready.accuracy_high, "{ready:?}");

    drop(tasks);
    assert_eq!(bits(&bench.reloaded(), "mood"), bits(&bench.newest(), "mood"));
    let again = bench.start();
    let back = status(&again, "mood");
    assert_eq!((back.state, back.labels, back.digest), (TaskState::Ready, ready.labels, ready.digest));
    assert_eq!((back.accuracy, back.samples), (ready.accuracy, ready.samples));
}

#[test]
fn trainings_run_one_at_a_time_in_the_order_of_their_requests() {
    let bench = Bench::new();
    let tasks = bench.start();
    let running = tasks.add(long("one")).unwrap();
    wait_for(&tasks, "one", TaskState::Training);
    let mut tickets: Vec<_> =
        ["two", "three", "four", "five"].iter().map(|name| tasks.add(request(name, 3)).unwrap()).collect();
    assert!(message(tasks.add(request("six", 3))).contains("4 trainings wait"));
    assert_eq!(status(&tasks, "four").state, TaskState::Queued);
    assert!(status(&tasks, "four").message.contains("2 before it"));
    assert!(message(tasks.add(request("three", 3))).contains("cancel_training"));

    assert_eq!(tasks.cancel(Some(&task("three"))).unwrap(), task("three"));
    assert!(matches!(tickets.remove(1).wait(), Err(TaskError::Cancelled(name)) if name == task("three")));
    assert_eq!(status(&tasks, "three").state, TaskState::Cancelled);
    assert_eq!(tasks.cancel(None).unwrap(), task("one"));
    assert!(matches!(running.wait(), Err(TaskError::Cancelled(name)) if name == task("one")));
    assert_eq!(bench.stored("one").len(), 2, "a cancelled task keeps its samples");
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    assert_eq!(bench.answering(), ["emotion", "person", "two", "four", "five"]);
    assert!(message(tasks.cancel(None)).contains("no training runs"));
    assert!(message(tasks.cancel(Some(&task("nobody")))).contains("nobody"));
    // A cancelled task may be taught again under its name.
    teach(&tasks, AddTask { samples: Vec::new(), ..request("three", 0) });
}

#[test]
fn a_training_that_the_shutdown_ended_is_taken_up_at_the_next_start() {
    let bench = Bench::new();
    let tasks = bench.start();
    let running = tasks.add(long("one")).unwrap();
    wait_for(&tasks, "one", TaskState::Training);
    let waiting = tasks.add(request("two", 3)).unwrap();
    tasks.shutdown(Duration::from_secs(60));
    assert!(matches!(running.wait(), Err(TaskError::ShutDown)));
    assert!(matches!(waiting.wait(), Err(TaskError::ShutDown)));
    assert!(matches!(tasks.add(request("three", 3)), Err(TaskError::ShutDown)));
    drop(tasks);

    let tasks = bench.start();
    assert!(tasks.list().iter().any(|status| status.name == task("two") && status.message.contains("queued again")));
    wait_for(&tasks, "one", TaskState::Training);
    tasks.cancel(Some(&task("one"))).unwrap();
    wait_for(&tasks, "two", TaskState::Ready);
    assert_eq!(bench.answering(), ["emotion", "person", "two"]);
}

#[test]
fn a_training_that_keeps_taking_the_program_down_is_not_tried_for_ever() {
    let bench = Bench::new();
    let tasks = bench.start();
    tasks.add_samples(&task("mood"), request("mood", 3).samples).unwrap();
    drop(tasks);
    bench.queue("mood", 1, 3);
    let tasks = bench.start();
    let failed = status(&tasks, "mood");
    assert_eq!(failed.state, TaskState::Failed);
    assert!(failed.message.contains("add_task"), "{}", failed.message);
    drop(tasks);
    bench.queue("mood", 1, 2);
    let tasks = bench.start();
    wait_for(&tasks, "mood", TaskState::Ready);
    drop(tasks);
    // The program ended after the column was stored: nothing is left to do.
    bench.queue("mood", 1, 1);
    assert_eq!(status(&bench.start(), "mood").state, TaskState::Ready);
}

#[test]
fn a_task_that_others_draw_from_is_kept_silently_or_goes_with_them() {
    let bench = Bench::new();
    let tasks = bench.start();
    teach(&tasks, request("mood", 4));
    teach(&tasks, AddTask { sources: vec![task("mood")], ..request("trust", 4) });
    let before = bits(&bench.newest(), "trust");

    let refusal = message(tasks.remove(&remove("mood")));
    assert!(
        refusal.contains("trust") && refusal.contains("cascade") && refusal.contains("keep_as_source"),
        "{refusal}"
    );
    assert!(message(tasks.remove(&remove("emotion"))).contains("shipped"));

    let kept = tasks.remove(&RemoveTask { keep_as_source: true, ..remove("mood") }).unwrap();
    assert_eq!(
        (kept.names, kept.promise.columns),
        (vec![task("mood")], vec![task("emotion"), task("person"), task("trust")])
    );
    assert_eq!(bench.answering(), ["emotion", "person", "trust"]);
    assert_eq!(bits(&bench.newest(), "trust"), before);
    assert!(bench.stored("mood").is_empty() && !bench.stored("trust").is_empty());
    assert!(status(&tasks, "mood").message.contains("silent"));
    drop(tasks);
    assert_eq!(bits(&bench.reloaded(), "trust"), before);

    let tasks = bench.start();
    let gone = tasks.remove(&RemoveTask { cascade: true, ..remove("mood") }).unwrap();
    assert_eq!(gone.names, [task("mood"), task("trust")]);
    assert!(gone.promise.kept);
    assert_eq!(bench.answering(), ["emotion", "person"]);
    assert_eq!(bench.weights(), 0);
    assert!(message(tasks.remove(&remove("mood"))).contains("no task `mood`"));
}

#[test]
fn retraining_a_task_leaves_those_that_draw_from_it_bit_for_bit_the_same() {
    let bench = Bench::new();
    let tasks = bench.start();
    teach(&tasks, request("mood", 4));
    teach(&tasks, AddTask { sources: vec![task("mood")], ..request("trust", 4) });
    let (mood, trust) = (bits(&bench.newest(), "mood"), bits(&bench.newest(), "trust"));
    let more = AddTask { retrain: true, labels: Vec::new(), epochs: 5, ..request("mood", 6) };
    let outcome = teach(&tasks, more);
    assert_eq!(outcome.task_id, "mood@2");
    assert_eq!(outcome.samples, [10, 10]);
    assert!(outcome.promise.columns.contains(&task("trust")));
    assert_eq!(bits(&bench.newest(), "trust"), trust);
    assert_ne!(bits(&bench.newest(), "mood"), mood);
    assert_eq!(status(&tasks, "trust").sources, [task("mood_v1")]);
    drop(tasks);
    assert_eq!(bits(&bench.reloaded(), "trust"), trust);

    // Nobody needs the older version once the other is gone.
    let tasks = bench.start();
    let gone = tasks.remove(&remove("trust")).unwrap();
    assert_eq!(gone.names, [task("trust"), task("mood_v1")]);
    assert_eq!(bench.weights(), 1);
}

#[test]
fn a_failed_training_says_why_and_leaves_the_older_column_in_service() {
    let bench = Bench::new();
    let tasks = bench.start();
    teach(&tasks, request("mood", 3));
    let before = bits(&bench.newest(), "mood");
    let broken = bench.state.path().join("samples/mood/00-up/0001.png");
    fs::write(&broken, b"no picture").unwrap();
    let retrain = AddTask { retrain: true, ..request("mood", 1) };
    let error = tasks.add(retrain).unwrap().wait().unwrap_err().to_string();
    assert!(error.contains("0001.png"), "{error}");
    let failed = status(&tasks, "mood");
    assert_eq!((failed.state, failed.version, failed.message), (TaskState::Failed, 1, error));
    assert_eq!(bits(&bench.newest(), "mood"), before);
}

#[test]
fn progress_is_told_while_a_training_runs() {
    let bench = Bench::new();
    let tasks = bench.start();
    let changes = tasks.changes();
    tasks.add(long("mood")).unwrap();
    let seen = loop {
        changes.recv().unwrap();
        let Some(status) = tasks.list().into_iter().find(|status| status.name == task("mood")) else { continue };
        if status.state == TaskState::Training && status.epoch >= 1 {
            break status;
        }
    };
    assert!(seen.progress > 0.0 && seen.progress < 1.0 && seen.loss > 0.0 && seen.epochs == 1000, "{seen:?}");
    assert!(message(tasks.forget(&task("mood"), None)).contains("cancel_training"));
    assert!(message(tasks.remove(&remove("mood"))).contains("cancel_training"));
    tasks.cancel(None).unwrap();
}

#[test]
fn a_second_process_with_the_same_folder_teaches_nothing() {
    let bench = Bench::new();
    let first = bench.start();
    let second = bench.start();
    assert!(message(second.add(request("mood", 3))).contains("another process"));
    teach(&first, request("mood", 3));
}

#[path = "handle_identity_tests.rs"]
mod identity;
#[path = "handle_sample_tests.rs"]
mod samples;
#[path = "handle_transfer_tests.rs"]
mod transfer;

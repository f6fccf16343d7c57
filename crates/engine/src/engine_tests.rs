//! Threads, slots and requests around a small untrained network.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use tempfile::TempDir;
use vision::{BgrImage, DetectError, Detection, DetectorKind, FaceDetector};

use crate::TaskKind;
use crate::panics::Panics;
use crate::perception::judge::{Judge, Judgement};
use crate::perception::smoothing::Smoother;
use crate::perception::stats::{EngineThread, Meter};
use crate::perception::vision_stage::VisionStage;
use crate::perception::waiting::WaitingRoom;
use crate::sync::{join, lock};
use crate::teaching::tasks::AddTask;
use crate::testing::{PaintedFaces, head, label, picture, small_model, task};
use crate::threads::{Arrived, Lane, Shared, network_loop, spawn, vision_loop};
use crate::types::{Frame, FrameResult, Stamp};
use crate::{CaptureError, CaptureRequest, Detectors, Engine, EngineConfig, Sample, SamplePixels, TrackSelector};

/// Nothing here takes so long; it only keeps a broken engine from hanging the tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A face at the left and, another person, one at the right.
pub(crate) const TWO: [(u8, f32, f32, f32); 2] = [(0, 20.0, 60.0, 120.0), (5, 190.0, 60.0, 110.0)];

pub(crate) fn frame(seconds: f64, faces: &[(u8, f32, f32, f32)]) -> Frame {
    Frame { image: picture(320, 240, faces), stamp: Stamp::from_seconds(seconds), frame_id: "camera".to_owned() }
}

fn engine() -> (Engine, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let engine = start(small_model(dir.path()));
    (engine, dir)
}

/// For so many cameras.
pub(crate) fn detectors(cameras: usize) -> Detectors {
    let painted = || -> Box<dyn FaceDetector> { Box::new(PaintedFaces) };
    Detectors { cameras: (0..cameras).map(|_| painted()).collect(), requests: painted() }
}

fn start(config: EngineConfig) -> Engine {
    Engine::start_with(config, detectors(1)).unwrap()
}

fn answer(engine: &Engine, frame: Frame) -> FrameResult {
    engine.camera(0).submit(frame);
    engine.camera(0).results().recv_timeout(PATIENCE).unwrap()
}

/// Shows the picture, time running on, until the answer is as wanted.
fn show_until(
    engine: &Engine,
    seconds: &mut f64,
    faces: &[(u8, f32, f32, f32)],
    wanted: impl Fn(&FrameResult) -> bool,
) -> FrameResult {
    for _ in 0..10_000 {
        *seconds += 0.05;
        let result = answer(engine, frame(*seconds, faces));
        if wanted(&result) {
            return result;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the engine never came to the wanted answer");
}

fn tasks_of(result: &FrameResult) -> Vec<&str> {
    result.faces[0].attributes.iter().map(|attribute| attribute.task.as_str()).collect()
}

#[test]
fn every_frame_is_answered_with_its_own_header_also_when_nobody_is_there() {
    let (engine, _dir) = engine();
    for step in 0..10 {
        let seconds = f64::from(step) / 10.0;
        let result = answer(&engine, frame(seconds, &[]));
        assert_eq!((result.stamp, result.frame_id.as_str()), (Stamp::from_seconds(seconds), "camera"));
        assert!(result.faces.is_empty() && result.image.is_none());
    }
    let stats = engine.camera(0).stats();
    assert_eq!((stats.frames_in, stats.frames_processed, stats.frames_dropped), (10, 10, 0));
    assert_eq!(stats.failures, []);
}

#[test]
fn faces_get_the_labels_of_all_tasks_while_frames_go_on() {
    let (engine, _dir) = engine();
    let mut seconds = 0.0;
    let result = show_until(&engine, &mut seconds, &TWO, |result| {
        result.faces.len() == 2 && result.faces.iter().all(|face| !face.attributes.is_empty())
    });
    assert_eq!(tasks_of(&result), ["mood", "who"]);
    assert!(result.faces[0].attributes[0].stamp <= result.stamp);
    assert!(engine.camera(0).stats().evaluations >= 2);
}

#[test]
fn a_clock_that_jumps_back_does_not_stop_the_answers() {
    let (engine, _dir) = engine();
    for mut seconds in [1e6, 10.0, 5.0] {
        let result = show_until(&engine, &mut seconds, &TWO, |result| {
            result.faces.first().is_some_and(|face| !face.attributes.is_empty())
        });
        assert!(result.faces[0].attributes[0].stamp <= result.stamp);
    }
}

#[test]
fn pictures_come_with_the_answers_only_while_they_are_wanted() {
    let (engine, _dir) = engine();
    engine.camera(0).keep_images(true);
    let kept = answer(&engine, frame(1.0, &TWO)).image.unwrap();
    assert_eq!(*kept, picture(320, 240, &TWO));
    engine.camera(0).keep_images(false);
    assert!(answer(&engine, frame(2.0, &TWO)).image.is_none());
}

#[test]
fn a_live_change_out_of_range_changes_nothing() {
    let (engine, dir) = engine();
    let good = EngineConfig { state_dir: dir.path().join("other"), ..EngineConfig::default() }.live();
    let mut bad = good.clone();
    bad.scheduler.max_batch = 1;
    bad.smoothing.half_life_s = -1.0;
    assert!(engine.set_live(bad).unwrap_err().to_string().contains("smoothing.half_life_s"));
    assert!(engine.set_live(good).is_ok());
}

#[test]
fn answers_that_nobody_takes_are_dropped_oldest_first_and_counted() {
    let (engine, _dir) = engine();
    let mut step = 0;
    while engine.camera(0).stats().results_dropped < 5 {
        step += 1;
        engine.camera(0).submit(frame(f64::from(step) / 10.0, &[]));
        std::thread::sleep(Duration::from_millis(1));
    }
    let stamps: Vec<Stamp> = engine.camera(0).results().try_iter().map(|result| result.stamp).collect();
    assert!(stamps.is_sorted() && stamps[0] > Stamp::from_seconds(0.45));
}

/// A network that thinks until it is told to stop.
struct Pondering {
    begun: Sender<usize>,
    go_on: Receiver<()>,
}

impl Judge for Pondering {
    fn judge(&mut self, faces: &[&[u8]]) -> Vec<Vec<Judgement>> {
        self.begun.send(faces.len()).unwrap();
        // Ends when the test drops its end.
        let _ = self.go_on.recv();
        let judgement = Judgement { task: task("mood"), version: 1, probabilities: vec![0.75, 0.25], unknown: 0.0 };
        vec![vec![judgement]; faces.len()]
    }
}

#[test]
fn a_frame_is_answered_while_the_network_still_thinks() {
    let config = EngineConfig::default();
    let mut smoother = Smoother::new(config.smoothing.clone());
    smoother.set_heads(&[head("mood", 1, &["calm", "tense"])]);
    let shared = Arc::new(Shared {
        lanes: vec![Lane::new(Arc::default(), 64)],
        waiting: WaitingRoom::new(config.scheduler),
        judging: Arc::default(),
        smoother: Mutex::new(smoother),
        network_meter: Mutex::new(Meter::default()),
        live: Mutex::new(config.live()),
        panics: Mutex::new(Panics::default()),
    });
    let (begun, has_begun) = bounded(64);
    let (let_go, go_on) = bounded::<()>(0);
    let mut stage = VisionStage::new(Box::new(PaintedFaces), config.tracker.clone());
    let vision = spawn(EngineThread::Vision, &shared, move |shared| vision_loop(shared, 0, &mut stage)).unwrap();
    let mut judge = Pondering { begun, go_on };
    let network = spawn(EngineThread::Network, &shared, move |shared| network_loop(shared, &mut judge)).unwrap();

    let answers = shared.lanes[0].results.1.clone();
    let show = |step: i32| {
        let frame = frame(f64::from(step) / 10.0, &TWO);
        shared.lanes[0].frames.put(Arrived { frame, at: Instant::now() });
        answers.recv_timeout(PATIENCE).unwrap()
    };
    show(0);
    assert_eq!(has_begun.recv_timeout(PATIENCE).unwrap(), 2);
    for step in 1..20 {
        let result = show(step);
        assert_eq!(result.stamp, Stamp::from_seconds(f64::from(step) / 10.0));
        assert_eq!(result.faces.len(), 2);
        assert!(result.faces.iter().all(|face| face.attributes.is_empty()));
    }
    drop(let_go);
    // Another batch has begun, so the first has entered the posteriors.
    has_begun.recv_timeout(PATIENCE).unwrap();
    let attribute = &show(20).faces[0].attributes[0];
    assert_eq!(attribute.label, Some(label("calm")));

    shared.close();
    assert!(join(vec![("vision", vision), ("network", network)], PATIENCE).is_empty());
    assert_eq!(lock(&shared.panics).told(Instant::now()), []);
}

#[test]
fn a_thread_that_goes_on_panicking_ends_and_says_so() {
    let (engine, _dir) = engine();
    let shared = engine.shared();
    let thread = spawn(EngineThread::Network, shared, |_| panic!("out of memory on the card")).unwrap();
    join(vec![("test", thread)], PATIENCE);
    let failure = engine.ended().unwrap();
    assert_eq!(
        (failure.times, failure.to_string().as_str()),
        (3, "the network thread ended: out of memory on the card")
    );
    assert_eq!(engine.camera(0).stats().failures, [failure]);
}

/// Finds nothing in most pictures, and panics at dark ones.
struct AfraidOfTheDark;

impl FaceDetector for AfraidOfTheDark {
    fn kind(&self) -> DetectorKind {
        PaintedFaces.kind()
    }

    fn detect(&mut self, image: &BgrImage) -> Result<Vec<Detection>, DetectError> {
        assert!(image.data()[0] > 0, "afraid of the dark");
        PaintedFaces.detect(image)
    }

    fn set_score_threshold(&mut self, _: f32) {}
}

#[test]
fn a_frame_that_the_detector_panics_at_is_lost_and_the_next_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let afraid = Detectors { cameras: vec![Box::new(AfraidOfTheDark)], ..detectors(0) };
    let engine = Engine::start_with(small_model(dir.path()), afraid).unwrap();
    assert_eq!(answer(&engine, frame(0.0, &TWO)).faces.len(), 2);
    let mut dark = frame(0.1, &TWO);
    dark.image = BgrImage::new(8, 8, vec![0; 8 * 8 * 3]).unwrap();
    engine.camera(0).submit(dark);
    let begun = Instant::now();
    while engine.camera(0).stats().failures.is_empty() && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(2));
    }
    let failure = engine.camera(0).stats().failures.remove(0);
    assert_eq!((failure.times, failure.ended), (1, false));
    assert!(failure.to_string().contains("goes on: afraid of the dark"), "{failure}");
    assert_eq!(answer(&engine, frame(0.2, &TWO)).faces.len(), 2);
    assert_eq!(engine.ended(), None);
}

#[test]
fn shutting_down_ends_captures_and_answers_and_may_be_repeated() {
    let (engine, _dir) = engine();
    answer(&engine, frame(0.0, &TWO));
    std::thread::scope(|scope| {
        let capture = scope.spawn(|| {
            let wanted = capture("posture", "left", TrackSelector::Largest, 200, 60);
            engine.tasks().capture(&wanted, &mut |_| true)
        });
        engine.shutdown();
        assert!(capture.join().unwrap().is_err());
    });
    engine.camera(0).submit(frame(1.0, &TWO));
    assert!(engine.camera(0).results().try_recv().is_err());
    engine.shutdown();
}

pub(crate) fn capture(name: &str, text: &str, track: TrackSelector, count: u32, seconds: u64) -> CaptureRequest {
    CaptureRequest {
        name: task(name),
        label: label(text),
        camera: None,
        track,
        count,
        time: Duration::from_secs(seconds),
    }
}

#[test]
fn a_capture_that_is_cancelled_stores_nothing() {
    let (engine, _dir) = engine();
    answer(&engine, frame(0.0, &TWO));
    let mut seconds = 0.0;
    let mut told = vec![];
    let captured = meanwhile(&engine, &mut seconds, || {
        let mut go_on = |crops| {
            told.push(crops);
            crops < 2
        };
        engine.tasks().capture(&capture("posture", "left", TrackSelector::Largest, 20, 10), &mut go_on)
    });
    assert!(matches!(captured, Err(CaptureError::Cancelled)));
    assert!(told.first() == Some(&0) && told.is_sorted(), "{told:?}");
    assert!(engine.tasks().list().iter().all(|known| known.name != task("posture")));
}

/// Shows the picture until the work is done.
fn meanwhile<T: Send>(engine: &Engine, seconds: &mut f64, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let work = scope.spawn(work);
        while !work.is_finished() {
            *seconds += 0.05;
            answer(engine, frame(*seconds, &TWO));
            std::thread::sleep(Duration::from_millis(2));
        }
        work.join().unwrap()
    })
}

#[test]
fn a_task_taught_from_two_live_tracks_answers_beside_the_others_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_model(dir.path());
    let engine = start(config.clone());
    let mut seconds = 0.0;
    let both = show_until(&engine, &mut seconds, &TWO, |result| result.faces.len() == 2);
    let name = task("place");
    for (face, text) in both.faces.iter().zip(["left", "right"]) {
        let id = TrackSelector::Id(face.track_id.clone());
        let captured = meanwhile(&engine, &mut seconds, || {
            engine.tasks().capture(&capture("place", text, id, 12, 1), &mut |_| true).unwrap()
        });
        assert!((1..=12).contains(&captured.captured), "{captured:?}");
        assert!(captured.counts.iter().any(|(stored, count)| *stored == label(text) && *count == captured.captured));
    }
    let request = AddTask {
        kind: TaskKind::General,
        name: name.clone(),
        labels: vec![label("left"), label("right")],
        samples: vec![],
        sources: vec![],
        no_sources: true,
        transferable: true,
        retrain: false,
        epochs: 1,
    };
    let ticket = engine.tasks().add(request).unwrap();
    let outcome = meanwhile(&engine, &mut seconds, || ticket.wait().unwrap());
    assert!(outcome.promise.kept);
    let taught = |result: &FrameResult| result.faces[0].attributes.len() == 3;
    let result = show_until(&engine, &mut seconds, &TWO, taught);
    assert_eq!(tasks_of(&result), ["mood", "who", "place"]);
    drop(engine);

    let engine = start(config);
    let result = show_until(&engine, &mut seconds, &TWO, taught);
    assert_eq!(tasks_of(&result), ["mood", "who", "place"]);
    assert!(engine.tasks().list().iter().any(|status| status.name == name && !status.shipped));
}

#[test]
fn a_picture_without_a_face_is_refused_and_nothing_is_stored() {
    let (engine, _dir) = engine();
    let image = |faces: &[(u8, f32, f32, f32)]| Sample {
        label: label("left"),
        pixels: SamplePixels::Picture(picture(320, 240, faces)),
    };
    let error = engine.tasks().add_samples(&task("place"), vec![image(&TWO), image(&[])]).unwrap_err().to_string();
    assert!(error.starts_with("image 2 (label 'left') has no face"), "{error}");
    let stored = engine.tasks().add_samples(&task("place"), vec![image(&TWO)]).unwrap();
    assert_eq!(stored.counts, [(label("left"), 1)]);
}

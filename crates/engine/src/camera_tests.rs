//! Several cameras of one engine.

use std::time::Duration;

use crate::engine_tests::{PATIENCE, TWO, capture, detectors, frame};
use crate::testing::small_model;
use crate::{Camera, CaptureRequest, Engine, TrackSelector};

#[test]
fn two_cameras_share_the_network_and_the_tasks_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::start_with(small_model(dir.path()), detectors(2)).unwrap();
    let (front, rear) = (engine.camera(0), engine.camera(1));
    let show = |camera: &Camera, seconds: f64, faces: &[(u8, f32, f32, f32)]| {
        camera.submit(frame(seconds, faces));
        camera.results().recv_timeout(PATIENCE).unwrap()
    };
    // Clocks of their own, one far ahead.
    let mut ids = std::collections::BTreeSet::new();
    let mut judged = [false; 2];
    for step in 0..400 {
        let seconds = f64::from(step) / 20.0;
        let seen = [show(&front, seconds, &TWO), show(&rear, 5_000.0 + seconds, &TWO[..1])];
        assert!(seen[0].faces.len() <= 2 && seen[1].faces.len() <= 1);
        for (result, judged) in seen.iter().zip(&mut judged) {
            ids.extend(result.faces.iter().map(|face| face.track_id.clone()));
            *judged |= !result.faces.is_empty() && result.faces.iter().all(|face| !face.attributes.is_empty());
        }
        if judged == [true; 2] && step > 40 {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    // No face is lost or taken for another while the other camera's frames come.
    assert_eq!((judged, ids.len()), ([true; 2], 3));
    let [of_front, of_rear] = [front.stats(), rear.stats()];
    assert_eq!((of_front.faces, of_rear.faces), (2, 1));
    assert!(of_front.evaluations >= 3 && of_front.evaluations == of_rear.evaluations);

    // Somebody before the rear camera, by its number and by the track's id.
    let mut seconds = 5_100.0;
    // A gap in the stamps: the next frames begin anew.
    let mut met = vec![];
    for _ in 0..20 {
        seconds += 0.05;
        met = show(&rear, seconds, &TWO[..1]).faces;
    }
    let id = met[0].track_id.clone();
    for (camera, track) in [(Some(1), TrackSelector::Largest), (None, TrackSelector::Id(id))] {
        let wanted = CaptureRequest { camera, ..capture("posture", "left", track, 3, 10) };
        let captured = std::thread::scope(|scope| {
            let work = scope.spawn(|| engine.tasks().capture(&wanted, &mut |_| true));
            while !work.is_finished() {
                seconds += 0.05;
                show(&rear, seconds, &TWO[..1]);
                std::thread::sleep(Duration::from_millis(2));
            }
            work.join().unwrap().unwrap()
        });
        assert_eq!((captured.captured, captured.camera), (3, 1));
    }
}

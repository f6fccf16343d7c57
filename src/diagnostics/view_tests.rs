use engine::{StageLatency, ThreadFailure};

use super::*;
use crate::convert::tests_tasks::status;

fn stats() -> Stats {
    Stats {
        frames_in: 100,
        frames_processed: 98,
        frames_dropped: 2,
        frames_failed: 0,
        stamp_outliers: 0,
        results_dropped: 0,
        frame_rate_hz: 14.96,
        frame_age_ms: Some(40.0),
        faces: 3,
        evaluations: 50,
        evaluation_rate_hz: 7.5,
        refresh_hz: 2.5,
        network_share: 0.25,
        latency: ["detect", "track", "align", "network", "smooth", "total"]
            .map(|stage| StageLatency { stage, p50_ms: 1.0, p95_ms: 2.0 })
            .to_vec(),
        memory: Memory { rss_mb: 300.0, peak_rss_mb: 320.0 },
        backend: "cpu: asked for".to_owned(),
        failures: vec![],
    }
}

fn view<'a>(stats: &'a Stats, input: &'a InputCounts, tasks: &'a [TaskStatus]) -> View<'a> {
    let node_name = "/face/face_attributes";
    View {
        node_name,
        state: State::Active,
        cameras: vec![CameraView { name: "", stats, input, failed_lately: 0 }],
        detector: DetectorKind::YuNet,
        stale_s: 2.0,
        tasks,
        cannot_teach: None,
    }
}

fn levels(view: &View<'_>) -> Vec<Level> {
    view.statuses().iter().map(|status| status.level).collect()
}

#[test]
fn all_is_well_while_frames_come() {
    let (stats, input) = (stats(), InputCounts::default());
    let view = view(&stats, &input, &[]);
    assert_eq!(levels(&view), [OK; 5]);
    let names: Vec<String> = view.statuses().into_iter().map(|status| status.name).collect();
    let parts = ["frames", "detector", "network", "tasks", "process"];
    assert_eq!(names, parts.map(|part| format!("/face/face_attributes: {part}")));
}

#[test]
fn each_camera_has_its_own_frames_and_detector() {
    let (stats, input) = (stats(), InputCounts::default());
    let camera = |name| CameraView { name, stats: &stats, input: &input, failed_lately: 0 };
    let view = View { cameras: vec![camera("front"), camera("rear")], ..view(&stats, &input, &[]) };
    let parts: Vec<String> = view.statuses().into_iter().map(|status| status.name).collect();
    let expected = ["frames front", "detector front", "frames rear", "detector rear", "network", "tasks", "process"];
    assert_eq!(parts, expected.map(|part| format!("/face/face_attributes: {part}")));
}

#[test]
fn every_stage_is_reported_once() {
    let (stats, input) = (stats(), InputCounts::default());
    let statuses = view(&stats, &input, &[]).statuses();
    let keys: Vec<&str> = statuses.iter().flat_map(|status| &status.values).map(|value| value.key.as_str()).collect();
    for stage in &stats.latency {
        for percentile in ["p50", "p95"] {
            let key = format!("{}_{percentile}_ms", stage.stage);
            assert_eq!(keys.iter().filter(|found| **found == key).count(), 1, "{key}");
        }
    }
}

#[test]
fn silence_staleness_and_unusable_pictures_are_warnings() {
    let input = InputCounts::default();
    let silent = Stats { frame_age_ms: None, ..stats() };
    assert_eq!(levels(&view(&silent, &input, &[]))[0], WARN);
    let stale = Stats { frame_age_ms: Some(2100.0), ..stats() };
    assert_eq!(levels(&view(&stale, &input, &[]))[0], WARN);

    let reason = (Duration::from_secs(1), "encoding \"nv21\" is not supported".to_owned());
    let refused = InputCounts { rejected: 1, rejection: Some(reason), ..InputCounts::default() };
    let status = &view(&stats(), &refused, &[]).statuses()[0];
    assert_eq!(status.level, WARN);
    assert!(status.message.contains("nv21"), "{}", status.message);
}

#[test]
fn no_picture_is_missed_while_nobody_wants_one() {
    let (input, silent) = (InputCounts::default(), Stats { frame_age_ms: Some(60_000.0), ..stats() });
    let resting = View { state: State::Inactive, ..view(&silent, &input, &[]) };
    assert_eq!(levels(&resting), [OK; 5]);
    assert_eq!(resting.statuses()[0].message, "inactive");
}

#[test]
fn a_failed_thread_is_an_error_of_its_part() {
    let input = InputCounts::default();
    for (thread, part) in [(EngineThread::Vision, 1), (EngineThread::Network, 2)] {
        let failed = Stats {
            failures: vec![ThreadFailure {
                thread,
                reason: "out of vision and network".to_owned(),
                times: 1,
                ended: false,
            }],
            ..stats()
        };
        let mut expected = [OK; 5];
        expected[part] = ERROR;
        assert_eq!(levels(&view(&failed, &input, &[])), expected);
    }
    let stats = stats();
    let mut view = view(&stats, &input, &[]);
    view.cameras[0].failed_lately = 2;
    assert_eq!(levels(&view)[1], ERROR);
}

#[test]
fn the_fallback_detector_is_flagged() {
    let (stats, input) = (stats(), InputCounts::default());
    let view = View { detector: DetectorKind::Haar, ..view(&stats, &input, &[]) };
    let status = &view.statuses()[1];
    assert!(status.level == WARN && status.message.contains("scripts/setup"));
}

#[test]
fn a_damaged_state_folder_is_an_error_and_one_that_cannot_be_written_a_warning() {
    let (stats, input) = (stats(), InputCounts::default());
    for (is_broken, level) in [(true, ERROR), (false, WARN)] {
        let reason = "manifest.yaml is missing; see `facelab state --help`".to_owned();
        let why = CannotTeach { reason, is_broken };
        let view = View { cannot_teach: Some(&why), ..view(&stats, &input, &[]) };
        let status = &view.statuses()[3];
        assert!(status.level == level && status.message.contains("manifest.yaml is missing; see `facelab state"));
    }
}

#[test]
fn a_failed_training_is_a_warning_with_its_name() {
    let (stats, input) = (stats(), InputCounts::default());
    let tasks = [status("gaze", TaskState::Failed), status("posture", TaskState::Training)];
    let status = &view(&stats, &input, &tasks).statuses()[3];
    assert!(status.level == WARN && status.message.contains("gaze"));
    assert!(status.values.iter().any(|value| value.key == "training" && value.value == "posture"));
}

use crate::args;
use crate::support::{facelab, json, model};

#[test]
fn every_step_is_measured_at_both_batches() {
    let dir = tempfile::tempdir().unwrap();
    let (model, report) = (model(dir.path()), dir.path().join("bench.json"));
    let run =
        facelab(args!["bench", "--device", "cpu", "--model", model, "--threads", "1", "--runs", "2", "--json", report]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let report = json(&report);
    let timings = report["timings"].as_array().unwrap();
    let steps: Vec<(&str, u64)> =
        timings.iter().map(|t| (t["step"].as_str().unwrap(), t["batch"].as_u64().unwrap())).collect();
    let network = ["encoder", "column side", "column age and 1 that it draws from", "encoder + all columns"];
    let expected: Vec<(&str, u64)> = [("align", 1)]
        .into_iter()
        .chain([1, 4].into_iter().flat_map(|batch| network.map(|step| (step, batch))))
        .collect();
    assert_eq!(steps, expected);
    for timing in timings {
        let [median, p95] = ["median_ms", "p95_ms"].map(|key| timing[key].as_f64().unwrap());
        assert!(median > 0.0 && p95 >= median, "{timing}");
    }
    assert_eq!((report["threads"].as_u64(), report["model"].as_str()), (Some(1), Some("tiny")));
    assert!(report["load_ms"].as_f64().unwrap() > 0.0 && report["memory"]["peak_rss_mb"].as_f64().unwrap() > 0.0);
    assert!(report["detector"].is_null() && run.stderr.contains("detection is left out"), "{run:?}");
    assert!(run.stdout.contains("encoder + all columns"), "{}", run.stdout);
}

use crate::args;
use crate::support::{facelab, facelab_told, facelab_with, json, model};

#[test]
fn every_step_is_measured_at_both_batches() {
    let dir = tempfile::tempdir().unwrap();
    let (model, report) = (model(dir.path()), dir.path().join("bench.json"));
    let chart = dir.path().join("growth.png");
    let run = facelab(args![
        "bench",
        "--device",
        "cpu",
        "--model",
        model,
        "--threads",
        "1",
        "--runs",
        "2",
        "--json",
        report,
        "--growth",
        chart
    ]);
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
    let growth = report["growth"].as_array().unwrap();
    let over: Vec<&str> = growth.iter().map(|g| g["over"].as_str().unwrap()).collect();
    assert_eq!(over, ["faces", "columns", "threads"]);
    for growth in growth {
        let (sizes, times) = (growth["sizes"].as_array().unwrap(), growth["median_ms"].as_array().unwrap());
        assert!(!sizes.is_empty() && sizes.len() == times.len() && times.iter().all(|ms| ms.as_f64().unwrap() > 0.0));
    }
    assert!(image::open(chart).unwrap().width() > 400);
    assert!(report["load_ms"].as_f64().unwrap() > 0.0 && report["memory"]["peak_rss_mb"].as_f64().unwrap() > 0.0);
    assert!(report["detector"].is_null() && run.stderr.contains("detection is left out"), "{run:?}");
    assert!(run.stdout.contains("encoder + all columns"), "{}", run.stdout);
}

#[test]
fn a_step_is_run_for_each_line_and_gives_the_same_values() {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path().join("peers");
    let unprepared = facelab_told("run\n", args!["bench-step", "--work", work, "--step", "encoder"]);
    assert_eq!(unprepared.code, Some(1), "{unprepared:?}");
    assert!(unprepared.stderr.contains("--prepare"), "{unprepared:?}");

    let prepared = facelab(args!["bench-step", "--work", work, "--prepare"]);
    assert_eq!(prepared.code, Some(0), "{prepared:?}");
    for (step, count) in [("encoder", 16 * 16 * 256), ("columns", 2 + 9 + 8 + 50)] {
        let run = facelab_told("run\nrun\n", args!["bench-step", "--work", work, "--step", step, "--threads", "1"]);
        assert_eq!(run.code, Some(0), "{run:?}");
        let answers: Vec<serde_json::Value> =
            run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(answers.len(), 2);
        assert!(answers.iter().all(|answer| answer["ms"].as_f64().unwrap() > 0.0), "{step}");
        assert_eq!(answers[0]["values"].as_array().unwrap().len(), count, "{step}");
        assert_eq!(answers[0]["values"], answers[1]["values"], "{step}");
    }
}

#[test]
fn a_roof_is_measured_with_the_instruction_set_that_the_environment_names() {
    let dir = tempfile::tempdir().unwrap();
    let (model, report) = (model(dir.path()), dir.path().join("bench.json"));
    let bench = |isa: &str| {
        let args = args!["bench", "--model", model, "--runs", "1", "--batches", "1", "--roof", "--json", report];
        let run = facelab_with(&[("FASTCONV_ISA", isa)], args);
        assert_eq!(run.code, Some(0), "{run:?}");
        (json(&report)["roof"].clone(), run)
    };
    let (plain, _) = bench("plain");
    assert_eq!(plain["isa"], "plain");
    for layer in plain["layers"].as_array().unwrap() {
        let share = layer["share"].as_f64().unwrap();
        assert!(share > 0.0 && share < 1.5 && layer["gflops"].as_f64().unwrap() > 0.0, "{layer}");
    }
    let (widest, run) = bench("sse9");
    assert!(run.stderr.contains("FASTCONV_ISA=sse9: this machine has no such instruction set"), "{}", run.stderr);
    assert!(["avx512", "avx2", "neon", "plain"].iter().any(|isa| widest["isa"] == *isa), "{widest}");
    assert!(run.stdout.contains("peak") && run.stdout.contains("memory"), "{}", run.stdout);
}

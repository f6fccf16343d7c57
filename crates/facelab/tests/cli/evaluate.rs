use crate::args;
use crate::support::{facelab, folders, json, labels, model};
use engine::ModelStore;
use learning::{Accuracy, Confusion, LOOKS, LabelledFaces, data, evaluate_looks};
use network::CpuBackend;
use serde_json::json;

#[test]
fn the_report_counts_what_the_column_answers() {
    let dir = tempfile::tempdir().unwrap();
    let (model, data) = (model(dir.path()), folders(dir.path(), &[("above", 7), ("below", 5)]));
    let (report, png) = (dir.path().join("out/report.json"), dir.path().join("out/confusion.png"));
    let mistakes = dir.path().join("out/mistakes.png");
    let run = facelab(args![
        "evaluate",
        "--model",
        model,
        "--task",
        "side",
        "--data",
        data,
        "--split",
        "all",
        "--json",
        report,
        "--png",
        png,
        "--mistakes",
        mistakes,
    ]);
    assert_eq!(run.code, Some(0), "{run:?}");

    // The same by the library: the model has the data's labels first and one more.
    let device = Default::default();
    let store = ModelStore::open(&model).unwrap();
    let network = store.load::<CpuBackend>(&device).unwrap();
    let all = data::load(&data, "side", None, 0).unwrap().part(None);
    let mut faces = LabelledFaces::new(labels(&["above", "below", "none"]));
    for (face, class) in all.faces.iter().zip(all.classes()) {
        faces.push(face.clone(), class);
    }
    let expected = evaluate_looks(&network, &"side".parse().unwrap(), &faces, &device, &mut |_| {}).unwrap();
    let confusion = Confusion::new(3, &expected.logits, &expected.truth);
    let Accuracy { value, low, high, .. } = confusion.accuracy();

    let report = json(&report);
    assert_eq!((&report["n"], &report["looks"]), (&json!(12), &json!(LOOKS.len())));
    assert_eq!(report["labels"], json!(["above", "below", "none"]));
    assert_eq!(report["confusion"], json!(confusion.counts));
    assert_eq!(report["per_class_recall"], json!(confusion.recall()));
    assert_eq!(report["per_class_recall"][2], json!(null));
    for (key, figure) in [("accuracy", value), ("accuracy_low", low), ("accuracy_high", high), ("majority", 7.0 / 12.0)]
    {
        assert!((report[key].as_f64().unwrap() - f64::from(figure)).abs() < 1e-6, "{key}: {report}");
    }
    assert_eq!(report["labels_not_in_data"], json!(["none"]));
    assert_eq!(report["within_one"], json!(null));
    assert_eq!(report["temperature"], 2.0);
    assert_eq!(report["column_sha256"], json!(store.manifest().columns[0].sha256));
    assert!(report["command"].as_str().unwrap().starts_with("facelab evaluate --model"));
    assert!(run.stdout.contains("12 faces") && run.stdout.contains("majority"), "{}", run.stdout);
    let picture = image::open(&png).unwrap();
    assert!(picture.width() > 200 && picture.height() > 200);
    let wrong = 12 - (0..3).map(|at| confusion.counts[at][at] as usize).sum::<usize>();
    assert!(wrong > 0, "the untrained column is right by chance: another seed would show more");
    let greys = image::open(&mistakes).unwrap().to_luma8();
    let is_drawn = |at: usize| {
        let (x, y) = (10 + (at % 8) as u32 * 138, 36 + (at / 8) as u32 * 174);
        y < greys.height() && (0..128).any(|along| greys.get_pixel(x + along, y + along).0[0] < 250)
    };
    assert_eq!((0..16).filter(|&at| is_drawn(at)).count(), wrong);
}

#[test]
fn the_same_evaluation_gives_the_same_report_and_a_limit_another_digest() {
    let dir = tempfile::tempdir().unwrap();
    let (model, data) = (model(dir.path()), folders(dir.path(), &[("0-9", 6), ("20+", 6)]));
    let evaluate = |name: &str, limit: &str| {
        let path = dir.path().join(name);
        let run = facelab(args![
            "evaluate",
            "-q",
            "--threads",
            "1",
            "--model",
            model,
            "--task",
            "age",
            "--data",
            data,
            "--split",
            "all",
            "--limit",
            limit,
            "--json",
            path,
        ]);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
        let mut report = json(&path);
        for changing in ["seconds", "command"] {
            report.as_object_mut().unwrap().remove(changing);
        }
        report
    };
    let first = evaluate("a.json", "0");
    assert_eq!(first, evaluate("b.json", "0"));
    assert!(first["within_one"].is_f64(), "{first}");
    let few = evaluate("c.json", "4");
    assert_eq!(few["n"], 4);
    assert_ne!(few["data_sha256"], first["data_sha256"]);
}

#[test]
fn faces_with_a_label_that_the_model_does_not_know_are_left_out_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let (model, data) = (model(dir.path()), folders(dir.path(), &[("Above", 4), ("aslant", 3), ("below", 4)]));
    let report = dir.path().join("report.json");
    let run = facelab(args![
        "evaluate", "--model", model, "--task", "side", "--data", data, "--split", "all", "--json", report,
    ]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let report = json(&report);
    assert_eq!((&report["n"], &report["left_out"]), (&json!(8), &json!({"aslant": 3})));
    assert!(run.stderr.contains("3 faces of 'aslant'"), "{}", run.stderr);
}

#[test]
fn labels_without_a_match_an_unknown_task_and_missing_data_fail_with_a_clear_message() {
    let dir = tempfile::tempdir().unwrap();
    let (model, data) = (model(dir.path()), folders(dir.path(), &[("smile", 3), ("neutral", 3)]));
    let missing = dir.path().join("nowhere");
    for (task, data, words) in [
        ("side", &data, ["'smile'", "'above'"]),
        ("mood", &data, ["no task 'mood'", "'age'"]),
        ("side", &missing, ["nowhere", "reading"]),
    ] {
        let run = facelab(args!["evaluate", "--model", model, "--task", task, "--data", *data]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{run:?}");
        assert!(words.iter().all(|word| run.stderr.contains(word)), "{}", run.stderr);
        assert!(run.stderr.lines().count() <= 3, "{}", run.stderr);
    }
}

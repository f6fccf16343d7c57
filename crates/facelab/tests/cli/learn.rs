//! Commands that measure how well is learned, and the refinement of an encoder.

use crate::args;
use crate::support::{facelab, folders, json, model, pack, picture};
use engine::ModelStore;
use serde_json::json;

#[test]
fn a_probe_measures_each_encoder_for_each_task() {
    let dir = tempfile::tempdir().unwrap();
    let (model, data) = (model(dir.path()), folders(dir.path(), &[("above", 24), ("below", 24)]));
    let report = dir.path().join("out/probe.json");
    let task = format!("side={}", data.display());
    let run = facelab(args![
        "probe",
        "--model",
        model,
        "--random",
        "3",
        "--task",
        task,
        "--training-faces",
        "20",
        "--json",
        report
    ]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let report = json(&report);
    let rows = report["rows"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| (row["encoder"].clone(), row["task"].clone())).collect();
    assert_eq!(names, [(json!("model"), json!("side")), (json!("random 3"), json!("side"))]);
    let store = ModelStore::open(&model).unwrap();
    assert_eq!(rows[0]["encoder_sha256"], json!(store.manifest().encoder.sha256));
    // Which half is bright can be read from any features.
    for row in rows {
        assert!(row["training_faces"].as_u64().unwrap() <= 20 && row["n"].as_u64().unwrap() >= 4, "{row}");
        assert_eq!(row["accuracy"], 1.0, "{row}");
    }
    assert!(run.stdout.contains("random 3"), "{}", run.stdout);

    let none = facelab(args!["probe", "--task", task]);
    assert!(none.code == Some(2) && none.stderr.contains("--model"), "{none:?}");
}

#[test]
fn few_samples_are_drawn_again_and_again_and_each_method_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let (model, data) = (model(dir.path()), pack(dir.path(), &[("above", 8), ("below", 8)]));
    let (report, png) = (dir.path().join("few.json"), dir.path().join("few.png"));
    let methods = "default,features,sources,features-logistic,hog-logistic,gradient-head";
    let run = facelab(args![
        "fewshot",
        "half",
        "--model",
        model,
        "--data",
        data,
        "--column",
        "side",
        "--shots",
        "2",
        "--draws",
        "4",
        "--gradient-draws",
        "1",
        "--methods",
        methods,
        "--json",
        report,
        "--png",
        png
    ]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let report = json(&report);
    assert_eq!((&report["labels"], &report["sources"]), (&json!(["above", "below"]), &json!(["side", "age"])));
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 6, "{report}");
    for row in rows {
        let draws = row["accuracy"]["each"].as_array().unwrap().len();
        assert_eq!(draws, if row["method"] == "gradient-head" { 1 } else { 4 }, "{row}");
        if row["method"] == "default" {
            assert!(row["accuracy"]["mean"].as_f64().unwrap() > 0.9, "{row}");
            assert_eq!(row["default_is_better_by"], json!(null));
        }
    }
    assert!(image::open(&png).unwrap().width() > 200);

    // All labels take part, so that nobody is a stranger.
    let run = facelab(args![
        "fewshot",
        "half",
        "--model",
        model,
        "--data",
        data,
        "--column",
        "side",
        "--shots",
        "2",
        "--strangers"
    ]);
    assert!(run.code == Some(1) && run.stderr.contains("--classes"), "{run:?}");
    let run = facelab(args!["fewshot", "half", "--model", model, "--data", data, "--column", "side", "--least", "9"]);
    assert!(run.code == Some(1) && run.stderr.contains("with 9 faces or more"), "{run:?}");
}

#[test]
fn a_refined_encoder_is_a_new_model_and_a_cut_refinement_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (start, data) = (model(dir.path()), folders(dir.path(), &[("above", 12), ("below", 12)]));
    let task = format!("side={}", data.display());
    let refine = |work: &str, out: &str, phases: &str| {
        facelab(args![
            "refine-encoder",
            "--threads",
            "1",
            "--start",
            start,
            "--task",
            task,
            "--work",
            dir.path().join(work),
            "--out",
            dir.path().join(out),
            "--phases",
            phases,
            "--batch",
            "4",
            "--checkpoint-every",
            "2"
        ])
    };
    let run = refine("work", "refined", "32:4");
    assert_eq!(run.code, Some(0), "{run:?}");
    let store = ModelStore::open(&dir.path().join("refined")).unwrap();
    assert!(store.manifest().columns.is_empty());
    let before = ModelStore::open(&start).unwrap();
    assert_ne!(store.manifest().encoder.sha256, before.manifest().encoder.sha256);
    let log = std::fs::read_to_string(dir.path().join("work/log.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 2, "{log}");

    // From its checkpoint it has nothing left to do, and gives the same encoder.
    let again = refine("work", "again", "32:4");
    assert_eq!(again.code, Some(0), "{again:?}");
    let again = ModelStore::open(&dir.path().join("again")).unwrap();
    assert_eq!(again.manifest().encoder.sha256, store.manifest().encoder.sha256);

    let other = refine("work", "other", "32:6");
    assert!(other.code == Some(1) && other.stderr.contains("other settings"), "{other:?}");
    let full = refine("work", "refined", "32:4");
    assert!(full.code == Some(1) && full.stderr.contains("another --out"), "{full:?}");
}

#[test]
fn columns_that_an_encoder_learned_under_can_be_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (start, data) = (model(dir.path()), folders(dir.path(), &[("above", 12), ("below", 12)]));
    let task = format!("side={}", data.display());
    let refine = |out: &str, phases: &str, more: &[&str]| {
        let mut args = args!["refine-encoder", "--threads", "1", "--start", start, "--task", task];
        args.extend(args!["--work", dir.path().join(out).join("work"), "--out", dir.path().join(out).join("kept")]);
        args.extend(args!["--batch", "4", "--phases", phases]);
        args.extend(more.iter().map(Into::into));
        facelab(args)
    };
    let more = [
        "--repeat",
        "side=2",
        "--keep-columns",
        "--neighbours",
        "side=0.2",
        "--hog-weight",
        "1",
        "--provenance",
        "side=made up",
    ];
    let run = refine("a", "32:2:1.5,64:2", &more);
    assert_eq!(run.code, Some(0), "{run:?}");
    let log = std::fs::read_to_string(dir.path().join("a/work/log.jsonl")).unwrap();
    assert!(log.contains("hog_loss"), "{log}");
    let store = ModelStore::open(&dir.path().join("a/kept")).unwrap();
    let [column] = &store.manifest().columns[..] else { panic!("{:?}", store.manifest().columns) };
    assert_eq!((column.name.as_str(), column.config.own_blocks, column.transferable), ("side", false, false));
    assert!(!column.config.can_be_drawn_from(), "200 hidden units find no room in the test model's few channels");
    assert_eq!(column.provenance, ["made up"]);
    assert!(column.training_seconds > 0.0, "{column:?}");
    assert!(column.metrics.is_some_and(|metrics| metrics.held_back > 0));

    for (phases, more, why) in [
        ("64:2:9", vec![], "zoom"),
        ("64:2", vec!["--neighbours", "side=0.9"], "share"),
        ("64:2", vec!["--hog-weight", "nan"], "from 0 on"),
        ("64:2", vec!["--repeat", "side=0"], "from 1 to 100"),
        ("64:2", vec!["--provenance", "side=x"], "--keep-columns"),
    ] {
        let wrong = refine("b", phases, &more);
        assert!(wrong.code == Some(2) && wrong.stderr.contains(why), "{wrong:?}");
    }
    for option in [["--neighbours", "age=0.2"], ["--repeat", "age=2"]] {
        let unknown = refine("b", "64:2", &option);
        assert!(unknown.code == Some(1) && unknown.stderr.contains("'age'"), "{unknown:?}");
    }
}

#[test]
fn a_sheet_shows_where_each_task_looks() {
    let dir = tempfile::tempdir().unwrap();
    let model = model(dir.path());
    picture(&dir.path().join("faces/a.png"), 0);
    picture(&dir.path().join("faces/b.png"), 1);
    let drawn = |command: &[&str], out: &str, more: &[&str]| {
        let mut args: Vec<std::ffi::OsString> = command.iter().map(Into::into).collect();
        args.extend(args![dir.path().join("faces"), "--crops", "--model", model]);
        args.extend(args!["--out", dir.path().join(out)]);
        args.extend(more.iter().map(Into::into));
        facelab(args)
    };
    let sheet = |out: &str, more: &[&str]| drawn(&["explain"], out, more);
    let run = sheet("all.png", &[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let all = image::open(dir.path().join("all.png")).unwrap();
    assert_eq!(drawn(&["experiment", "fig4"], "fig4.png", &[]).stdout, run.stdout);
    assert_eq!(image::open(dir.path().join("fig4.png")).unwrap(), all);
    assert_eq!(sheet("one.png", &["--task", "side", "--label", "below"]).code, Some(0));
    let one = image::open(dir.path().join("one.png")).unwrap();
    // Two faces and two tasks against two faces and one.
    assert!(all.height() > one.height() && all.width() == one.width());

    let wrong = sheet("wrong.png", &["--task", "side", "--label", "up"]);
    assert!(wrong.code == Some(1) && wrong.stderr.contains("up"), "{wrong:?}");
}

#[test]
fn an_experiment_goes_on_where_it_was_and_refuses_other_settings() {
    let dir = tempfile::tempdir().unwrap();
    let (model, data) = (model(dir.path()), folders(dir.path(), &[("female", 8), ("male", 8)]));
    let (out, task) = (dir.path().join("table4"), format!("gender={}", data.display()));
    let table_with = |epochs: &str, pictures: &str, field: &str| {
        facelab(args![
            "experiment",
            "table4",
            "--set",
            field,
            "--model",
            model,
            "--task",
            task,
            "--out",
            out,
            "--runs",
            "1",
            "--epochs",
            epochs,
            "--subset",
            "6",
            "--pictures",
            pictures
        ])
    };
    let table = |epochs: &str, pictures: &str| table_with(epochs, pictures, "learning_rate=3e-4");
    let run = table("1", "64:1.5");
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("gender"), "{run:?}");
    let again = table("1", "64:1.5");
    assert_eq!(again.stdout, run.stdout);
    let other_rate = table_with("1", "64:1.5", "learning_rate=1e-4");
    for other in [table("2", "64:1.5"), table("1", "64"), table("1", "128"), other_rate] {
        assert!(other.code == Some(1) && other.stderr.contains("other settings"), "{other:?}");
    }
    let unknown = table_with("1", "64:1.5", "rate=1e-4");
    assert!(unknown.code == Some(1) && unknown.stderr.contains("'rate' is no field"), "{unknown:?}");
    for (wrong, why) in [("100", "32, 64 or 128"), ("64:0.5", "from 1 to 4"), ("64:x", "zoom 'x'")] {
        let run = table("1", wrong);
        assert!(run.code == Some(2) && run.stderr.contains(why), "{run:?}");
    }
}

#[test]
fn tables_and_curves_of_one_task_share_their_trainings() {
    let dir = tempfile::tempdir().unwrap();
    let (model, data) = (model(dir.path()), folders(dir.path(), &[("one", 8), ("two", 8)]));
    let out = dir.path().join("paper");
    let experiment = |which: &str| {
        let mut args = args!["experiment", which, "--model", model, "--out", out, "--only", "emotion"];
        for task in ["emotion", "age", "gender"] {
            args.extend(args!["--task", format!("{task}={}", data.display())]);
        }
        args.extend(args!["--runs", "2", "--epochs", "1", "--subset", "6", "--pictures", "32:2"]);
        let run = facelab(args);
        assert_eq!(run.code, Some(0), "{run:?}");
        (run.stdout, std::fs::read_dir(out.join("cells")).unwrap().count())
    };
    let rows = |text: &str| text.lines().skip(2).filter(|line| line.contains('|')).count();
    let (table5, cells) = experiment("table5");
    // Emotion alone, from age, from gender, from both; and what it draws from: twice each.
    assert!(rows(&table5) == 3 && table5.contains("| age, gender | emotion |"), "{table5}");
    assert_eq!(cells, 2 * (4 + 2));
    for (which, expected) in [("table6", 1), ("fig5", 2)] {
        let (text, now) = experiment(which);
        assert_eq!((rows(&text), now), (expected, cells), "{which}: {text}");
    }
    assert!(image::open(out.join("fig5.png")).unwrap().width() > 200);
}

#[test]
fn a_search_goes_on_where_it_was_and_says_how_to_use_what_it_found() {
    let dir = tempfile::tempdir().unwrap();
    let (model, data) = (model(dir.path()), folders(dir.path(), &[("one", 8), ("two", 8)]));
    let (out, task) = (dir.path().join("tune"), format!("side={}", data.display()));
    let small = ["--epochs", "1", "--subset", "6", "--pictures", "32:2"];
    let search = |trials: &str| {
        let mut args = args!["experiment", "tune", "--model", model, "--task", task, "--out", out, "--trials", trials];
        args.extend(args!["--parameter", "learning_rate=1e-5..1e-3:log", "--parameter", "annealing=plateau|cosine"]);
        args.extend(args!["--parameter", "batch=2|4"]);
        args.extend(small.map(Into::into));
        let run = facelab(args);
        assert_eq!(run.code, Some(0), "{run:?}");
        (run.stdout, std::fs::read_to_string(out.join("trials.jsonl")).unwrap())
    };
    let (_, one) = search("1");
    let (found, two) = search("2");
    assert!(two.starts_with(&one) && two.lines().count() == 2, "{one}{two}");
    assert!(image::open(out.join("tune.png")).unwrap().width() > 200);

    let best = found.lines().next().unwrap();
    let options = best.split_whitespace().skip(1).map(Into::into);
    let mut args = args!["experiment", "table4", "--model", model, "--runs", "1", "--out", dir.path().join("table4")];
    args.extend(args!["--task", format!("gender={}", data.display())]);
    args.extend(small.map(Into::into));
    args.extend(options);
    assert_eq!(args.iter().filter(|arg| *arg == "--set").count(), 3, "{best}");
    let run = facelab(args);
    assert_eq!(run.code, Some(0), "{best}: {run:?}");
}

//! Tasks that travel to another node.

use super::*;
use crate::testing::make_pipe;

#[test]
fn an_exported_task_comes_back_bit_for_bit_under_another_name() {
    let bench = Bench::new();
    let tasks = bench.start();
    teach(&tasks, request("mood", 4));
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("mood");
    let files = tasks.export(&task("mood"), &folder, true).unwrap().files;
    assert_eq!(files.len(), 1 + 1 + 8 + 1);
    assert!(files.iter().all(|file| file.is_file()));
    assert!(message(tasks.export(&task("mood"), &folder, true)).contains("not empty"));
    assert!(message(tasks.export(&task("emotion"), &folder, true)).contains("shipped"));
    let own = bench.state.path();
    std::os::unix::fs::symlink(own, out.path().join("link")).unwrap();
    for inside in [own.to_path_buf(), own.join("samples/new"), out.path().join("link/new")] {
        assert!(message(tasks.export(&task("mood"), &inside, true)).contains("state folder"), "{}", inside.display());
    }

    assert!(message(tasks.import(&folder, None)).contains("mood"));
    let imported = tasks.import(&folder, Some(&task("mood_again"))).unwrap();
    assert_eq!(imported.task_id, "mood_again@1");
    assert_eq!(imported.promise.columns, [task("emotion"), task("mood"), task("person")]);
    assert_eq!(bits(&bench.newest(), "mood_again"), bits(&bench.newest(), "mood"));
    assert_eq!(bench.stored("mood_again"), bench.stored("mood"));

    tasks.remove(&RemoveTask { keep_samples: true, ..remove("mood") }).unwrap();
    assert!(message(tasks.import(&folder, None)).contains("forget_samples"));
    assert_eq!(tasks.forget(&task("mood"), None).unwrap(), 8);
    tasks.import(&folder, None).unwrap();
    drop(tasks);
    assert_eq!(bits(&bench.reloaded(), "mood"), bits(&bench.reloaded(), "mood_again"));
}

#[test]
fn an_import_that_does_not_belong_here_or_is_broken_is_refused_and_leaves_nothing() {
    let bench = Bench::new();
    let tasks = bench.start();
    teach(&tasks, request("mood", 3));
    teach(&tasks, AddTask { sources: vec![task("mood")], ..request("trust", 3) });
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("trust");
    tasks.export(&task("trust"), &folder, false).unwrap();
    tasks.remove(&RemoveTask { cascade: true, ..remove("mood") }).unwrap();
    assert!(message(tasks.import(&folder, None)).contains("draws from `mood`"));
    assert!(message(tasks.import(out.path(), None)).contains("export_task"));

    let alone = out.path().join("alone");
    teach(&tasks, AddTask { no_sources: true, ..request("alone", 3) });
    tasks.export(&task("alone"), &alone, false).unwrap();
    tasks.remove(&remove("alone")).unwrap();
    let manifest = fs::read_to_string(alone.join("manifest.yaml")).unwrap();
    let part = fs::read_dir(&alone)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "safetensors"))
        .unwrap();
    let bytes = fs::read(&part).unwrap();
    fs::write(&part, &bytes[..bytes.len() - 1]).unwrap();
    assert!(message(tasks.import(&alone, None)).contains("SHA-256 expected"));
    fs::write(&part, &bytes).unwrap();
    let digest = manifest.lines().find_map(|line| line.strip_prefix("encoder_sha256: ")).unwrap();
    fs::write(alone.join("manifest.yaml"), manifest.replace(digest, &"0".repeat(64))).unwrap();
    assert!(message(tasks.import(&alone, None)).contains("encoder"));
    fs::write(alone.join("manifest.yaml"), manifest.replace("file: alone", "file: ../alone")).unwrap();
    assert!(message(tasks.import(&alone, None)).contains("without folders"));
    assert_eq!(bench.weights(), 0);
    let exchanged = manifest.replacen("  - up\n  - down\n", "  - down\n  - up\n", 1);
    assert_ne!(exchanged, manifest);
    fs::write(alone.join("manifest.yaml"), exchanged).unwrap();
    assert!(message(tasks.import(&alone, None)).contains("not what export_task wrote"));
    fs::write(alone.join("manifest.yaml"), manifest).unwrap();
    tasks.import(&alone, None).unwrap();
}

#[test]
fn what_is_no_file_of_the_folder_is_not_read_and_nobody_waits_for_it() {
    let bench = Bench::new();
    let tasks = bench.start();
    teach(&tasks, request("mood", 3));
    let out = tempfile::tempdir().unwrap();
    let whole = out.path().join("whole");
    let files = tasks.export(&task("mood"), &whole, true).unwrap().files;
    tasks.remove(&remove("mood")).unwrap();

    let copied = |name: &str| {
        let folder = out.path().join(name);
        for file in &files {
            let to = folder.join(file.strip_prefix(&whole).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(file, to).unwrap();
        }
        folder
    };
    let secret = out.path().join("secret");
    fs::write(&secret, "root:x:0:0:a secret").unwrap();
    let replaced: Vec<(&str, &Path)> = files
        .iter()
        .map(|file| file.strip_prefix(&whole).unwrap())
        .map(|file| match file.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => ("weights", file),
            Some("png") => ("picture", file),
            _ if file.ends_with("labels.yaml") => ("labels", file),
            _ => ("manifest", file),
        })
        .collect();
    for kind in ["weights", "picture", "labels", "manifest"] {
        let (_, file) = replaced.iter().find(|(of, _)| *of == kind).unwrap();
        for with in ["pipe", "link", "sparse"] {
            let folder = copied(&format!("{kind}-{with}"));
            let path = folder.join(file);
            fs::remove_file(&path).unwrap();
            match with {
                "pipe" => make_pipe(&path),
                "link" => std::os::unix::fs::symlink(&secret, &path).unwrap(),
                _ => fs::File::create(&path).unwrap().set_len(1 << 40).unwrap(),
            }
            let message = message(tasks.import(&folder, None));
            assert!(message.contains(file.file_name().unwrap().to_str().unwrap()), "{kind} {with}: {message}");
            assert!(!message.contains("secret,") && !message.contains("root:x"), "{kind} {with}: {message}");
            assert!(bench.stored("mood").is_empty(), "{kind} {with}");
        }
    }
    // A folder of samples that is a link, or the same folder under many labels.
    let folder = copied("linked-samples");
    fs::remove_dir_all(folder.join("samples")).unwrap();
    std::os::unix::fs::symlink(whole.join("samples"), folder.join("samples")).unwrap();
    assert!(message(tasks.import(&folder, None)).contains("is a link"));
    let folder = copied("repeated");
    let list = folder.join("samples/mood/labels.yaml");
    let text = fs::read_to_string(&list).unwrap();
    let entry: String =
        text.lines().skip_while(|line| !line.starts_with('-')).take(2).map(|line| format!("{line}\n")).collect();
    fs::write(&list, format!("{text}{}", entry.replace("label: ", "label: also "))).unwrap();
    assert!(message(tasks.import(&folder, None)).contains("labels.yaml"));
    tasks.import(&whole, None).unwrap();
}

#[test]
fn an_export_that_was_cut_off_is_imported_by_none_and_replaced_by_the_next() {
    let bench = Bench::new();
    let tasks = bench.start();
    teach(&tasks, request("mood", 3));
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("mood");
    let export = || tasks.export(&task("mood"), &folder, true);
    export().unwrap();
    // Killed just before it was done: all is there but the last word.
    fs::write(folder.join(".export-unfinished"), "").unwrap();
    assert!(message(tasks.import(&folder, Some(&task("again")))).contains("cut off"));
    export().unwrap();
    tasks.import(&folder, Some(&task("again"))).unwrap();
    // Killed while it took the folder.
    let taken = out.path().join("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join(".unfinished-x"), "").unwrap();
    tasks.export(&task("mood"), &taken, false).unwrap();
    // What is somebody else's stays in the way.
    fs::write(folder.join(".export-unfinished"), "").unwrap();
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    assert!(message(export()).contains("not empty"));
    assert_eq!(fs::read_to_string(folder.join("notes.txt")).unwrap(), "mine");
    // Another node is at it.
    let other = out.path().join("other");
    fs::create_dir(&other).unwrap();
    let held = fs::File::open(&other).unwrap();
    held.try_lock().unwrap();
    assert!(message(tasks.export(&task("mood"), &other, false)).contains("another export"));
}

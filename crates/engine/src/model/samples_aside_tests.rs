use super::*;
use crate::model::sample_index::INDEX;
use crate::model::testing::faces;

fn task(name: &str) -> TaskName {
    name.parse().unwrap()
}

fn store(dir: &Path) -> SampleStore {
    SampleStore::new(dir, 100)
}

fn count(store: &SampleStore, name: &str) -> u32 {
    store.counts(&task(name)).unwrap().iter().map(|(_, count)| count).sum()
}

/// Every picture below a folder.
fn pictures_below(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            if path.is_dir() {
                pictures_below(&path)
            } else {
                usize::from(path.extension().is_some_and(|e| e == "png"))
            }
        })
        .sum()
}

#[test]
fn a_removal_that_was_cut_off_is_undone_or_finished() {
    for taught in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let samples = store(dir.path());
        samples.add(&task("gaze"), &faces("up", 3)).unwrap();
        samples.remove(&task("gaze")).unwrap();
        assert_eq!(count(&samples, "gaze"), 0);
        // Here the process ends.
        store(dir.path()).recover(|_| taught).unwrap();
        assert_eq!(count(&samples, "gaze"), if taught { 3 } else { 0 });
        assert_eq!(pictures_below(dir.path()), if taught { 3 } else { 0 });
    }
}

#[test]
fn what_a_failed_removal_left_is_in_nobodys_way_and_can_be_erased() {
    for forget in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let samples = store(dir.path());
        samples.add(&task("gaze"), &faces("up", 3)).unwrap();
        samples.remove(&task("gaze")).unwrap();
        samples.add(&task("gaze"), &faces("up", 2)).unwrap();
        // Both are kept, for neither is known to be unwanted.
        store(dir.path()).recover(|_| true).unwrap();
        assert_eq!((count(&samples, "gaze"), pictures_below(dir.path())), (2, 5));
        if forget {
            samples.forget(&task("gaze"), None).unwrap();
        } else {
            samples.remove(&task("gaze")).unwrap();
            samples.erase_removed(&task("gaze")).unwrap();
        }
        assert_eq!(pictures_below(dir.path()), 0);
    }
}

#[test]
fn an_import_that_was_cut_off_is_finished_or_undone() {
    for taught in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let samples = store(dir.path());
        samples.stage_imported(&task("gaze"), &faces("up", 3)).unwrap();
        assert_eq!((count(&samples, "gaze"), samples.tasks().unwrap().len()), (0, 0));
        store(dir.path()).recover(|_| taught).unwrap();
        assert_eq!(count(&samples, "gaze"), if taught { 3 } else { 0 });
        assert_eq!(pictures_below(dir.path()), if taught { 3 } else { 0 });
    }
    // A second try is not in its own way.
    let dir = tempfile::tempdir().unwrap();
    let samples = store(dir.path());
    for _ in 0..2 {
        samples.stage_imported(&task("gaze"), &faces("up", 3)).unwrap();
    }
    samples.keep_imported(&task("gaze")).unwrap();
    assert_eq!((count(&samples, "gaze"), pictures_below(dir.path())), (3, 3));
}

#[test]
fn crops_of_an_addition_that_was_cut_off_do_not_count_and_are_erased() {
    let dir = tempfile::tempdir().unwrap();
    let samples = store(dir.path());
    samples.add(&task("gaze"), &faces("up", 2)).unwrap();
    let list = dir.path().join("samples/gaze").join(INDEX);
    let before = fs::read(&list).unwrap();
    let mut more = faces("up", 3);
    more.extend(faces("down", 2));
    samples.add(&task("gaze"), &more).unwrap();
    // All pictures are written, the list of labels is not.
    fs::write(&list, &before).unwrap();
    assert_eq!((count(&samples, "gaze"), pictures_below(dir.path())), (2, 7));
    store(dir.path()).recover(|_| true).unwrap();
    assert_eq!((count(&samples, "gaze"), pictures_below(dir.path())), (2, 2));
    samples.add(&task("gaze"), &faces("up", 1)).unwrap();
    assert_eq!((count(&samples, "gaze"), pictures_below(dir.path())), (3, 3));
    // The same before anything counted.
    samples.add(&task("nod"), &faces("up", 2)).unwrap();
    fs::write(dir.path().join("samples/nod").join(INDEX), "schema: 1\nlabels: []\n").unwrap();
    store(dir.path()).recover(|_| true).unwrap();
    assert_eq!((samples.tasks().unwrap(), pictures_below(dir.path())), (vec![task("gaze")], 3));
}

#[test]
fn forgetting_that_was_cut_off_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let samples = store(dir.path());
    let mut both = faces("up", 2);
    both.extend(faces("down", 3));
    samples.add(&task("gaze"), &both).unwrap();
    // The list is written, the folder is still there.
    let mut index = SampleIndex::read(&samples.dir(&task("gaze"))).unwrap();
    index.remove(&"down".parse().unwrap());
    index.write(&samples.dir(&task("gaze"))).unwrap();
    // And another task is on its way out.
    fs::create_dir_all(samples.root().join(".trash-7/00-a")).unwrap();
    store(dir.path()).recover(|_| true).unwrap();
    assert_eq!((count(&samples, "gaze"), pictures_below(dir.path())), (2, 2));
    assert_eq!(samples.entries().unwrap(), ["gaze"]);
}

#[test]
fn of_a_broken_or_lost_list_of_labels_no_picture_is_erased_but_by_forgetting() {
    let dir = tempfile::tempdir().unwrap();
    let samples = store(dir.path());
    samples.add(&task("gaze"), &faces("up", 2)).unwrap();
    let list = dir.path().join("samples/gaze").join(INDEX);
    for broken in [Some("schema: 1\nlabels: ["), None] {
        match broken {
            Some(text) => fs::write(&list, text).unwrap(),
            None => fs::remove_file(&list).unwrap(),
        }
        store(dir.path()).recover(|_| false).unwrap();
        assert_eq!(pictures_below(dir.path()), 2);
        assert!(samples.counts(&task("gaze")).is_err() && samples.add(&task("gaze"), &faces("up", 1)).is_err());
    }
    assert_eq!(samples.forget(&task("gaze"), None).unwrap(), 2);
    assert_eq!(pictures_below(dir.path()), 0);
}

#[test]
fn samples_of_an_earlier_version_count_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let samples = store(dir.path());
    samples.add(&task("gaze"), &faces("up", 2)).unwrap();
    let list = dir.path().join("samples/gaze").join(INDEX);
    let text = fs::read_to_string(&list).unwrap();
    let older: String = text.lines().filter(|line| !line.contains("below")).map(|line| format!("{line}\n")).collect();
    assert_ne!(text, older);
    fs::write(&list, older).unwrap();
    store(dir.path()).recover(|_| true).unwrap();
    assert_eq!(count(&samples, "gaze"), 2);
    samples.add(&task("gaze"), &faces("up", 1)).unwrap();
    assert_eq!(count(&samples, "gaze"), 3);
}

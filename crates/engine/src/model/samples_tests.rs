use super::*;

fn name(text: &str) -> TaskName {
    text.parse().unwrap()
}

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn sample(text: &str, shade: u8) -> LabelledFace {
    LabelledFace { label: label(text), face: FaceCrop::from_fn(|pixel| (pixel as u8).wrapping_add(shade)) }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn samples_come_back_pixel_for_pixel_under_any_label() {
    let dir = tempfile::tempdir().unwrap();
    let store = SampleStore::new(dir.path(), 10);
    let task = name("gaze");
    let given = [sample("../../etc", 1), sample("Überrascht / 驚き", 2), sample("uberrascht _ ??", 3)];
    store.add(&task, &given).unwrap();
    for one in &given {
        let back = store.load(&task, std::slice::from_ref(&one.label)).unwrap();
        assert_eq!(back.len(), 1);
        assert_eq!(back[0].face, one.face);
    }
    assert!(files(dir.path()).iter().all(|file| file.starts_with(dir.path().join("samples/gaze"))));
    assert_eq!(store.tasks().unwrap(), [task]);
}

#[test]
fn samples_are_readable_by_their_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = SampleStore::new(dir.path(), 10);
    store.add(&name("gaze"), &[sample("left", 1)]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for folder in ["samples", "samples/gaze", "samples/gaze/00-left"] {
        assert_eq!(mode(&dir.path().join(folder)), 0o700, "{folder}");
    }
    for file in files(dir.path()) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn more_samples_than_allowed_are_refused_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = SampleStore::new(dir.path(), 2);
    let task = name("gaze");
    store.add(&task, &[sample("left", 1)]).unwrap();
    let error = store.add(&task, &[sample("right", 1), sample("left", 2), sample("left", 3)]).unwrap_err();
    assert!(matches!(error, SampleError::TooMany { stored: 1, given: 2, limit: 2, .. }), "{error}");
    assert!(error.to_string().contains("max_samples_per_label"));
    assert_eq!(store.counts(&task).unwrap(), [(label("left"), 1)]);
}

#[test]
fn forgotten_samples_are_gone_from_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = SampleStore::new(dir.path(), 10);
    let task = name("gaze");
    store.add(&task, &[sample("left", 1), sample("left", 2), sample("right", 3)]).unwrap();
    assert_eq!(store.forget(&task, Some(&label("left"))).unwrap(), 2);
    assert_eq!(store.counts(&task).unwrap(), [(label("right"), 1)]);
    let pictures = || files(dir.path()).into_iter().filter(|file| file.extension().is_some_and(|e| e == "png")).count();
    assert_eq!(pictures(), 1);
    assert_eq!(store.forget(&task, None).unwrap(), 1);
    assert!(files(dir.path()).is_empty());
    assert_eq!(store.forget(&task, None).unwrap(), 0);
}

#[test]
fn a_label_that_comes_again_after_another_was_forgotten_keeps_its_own_folder() {
    let dir = tempfile::tempdir().unwrap();
    let store = SampleStore::new(dir.path(), 10);
    let task = name("gaze");
    store.add(&task, &[sample("a", 1), sample("b", 2)]).unwrap();
    store.forget(&task, Some(&label("a"))).unwrap();
    store.add(&task, &[sample("c", 3), sample("a", 4)]).unwrap();
    for (text, shade) in [("a", 4), ("b", 2), ("c", 3)] {
        assert_eq!(store.load(&task, &[label(text)]).unwrap()[0].face, sample(text, shade).face, "{text}");
    }
}

#[test]
fn a_truncated_picture_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = SampleStore::new(dir.path(), 10);
    store.add(&name("gaze"), &[sample("left", 1)]).unwrap();
    let path = dir.path().join("samples/gaze/00-left/0000.png");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let message = store.load(&name("gaze"), &[label("left")]).unwrap_err().to_string();
    assert!(message.contains("0000.png") && message.contains("forget_samples"), "{message}");
}

#[test]
fn a_picture_of_another_size_is_not_decoded() {
    let dir = tempfile::tempdir().unwrap();
    let store = SampleStore::new(dir.path(), 10);
    store.add(&name("gaze"), &[sample("left", 1)]).unwrap();
    let path = dir.path().join("samples/gaze/00-left/0000.png");
    image::GrayImage::new(300, 20).save(&path).unwrap();
    let message = store.load(&name("gaze"), &[label("left")]).unwrap_err().to_string();
    assert!(message.contains("300x20"), "{message}");
}

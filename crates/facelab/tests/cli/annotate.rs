use crate::args;
use crate::support::{facelab, model, picture};
use std::path::{Path, PathBuf};

#[test]
fn without_a_detector_it_says_how_to_get_one() {
    let dir = tempfile::tempdir().unwrap();
    let (model, input) = (model(dir.path()), dir.path().join("a.png"));
    picture(&input, 0);
    let run = facelab(args!["annotate", input, "--model", model, "--csv", dir.path().join("faces.csv")]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("--yunet") && run.stderr.contains("scripts/setup"), "{}", run.stderr);
}

#[test]
fn a_picture_is_never_overwritten_by_its_annotation() {
    let dir = tempfile::tempdir().unwrap();
    let (model, input) = (model(dir.path()), dir.path().join("photos/a.png"));
    picture(&input, 0);
    let before = std::fs::read(&input).unwrap();
    for (what, out) in [
        (&input, &input),
        (&input, &dir.path().join("photos")),
        (&dir.path().join("photos"), &dir.path().join("photos")),
    ] {
        let run = facelab(args!["annotate", *what, "--model", model, "--yunet", "any.onnx", "--out", *out]);
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.stderr.contains("is the input"), "{}", run.stderr);
    }
    assert_eq!(std::fs::read(&input).unwrap(), before);
}

#[test]
fn an_annotation_that_goes_nowhere_is_wrong_usage() {
    let run = facelab(["annotate", "a.mp4", "--model", "m"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("--csv"), "{}", run.stderr);
}

/// YuNet's file and the folder of test videos, where `scripts/fetch-media` has brought them.
fn media() -> Option<(PathBuf, PathBuf)> {
    let files = std::env::var_os("FACE_ATTRIBUTES_YUNET").zip(std::env::var_os("FACE_ATTRIBUTES_MEDIA"));
    let files = files.map(|(yunet, media)| (PathBuf::from(yunet), PathBuf::from(media)));
    let there = files.filter(|(yunet, media)| yunet.is_file() && media.join("single_face.mp4").is_file());
    if there.is_none() {
        eprintln!("skipped: no YuNet or test videos, see scripts/fetch-media");
    }
    there
}

fn rows(path: &Path) -> Vec<csv::StringRecord> {
    csv::Reader::from_path(path).unwrap().records().collect::<Result<_, _>>().unwrap()
}

#[test]
fn one_person_on_video_gives_one_track_in_the_table_the_crops_and_the_video_twice_the_same() {
    let Some((yunet, media)) = media() else { return };
    let dir = tempfile::tempdir().unwrap();
    let model = model(dir.path());
    let annotate = |name: &str| {
        let out = dir.path().join(name);
        let run = facelab(args![
            "annotate",
            media.join("single_face.mp4"),
            "--model",
            model,
            "--yunet",
            yunet,
            "--every",
            "5",
            "--seconds",
            "2",
            "--threads",
            "1",
            "--out",
            out,
            "--csv",
            out.join("faces.csv"),
            "--crops",
            out.join("crops"),
        ]);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(run.stdout.contains("in 1 tracks"), "{run:?}");
        out
    };
    let (first, second) = (annotate("first"), annotate("second"));
    let table = rows(&first.join("faces.csv"));
    assert!(table.len() >= 8, "{}", table.len());
    assert_eq!(table, rows(&second.join("faces.csv")));
    let track = first.join("crops").join(&table[0][3]);
    assert_eq!(std::fs::read_dir(&track).unwrap().count(), table.len());
    let crop = image::open(std::fs::read_dir(&track).unwrap().next().unwrap().unwrap().path()).unwrap();
    assert_eq!((crop.width(), crop.height(), crop.color()), (128, 128, image::ColorType::L8));
    let mut video = vision::video::VideoReader::open(&first.join("single_face.mp4")).unwrap();
    let mut frames = 0;
    while video.next_frame().unwrap().is_some() {
        frames += 1;
    }
    assert!(frames >= table.len(), "{frames}");
}

#[test]
fn crops_of_pictures_keep_their_folders_and_a_broken_picture_is_told() {
    let Some((yunet, media)) = media() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (model, photos) = (model(dir.path()), dir.path().join("photos"));
    let mut video = vision::video::VideoReader::open(&media.join("single_face.mp4")).unwrap();
    for class in ["a", "b"] {
        std::fs::create_dir_all(photos.join(class)).unwrap();
        video.next_frame().unwrap().unwrap().write(&photos.join(class).join("one.jpg")).unwrap();
    }
    let crops = dir.path().join("crops");
    let run = facelab(args!["annotate", photos, "--model", model, "--yunet", yunet, "--crops", crops]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(crops.join("a/000000_one_1.png").is_file() && crops.join("b/000001_one_1.png").is_file(), "{run:?}");

    std::fs::write(photos.join("a/broken.jpg"), b"no picture").unwrap();
    let run =
        facelab(args!["annotate", photos, "--model", model, "--yunet", yunet, "--out", dir.path().join("marked")]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("broken.jpg") && run.stderr.contains("1 pictures could not be read"), "{}", run.stderr);
    assert!(dir.path().join("marked/b/one.jpg").is_file());
}

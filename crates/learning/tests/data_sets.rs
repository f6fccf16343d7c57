//! Packs and folder trees, on tiny ones made here.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use image::{GrayImage, Luma};
use learning::data::{DataError, load, load_unlabelled};
use std::path::Path;

fn picture(side: u32, value: u8) -> GrayImage {
    GrayImage::from_pixel(side, side, Luma([value]))
}

fn texts(names: &[impl ToString]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn tar_pack(folder: &Path) {
    let mut archive = tar::Builder::new(std::fs::File::create(folder.join("faces.tar")).unwrap());
    for name in ["a.png", "b.png", "c.png", "d.png"] {
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture(128, name.as_bytes()[0]).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        let bytes = bytes.into_inner();
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    archive.finish().unwrap();
    let csv = "file,split,age9,gender\n\
               a.png,train,10-19,F\nb.png,val,3-9,M\nc.png,test,70+,\nd.png,holdout,3-9,M\n";
    std::fs::write(folder.join("labels.csv"), csv).unwrap();
}

#[test]
fn a_pack_gives_its_splits_with_ordered_labels() {
    let folder = tempfile::tempdir().unwrap();
    tar_pack(folder.path());
    let age = load(folder.path(), "age", None, 0).unwrap();
    assert_eq!(texts(&age.labels), ["3-9", "10-19", "70+"]);
    assert_eq!((age.train.classes(), age.val.classes(), age.test.classes()), (vec![1], vec![0], vec![2]));
    assert!(age.train.faces[0].iter().all(|&p| p == b'a'));
    let gender = load(folder.path(), "gender", None, 0).unwrap();
    assert_eq!(texts(&gender.labels), ["female", "male"]);
    assert!(gender.test.is_empty(), "a blank cell is no label");
    assert_eq!(load_unlabelled(folder.path()).unwrap().len(), 1, "only training faces");
}

#[test]
fn a_pack_without_the_task_names_its_columns() {
    let folder = tempfile::tempdir().unwrap();
    tar_pack(folder.path());
    let message = load(folder.path(), "smile", None, 0).unwrap_err().to_string();
    assert!(message.contains("'smile'") && message.contains("age9, gender"), "{message}");
}

#[test]
fn votes_become_soft_labels_and_single_votes_are_noise() {
    let folder = tempfile::tempdir().unwrap();
    let mut sheet = GrayImage::new(96, 48);
    image::imageops::replace(&mut sheet, &picture(48, 10), 0, 0);
    image::imageops::replace(&mut sheet, &picture(48, 200), 48, 0);
    sheet.save(folder.path().join("s.png")).unwrap();
    let classes =
        ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"];
    let header: Vec<String> = classes.iter().map(|v| format!("v_{v}")).collect();
    let csv = format!(
        "sheet,tile,row,col,split,emotion8,{},fer_name\n\
         s.png,0,0,0,train,happiness,2,6,1,0,0,0,0,0,1,0,x\n\
         s.png,1,0,1,val,anger,0,0,0,0,9,1,0,0,0,0,y\n",
        header.join(",")
    );
    std::fs::write(folder.path().join("labels.csv"), csv).unwrap();
    let emotion = load(folder.path(), "emotion", None, 0).unwrap();
    assert_eq!(emotion.labels.len(), 8);
    assert_eq!(emotion.train.targets[0][..3], [0.25, 0.75, 0.0]);
    assert_eq!(emotion.val.classes(), [4]);
    assert!(emotion.val.faces[0].iter().all(|&p| p == 200), "48×48 tiles come enlarged to 128×128");
    assert_eq!(emotion.val.faces[0].len(), 128 * 128);
}

#[test]
fn a_folder_per_class_is_split_the_same_way_each_time() {
    let folder = tempfile::tempdir().unwrap();
    for (class, value) in [("smiling", 200), ("neutral", 50)] {
        std::fs::create_dir(folder.path().join(class)).unwrap();
        for n in 0..10 {
            picture(64, value + n).save(folder.path().join(class).join(format!("{n}.png"))).unwrap();
        }
    }
    let data = load(folder.path(), "smile", None, 3).unwrap();
    assert_eq!(texts(&data.labels), ["neutral", "smiling"]);
    assert_eq!((data.train.len(), data.val.len(), data.test.len()), (12, 4, 4));
    assert_eq!(data.part(None).len(), 20);
    assert_eq!(load(folder.path(), "smile", None, 3).unwrap().train.faces, data.train.faces);
    assert_eq!(load_unlabelled(folder.path()).unwrap().len(), 20);
}

#[test]
fn the_encoder_does_not_see_faces_that_a_folder_keeps_for_tests() {
    let folder = tempfile::tempdir().unwrap();
    for (part, count) in [("train", 5), ("val", 2), ("test", 3)] {
        for class in ["smiling", "neutral"] {
            let below = folder.path().join(part).join(class);
            std::fs::create_dir_all(&below).unwrap();
            for n in 0..count {
                picture(64, 50 + n).save(below.join(format!("{n}.png"))).unwrap();
            }
        }
    }
    assert_eq!(load_unlabelled(folder.path()).unwrap().len(), 10);
}

#[test]
fn a_folder_with_one_class_or_broken_pictures_alone_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("only")).unwrap();
    assert!(matches!(load(folder.path(), "x", None, 0), Err(DataError::Empty { .. })));
    std::fs::create_dir(folder.path().join("other")).unwrap();
    for class in ["only", "other"] {
        std::fs::write(folder.path().join(class).join("bad.png"), b"no picture").unwrap();
    }
    let message = load(folder.path(), "x", None, 0).unwrap_err().to_string();
    assert!(message.contains("bad.png"), "{message}");
}

#[test]
fn one_bad_picture_an_empty_class_and_hidden_files_stop_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["happy", "sad", "empty", "__MACOSX", ".cache"] {
        std::fs::create_dir(folder.path().join(class)).unwrap();
    }
    for class in ["happy", "sad"] {
        for number in 0..10 {
            picture(64, number * 20).save(folder.path().join(class).join(format!("{number}.png"))).unwrap();
        }
    }
    std::fs::write(folder.path().join("happy/3.png"), b"cut off").unwrap();
    std::fs::write(folder.path().join("sad/._4.jpg"), b"a thumbnail").unwrap();
    std::fs::write(folder.path().join(".cache/a.png"), b"not ours").unwrap();
    let data = load(folder.path(), "mood", None, 0).unwrap();
    assert_eq!(texts(&data.labels), ["happy", "sad"]);
    assert_eq!(data.train.len() + data.val.len() + data.test.len(), 19);
    assert_eq!(load_unlabelled(folder.path()).unwrap().len(), 19);
}

#[test]
fn parts_are_known_by_the_words_that_people_use() {
    let folder = tempfile::tempdir().unwrap();
    for (part, count) in [("Training", 4), ("VALIDATION", 2), ("Test", 3)] {
        for class in ["up", "down"] {
            let class = folder.path().join(part).join(class);
            std::fs::create_dir_all(&class).unwrap();
            for number in 0..count {
                picture(64, number * 20).save(class.join(format!("{number}.png"))).unwrap();
            }
        }
    }
    let data = load(folder.path(), "pose", None, 0).unwrap();
    assert_eq!((data.train.len(), data.val.len(), data.test.len()), (8, 4, 6));
    assert_eq!(load_unlabelled(folder.path()).unwrap().len(), 8);
}

#[test]
fn tables_of_semicolons_and_tabs_are_read_and_rows_without_use_are_left_out() {
    for between in [",", ";", "\t"] {
        let folder = tempfile::tempdir().unwrap();
        tar_pack(folder.path());
        let rows =
            ["file,split,gender", "a.png,Train,F", "b.png,Dev,M", "c.png,TEST,F", "d.png,later,M", "none.png,train,M"];
        std::fs::write(folder.path().join("labels.csv"), rows.join("\n").replace(',', between)).unwrap();
        let data = load(folder.path(), "gender", None, 0).unwrap();
        assert_eq!((data.train.len(), data.val.len(), data.test.len()), (1, 1, 1), "{between:?}");
    }
}

#[test]
fn split_words_that_nobody_knows_are_named() {
    let folder = tempfile::tempdir().unwrap();
    tar_pack(folder.path());
    std::fs::write(folder.path().join("labels.csv"), "file,split,gender\na.png,fold1,F\nb.png,fold2,M\n").unwrap();
    let message = load(folder.path(), "gender", None, 0).unwrap_err().to_string();
    assert!(message.contains("'fold1', 'fold2'") && message.contains("train, val or test"), "{message}");
}

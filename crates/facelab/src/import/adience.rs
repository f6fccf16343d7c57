//! Adience (Eidinger et al. 2014).

use super::{Entry, Listing};
use anyhow::Context;
use std::path::Path;

/// The age groups as the tables write them, and as labels. Ages outside of them are left out, as usual.
const AGES: [(&str, &str); 8] = [
    ("(0, 2)", "0-2"),
    ("(4, 6)", "4-6"),
    ("(8, 12)", "8-13"),
    ("(15, 20)", "15-20"),
    ("(25, 32)", "25-32"),
    ("(38, 43)", "38-43"),
    ("(48, 53)", "48-53"),
    ("(60, 100)", "60+"),
];
/// Some tables have this for (8, 12).
const OTHER: (&str, &str) = ("(8, 13)", "8-13");

/// Every face; the fourth fold is for validation, the fifth for test.
pub fn list(folder: &Path) -> anyhow::Result<Listing> {
    let mut entries = Vec::new();
    for fold in 0..5 {
        let path = folder.join(format!("fold_{fold}_data.txt"));
        let mut reader = csv::ReaderBuilder::new().delimiter(b'\t').flexible(true).quoting(false).from_path(&path);
        let reader = reader.as_mut().map_err(|error| anyhow::anyhow!("reading {}: {error}", path.display()))?;
        let columns = reader.headers().with_context(|| format!("reading {}", path.display()))?.clone();
        let place = |name: &str| {
            columns.iter().position(|c| c == name).with_context(|| format!("{}: no column '{name}'", path.display()))
        };
        let at = [place("user_id")?, place("original_image")?, place("face_id")?, place("age")?, place("gender")?];
        for record in reader.records() {
            let record = record.with_context(|| format!("reading {}", path.display()))?;
            let [user, image, face, age, gender] = at.map(|at| record.get(at).unwrap_or_default());
            let places = [
                format!("aligned/{user}/landmark_aligned_face.{face}.{image}"),
                format!("faces/{user}/coarse_tilt_aligned_face.{face}.{image}"),
            ];
            let Some(picture) = places.iter().map(|place| folder.join(place)).find(|path| path.exists()) else {
                continue;
            };
            let split = ["train", "train", "train", "val", "test"][fold];
            let age = AGES.iter().chain([&OTHER]).find(|(written, _)| *written == age).map_or("", |(_, label)| label);
            let gender = match gender {
                "m" => "male",
                "f" => "female",
                _ => "",
            };
            entries.push(Entry { picture, cells: [split, age, gender].map(str::to_owned).into() });
        }
    }
    if entries.is_empty() {
        anyhow::bail!("{} has tables, but none of their faces in aligned/ or faces/", folder.display());
    }
    Ok(Listing { columns: vec!["split", "age8", "gender"], entries })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_layout_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let head = "user_id\toriginal_image\tface_id\tage\tgender\tx\ty\n";
        for fold in 0..5 {
            let rows = match fold {
                0 => "30601258@N03\t10399646885_67c7d20df9_o.jpg\t1\t(25, 32)\tf\t0\t414\n",
                4 => "u\ta.jpg\t2\t(8, 12)\tm\t0\t1\nu\tmissing.jpg\t3\t(0, 2)\tu\t0\t1\n",
                _ => "",
            };
            std::fs::write(dir.path().join(format!("fold_{fold}_data.txt")), format!("{head}{rows}")).unwrap();
        }
        let add = |path: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        };
        add("aligned/30601258@N03/landmark_aligned_face.1.10399646885_67c7d20df9_o.jpg");
        add("faces/u/coarse_tilt_aligned_face.2.a.jpg");
        let found = list(dir.path()).unwrap();
        let cells: Vec<_> = found.entries.iter().map(|entry| entry.cells.join(",")).collect();
        assert_eq!(cells, ["train,25-32,female", "test,8-13,male"]);
        std::fs::remove_dir_all(dir.path().join("aligned")).unwrap();
        std::fs::remove_dir_all(dir.path().join("faces")).unwrap();
        assert!(list(dir.path()).unwrap_err().to_string().contains("none of their faces"));
    }
}

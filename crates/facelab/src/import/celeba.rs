//! CelebA (Liu et al. 2015).

use super::{Entry, Listing, find};
use anyhow::{Context, bail};
use std::collections::HashMap;
use std::path::Path;

fn read(folder: &Path, places: &[&str]) -> anyhow::Result<String> {
    let path = find(folder, places)?;
    std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

/// Every picture with its part, gender and smile.
pub fn list(folder: &Path) -> anyhow::Result<Listing> {
    let pictures = find(folder, &["img_align_celeba", "Img/img_align_celeba"])?;
    let parts = read(folder, &["list_eval_partition.txt", "Eval/list_eval_partition.txt"])?;
    let attributes = read(folder, &["list_attr_celeba.txt", "Anno/list_attr_celeba.txt"])?;
    // A count, the attributes' names, then a line a picture: its name, and 1 or −1 for each.
    let mut lines = attributes.lines().skip(1);
    let names: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let place = |name: &str| names.iter().position(|n| *n == name).with_context(|| format!("no attribute '{name}'"));
    let (male, smiling) = (place("Male")?, place("Smiling")?);
    let mut said: HashMap<&str, (bool, bool)> = HashMap::new();
    for line in lines {
        let cells: Vec<&str> = line.split_whitespace().collect();
        if cells.len() == names.len() + 1 {
            said.insert(cells[0], (cells[male + 1] == "1", cells[smiling + 1] == "1"));
        }
    }
    let mut entries = Vec::new();
    for line in parts.lines() {
        let Some((file, part)) = line.split_once(char::is_whitespace) else { continue };
        let split = match part.trim() {
            "0" => "train",
            "1" => "val",
            "2" => "test",
            other => bail!("list_eval_partition.txt: '{file}' is in part '{other}', not in 0, 1 or 2"),
        };
        let (gender, smile) = match said.get(file) {
            Some((male, smiling)) => {
                (if *male { "male" } else { "female" }, if *smiling { "smiling" } else { "not smiling" })
            }
            None => ("", ""),
        };
        entries.push(Entry { picture: pictures.join(file), cells: [split, gender, smile].map(str::to_owned).into() });
    }
    Ok(Listing { columns: vec!["split", "gender", "smile"], entries })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_layout_is_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("img_align_celeba")).unwrap();
        std::fs::create_dir(dir.path().join("Anno")).unwrap();
        std::fs::write(dir.path().join("list_eval_partition.txt"), "000001.jpg 0\n000002.jpg 2\n").unwrap();
        let attributes = "2\nBald Male Smiling \n000001.jpg -1 -1  1\n000002.jpg -1  1 -1\n";
        std::fs::write(dir.path().join("Anno/list_attr_celeba.txt"), attributes).unwrap();
        let found = list(dir.path()).unwrap();
        let cells: Vec<_> = found.entries.iter().map(|entry| entry.cells.join(",")).collect();
        assert_eq!(cells, ["train,female,smiling", "test,male,not smiling"]);
        assert!(found.entries[1].picture.ends_with("img_align_celeba/000002.jpg"));
        let error = list(&dir.path().join("Anno")).unwrap_err().to_string();
        assert!(error.contains("holds no img_align_celeba"), "{error}");
    }
}

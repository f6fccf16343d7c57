//! Labeled Faces in the Wild (Huang et al. 2007), with the subset of the paper: 50 people with 20 pictures each.

use super::{Entry, Listing, names};
use anyhow::bail;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// People of the identity task, pictures of each, and folds.
const PEOPLE: usize = 50;
const PICTURES: usize = 20;
const FOLDS: usize = 4;

/// Every picture. The people with most pictures are the identity task, in folds; the others are parted by person for
/// gender.
pub fn list(folder: &Path) -> anyhow::Result<Listing> {
    let mut people: Vec<(String, Vec<String>)> = Vec::new();
    for person in names(folder)? {
        if folder.join(&person).is_dir() {
            let pictures = names(&folder.join(&person))?;
            people.push((person, pictures.into_iter().filter(|name| name.ends_with(".jpg")).collect()));
        }
    }
    if people.iter().all(|(_, pictures)| pictures.is_empty()) {
        bail!("{} holds no <Name>/<Name>_0001.jpg", folder.display());
    }
    let mut by_pictures: Vec<usize> = (0..people.len()).filter(|&at| people[at].1.len() >= PICTURES).collect();
    by_pictures.sort_by_key(|&at| (std::cmp::Reverse(people[at].1.len()), people[at].0.clone()));
    let known: HashSet<usize> = by_pictures.into_iter().take(PEOPLE).collect();
    let genders = genders(folder);
    let mut entries = Vec::new();
    for (at, (person, pictures)) in people.iter().enumerate() {
        // One in ten people each for validation and test.
        let split = match at % 10 {
            _ if known.contains(&at) => "id50",
            8 => "val",
            9 => "test",
            _ => "train",
        };
        for (number, picture) in pictures.iter().enumerate() {
            let in_task = known.contains(&at) && number < PICTURES;
            let (identity, fold) =
                if in_task { (person.as_str(), (number % FOLDS).to_string()) } else { ("", String::new()) };
            let gender = genders.get(picture.as_str()).copied().unwrap_or("");
            let cells = [split, identity, &fold, gender].map(str::to_owned).into();
            entries.push(Entry { picture: folder.join(person).join(picture), cells });
        }
    }
    Ok(Listing { columns: vec!["split", "identity", "id_fold", "gender"], entries })
}

/// By file, from the lists of Afifi & Abdelhamed 2017, where they are.
fn genders(folder: &Path) -> HashMap<String, &'static str> {
    let mut found = HashMap::new();
    for (file, gender) in [("male_names.txt", "male"), ("female_names.txt", "female")] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        found.extend(text.lines().map(|line| (line.trim().to_owned(), gender)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_layout_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let add = |person: &str, count: usize| {
            std::fs::create_dir(dir.path().join(person)).unwrap();
            for number in 1..=count {
                std::fs::write(dir.path().join(person).join(format!("{person}_{number:04}.jpg")), b"").unwrap();
            }
        };
        add("Ann_A", 22);
        add("Bob_B", 3);
        std::fs::write(dir.path().join("female_names.txt"), "Ann_A_0001.jpg\nAnn_A_0002.jpg\n").unwrap();
        std::fs::write(dir.path().join("male_names.txt"), "Bob_B_0001.jpg\r\n").unwrap();
        let found = list(dir.path()).unwrap();
        let cells: Vec<_> = found.entries.iter().map(|entry| entry.cells.join(",")).collect();
        assert_eq!(cells.len(), 25);
        assert_eq!(cells[..2], ["id50,Ann_A,0,female", "id50,Ann_A,1,female"]);
        assert_eq!(
            (cells[21].as_str(), cells[22].as_str(), cells[23].as_str()),
            ("id50,,,", "train,,,male", "train,,,")
        );
        let empty = tempfile::tempdir().unwrap();
        assert!(list(empty.path()).unwrap_err().to_string().contains("<Name>_0001.jpg"));
    }
}

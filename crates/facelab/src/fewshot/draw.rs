//! Which faces are taught, and which are asked for.

use anyhow::{Context, bail};
use learning::LabelledFaces;
use learning::data;
use network::FaceCrop;
use network::Label;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;
use std::path::Path;

/// Labelled faces that samples are drawn from.
pub struct Pool {
    pub labels: Vec<Label>,
    pub faces: Vec<FaceCrop>,
    /// Label of each face.
    pub truth: Vec<usize>,
    /// Fold of each face, where the data says.
    pub folds: Option<Vec<String>>,
}

/// One repetition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draw {
    /// Labels that take part.
    pub labels: Vec<usize>,
    /// Faces to teach, label after label.
    pub teach: Vec<usize>,
    /// Faces to ask for.
    pub ask: Vec<usize>,
}

impl Pool {
    /// Faces of a pack by a column of its table; `labels` chooses some, `fold` names the column with the folds. At most `most`
    /// faces a label, drawn by the seed; 0: all. Labels with fewer than `least` are left out.
    ///
    /// # Errors
    /// The pack cannot be read, or has no face for a label.
    pub fn load(
        folder: &Path,
        column: &str,
        labels: &[String],
        fold: Option<&str>,
        [least, most]: [usize; 2],
        seed: u64,
    ) -> anyhow::Result<Self> {
        let rows: Vec<(FaceCrop, String, String)> = if column == "votes" {
            // FER+ is no pack of files; its majority is a label.
            let part = data::load_pack(folder, "emotion", None)?.val;
            let classes = part.classes();
            part.faces
                .iter()
                .zip(classes)
                .map(|(face, class)| (face.clone(), part.labels[class].to_string(), String::new()))
                .collect()
        } else {
            let columns: Vec<&str> = std::iter::once(column).chain(fold).collect();
            let rows = data::load_rows(folder, &columns)?;
            rows.into_iter()
                .map(|(face, mut cells)| {
                    let fold = if cells.len() > 1 { cells.pop() } else { None };
                    (face, cells.pop().unwrap_or_default(), fold.unwrap_or_default())
                })
                .collect()
        };
        let wanted = |label: &str| !label.is_empty() && (labels.is_empty() || labels.iter().any(|l| l == label));
        let mut by_label: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, (_, label, of_fold)) in rows.iter().enumerate() {
            if wanted(label) && (fold.is_none() || !of_fold.is_empty()) {
                by_label.entry(label).or_default().push(at);
            }
        }
        by_label.retain(|_, faces| faces.len() >= least);
        if by_label.len() < 2 {
            bail!("{}: fewer than two labels with {least} faces or more in column '{column}'", folder.display());
        }
        let mut pool =
            Self { labels: Vec::new(), faces: Vec::new(), truth: Vec::new(), folds: fold.map(|_| Vec::new()) };
        let mut rng = StdRng::seed_from_u64(seed);
        for (label, mut of_label) in by_label {
            if most > 0 && of_label.len() > most {
                of_label.shuffle(&mut rng);
                of_label.truncate(most);
                of_label.sort_unstable();
            }
            for at in of_label {
                pool.faces.push(rows[at].0.clone());
                pool.truth.push(pool.labels.len());
                if let Some(folds) = &mut pool.folds {
                    folds.push(rows[at].2.clone());
                }
            }
            pool.labels.push(label.parse().with_context(|| format!("label '{label}'"))?);
        }
        Ok(pool)
    }

    /// Some of the faces under some of the labels.
    pub fn select(&self, faces: &[usize], labels: &[usize]) -> LabelledFaces {
        let mut some = LabelledFaces::new(labels.iter().map(|&label| self.labels[label].clone()).collect());
        for &face in faces {
            some.push(self.faces[face].clone(), self.class(face, labels));
        }
        some
    }

    /// Place of a face's label among some labels.
    pub fn class(&self, face: usize, labels: &[usize]) -> usize {
        labels.iter().position(|&label| label == self.truth[face]).unwrap_or(0)
    }

    fn of_label(&self, label: usize) -> Vec<usize> {
        (0..self.faces.len()).filter(|&face| self.truth[face] == label).collect()
    }
}

/// Seeded draws of `shots` faces for each of at most `classes` labels; up to `ask` others of each are asked for. Labels
/// with fewer than `shots + 1` faces take no part; nothing when fewer than two are left.
pub fn draws(pool: &Pool, shots: usize, classes: usize, ask: usize, count: usize, seed: u64) -> Vec<Draw> {
    let able: Vec<usize> = (0..pool.labels.len()).filter(|&label| pool.of_label(label).len() > shots).collect();
    if able.len() < 2 {
        return Vec::new();
    }
    (0..count)
        .map(|draw| {
            let mut rng = StdRng::seed_from_u64(seed ^ ((shots as u64) << 40) ^ ((draw as u64) << 8));
            let mut labels = able.clone();
            labels.shuffle(&mut rng);
            labels.truncate(if classes == 0 { labels.len() } else { classes });
            labels.sort_unstable();
            let (mut taught, mut asked) = (Vec::new(), Vec::new());
            for &label in &labels {
                let mut faces = pool.of_label(label);
                faces.shuffle(&mut rng);
                taught.extend_from_slice(&faces[..shots]);
                asked.extend(faces[shots..].iter().take(ask));
            }
            Draw { labels, teach: taught, ask: asked }
        })
        .collect()
}

/// One repetition a fold: the fold is asked for, all others are taught.
pub fn folds(pool: &Pool) -> Vec<Draw> {
    let Some(of) = &pool.folds else { return Vec::new() };
    let names: std::collections::BTreeSet<&String> = of.iter().collect();
    names
        .into_iter()
        .map(|name| {
            let (ask, teach) = (0..pool.faces.len()).partition(|&face| &of[face] == name);
            Draw { labels: (0..pool.labels.len()).collect(), teach, ask }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(counts: &[usize]) -> Pool {
        let truth: Vec<usize> = counts.iter().enumerate().flat_map(|(label, &n)| vec![label; n]).collect();
        Pool {
            labels: (0..counts.len()).map(|label| format!("l{label}").parse().unwrap()).collect(),
            faces: truth.iter().enumerate().map(|(at, _)| FaceCrop::from_fn(|_| at as u8)).collect(),
            folds: Some((0..truth.len()).map(|at| (at % 2).to_string()).collect()),
            truth,
        }
    }

    #[test]
    fn a_draw_never_asks_for_what_it_taught_and_is_the_same_again() {
        let pool = pool(&[9, 3, 12, 30]);
        let found = draws(&pool, 5, 2, 4, 10, 1);
        assert_eq!(found, draws(&pool, 5, 2, 4, 10, 1));
        assert_ne!(found[0], found[1]);
        for draw in &found {
            assert!(!draw.labels.contains(&1), "too few faces");
            assert_eq!((draw.labels.len(), draw.teach.len(), draw.ask.len()), (2, 10, 8));
            assert!(draw.ask.iter().all(|face| !draw.teach.contains(face)));
            assert_eq!(pool.select(&draw.teach, &draw.labels).counts(), [5, 5]);
        }
        assert!(draws(&pool, 20, 0, 4, 3, 1).is_empty());
    }

    #[test]
    fn every_face_is_asked_for_in_one_fold() {
        let pool = pool(&[4, 6]);
        let found = folds(&pool);
        assert_eq!(found.len(), 2);
        let mut asked: Vec<usize> = found.iter().flat_map(|draw| draw.ask.clone()).collect();
        asked.sort_unstable();
        assert_eq!(asked, (0..10).collect::<Vec<_>>());
    }
}

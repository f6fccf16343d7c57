//! Official layouts of public data sets, made into packs.

mod adience;
mod celeba;
mod ferplus;
mod lfw;
mod pack;

pub use ferplus::import as import_ferplus;
pub use pack::write_pack;

use clap::ValueEnum;
use std::path::{Path, PathBuf};

/// A data set as its authors give it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Layout {
    /// CelebA: img_align_celeba/*.jpg, list_attr_celeba.txt, list_eval_partition.txt (the two also in Anno/ and Eval/)
    Celeba,
    /// FER+: fer2013.csv and fer2013new.csv
    Ferplus,
    /// LFW: <Name>/<Name>_0001.jpg; with male_names.txt and female_names.txt gender too
    Lfw,
    /// Adience: fold_0_data.txt to fold_4_data.txt, and aligned/<user>/landmark_aligned_face.<id>.<image> or
    /// faces/<user>/coarse_tilt_aligned_face.<id>.<image>
    Adience,
}

/// A picture with what is said of its face.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub picture: PathBuf,
    /// One cell a column; empty where nothing is known.
    pub cells: Vec<String>,
}

/// All pictures of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Names of the cells; `split` is one of them.
    pub columns: Vec<&'static str>,
    pub entries: Vec<Entry>,
}

/// Reads what a folder in one of the layouts holds; FER+ has no pictures, see [`import_ferplus`].
///
/// # Errors
/// A file is missing or not as its authors made it.
pub fn list(layout: Layout, folder: &Path) -> anyhow::Result<Listing> {
    match layout {
        Layout::Celeba => celeba::list(folder),
        Layout::Lfw => lfw::list(folder),
        Layout::Adience => adience::list(folder),
        Layout::Ferplus => anyhow::bail!("FER+ comes as a table, not as pictures"),
    }
}

/// Whether entry `at` of `total` is taken where `limit` are, evenly over all: the parts of a data set follow each other.
/// 0: all are.
fn is_taken(at: usize, total: usize, limit: usize) -> bool {
    limit == 0 || limit >= total || (at + 1) * limit / total != at * limit / total
}

/// The first of some places that exists.
fn find(folder: &Path, places: &[&str]) -> anyhow::Result<PathBuf> {
    let found = places.iter().map(|place| folder.join(place)).find(|path| path.exists());
    found.ok_or_else(|| anyhow::anyhow!("{} holds no {}", folder.display(), places.join(" and no ")))
}

/// Names of what is in a folder, sorted.
fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    use anyhow::Context;
    let entries = std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(
            entry.with_context(|| format!("reading {}", folder.display()))?.file_name().to_string_lossy().into_owned(),
        );
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::is_taken;

    #[test]
    fn some_are_taken_evenly_and_as_many_as_asked_for() {
        for (total, limit) in [(10, 3), (10, 10), (10, 11), (1000, 999), (7, 1)] {
            let taken: Vec<usize> = (0..total).filter(|&at| is_taken(at, total, limit)).collect();
            assert_eq!(taken.len(), limit.min(total), "{limit} of {total}");
            let widest = taken.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
            assert!(widest <= total.div_ceil(limit), "{taken:?}");
        }
        assert!((0..5).all(|at| is_taken(at, 5, 0)));
    }
}

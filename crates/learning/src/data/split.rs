//! Seeded, stratified parts of a data set.

use super::LabelledFaces;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// Indices per class, shuffled by the seed.
fn shuffled_by_class(faces: &LabelledFaces, seed: u64) -> Vec<Vec<usize>> {
    let mut by_class = vec![Vec::new(); faces.labels.len()];
    for (at, class) in faces.classes().into_iter().enumerate() {
        by_class[class].push(at);
    }
    let mut rng = StdRng::seed_from_u64(seed);
    for indices in &mut by_class {
        indices.shuffle(&mut rng);
    }
    by_class
}

/// Holds back about `share` of each class, but never a class's last two faces: `(kept, held back)`.
pub fn holdout(faces: &LabelledFaces, share: f32, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let (mut kept, mut held) = (Vec::new(), Vec::new());
    for indices in shuffled_by_class(faces, seed) {
        let wanted = (indices.len() as f32 * share).round() as usize;
        let count = wanted.max(1).min(indices.len().saturating_sub(2));
        held.extend_from_slice(&indices[..count]);
        kept.extend_from_slice(&indices[count..]);
    }
    kept.sort_unstable();
    held.sort_unstable();
    (kept, held)
}

/// `k` folds with about equally many faces of each class; every face is in exactly one.
pub fn stratified_folds(faces: &LabelledFaces, k: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut folds = vec![Vec::new(); k.max(1)];
    // Where one class ends the next goes on, so that small classes do not all land in the first folds.
    for (at, index) in shuffled_by_class(faces, seed).into_iter().flatten().enumerate() {
        folds[at % k.max(1)].push(index);
    }
    for fold in &mut folds {
        fold.sort_unstable();
    }
    folds
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn faces(counts: &[usize]) -> LabelledFaces {
        let labels = (0..counts.len()).map(|c| format!("c{c}").parse().unwrap()).collect();
        let mut faces = LabelledFaces::new(labels);
        for (class, &count) in counts.iter().enumerate() {
            for _ in 0..count {
                faces.push(network::FaceCrop::from_fn(|_| 0), class);
            }
        }
        faces
    }

    proptest! {
        #[test]
        fn a_holdout_parts_the_faces_and_leaves_every_class_two(counts in prop::collection::vec(2usize..40, 2..6), seed in 0u64..100) {
            let all = faces(&counts);
            let (kept, held) = holdout(&all, 0.2, seed);
            let mut together: Vec<usize> = kept.iter().chain(&held).copied().collect();
            together.sort_unstable();
            prop_assert_eq!(together, (0..all.len()).collect::<Vec<_>>());
            prop_assert!(all.select(&kept).counts().iter().all(|&count| count >= 2));
            prop_assert_eq!(holdout(&all, 0.2, seed), (kept, held));
        }

        #[test]
        fn folds_hold_every_face_once_and_classes_evenly(counts in prop::collection::vec(2usize..40, 2..6), k in 2usize..5) {
            let all = faces(&counts);
            let folds = stratified_folds(&all, k, 1);
            let mut together: Vec<usize> = folds.iter().flatten().copied().collect();
            together.sort_unstable();
            prop_assert_eq!(together, (0..all.len()).collect::<Vec<_>>());
            for class in 0..counts.len() {
                let per_fold: Vec<usize> = folds.iter().map(|fold| all.select(fold).counts()[class]).collect();
                let (low, high) = (per_fold.iter().min().unwrap(), per_fold.iter().max().unwrap());
                prop_assert!(high - low <= 1, "{per_fold:?}");
            }
        }
    }
}

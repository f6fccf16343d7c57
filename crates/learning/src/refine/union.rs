//! The faces of several tasks, each once, with what every task says of it.

use super::RefineTask;
use crate::data::Face;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use std::collections::HashMap;

/// Training faces of all tasks.
pub(super) struct Union {
    pub faces: Vec<Face>,
    /// For each face, its row in each task's training faces.
    pub rows: Vec<Vec<Option<usize>>>,
    /// Epoch and order of the faces that were asked for last.
    order: (u64, Vec<usize>),
}

impl Union {
    pub fn new(tasks: &[RefineTask]) -> Self {
        let mut found: HashMap<&Face, usize> = HashMap::new();
        let (mut faces, mut rows) = (Vec::new(), Vec::new());
        for (task, data) in tasks.iter().enumerate() {
            for (row, face) in data.train.faces.iter().enumerate() {
                let at = *found.entry(face).or_insert_with(|| {
                    faces.push(face.clone());
                    rows.push(vec![None; tasks.len()]);
                    faces.len() - 1
                });
                rows[at][task] = Some(row);
            }
        }
        Self { faces, rows, order: (u64::MAX, Vec::new()) }
    }

    /// The faces of a step: each face once before any comes again, in an order that seed and step decide.
    pub fn batch(&mut self, step: u32, size: usize, seed: u64) -> Vec<usize> {
        let count = self.faces.len() as u64;
        let first = u64::from(step) * size as u64;
        (first..first + size as u64)
            .map(|at| {
                let epoch = at / count;
                if self.order.0 != epoch {
                    let mut order: Vec<usize> = (0..self.faces.len()).collect();
                    order.shuffle(&mut StdRng::seed_from_u64(seed ^ (epoch << 32)));
                    self.order = (epoch, order);
                }
                self.order.1[(at % count) as usize]
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::LabelledFaces;

    fn task(name: &str, faces: &[u8]) -> RefineTask {
        let mut train = LabelledFaces::new(vec!["a".parse().unwrap(), "b".parse().unwrap()]);
        for &face in faces {
            train.push(vec![face; 4].into(), usize::from(face) % 2);
        }
        RefineTask { name: name.parse().unwrap(), validation: LabelledFaces::new(train.labels.clone()), train }
    }

    #[test]
    fn a_face_that_two_tasks_label_is_there_once() {
        let union = Union::new(&[task("age", &[1, 2, 3]), task("gender", &[3, 4])]);
        assert_eq!(union.faces.len(), 4);
        assert_eq!(union.rows[2], [Some(2), Some(0)]);
        assert_eq!(union.rows[3], [None, Some(1)]);
    }

    #[test]
    fn every_face_comes_once_an_epoch_whatever_the_batch() {
        let mut union = Union::new(&[task("age", &[1, 2, 3, 4, 5, 6])]);
        let mut seen: Vec<usize> = (0..3).flat_map(|step| union.batch(step, 4, 7)).collect();
        let again: Vec<usize> = (0..3).flat_map(|step| union.batch(step, 4, 7)).collect();
        assert_eq!(seen, again);
        seen.sort_unstable();
        assert_eq!(seen, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
    }
}

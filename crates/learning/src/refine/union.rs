//! The faces of several tasks, each once, with what every task says of it.

use crate::data::FaceCrop;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use std::collections::HashMap;

/// Faces that somebody says something of, and how often an epoch has each.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub faces: &'a [FaceCrop],
    pub repeat: usize,
}

/// Training faces of all tasks, and of the teacher.
pub(super) struct Union {
    pub faces: Vec<FaceCrop>,
    /// For each face, its row among those of each who says something of it.
    pub rows: Vec<Vec<Option<usize>>>,
    /// Every face as often as an epoch has it.
    epoch: Vec<usize>,
    /// Epoch and order of the faces that were asked for last.
    order: (u64, Vec<usize>),
}

impl Union {
    pub fn new(told: &[Told<'_>]) -> Self {
        let mut found: HashMap<&FaceCrop, usize> = HashMap::new();
        let (mut faces, mut rows) = (Vec::new(), Vec::new());
        for (of, told_faces) in told.iter().enumerate() {
            for (row, face) in told_faces.faces.iter().enumerate() {
                let at = *found.entry(face).or_insert_with(|| {
                    faces.push(face.clone());
                    rows.push(vec![None; told.len()]);
                    faces.len() - 1
                });
                rows[at][of] = Some(row);
            }
        }
        let times = |rows: &[Option<usize>]| {
            let asked = rows.iter().zip(told).filter(|(row, _)| row.is_some()).map(|(_, told)| told.repeat);
            asked.max().unwrap_or(1).max(1)
        };
        let epoch = rows.iter().enumerate().flat_map(|(at, rows)| std::iter::repeat_n(at, times(rows))).collect();
        Self { faces, rows, epoch, order: (u64::MAX, Vec::new()) }
    }

    /// The faces of a step: a whole epoch before the next begins, in an order that seed and step decide.
    pub fn batch(&mut self, step: u32, size: usize, seed: u64) -> Vec<usize> {
        let count = self.epoch.len() as u64;
        let first = u64::from(step) * size as u64;
        (first..first + size as u64)
            .map(|at| {
                let epoch = at / count;
                if self.order.0 != epoch {
                    let mut order = self.epoch.clone();
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

    fn faces(bytes: &[u8]) -> Vec<FaceCrop> {
        bytes.iter().map(|&byte| FaceCrop::from_fn(|_| byte)).collect()
    }

    /// Of each list of faces and how often they come.
    fn union(told: &[(&[u8], usize)]) -> Union {
        let lists: Vec<Vec<FaceCrop>> = told.iter().map(|(bytes, _)| faces(bytes)).collect();
        let told = lists.iter().zip(told).map(|(faces, (_, repeat))| Told { faces, repeat: *repeat });
        Union::new(&told.collect::<Vec<_>>())
    }

    #[test]
    fn a_face_that_two_tasks_label_is_there_once() {
        let union = union(&[(&[1, 2, 3], 1), (&[3, 4], 1)]);
        assert_eq!(union.faces.len(), 4);
        assert_eq!(union.rows[2], [Some(2), Some(0)]);
        assert_eq!(union.rows[3], [None, Some(1)]);
    }

    #[test]
    fn every_face_comes_once_an_epoch_whatever_the_batch() {
        let mut union = union(&[(&[1, 2, 3, 4, 5, 6], 1)]);
        let mut seen: Vec<usize> = (0..3).flat_map(|step| union.batch(step, 4, 7)).collect();
        let again: Vec<usize> = (0..3).flat_map(|step| union.batch(step, 4, 7)).collect();
        assert_eq!(seen, again);
        seen.sort_unstable();
        assert_eq!(seen, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
    }

    #[test]
    fn faces_of_a_repeated_task_come_as_often_as_it_says_also_where_another_labels_them() {
        let mut union = union(&[(&[1, 2], 2), (&[2, 3], 1)]);
        let mut seen = union.batch(0, 5, 7);
        seen.sort_unstable();
        assert_eq!(seen, [0, 0, 1, 1, 2]);
    }
}

//! Crops of captures that still run. They are read while the capture waits for its next one, and have no files yet.

use std::collections::{BTreeMap, VecDeque};

use learning::FaceReading;
use network::{FaceCrop, TaskName};

use crate::teaching::capture::MAX_CROPS;

/// Of a task, at most: as many as one capture takes. A reading takes some 60 KB.
const MOST: usize = MAX_CROPS as usize;

/// Captured crops without a file, and what was read of them. In memory alone, and no longer than until it is in the crops' files.
#[derive(Debug, Default)]
pub(crate) struct FreshCrops {
    of: BTreeMap<TaskName, Crops>,
}

#[derive(Debug, Default)]
struct Crops {
    waiting: VecDeque<FaceCrop>,
    /// With bytes of [`FaceReading::to_bytes`].
    read: Vec<(FaceCrop, Vec<u8>)>,
    /// One is in the reader's hands.
    reading: bool,
    /// Meanwhile these went.
    dropped: Vec<FaceCrop>,
}

impl FreshCrops {
    /// Crops that a capture has just taken. Of more than [`MOST`] the rest is read from its files.
    pub(crate) fn add(&mut self, task: &TaskName, crops: &[FaceCrop]) {
        let of_task = self.of.entry(task.clone()).or_default();
        let room = MOST.saturating_sub(of_task.waiting.len() + of_task.read.len());
        of_task.waiting.extend(crops.iter().take(room).cloned());
    }

    /// The next one to read.
    pub(crate) fn next(&mut self) -> Option<(TaskName, FaceCrop)> {
        self.of.iter_mut().find_map(|(task, crops)| {
            let next = crops.waiting.pop_front()?;
            (crops.reading, crops.dropped) = (true, Vec::new());
            Some((task.clone(), next))
        })
    }

    /// Whether there is one to read.
    pub(crate) fn are_waiting(&self) -> bool {
        self.of.values().any(|crops| !crops.waiting.is_empty())
    }

    /// What was read of a crop; one of a task that was forgotten meanwhile is dropped.
    pub(crate) fn keep(&mut self, task: &TaskName, face: FaceCrop, reading: Vec<u8>) {
        let Some(crops) = self.of.get_mut(task) else { return };
        crops.reading = false;
        if !std::mem::take(&mut crops.dropped).contains(&face) {
            crops.read.push((face, reading));
        }
    }

    /// What was read of a crop by weights of these names.
    pub(crate) fn reading(&self, task: &TaskName, face: &FaceCrop, names: &[String]) -> Option<FaceReading> {
        let (_, bytes) = self.of.get(task)?.read.iter().find(|(other, _)| other == face)?;
        FaceReading::from_bytes(bytes, names)
    }

    /// Takes out what was read of a crop that has a file now.
    pub(crate) fn take(&mut self, task: &TaskName, face: &FaceCrop) -> Option<Vec<u8>> {
        let crops = self.of.get_mut(task)?;
        let at = crops.read.iter().position(|(other, _)| other == face)?;
        let (_, reading) = crops.read.swap_remove(at);
        if crops.read.is_empty() && crops.waiting.is_empty() {
            self.of.remove(task);
        }
        Some(reading)
    }

    /// These crops have files: which of them was not read yet is read from there.
    pub(crate) fn stored(&mut self, task: &TaskName, crops: &[FaceCrop]) {
        if let Some(of_task) = self.of.get_mut(task) {
            of_task.waiting.retain(|crop| !crops.contains(crop));
        }
    }

    /// Drops these crops and what was read of them: their capture has failed, or they were erased.
    pub(crate) fn drop_crops(&mut self, task: &TaskName, crops: &[FaceCrop]) {
        let Some(of_task) = self.of.get_mut(task) else { return };
        of_task.waiting.retain(|crop| !crops.contains(crop));
        of_task.read.retain(|(crop, _)| !crops.contains(crop));
        of_task.dropped.extend(crops.iter().cloned());
        if of_task.waiting.is_empty() && of_task.read.is_empty() && !of_task.reading {
            self.of.remove(task);
        }
    }

    /// Drops everything of a task.
    pub(crate) fn forget(&mut self, task: &TaskName) {
        self.of.remove(task);
    }

    /// How many were read and wait for their files.
    #[cfg(test)]
    pub(crate) fn read(&self) -> usize {
        self.of.values().map(|crops| crops.read.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::task;

    fn face(value: u8) -> FaceCrop {
        FaceCrop::from_fn(|_| value)
    }

    #[test]
    fn crops_are_read_in_their_order_and_taken_once() {
        let mut fresh = FreshCrops::default();
        fresh.add(&task("mood"), &[face(1), face(2)]);
        assert_eq!(fresh.next(), Some((task("mood"), face(1))));
        fresh.keep(&task("mood"), face(1), vec![7]);
        assert_eq!(fresh.take(&task("mood"), &face(2)), None);
        assert_eq!(fresh.take(&task("mood"), &face(1)), Some(vec![7]));
        assert_eq!(fresh.take(&task("mood"), &face(1)), None);
        assert_eq!(fresh.next(), Some((task("mood"), face(2))));
        assert_eq!(fresh.next(), None);
    }

    #[test]
    fn what_was_forgotten_while_it_was_read_is_not_kept() {
        let mut fresh = FreshCrops::default();
        fresh.add(&task("mood"), &[face(1), face(2)]);
        let (name, crop) = fresh.next().unwrap();
        fresh.forget(&name);
        fresh.keep(&name, crop, vec![7]);
        assert_eq!((fresh.read(), fresh.next()), (0, None));
    }

    #[test]
    fn stored_crops_keep_their_readings_and_wait_no_longer() {
        let mut fresh = FreshCrops::default();
        fresh.add(&task("mood"), &[face(1), face(2)]);
        let (name, crop) = fresh.next().unwrap();
        fresh.stored(&name, &[face(1), face(2)]);
        // It was in the reader's hands.
        fresh.keep(&name, crop, vec![7]);
        assert_eq!((fresh.read(), fresh.next()), (1, None));
    }

    #[test]
    fn a_capture_that_fails_takes_its_own_crops_alone_also_that_which_is_being_read() {
        let mut fresh = FreshCrops::default();
        fresh.add(&task("mood"), &[face(1), face(2)]);
        let (name, crop) = fresh.next().unwrap();
        fresh.add(&task("mood"), &[face(3)]);
        fresh.drop_crops(&name, &[face(1), face(2)]);
        fresh.keep(&name, crop, vec![7]);
        assert_eq!((fresh.read(), fresh.next()), (0, Some((name, face(3)))));
    }

    #[test]
    fn no_more_are_kept_than_a_capture_takes() {
        let mut fresh = FreshCrops::default();
        for _ in 0..3 {
            fresh.add(&task("mood"), &vec![face(1); MOST / 2 + 1]);
        }
        assert_eq!(std::iter::from_fn(|| fresh.next()).count(), MOST);
    }
}

//! Memory of activations and their gradients, used again from step to step of a training.
//!
//! A step of a training makes and drops gigabytes of tensors. From the system each of them would come as pages that have to
//! be cleared first, and beginning somewhere within a cache line. Here they come from where the last step's went, and begin
//! at a line, which halves the reads of vectors.

use burn::tensor::{DType, TensorData};
use burn_flex::FlexTensor;
use burn_std::{AllocationController, AllocationProperty, Bytes};
use fastconv::Buffer;
use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Buffers that wait to be used again.
struct Pool {
    /// Trainings that go on.
    users: usize,
    /// Steps that have ended.
    steps: u64,
    /// By length; with the steps that had ended when it came, newest last.
    free: BTreeMap<usize, Vec<(u64, Buffer)>>,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { users: 0, steps: 0, free: BTreeMap::new() });

fn pool() -> MutexGuard<'static, Pool> {
    // Whoever panicked left a whole pool behind: each change is one call.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While it lives, memory of dropped tensors is kept; the last one gives all of it back.
#[derive(Debug)]
pub struct Recycling(());

/// Keeps the memory of activations for the next step, as long as what is returned lives: for the length of a training.
#[must_use]
pub fn recycle() -> Recycling {
    pool().users += 1;
    Recycling(())
}

impl Recycling {
    /// A step has ended: what it did not use, such as the memory of an evaluation before it, is given back.
    pub fn step(&self) {
        let mut pool = pool();
        let ended = pool.steps;
        for buffers in pool.free.values_mut() {
            buffers.retain(|(came, _)| *came == ended);
        }
        pool.steps += 1;
    }
}

impl Drop for Recycling {
    fn drop(&mut self) {
        let mut pool = pool();
        pool.users -= 1;
        if pool.users == 0 {
            let free = std::mem::take(&mut pool.free);
            drop(pool);
            drop(free);
        }
    }
}

/// Values on their way to become a tensor.
pub(crate) struct Floats(Buffer);

/// So many values of any content: all of them must be written.
pub(crate) fn uncleared(len: usize) -> Floats {
    let found = pool().free.get_mut(&len).and_then(Vec::pop);
    Floats(found.map_or_else(|| fastconv::zeros(len), |(_, buffer)| buffer))
}

impl Floats {
    /// The tensor of these values.
    pub fn into_tensor<const D: usize>(self, shape: [usize; D]) -> FlexTensor {
        let len = size_of_val::<[f32]>(&self);
        // SAFETY: a buffer's values are all initialised, and `len` is their size.
        let bytes = unsafe { Bytes::from_controller(Box::new(self), len) };
        FlexTensor::from_data(TensorData::from_bytes(bytes, shape, DType::F32))
    }
}

impl Deref for Floats {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Floats {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

impl Drop for Floats {
    fn drop(&mut self) {
        let mut pool = pool();
        if pool.users > 0 {
            let buffer = std::mem::replace(&mut self.0, fastconv::zeros(0));
            let came = pool.steps;
            pool.free.entry(buffer.len()).or_default().push((came, buffer));
        }
    }
}

impl AllocationController for Floats {
    fn alloc_align(&self) -> usize {
        // All that it begins at multiples of; more is more than copies of it can have.
        align_of::<u128>()
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        let values: &mut [f32] = self;
        let len = size_of_val(values);
        // SAFETY: the same memory as bytes; the caller writes initialised ones only, and every pattern is a number.
        unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), len) }
    }

    fn memory(&self) -> &[MaybeUninit<u8>] {
        let values: &[f32] = self;
        // SAFETY: the same memory as bytes, which are initialised.
        unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A length that no other test asks for.
    const LENGTH: usize = 12_347;

    #[test]
    fn memory_is_used_again_during_a_training_and_given_back_after_it() {
        let waiting = || pool().free.get(&LENGTH).map_or(0, Vec::len);
        drop(uncleared(LENGTH));
        assert_eq!(waiting(), 0, "no training goes on");
        let training = recycle();
        let mut first = uncleared(LENGTH);
        first.fill(3.0);
        let place = first.as_ptr();
        let tensor = first.into_tensor([1, LENGTH]);
        assert_eq!(tensor.bytes().len(), 4 * LENGTH);
        let copy = tensor.clone();
        drop(tensor);
        assert_eq!(waiting(), 0, "a copy still reads it");
        assert!(copy.as_slice::<f32>().is_some_and(|values| values.iter().all(|value| *value == 3.0)));
        drop(copy);
        assert_eq!(waiting(), 1);
        assert_eq!(uncleared(LENGTH).as_ptr(), place);
        // Another test may end steps too.
        training.step();
        training.step();
        assert_eq!(waiting(), 0, "a step did without it");
        drop(uncleared(LENGTH));
        drop(training);
        // Another test's training may still go on.
        assert!(waiting() == 0 || pool().users > 0);
    }

    #[test]
    fn values_come_out_of_a_tensor_as_they_went_in() {
        let mut values = uncleared(6);
        values.iter_mut().enumerate().for_each(|(at, value)| *value = at as f32);
        let data = values.into_tensor([2, 3]).into_data();
        assert_eq!(data.to_vec::<f32>().ok(), Some(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
    }
}

//! Memory that a thread keeps between calls, so that a warm frame allocates nothing.

use crate::buffer::{Buffer, zeros};
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

thread_local! {
    static FREE: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
}

/// A buffer that goes back to its thread when it is dropped. A guard and no closure: code in a closure is compiled for the
/// baseline instruction set unless it happens to be inlined.
pub(crate) struct Scratch {
    buffer: Buffer,
    len: usize,
}

/// So many values of any content.
pub(crate) fn scratch(len: usize) -> Scratch {
    let mut buffer = FREE.with_borrow_mut(Vec::pop).unwrap_or_else(|| zeros(0));
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    Scratch { buffer, len }
}

/// So many zeros.
pub(crate) fn zeroed(len: usize) -> Scratch {
    let mut buffer = scratch(len);
    buffer.fill(0.0);
    buffer
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.buffer[..self.len]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer[..self.len]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let buffer = std::mem::replace(&mut self.buffer, zeros(0));
        FREE.with_borrow_mut(|free| free.push(buffer));
    }
}

//! Training convolutions on the matrix unit of newer Xeons (AMX): factors are rounded to bfloat16, sums are kept in `f32`.
//!
//! A tile instruction multiplies 16×32 values by 32×16. Rounding costs a factor about 2⁻⁹ of its size, so gradients agree with
//! those in `f32` to some thousandths: enough for training, and nothing for answers, whose bits are promised. It is off until
//! [`use_bfloat16`] is called.

mod convolve;
mod gradient;
mod narrow;
mod tiles;

pub(crate) use convolve::{Halves, convolve, fits};
pub(crate) use gradient::{backward_weight, fits_gradient};

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static IN_USE: AtomicBool = AtomicBool::new(false);

/// From now on training convolutions of this process multiply in bfloat16, or in `f32` again (the default). False, and
/// nothing changes, when the machine has no matrix unit for it.
pub fn use_bfloat16(on: bool) -> bool {
    if on && !there() {
        return false;
    }
    IN_USE.store(on, Ordering::Relaxed);
    true
}

/// Whether [`use_bfloat16`] turned it on.
pub(crate) fn in_use() -> bool {
    IN_USE.load(Ordering::Relaxed)
}

/// Whether the processor has tiles of bfloat16 and the system lets this process use them.
fn there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| narrow::there() && tiles::permitted())
}

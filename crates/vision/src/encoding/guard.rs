//! Others' decoders on others' bytes: their panic is an error.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::ImageError;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Panics of guarded work are not written to the console: a camera could send such a picture thirty times a second. All others are told
/// by the hook that was there before.
fn keep_guarded_panics_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            if !GUARDED.get() {
                tell(panicked);
            }
        }));
    });
}

/// Does work that a decoder of a library may end with a panic.
///
/// # Errors
/// Those of `work`, and [`ImageError::Decode`] after a panic.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, ImageError>) -> Result<T, ImageError> {
    keep_guarded_panics_quiet();
    let before = GUARDED.replace(true);
    // What it had begun is dropped with it.
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    done.unwrap_or_else(|_| Err(ImageError::Decode("the decoder gave up on these bytes".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_next_one_outside_is_told_again() {
        let panics = || -> Result<(), ImageError> { panic!("broken") };
        assert!(matches!(guarded(panics), Err(ImageError::Decode(_))));
        assert!(!GUARDED.get());
        assert!(matches!(guarded(|| Ok(7)), Ok(7)));
        assert!(panic::catch_unwind(panics).is_err());
    }
}

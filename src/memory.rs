//! How the process takes memory from the system.

/// Pieces from which on memory goes straight back to the system when it is given up, bytes: weights while they are transformed,
/// activations, what a training needs. glibc raises its own limit with each such piece, and keeps what lies below.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: i32 = 1 << 20;
/// Heaps that threads share. One for each thread would each keep the most that its thread ever needed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: i32 = 2;

/// Gives back what was given up in small pieces. Elsewhere than with glibc it does nothing.
pub(crate) fn give_back_what_is_free() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes no pointers.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// To be called before any thread is started. Elsewhere than with glibc it does nothing.
pub(crate) fn give_back_large_pieces() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: sets parameters of the allocator, while there is one thread.
    unsafe {
        // Only the memory taken depends on it.
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
    }
}

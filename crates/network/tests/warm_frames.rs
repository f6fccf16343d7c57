//! A frame that is like one before takes no memory for activations from the system. A test program of its own: it counts
//! what the whole process allocates.

use network::{
    ColumnConfig, ColumnEntry, CpuBackend, EncoderConfig, Label, ProgressiveNetwork, TaskName, faces_to_tensor,
    use_threads,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Pieces from this size on are counted: no layer's activations are smaller, and rayon's jobs and a tensor's sizes are.
const COUNTED: usize = 1 << 12;

static PIECES: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= COUNTED {
            PIECES.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: vouched for by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: vouched for by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_warm_frame_allocates_no_activations() {
    use_threads(2, "compute").unwrap();
    let device = Default::default();
    let encoder = EncoderConfig { channels: [16, 16, 32, 64], ..EncoderConfig::default() }.init(&device, 1);
    let mut network = ProgressiveNetwork::<CpuBackend>::new(encoder);
    let mut earlier: Vec<TaskName> = Vec::new();
    for (seed, task) in ["gender", "age", "emotion"].into_iter().enumerate() {
        let task: TaskName = task.parse().unwrap();
        let labels: Vec<Label> = ["one", "other"].iter().map(|label| label.parse().unwrap()).collect();
        let config = ColumnConfig {
            features: 64,
            channels: [32, 32],
            adapter_channels: 16,
            hidden: 64,
            ..ColumnConfig::new(labels.len(), earlier.len())
        };
        let column = config.init(&device, seed as u64);
        network.insert(ColumnEntry::new(task.clone(), earlier.clone(), column, false)).unwrap();
        earlier.push(task);
    }
    let network = network.answering_only();
    for faces in [1, 3] {
        let pixels = vec![vec![90u8; 128 * 128]; faces];
        let pixels: Vec<&[u8]> = pixels.iter().map(Vec::as_slice).collect();
        let pieces = || {
            let frame = faces_to_tensor::<CpuBackend>(&pixels, &device);
            let before = PIECES.load(Ordering::Relaxed);
            let answers = network.forward(frame);
            assert_eq!(answers.len(), 3);
            PIECES.load(Ordering::Relaxed) - before
        };
        let cold = pieces();
        assert!(cold > 5, "{faces} faces: only {cold} pieces while it warms up: nothing is counted");
        // Which thread does what differs from frame to frame, and so which of them warms up when.
        (0..20).for_each(|_| {
            pieces();
        });
        let warm: Vec<usize> = (0..10).map(|_| pieces()).collect();
        assert!(warm.iter().filter(|pieces| **pieces == 0).count() >= 9, "{faces} faces: {warm:?}");
    }
}

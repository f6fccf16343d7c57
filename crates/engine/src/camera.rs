//! One camera of an engine: its frames in, its answers out.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crossbeam_channel::Receiver;

use crate::perception::stats::Stats;
use crate::sync::lock;
use crate::threads::{Arrived, Lane, Shared};
use crate::types::{Frame, FrameResult};

/// A camera's side of an [`crate::Engine`]. Clones are the same camera; after the engine's end they take nothing and give nothing.
#[derive(Clone)]
pub struct Camera {
    shared: Arc<Shared>,
    index: usize,
    backend: Arc<str>,
}

impl Camera {
    pub(crate) fn new(shared: Arc<Shared>, index: usize, backend: Arc<str>) -> Self {
        Self { shared, index, backend }
    }

    fn lane(&self) -> &Lane {
        &self.shared.lanes[self.index]
    }

    /// Gives a frame in. One that still waits is dropped and counted: the newest wins.
    pub fn submit(&self, frame: Frame) {
        self.lane().frames.put(Arrived { frame, at: Instant::now() });
    }

    /// Answers, one per processed frame, in order. Bounded: when nobody takes them, the oldest are dropped and counted.
    /// Receivers share the answers, so there should be one reader.
    pub fn results(&self) -> Receiver<FrameResult> {
        self.lane().results.1.clone()
    }

    /// Whether answers come with their picture, for annotated output.
    pub fn keep_images(&self, on: bool) {
        self.lane().keep_images.store(on, Ordering::Relaxed);
    }

    /// Drops all tracks before the next frame: nobody knows who stands there after a pause.
    pub fn forget_faces(&self) {
        self.lane().forget_faces.store(true, Ordering::Relaxed);
    }

    /// How it goes: rates, latencies and drops of this camera; evaluations, memory and failures of the whole engine.
    pub fn stats(&self) -> Stats {
        let counts = self.lane().frames.counts();
        let now = Instant::now();
        let failures = lock(&self.shared.panics).told(now);
        let of_network = lock(&self.shared.network_meter).stats(now, (0, 0), &self.backend);
        let of_camera = lock(&self.lane().meter).stats(now, counts, &self.backend);
        Stats { failures, ..of_camera.with_network(of_network) }
    }
}

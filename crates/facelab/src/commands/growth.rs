//! `facelab bench --growth`: how times grow with faces, columns, threads and the size of a frame.

use super::bench_inputs::test_faces;
use crate::chart::{Chart, write_charts};
use crate::timing::measure;
use anyhow::{Context, anyhow};
use network::{NetworkBackend, ProgressiveNetwork, TaskName};
use serde::Serialize;
use std::path::Path;

/// Faces of a frame.
const FACES: [usize; 4] = [1, 2, 4, 8];

/// Medians, milliseconds, one for each size.
#[derive(Debug, Serialize)]
pub struct Growth {
    /// What grows.
    over: &'static str,
    /// What is measured.
    step: String,
    sizes: Vec<usize>,
    median_ms: Vec<f64>,
}

impl Growth {
    pub fn new(over: &'static str, step: impl Into<String>) -> Self {
        Self { over, step: step.into(), sizes: vec![], median_ms: vec![] }
    }

    pub fn add(
        &mut self,
        size: usize,
        runs: usize,
        mut work: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.sizes.push(size);
        self.median_ms.push(measure(self.over, 1, runs, &mut work)?.median_ms);
        Ok(())
    }
}

/// Measures what grows with faces, columns and threads.
pub fn growth<B: NetworkBackend>(
    network: &ProgressiveNetwork<B>,
    runs: usize,
    device: &B::Device,
) -> anyhow::Result<Vec<Growth>> {
    let done = || B::sync(device).map_err(|error| anyhow!("the device failed: {error:?}"));
    let forward = |network: &ProgressiveNetwork<B>, faces: &_| {
        drop(network.forward(Clone::clone(faces)));
        done()
    };
    let count = network.columns().len();
    let mut faces = Growth::new("faces", format!("encoder + {count} columns"));
    for size in FACES {
        let batch = test_faces::<B>(size, device);
        faces.add(size, runs, || forward(network, &batch))?;
    }
    let face = test_faces::<B>(1, device);
    let names: Vec<TaskName> = network.columns().iter().map(|entry| entry.name.clone()).collect();
    let mut columns = Growth::new("columns", "encoder + columns, 1 face");
    columns.add(0, runs, || {
        drop(network.features(face.clone()));
        done()
    })?;
    for size in 1..=count {
        // Later columns may draw from earlier ones.
        let some = network.restricted_to(&names[..size])?;
        columns.add(size, runs, || forward(&some, &face))?;
    }
    let mut threads = Growth::new("threads", format!("encoder + {count} columns, 1 face"));
    for size in 1..=rayon::current_num_threads() {
        let pool = network::threads(size, "growth").build().context("starting threads")?;
        // Called from a thread that does nothing but wait: this one belongs to a pool and stays on a CPU.
        std::thread::scope(|scope| {
            let timed = scope.spawn(|| threads.add(size, runs, || pool.install(|| forward(network, &face))));
            timed.join().unwrap_or_else(|_| Err(anyhow!("measuring {size} threads failed")))
        })?;
    }
    Ok(vec![faces, columns, threads])
}

/// Draws them into a PNG file.
pub fn draw(path: &Path, all: &[Growth]) -> anyhow::Result<()> {
    let charts: Vec<Chart> = all
        .iter()
        .map(|growth| Chart {
            title: growth.step.clone(),
            x: growth.over.to_owned(),
            y: "ms".to_owned(),
            lines: vec![(
                String::new(),
                growth.sizes.iter().map(|size| *size as f64).zip(growth.median_ms.iter().copied()).collect(),
            )],
            ..Chart::default()
        })
        .collect();
    write_charts(path, &charts)
}

//! `facelab bench --roof`: what each layer reaches of what the machine can do.

use crate::timing::measure;
use anyhow::Context;
use fastconv::{Activation, Algorithm, ConvShape, Epilogue, Purpose, Weights, forward, isa_in_use, roof, zeros};
use serde::Serialize;
use std::fmt::Write;
use std::time::Duration;

/// How long the peak is measured.
const PEAK_TIME: Duration = Duration::from_millis(500);

/// The machine, and each layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Roof {
    /// avx512, avx2, neon or plain.
    isa: &'static str,
    threads: usize,
    /// Multiply-adds in registers, GFLOP/s.
    peak_gflops: f64,
    /// Reading 256 MB, GB/s.
    memory_gb_s: f64,
    layers: Vec<Layer>,
}

/// One layer at one batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Layer {
    layer: String,
    algorithm: String,
    batch: usize,
    median_ms: f64,
    /// Of the layer's definition, whatever the algorithm saves.
    gflops: f64,
    /// Time that the machine would take at its peak for what the algorithm multiplies, or for reading and writing input, weights and
    /// output once, whichever is longer; over the time that was taken.
    share: f64,
}

/// Multiplications that an algorithm saves.
fn saves(algorithm: Algorithm) -> f64 {
    match algorithm {
        Algorithm::Winograd2 => 36.0 / 16.0,
        Algorithm::Winograd4 => 144.0 / 36.0,
        Algorithm::Direct | Algorithm::Bfloat16 => 1.0,
    }
}

/// Measures the machine and all layers at these batches.
pub fn measure_roof(batches: &[u32], runs: usize) -> anyhow::Result<Roof> {
    let (peak, memory) = (roof::peak(PEAK_TIME), roof::memory_rate());
    let mut layers = Vec::new();
    for &batch in batches {
        for (side, ci, co, stride) in roof::LAYERS {
            layers.push(layer(batch as usize, (side, ci, co, stride), runs, peak, memory)?);
        }
    }
    Ok(Roof {
        isa: isa_in_use(),
        threads: rayon::current_num_threads(),
        peak_gflops: peak / 1e9,
        memory_gb_s: memory / 1e9,
        layers,
    })
}

fn layer(
    n: usize,
    (side, ci, co, stride): (usize, usize, usize, usize),
    runs: usize,
    peak: f64,
    memory: f64,
) -> anyhow::Result<Layer> {
    let shape = ConvShape { n, h: side, w: side, ci, co, kernel: 3, stride };
    let algorithm = shape.algorithm(Purpose::Answering);
    let values = |len: usize| {
        let mut values = zeros(len);
        values.iter_mut().enumerate().for_each(|(at, value)| *value = (at % 17) as f32 * 0.1 - 0.8);
        values
    };
    let weights = Weights::new(&shape, algorithm, &values(shape.weight_len())).context("a layer's weights")?;
    let (x, mut y) = (values(shape.input_len()), zeros(shape.output_len()));
    let epilogue = Epilogue { bias: None, residual: None, activation: Activation::Elu };
    let name = format!("{side}x{side} {ci}-{co} stride {stride}");
    let timing = measure(&name, n, runs, || Ok(forward(&shape, &weights, &x, epilogue, &mut y)?))?;
    let seconds = timing.median_ms / 1e3;
    let operations = 2.0 * (shape.output_len() * 9 * ci) as f64;
    let bytes = 4.0 * (shape.input_len() + shape.output_len()) as f64 + weights.bytes() as f64;
    let least = (operations / saves(algorithm) / peak).max(bytes / memory);
    Ok(Layer {
        layer: name,
        algorithm: format!("{algorithm:?}"),
        batch: n,
        median_ms: timing.median_ms,
        gflops: operations / seconds / 1e9,
        share: least / seconds,
    })
}

impl Roof {
    /// The table.
    pub fn text(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        writeln!(
            text,
            "{}; {} threads; peak {:.0} GFLOP/s; memory {:.1} GB/s",
            self.isa, self.threads, self.peak_gflops, self.memory_gb_s
        )?;
        writeln!(
            text,
            "{:<28} {:<10} {:>5} {:>10} {:>9} {:>6}",
            "layer", "algorithm", "batch", "median ms", "GFLOP/s", "roof"
        )?;
        for layer in &self.layers {
            let Layer { layer: name, algorithm, batch, median_ms, gflops, share } = layer;
            writeln!(
                text,
                "{name:<28} {algorithm:<10} {batch:>5} {median_ms:>10.3} {gflops:>9.0} {:>5.0}%",
                share * 100.0
            )?;
        }
        Ok(text)
    }
}

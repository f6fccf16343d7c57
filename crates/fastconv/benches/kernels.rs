//! The kernels, on the layers that the project has: `cargo bench -p fastconv`, with a name's part to run some only.
//!
//! Each layer is a group; direct convolution stands beside Winograd there, as the peer to compare with. Elements are
//! floating-point operations of the definition, so that throughputs of all algorithms can be compared.
#![allow(missing_docs, reason = "criterion's macros")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fastconv::{
    Activation, Algorithm, Buffer, ConvShape, Epilogue, Separable, Weights, backward_input, backward_weight, forward,
    roof, zeros,
};
use std::hint::black_box;
use std::time::Duration;

fn values(len: usize) -> Buffer {
    let mut buffer = zeros(len);
    buffer.iter_mut().enumerate().for_each(|(i, value)| *value = (i % 17) as f32 * 0.1 - 0.8);
    buffer
}

fn convolutions(c: &mut Criterion) {
    for n in [1, 16] {
        for (side, ci, co, stride) in roof::LAYERS {
            let s = ConvShape { n, h: side, w: side, ci, co, kernel: 3, stride };
            let mut group = c.benchmark_group(format!("{n}x{side}x{side} {ci}-{co} stride {stride}"));
            group.throughput(Throughput::Elements(2 * (s.output_len() * 9 * ci) as u64));
            let (x, weight, mut y) = (values(s.input_len()), values(s.weight_len()), zeros(s.output_len()));
            let epilogue = Epilogue { bias: None, residual: None, activation: Activation::Elu };
            for algorithm in [Algorithm::Direct, Algorithm::Winograd2, Algorithm::Winograd4] {
                let Ok(weights) = Weights::new(&s, algorithm, &weight) else { continue };
                group.bench_function(BenchmarkId::new("forward", format!("{algorithm:?}")), |b| {
                    b.iter(|| forward(&s, &weights, black_box(&x), epilogue, &mut y));
                });
            }
            let (mut dx, mut dw) = (zeros(s.input_len()), zeros(s.weight_len()));
            group.bench_function("gradient to the input", |b| b.iter(|| backward_input(&s, &y, &weight, &mut dx)));
            group.bench_function("gradient to the weights", |b| b.iter(|| backward_weight(&s, &x, &y, &mut dw)));
        }
    }
}

fn separable_pairs(c: &mut Criterion) {
    for (h, w, ci, co, halve) in [(240, 320, 16, 16, true), (120, 160, 32, 64, true), (60, 80, 64, 64, false)] {
        let mut group = c.benchmark_group(format!("pair {w}x{h} {ci}-{co}"));
        group.throughput(Throughput::Elements(2 * (h * w * co * (ci + 9)) as u64));
        let (pointwise, depthwise, bias) = (values(ci * co), values(9 * co), values(co));
        let Ok(weights) = Separable::new([ci, co], (&pointwise, &bias), (&depthwise, &bias)) else { continue };
        let (x, mut y) = (values(h * w * ci), zeros(h * w * co / if halve { 4 } else { 1 }));
        group.bench_function("forward", |b| {
            b.iter(|| weights.forward([1, h, w], black_box(&x), Activation::Relu, halve, &mut y));
        });
    }
}

criterion_group! {
    name = kernels;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = convolutions, separable_pairs
}
criterion_main!(kernels);

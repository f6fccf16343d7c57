//! Time of one layer: `cargo run --release -p fastconv --example layers`.
use fastconv::{Activation, Algorithm, ConvShape, Epilogue, Weights, backward_input, backward_weight, forward, zeros};
use std::time::Instant;

fn main() {
    let only: Option<usize> = std::env::args().nth(1).and_then(|a| a.parse().ok());
    let mut layers = vec![];
    for n in [1, 16] {
        for l in [
            (128, 1, 64, 1),
            (128, 64, 64, 1),
            (128, 64, 64, 2),
            (64, 64, 128, 1),
            (64, 128, 128, 1),
            (64, 128, 128, 2),
            (32, 128, 128, 1),
            (32, 128, 128, 2),
            (16, 128, 256, 1),
            (16, 256, 256, 1),
            (16, 256, 128, 1),
            (16, 128, 128, 1),
            (8, 256, 256, 1),
        ] {
            layers.push((n, l.0, l.1, l.2, l.3));
        }
    }
    for (n, side, ci, co, stride) in layers {
        if only.is_some_and(|o| o != n) {
            continue;
        }
        let s = ConvShape { n, h: side, w: side, ci, co, kernel: 3, stride };
        let fill = |len: usize, f: &dyn Fn(usize) -> f32| {
            let mut b = zeros(len);
            for (i, v) in b.iter_mut().enumerate() {
                *v = f(i)
            }
            b
        };
        let x = fill(s.input_len(), &|i| (i % 17) as f32 * 0.1 - 0.8);
        let w = fill(s.weight_len(), &|i| (i % 13) as f32 * 0.01 - 0.06);
        let mut y = zeros(s.output_len());
        let gflop = 2.0 * (s.output_len() * 9 * ci) as f64 / 1e9;
        let epilogue = Epilogue { bias: None, residual: None, activation: Activation::Elu };
        print!("{n}x{side} {ci}->{co}/{stride}:");
        let runs = 100 / n;
        for algorithm in [Algorithm::Direct, Algorithm::Winograd2, Algorithm::Winograd4] {
            let Ok(weights) = Weights::new(&s, algorithm, &w) else { continue };
            let mut best = vec![];
            for _ in 0..runs {
                let t = Instant::now();
                forward(&s, &weights, &x, epilogue, &mut y).unwrap();
                best.push(t.elapsed().as_secs_f64());
            }
            best.sort_by(f64::total_cmp);
            print!(
                "  {algorithm:?} {:.2}-{:.2} ms ({:.0} GFLOP/s)",
                best[0] * 1e3,
                best[runs / 2] * 1e3,
                gflop / best[0]
            );
        }
        let (mut dx, mut dw) = (zeros(x.len()), zeros(w.len()));
        let (mut input, mut weight) = (f64::MAX, f64::MAX);
        for _ in 0..3 {
            let t = Instant::now();
            backward_input(&s, &y, &w, &mut dx).unwrap();
            input = input.min(t.elapsed().as_secs_f64());
            let t = Instant::now();
            backward_weight(&s, &x, &y, &mut dw).unwrap();
            weight = weight.min(t.elapsed().as_secs_f64());
        }
        println!("  dx {:.2} ms  dw {:.2} ms", input * 1e3, weight * 1e3);
    }
}

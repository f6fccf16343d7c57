//! Time of one layer: `cargo run --release -p fastconv --example layers`.
use fastconv::{Activation, Algorithm, ConvShape, Epilogue, Weights, backward_input, backward_weight, forward};
use std::time::Instant;

fn main() {
    let layers = [
        (32, 128, 1, 64, 1),
        (32, 128, 64, 64, 1),
        (32, 128, 64, 64, 2),
        (32, 64, 64, 128, 1),
        (32, 32, 128, 128, 1),
        (32, 16, 128, 256, 1),
        (32, 16, 256, 256, 1),
        (32, 16, 128, 128, 1),
        (32, 8, 256, 256, 1),
        (1, 16, 256, 256, 1),
    ];
    for (n, side, ci, co, stride) in layers {
        let s = ConvShape { n, h: side, w: side, ci, co, kernel: 3, stride };
        let x: Vec<f32> = (0..s.input_len()).map(|i| (i % 17) as f32 * 0.1 - 0.8).collect();
        let w: Vec<f32> = (0..s.weight_len()).map(|i| (i % 13) as f32 * 0.01 - 0.06).collect();
        let mut y = vec![0.0; s.output_len()];
        let gflop = 2.0 * (s.output_len() * 9 * ci) as f64 / 1e9;
        let epilogue = Epilogue { bias: None, residual: None, activation: Activation::Elu };
        print!("{n}x{side} {ci}->{co}/{stride}:");
        for algorithm in [Algorithm::Direct, Algorithm::Winograd2, Algorithm::Winograd4] {
            let Ok(weights) = Weights::new(&s, algorithm, &w) else { continue };
            let mut best = f64::MAX;
            for _ in 0..3 {
                let t = Instant::now();
                forward(&s, &weights, &x, epilogue, &mut y).unwrap();
                best = best.min(t.elapsed().as_secs_f64());
            }
            print!("  {algorithm:?} {:.1} ms ({:.0} GFLOP/s)", best * 1e3, gflop / best);
        }
        let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; w.len()]);
        let (mut input, mut weight) = (f64::MAX, f64::MAX);
        for _ in 0..3 {
            let t = Instant::now();
            backward_input(&s, &y, &w, &mut dx).unwrap();
            input = input.min(t.elapsed().as_secs_f64());
            let t = Instant::now();
            backward_weight(&s, &x, &y, &mut dw).unwrap();
            weight = weight.min(t.elapsed().as_secs_f64());
        }
        println!("  dx {:.1} ms  dw {:.1} ms", input * 1e3, weight * 1e3);
    }
}

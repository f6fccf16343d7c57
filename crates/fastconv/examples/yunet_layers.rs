use fastconv::*;
use std::time::Instant;
fn med(mut f: impl FnMut()) -> f64 {
    let mut t: Vec<f64> = (0..30)
        .map(|_| {
            let s = Instant::now();
            f();
            s.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    t.sort_by(f64::total_cmp);
    t[10]
}
fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    let s = ConvShape { n: 1, h: 480, w: 640, ci: 3, co: 16, kernel: 3, stride: 2 };
    let x = zeros(s.input_len());
    let mut y = zeros(s.output_len());
    let w = Weights::new(&s, Algorithm::Direct, &vec![0.1; s.weight_len()]).unwrap();
    let b = vec![0.1; 16];
    let mut sum = 0.0;
    let t = med(|| {
        forward(&s, &w, &x, Epilogue { bias: Some(&b), residual: None, activation: Activation::Relu }, &mut y).unwrap()
    });
    println!("conv {t:.3}");
    sum += t;
    for (h, w, ci, co, halve) in [
        (240, 320, 16, 16, true),
        (120, 160, 16, 16, false),
        (120, 160, 16, 32, false),
        (120, 160, 32, 32, false),
        (120, 160, 32, 64, true),
        (60, 80, 64, 64, false),
        (60, 80, 64, 64, false),
        (30, 40, 64, 64, false),
        (30, 40, 64, 64, false),
        (15, 20, 64, 64, false),
        (15, 20, 64, 64, false),
        (15, 20, 64, 64, false),
        (30, 40, 64, 64, false),
        (60, 80, 64, 64, false),
        (60, 80, 64, 1, false),
        (60, 80, 64, 4, false),
        (60, 80, 64, 1, false),
        (60, 80, 64, 10, false),
    ] {
        let (pw, pb, dw, db) = (vec![0.1; ci * co], vec![0.1; co], vec![0.1; 9 * co], vec![0.1; co]);
        let sep = Separable::new([ci, co], (&pw, &pb), (&dw, &db)).unwrap();
        let x = zeros(h * w * ci);
        let mut y = zeros(if halve { h * w * co / 4 } else { h * w * co });
        let t = med(|| sep.forward([1, h, w], &x, Activation::Relu, halve, &mut y).unwrap());
        let mac = h * w * (ci * co + 9 * co);
        println!("sep {h}x{w} {ci}->{co} {halve}: {t:.3} ms, {:.0} GFLOP/s", 2.0 * mac as f64 / t / 1e6);
        sum += t;
    }
    println!("sum {sum:.2}");
}

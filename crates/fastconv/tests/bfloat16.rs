//! Training convolutions on the matrix unit against a plain loop in `f64`. Values are rounded to bfloat16 beforehand, so that
//! products are exact and only the order of sums differs.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod common;

use common::{reference, relative_error, taps, values};
use fastconv::{
    Activation, Algorithm, ConvShape, Epilogue, Purpose, Weights, backward_input, backward_weight, forward,
    use_bfloat16,
};
use proptest::prelude::*;

/// Whether there is something to test. The choice is the process's; nextest gives each test one.
fn there() -> bool {
    let there = use_bfloat16(true);
    if !there {
        println!("skipped: this processor has no matrix unit for bfloat16");
    }
    there
}

fn rounded(len: usize, seed: u64) -> Vec<f32> {
    values(len, seed).into_iter().map(|value| f32::from_bits(value.to_bits() & 0xffff_0000)).collect()
}

fn shapes() -> impl Strategy<Value = ConvShape> {
    let channels = || prop_oneof![Just(32usize), Just(64), Just(96)];
    let side = || prop_oneof![Just(16usize), Just(32), Just(48), Just(64), Just(24)];
    (1usize..4, side(), side(), channels(), channels(), 1usize..3).prop_map(|(n, h, w, ci, co, stride)| ConvShape {
        n,
        h,
        w,
        ci,
        co,
        kernel: 3,
        stride,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn all_three_agree_with_the_definition(s in shapes(), seed in 1u64..1000) {
        if !there() { return Ok(()); }
        let (x, w, g) = (rounded(s.input_len(), seed), rounded(s.weight_len(), seed + 1), rounded(s.output_len(), seed + 2));
        let b = values(s.co, seed + 3);
        let expected: Vec<f64> = reference(&s, &x, &w).iter().enumerate().map(|(i, v)| v + f64::from(b[i % s.co])).collect();
        let elu: Vec<f64> = expected.iter().map(|v| if *v > 0.0 { *v } else { v.exp() - 1.0 }).collect();
        let weights = Weights::new(&s, s.algorithm(Purpose::Training), &w).unwrap();
        let mut y = vec![f32::NAN; s.output_len()];
        forward(&s, &weights, &x, Epilogue { bias: Some(&b), residual: None, activation: Activation::Elu }, &mut y).unwrap();
        prop_assert!(relative_error(&y, &elu) < 1e-4);

        let (mut dx, mut dw) = (vec![0.0f64; x.len()], vec![0.0f64; w.len()]);
        for (out, tap, pixel, _) in taps(&s) {
            for i in 0..s.ci {
                for o in 0..s.co {
                    let go = f64::from(g[out * s.co + o]);
                    dx[pixel * s.ci + i] += go * f64::from(w[(tap * s.ci + i) * s.co + o]);
                    dw[(tap * s.ci + i) * s.co + o] += go * f64::from(x[pixel * s.ci + i]);
                }
            }
        }
        let (mut found_dx, mut found_dw) = (vec![f32::NAN; x.len()], vec![f32::NAN; w.len()]);
        backward_input(&s, &g, &w, &mut found_dx).unwrap();
        backward_weight(&s, &x, &g, &mut found_dw).unwrap();
        let errors = (relative_error(&found_dx, &dx), relative_error(&found_dw, &dw));
        prop_assert!(errors.0.max(errors.1) < 1e-4, "{errors:?}");
    }
}

#[test]
fn the_encoders_layers_take_it_in_training_and_never_for_answers() {
    let layer = |h, ci, co, stride| ConvShape { n: 1, h, w: h, ci, co, kernel: 3, stride };
    let layers = [layer(128, 64, 64, 1), layer(128, 64, 64, 2), layer(32, 128, 128, 2), layer(16, 256, 256, 1)];
    for shape in layers {
        assert_ne!(shape.algorithm(Purpose::Training), Algorithm::Bfloat16, "it is off until somebody asks");
    }
    if there() {
        for shape in layers {
            assert_eq!(shape.algorithm(Purpose::Training), Algorithm::Bfloat16, "{shape:?}");
            assert_ne!(shape.algorithm(Purpose::Answering), Algorithm::Bfloat16, "{shape:?}");
        }
        // A picture's own channel, and rows of eight.
        assert_eq!(layer(128, 1, 64, 1).algorithm(Purpose::Training), Algorithm::Direct);
        assert_ne!(layer(8, 256, 256, 1).algorithm(Purpose::Training), Algorithm::Bfloat16);
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    if !there() {
        return;
    }
    let s = ConvShape { n: 11, h: 32, w: 32, ci: 64, co: 32, kernel: 3, stride: 1 };
    let (x, w, g) = (values(s.input_len(), 1), values(s.weight_len(), 2), values(s.output_len(), 3));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let weights = Weights::new(&s, Algorithm::Bfloat16, &w).unwrap();
            let (mut y, mut dx, mut dw) = (vec![0.0; s.output_len()], vec![0.0; x.len()], vec![0.0; w.len()]);
            forward(&s, &weights, &x, Epilogue::PLAIN, &mut y).unwrap();
            backward_input(&s, &g, &w, &mut dx).unwrap();
            backward_weight(&s, &x, &g, &mut dw).unwrap();
            (y, dx, dw)
        })
    };
    assert_eq!(run(1), run(3));
    assert_eq!(run(2), run(2));
}

//! Every algorithm against a plain loop in `f64`, and gradients against finite differences of it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod common;

use common::{reference, relative_error, taps, values};
use fastconv::{
    Activation, Algorithm, ConvShape, Epilogue, Isa, Purpose, Separable, Weights, add_upsampled, backward_bias,
    backward_input, backward_weight, forward, forward_picture, max_pool_2, threads, use_isa,
};
use proptest::prelude::*;

/// The algorithms that fit a shape.
fn algorithms(s: &ConvShape) -> Vec<Algorithm> {
    let whole = |side: usize| s.h.is_multiple_of(side) && s.w.is_multiple_of(side);
    let winograd = s.kernel == 3 && s.stride == 1 && s.ci.is_multiple_of(16) && s.co.is_multiple_of(16);
    let mut fitting = vec![Algorithm::Direct];
    fitting.extend((winograd && whole(2)).then_some(Algorithm::Winograd2));
    fitting.extend((winograd && whole(4)).then_some(Algorithm::Winograd4));
    fitting
}

/// Instruction sets that this machine has.
const ISAS: [Isa; 3] = [Isa::Widest, Isa::Avx2, Isa::Portable];

/// Runs `test` with each instruction set that the machine has. The choice is the process's; nextest gives each test one.
fn with_each_isa(mut test: impl FnMut(Isa)) {
    for isa in ISAS {
        if use_isa(isa) {
            test(isa);
        }
    }
    use_isa(Isa::Widest);
}

fn convolve(s: &ConvShape, algorithm: Algorithm, x: &[f32], w: &[f32], epilogue: Epilogue<'_>) -> Vec<f32> {
    let weights = Weights::new(s, algorithm, w).unwrap();
    let mut y = vec![f32::NAN; s.output_len()];
    forward(s, &weights, x, epilogue, &mut y).unwrap();
    y
}

fn shapes() -> impl Strategy<Value = ConvShape> {
    // Panels of one to four vectors of each instruction set, and what is left over.
    let channels = || prop_oneof![Just(1usize), Just(3), Just(16), Just(32), Just(48), Just(64), Just(112), 1usize..70];
    let side = || prop_oneof![Just(4usize), Just(8), Just(16), 1usize..14];
    (1usize..4, side(), side(), channels(), channels(), prop_oneof![Just(1usize), Just(3)], 1usize..3)
        .prop_map(|(n, h, w, ci, co, kernel, stride)| ConvShape { n, h, w, ci, co, kernel, stride })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn forward_agrees_with_the_definition(s in shapes(), seed in 1u64..1000) {
        let (x, w, b) = (values(s.input_len(), seed), values(s.weight_len(), seed + 1), values(s.co, seed + 2));
        let r = values(s.output_len(), seed + 3);
        let expected: Vec<f64> = reference(&s, &x, &w).iter().enumerate()
            .map(|(i, v)| v + f64::from(b[i % s.co]) + f64::from(r[i])).collect();
        let elu: Vec<f64> = expected.iter().map(|v| if *v > 0.0 { *v } else { v.exp() - 1.0 }).collect();
        let mut wrong = Vec::new();
        with_each_isa(|isa| for algorithm in algorithms(&s) {
            for (activation, expected) in [(Activation::None, &expected), (Activation::Elu, &elu)] {
                let epilogue = Epilogue { bias: Some(&b), residual: Some(&r), activation };
                let error = relative_error(&convolve(&s, algorithm, &x, &w, epilogue), expected);
                if error > 1e-4 { wrong.push((isa, algorithm, activation, error)); }
            }
        });
        prop_assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn gradients_agree_with_the_definition(s in shapes(), seed in 1u64..1000) {
        let (x, w, g) = (values(s.input_len(), seed), values(s.weight_len(), seed + 1), values(s.output_len(), seed + 2));
        let (mut dx, mut dw) = (vec![0.0f64; x.len()], vec![0.0f64; w.len()]);
        for (out, tap, pixel, _) in taps(&s) {
            for i in 0..s.ci {
                for o in 0..s.co {
                    let (xi, wi) = (pixel * s.ci + i, (tap * s.ci + i) * s.co + o);
                    let go = f64::from(g[out * s.co + o]);
                    dx[xi] += go * f64::from(w[wi]);
                    dw[wi] += go * f64::from(x[xi]);
                }
            }
        }
        let mut wrong = Vec::new();
        with_each_isa(|isa| {
            let (mut found_dx, mut found_dw) = (vec![f32::NAN; x.len()], vec![f32::NAN; w.len()]);
            backward_input(&s, &g, &w, &mut found_dx).unwrap();
            backward_weight(&s, &x, &g, &mut found_dw).unwrap();
            let errors = (relative_error(&found_dx, &dx), relative_error(&found_dw, &dw));
            if errors.0.max(errors.1) > 1e-3 { wrong.push((isa, errors)); }
        });
        prop_assert!(wrong.is_empty(), "{wrong:?}");
        let mut db = vec![0.0; s.co];
        backward_bias(&g, &mut db);
        let expected: Vec<f64> = (0..s.co).map(|o| g.iter().skip(o).step_by(s.co).map(|v| f64::from(*v)).sum()).collect();
        prop_assert!(relative_error(&db, &expected) <= 1e-3);
    }

    #[test]
    fn a_separable_pair_agrees_with_the_definition(
        n in 1usize..3, h in 1usize..20, w in 1usize..20, ci in 1usize..40, co in prop_oneof![Just(64usize), 1usize..40],
        halve in any::<bool>(), seed in 1u64..1000,
    ) {
        let (h, w) = if halve { (h * 2, w * 2) } else { (h, w) };
        let pair = ConvShape { n, h, w, ci, co, kernel: 1, stride: 1 };
        let (x, first, second) = (values(pair.input_len(), seed), values(ci * co, seed + 1), values(9 * co, seed + 2));
        let (first_bias, bias) = (values(co, seed + 3), values(co, seed + 4));
        let mut between = reference(&pair, &x, &first);
        between.iter_mut().enumerate().for_each(|(i, v)| *v += f64::from(first_bias[i % co]));
        let mut expected: Vec<f64> = (0..n * h * w * co).map(|i| f64::from(bias[i % co])).collect();
        for (out, tap, pixel, _) in taps(&ConvShape { kernel: 3, ..pair }) {
            for o in 0..co {
                expected[out * co + o] += between[pixel * co + o] * f64::from(second[tap * co + o]);
            }
        }
        expected.iter_mut().for_each(|v| *v = v.max(0.0));
        if halve {
            expected = (0..n * h / 2 * (w / 2) * co)
                .map(|i| {
                    let (o, x, y) = (i % co, i / co % (w / 2), i / co / (w / 2));
                    let at = |dy: usize, dx: usize| expected[((2 * y + dy) * w + 2 * x + dx) * co + o];
                    at(0, 0).max(at(0, 1)).max(at(1, 0)).max(at(1, 1))
                })
                .collect();
        }
        let mut wrong = Vec::new();
        with_each_isa(|isa| {
            let weights = Separable::new([ci, co], (&first, &first_bias), (&second, &bias)).unwrap();
            let mut y = vec![f32::NAN; expected.len()];
            weights.forward([n, h, w], &x, Activation::Relu, halve, &mut y).unwrap();
            let error = relative_error(&y, &expected);
            if error > 1e-4 { wrong.push((isa, error)); }
        });
        prop_assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn answers_do_not_depend_on_what_shares_the_batch(s in shapes(), seed in 1u64..1000) {
        let (x, w) = (values(s.input_len(), seed), values(s.weight_len(), seed + 1));
        let epilogue = Epilogue { bias: None, residual: None, activation: Activation::Elu };
        let single = ConvShape { n: 1, ..s };
        for algorithm in algorithms(&s) {
            let all = convolve(&s, algorithm, &x, &w, epilogue);
            for n in 0..s.n {
                let x = &x[n * single.input_len()..][..single.input_len()];
                let one = convolve(&single, algorithm, x, &w, epilogue);
                let same = one.iter().zip(&all[n * one.len()..]).all(|(a, b)| a.to_bits() == b.to_bits());
                prop_assert!(same, "{algorithm:?}");
            }
        }
    }
}

#[test]
fn results_are_the_same_from_run_to_run_and_for_any_number_of_threads() {
    let s = ConvShape { n: 3, h: 16, w: 16, ci: 64, co: 128, kernel: 3, stride: 1 };
    let (x, w, g) = (values(s.input_len(), 1), values(s.weight_len(), 2), values(s.output_len(), 3));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let epilogue = Epilogue { bias: None, residual: None, activation: Activation::Relu };
            let answers: Vec<_> = algorithms(&s).into_iter().map(|a| convolve(&s, a, &x, &w, epilogue)).collect();
            let mut dw = vec![0.0; s.weight_len()];
            backward_weight(&s, &x, &g, &mut dw).unwrap();
            (answers, dw)
        })
    };
    assert_eq!(run(2), run(2));
    assert_eq!(run(1), run(3));
}

#[test]
fn a_value_of_half_the_sides_is_added_to_each_of_four_pixels_and_pooling_takes_the_largest() {
    let (fine, coarse) = (values(4 * 6 * 3, 1), values(2 * 3 * 3, 2));
    let mut y = vec![f32::NAN; fine.len()];
    add_upsampled([1, 4, 6, 3], &fine, &coarse, &mut y).unwrap();
    for (i, value) in y.iter().enumerate() {
        let (c, x, row) = (i % 3, i / 3 % 6, i / 18);
        assert_eq!(*value, fine[i] + coarse[(row / 2 * 3 + x / 2) * 3 + c]);
    }
    let mut pooled = vec![f32::NAN; coarse.len()];
    max_pool_2(1, [4, 6], 3, &y, &mut pooled);
    for (i, value) in pooled.iter().enumerate() {
        let (c, x, row) = (i % 3, i / 3 % 3, i / 9);
        let four = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(dy, dx)| y[((2 * row + dy) * 6 + 2 * x + dx) * 3 + c]);
        assert_eq!(*value, four.into_iter().fold(f32::NEG_INFINITY, f32::max));
    }
    let odd = add_upsampled([1, 3, 6, 3], &fine, &coarse, &mut y).unwrap_err();
    assert_eq!(odd.to_string(), "rows beyond whole pairs: expected 0, found 1");
}

#[test]
fn a_picture_of_bytes_gives_what_its_values_filled_up_with_zeros_give() {
    let (height, width) = (5, 7);
    for stride in [1, 2] {
        let s = ConvShape { n: 1, h: 8, w: 8, ci: 3, co: 16, kernel: 3, stride };
        let pixels: Vec<u8> = (0..height * width * 3).map(|i| (i * 37 % 256) as u8).collect();
        let mut x = vec![0.0; s.input_len()];
        for (i, value) in pixels.iter().enumerate() {
            let (row, rest) = (i / (width * 3), i % (width * 3));
            x[row * s.w * 3 + rest] = f32::from(*value);
        }
        let weights = Weights::new(&s, Algorithm::Direct, &values(s.weight_len(), 1)).unwrap();
        let (mut y, mut expected) = (vec![f32::NAN; s.output_len()], vec![f32::NAN; s.output_len()]);
        forward(&s, &weights, &x, Epilogue::PLAIN, &mut expected).unwrap();
        forward_picture(&s, &weights, (&pixels, [height, width]), Epilogue::PLAIN, &mut y).unwrap();
        assert_eq!(y, expected);
        let large = forward_picture(&s, &weights, (&[0; 9 * 8 * 3], [9, 8]), Epilogue::PLAIN, &mut y).unwrap_err();
        assert_eq!(large.to_string(), "rows beyond the layer's: expected 0, found 1");
    }
}

#[test]
fn as_many_threads_as_cpus_are_made_unless_a_number_is_given() {
    let cpus = std::thread::available_parallelism().unwrap().get();
    assert_eq!(threads(0, "all").build().unwrap().current_num_threads(), cpus);
    assert_eq!(threads(3, "three").build().unwrap().current_num_threads(), 3);
}

#[test]
fn a_slice_of_the_wrong_length_is_an_error() {
    let s = ConvShape { n: 1, h: 4, w: 4, ci: 2, co: 2, kernel: 3, stride: 1 };
    let epilogue = Epilogue { bias: None, residual: None, activation: Activation::None };
    let weights = Weights::new(&s, Algorithm::Direct, &[0.0; 36]).unwrap();
    let error = forward(&s, &weights, &[0.0; 31], epilogue, &mut [0.0; 32]).unwrap_err();
    assert_eq!(error.to_string(), "input: expected 32, found 31");
    let error = Weights::new(&s, Algorithm::Winograd4, &[0.0; 36]).unwrap_err();
    assert_eq!(error.to_string(), "input channels beyond whole vectors: expected 0, found 2");
}

#[test]
fn the_algorithm_follows_the_layers_shape_and_not_the_batch() {
    let layer = |n, side, ci, co, kernel, stride| ConvShape { n, h: side, w: side, ci, co, kernel, stride };
    for (shape, training, answering) in [
        (layer(1, 128, 64, 64, 3, 1), Algorithm::Winograd4, Algorithm::Winograd4),
        (layer(8, 16, 256, 128, 3, 1), Algorithm::Winograd4, Algorithm::Winograd2),
        (layer(1, 18, 64, 64, 3, 1), Algorithm::Winograd2, Algorithm::Winograd2),
        (layer(1, 8, 256, 256, 3, 1), Algorithm::Winograd4, Algorithm::Direct),
        (layer(1, 128, 64, 64, 3, 2), Algorithm::Direct, Algorithm::Direct),
        (layer(1, 128, 1, 64, 3, 1), Algorithm::Direct, Algorithm::Direct),
        (layer(1, 16, 256, 256, 1, 1), Algorithm::Direct, Algorithm::Direct),
    ] {
        for n in [1, 2, 32] {
            let shape = ConvShape { n, ..shape };
            assert_eq!(shape.algorithm(Purpose::Training), training, "{shape:?}");
            assert_eq!(shape.algorithm(Purpose::Answering), answering, "{shape:?}");
        }
    }
}

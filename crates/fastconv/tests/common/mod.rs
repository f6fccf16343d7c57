//! What the tests share: values, and the plain loop in `f64`.

use fastconv::ConvShape;

pub fn values(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

pub fn taps(shape: &ConvShape) -> impl Iterator<Item = (usize, usize, usize, usize)> + use<> {
    let s = *shape;
    let pad = s.kernel / 2;
    (0..s.n * s.oh() * s.ow()).flat_map(move |out| {
        let (n, oy, ox) = (out / (s.oh() * s.ow()), out / s.ow() % s.oh(), out % s.ow());
        (0..s.kernel * s.kernel).filter_map(move |tap| {
            let y = (oy * s.stride + tap / s.kernel).checked_sub(pad).filter(|y| *y < s.h)?;
            let x = (ox * s.stride + tap % s.kernel).checked_sub(pad).filter(|x| *x < s.w)?;
            Some((out, tap, (n * s.h + y) * s.w + x, n))
        })
    })
}

pub fn reference(s: &ConvShape, x: &[f32], w: &[f32]) -> Vec<f64> {
    let mut y = vec![0.0f64; s.output_len()];
    for (out, tap, pixel, _) in taps(s) {
        for i in 0..s.ci {
            for o in 0..s.co {
                y[out * s.co + o] += f64::from(x[pixel * s.ci + i]) * f64::from(w[(tap * s.ci + i) * s.co + o]);
            }
        }
    }
    y
}

/// Infinite where a value was never written: those are no numbers, which `max` would pass over.
pub fn relative_error(found: &[f32], expected: &[f64]) -> f64 {
    let scale = expected.iter().fold(1e-6f64, |m, v| m.max(v.abs()));
    let distance = |(f, e): (&f32, &f64)| if f.is_nan() { f64::INFINITY } else { (f64::from(*f) - e).abs() };
    found.iter().zip(expected).map(distance).fold(0.0f64, f64::max) / scale
}

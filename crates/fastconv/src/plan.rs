//! Which pixels a convolution reads for which of its output, forward and back to the input.

use crate::shape::ConvShape;

/// A tap: its place among the weights' taps, and the input pixel it reads, relative to `output · step`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tap {
    pub index: usize,
    pub dy: isize,
    pub dx: isize,
}

/// Which input pixels each output pixel reads. The outputs of a plan may be every second pixel of a picture.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Pictures.
    pub n: usize,
    /// Height, width and channels of the input.
    pub input: [usize; 3],
    /// Height, width and channels of the output picture.
    pub output: [usize; 3],
    /// Rows and columns that this plan computes.
    pub grid: [usize; 2],
    /// Output pixel `grid · step + first`.
    pub output_step: usize,
    pub output_first: [usize; 2],
    /// Input pixel `grid · step + tap`.
    pub input_step: usize,
    /// In the order of what they read: line by line.
    pub taps: Vec<Tap>,
}

impl Plan {
    /// The convolution itself.
    pub fn forward(shape: &ConvShape) -> Self {
        let s = shape.flat();
        let pad = s.padding() as isize;
        let taps = (0..s.kernel * s.kernel).map(|index| Tap {
            index,
            dy: (index / s.kernel) as isize - pad,
            dx: (index % s.kernel) as isize - pad,
        });
        Self {
            n: s.n,
            input: [s.h, s.w, s.ci],
            output: [s.oh(), s.ow(), s.co],
            grid: [s.oh(), s.ow()],
            output_step: 1,
            output_first: [0, 0],
            input_step: s.stride,
            taps: taps.collect(),
        }
    }

    /// The gradient to the input, one plan for each set of input pixels that the same taps reach.
    pub fn backward(shape: &ConvShape) -> Vec<Self> {
        let s = shape.flat();
        let steps = |first: usize| {
            // Output `o` reaches input `o · stride + k − padding`; solved for `o` at input `i · stride + first`.
            let reach = move |k: usize| {
                let distance = (first + s.padding()) as isize - k as isize;
                let stride = s.stride as isize;
                (distance.rem_euclid(stride) == 0).then(|| distance.div_euclid(stride))
            };
            (0..s.kernel).filter_map(move |k| Some((k, reach(k)?))).collect::<Vec<_>>()
        };
        let firsts = (0..s.stride).flat_map(|y| (0..s.stride).map(move |x| [y, x]));
        firsts
            .map(|[y, x]| Self {
                n: s.n,
                input: [s.oh(), s.ow(), s.co],
                output: [s.h, s.w, s.ci],
                grid: [s.h.saturating_sub(y).div_ceil(s.stride), s.w.saturating_sub(x).div_ceil(s.stride)],
                output_step: s.stride,
                output_first: [y, x],
                input_step: 1,
                taps: {
                    let mut taps: Vec<Tap> = steps(y)
                        .into_iter()
                        .flat_map(|(ky, dy)| {
                            steps(x).into_iter().map(move |(kx, dx)| Tap { index: ky * s.kernel + kx, dy, dx })
                        })
                        .collect();
                    taps.sort_by_key(|tap| (tap.dy, tap.dx));
                    taps
                },
            })
            .collect()
    }
}

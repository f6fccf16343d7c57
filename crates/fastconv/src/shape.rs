//! Sizes of a convolution and the check that slices fit them.

/// Sizes of one convolution; padding is 1 for a 3×3 kernel and 0 for 1×1 ("same" at stride 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Pictures in the batch.
    pub n: usize,
    /// Input height, pixels.
    pub h: usize,
    /// Input width, pixels.
    pub w: usize,
    /// Input channels.
    pub ci: usize,
    /// Output channels.
    pub co: usize,
    /// Kernel side: 1 or 3.
    pub kernel: usize,
    /// Step between outputs: 1 or 2.
    pub stride: usize,
}

/// A slice that does not fit its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeError {
    what: &'static str,
    expected: usize,
    found: usize,
}

impl std::fmt::Display for ShapeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: expected {}, found {}", self.what, self.expected, self.found)
    }
}

impl std::error::Error for ShapeError {}

impl ShapeError {
    pub(crate) fn expect(what: &'static str, expected: usize, found: usize) -> Result<(), Self> {
        if expected == found { Ok(()) } else { Err(Self { what, expected, found }) }
    }
}

impl ConvShape {
    /// Output height.
    pub fn oh(&self) -> usize {
        self.h.div_ceil(self.stride)
    }

    /// Output width.
    pub fn ow(&self) -> usize {
        self.w.div_ceil(self.stride)
    }

    /// Length of the input slice.
    pub fn input_len(&self) -> usize {
        self.n * self.h * self.w * self.ci
    }

    /// Length of the output slice.
    pub fn output_len(&self) -> usize {
        self.n * self.oh() * self.ow() * self.co
    }

    /// Length of the weight slice, `[kernel, kernel, ci, co]`.
    pub fn weight_len(&self) -> usize {
        self.kernel * self.kernel * self.ci * self.co
    }

    /// The shape of the convolution that carries the gradient back at stride 1: channels exchanged.
    pub(crate) fn transposed(&self) -> Self {
        Self { ci: self.co, co: self.ci, ..*self }
    }

    pub(crate) fn padding(&self) -> usize {
        self.kernel / 2
    }

    /// A 1×1 convolution at stride 1 is one long row of pixels.
    pub(crate) fn flat(&self) -> Self {
        if self.kernel == 1 && self.stride == 1 {
            Self { n: 1, h: 1, w: self.n * self.h * self.w, ..*self }
        } else {
            *self
        }
    }

    pub(crate) fn check(&self, input: usize, weight: usize, output: usize) -> Result<(), ShapeError> {
        ShapeError::expect("kernel", if self.kernel == 1 { 1 } else { 3 }, self.kernel)?;
        ShapeError::expect("input", self.input_len(), input)?;
        ShapeError::expect("weight", self.weight_len(), weight)?;
        ShapeError::expect("output", self.output_len(), output)
    }
}

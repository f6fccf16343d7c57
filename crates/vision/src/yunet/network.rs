//! YuNet's network on `fastconv`, put together from its ONNX file.
//!
//! A 1×1 convolution and the 3×3 one of each channel after it are one step, with the activation and the pooling behind them where
//! nobody else reads what lies between. Tensors are NHWC, so that the file's `Transpose` and `Reshape` before the outputs have
//! nothing left to do.

use super::builder::Builder;
use super::onnx::Graph;
use super::step::{Op, Place, Step};
use super::{Infer, OUTPUTS};
use crate::{BgrImage, DetectError};
use fastconv::{Buffer, ShapeError};

/// Threads that detection works on. A frame takes about ten milliseconds on one; the others belong to the network.
const THREADS: usize = 1;

/// The network, ready to run.
pub(crate) struct FastYuNet {
    steps: Vec<Step>,
    places: Vec<Place>,
    /// Which buffer holds a place's values; places that are never needed at once share one.
    shelves: Vec<usize>,
    /// Their memory is kept from frame to frame.
    buffers: Vec<Buffer>,
    /// Values of each place.
    lens: Vec<usize>,
    /// Places of the outputs, in the order of [`OUTPUTS`].
    outputs: Vec<usize>,
    pool: rayon::ThreadPool,
}

impl FastYuNet {
    /// From the bytes of the ONNX file.
    ///
    /// # Errors
    /// Names the operation that is not known or does not fit.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let graph = Graph::read(bytes)?;
        let [input] = graph.inputs.as_slice() else {
            return Err(format!("one input expected, found {:?}", graph.inputs));
        };
        let mut builder = Builder::new(&graph, input);
        for node in &graph.nodes {
            builder.add(node).map_err(|reason| format!("{}: {reason}", node.title()))?;
        }
        let outputs = OUTPUTS.iter().map(|name| builder.place(name)).collect::<Result<Vec<usize>, String>>()?;
        let shelves = shelves(&builder.steps, &builder.places, &outputs);
        let buffers = (0..=shelves.iter().copied().max().unwrap_or(0)).map(|_| fastconv::zeros(0)).collect();
        let pool = fastconv::threads(THREADS, "detect").build();
        Ok(Self {
            outputs,
            shelves,
            buffers,
            lens: vec![0; builder.places.len()],
            steps: builder.steps,
            places: builder.places,
            pool: pool.map_err(|error| format!("no thread to detect on: {error}"))?,
        })
    }
}

impl Infer for FastYuNet {
    fn infer(&mut self, image: &BgrImage, [h, w]: [usize; 2]) -> Result<(), DetectError> {
        // The picture is read as it is.
        for (at, place) in self.places.iter().enumerate().skip(1) {
            let len = (h / place.shrunk) * (w / place.shrunk) * place.channels;
            let buffer = &mut self.buffers[self.shelves[at]];
            if buffer.len() < len {
                *buffer = fastconv::zeros(len);
            }
            self.lens[at] = len;
        }
        let Self { steps, places, shelves, buffers, lens, pool, .. } = self;
        pool.install(|| {
            for step in steps {
                // Not one of those that the step reads: see `shelves`.
                let mut y = std::mem::replace(&mut buffers[shelves[step.to]], fastconv::zeros(0));
                let value = |place: usize| &buffers[shelves[place]][..lens[place]];
                let done = step.run([h, w], image, places, value, &mut y[..lens[step.to]]);
                buffers[shelves[step.to]] = y;
                done?;
            }
            Ok(())
        })
        .map_err(|error: ShapeError| DetectError::Network(error.to_string()))
    }

    fn output(&self, at: usize) -> Result<&[f32], DetectError> {
        let place = self.outputs[at];
        Ok(&self.buffers[self.shelves[place]][..self.lens[place]])
    }
}

/// A buffer for each place: one that no longer holds what a later step reads, where there is one, the nearest in size.
fn shelves(steps: &[Step], places: &[Place], outputs: &[usize]) -> Vec<usize> {
    // Values for a picture of 1024 pixels; only their ratios count.
    let size = |place: usize| places[place].channels * 1024 / (places[place].shrunk * places[place].shrunk);
    let last_read = |place: usize| {
        let reads =
            |step: &Step| step.from == place || matches!(step.op, Op::AddUpsampled { coarse } if coarse == place);
        if outputs.contains(&place) { None } else { Some(steps.iter().rposition(reads).unwrap_or(0)) }
    };
    let (mut shelves, mut sizes, mut free) = (vec![0; places.len()], vec![size(0)], Vec::<usize>::new());
    for (at, step) in steps.iter().enumerate() {
        let best = (0..free.len()).min_by_key(|shelf| sizes[free[*shelf]].abs_diff(size(step.to)));
        let shelf = best.map(|best| free.swap_remove(best)).unwrap_or_else(|| {
            sizes.push(0);
            sizes.len() - 1
        });
        sizes[shelf] = sizes[shelf].max(size(step.to));
        shelves[step.to] = shelf;
        // Only after the step's own output has its buffer.
        let ended = (0..places.len()).filter(|place| *place <= step.to && last_read(*place) == Some(at));
        free.extend(ended.map(|place| shelves[place]));
    }
    shelves
}

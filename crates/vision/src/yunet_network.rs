//! YuNet's network on `fastconv`, put together from its ONNX file.
//!
//! A 1×1 convolution and the 3×3 one of each channel after it are one step, with the activation and the pooling behind them where
//! nobody else reads what lies between. Tensors are NHWC, so that the file's `Transpose` and `Reshape` before the outputs have
//! nothing left to do.

use crate::onnx::{Graph, Node};
use crate::yunet::{Infer, OUTPUTS};
use crate::{BgrImage, DetectError};
use fastconv::{Activation, Algorithm, Buffer, ConvShape, Epilogue, Separable, ShapeError, Weights};
use std::collections::HashMap;

/// Threads that detection works on. A frame takes about ten milliseconds on one; the others belong to the network.
const THREADS: usize = 1;

/// The place of the camera's picture, the first one.
const PICTURE: usize = 0;

/// What a step does with its input.
enum Op {
    /// 3×3, padding 1.
    Conv { weights: Weights, bias: Vec<f32>, stride: usize },
    /// See [`Separable`].
    Separable { weights: Separable, halve: bool },
    /// The largest of each 2×2 pixels.
    Halve,
    /// Plus another value of half the sides.
    AddUpsampled { coarse: usize },
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
}

struct Step {
    op: Op,
    from: usize,
    to: usize,
    activation: Activation,
}

/// A tensor between steps.
#[derive(Clone, Copy)]
struct Place {
    channels: usize,
    /// The picture's sides divided by its own.
    shrunk: usize,
}

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

impl Step {
    fn run<'a>(
        &self,
        [h, w]: [usize; 2],
        image: &BgrImage,
        places: &[Place],
        value: impl Fn(usize) -> &'a [f32],
        y: &mut [f32],
    ) -> Result<(), ShapeError> {
        let Place { channels, shrunk } = places[self.from];
        let (h, w) = (h / shrunk, w / shrunk);
        let x = value(self.from);
        match &self.op {
            Op::Conv { weights, bias, stride } => {
                let shape = ConvShape { n: 1, h, w, ci: channels, co: bias.len(), kernel: 3, stride: *stride };
                let epilogue = Epilogue { bias: Some(bias), residual: None, activation: self.activation };
                if self.from == PICTURE {
                    let sides = [image.height(), image.width()].map(|side| side as usize);
                    fastconv::forward_picture(&shape, weights, (image.data(), sides), epilogue, y)
                } else {
                    fastconv::forward(&shape, weights, x, epilogue, y)
                }
            }
            Op::Separable { weights, halve } => weights.forward([1, h, w], x, self.activation, *halve, y),
            Op::Halve => {
                fastconv::max_pool_2(1, [h, w], channels, x, y);
                Ok(())
            }
            Op::AddUpsampled { coarse } => fastconv::add_upsampled([1, h, w, channels], x, value(*coarse), y),
            Op::Sigmoid => {
                for (y, x) in y.iter_mut().zip(x) {
                    *y = 1.0 / (1.0 + (-x).exp());
                }
                Ok(())
            }
        }
    }
}

/// What a name of the file stands for while its operations are read.
#[derive(Clone)]
enum Meaning {
    Value(usize),
    /// A 1×1 convolution that waits for the one of each channel.
    Pointwise {
        from: usize,
        weight: Vec<f32>,
        bias: Vec<f32>,
    },
    /// A value at twice its sides.
    Upsampled(usize),
}

struct Builder<'a> {
    graph: &'a Graph,
    names: HashMap<&'a str, Meaning>,
    steps: Vec<Step>,
    places: Vec<Place>,
}

impl<'a> Builder<'a> {
    fn new(graph: &'a Graph, input: &'a str) -> Self {
        let names = HashMap::from([(input, Meaning::Value(PICTURE))]);
        Self { graph, names, steps: vec![], places: vec![Place { channels: 3, shrunk: 1 }] }
    }

    /// The place of a value.
    fn place(&self, name: &str) -> Result<usize, String> {
        match self.names.get(name) {
            Some(Meaning::Value(place)) => Ok(*place),
            Some(_) => Err(format!("{name:?} is only known between two operations")),
            None => Err(format!("there is no {name:?}")),
        }
    }

    /// A new step to a new place.
    fn step(&mut self, op: Op, from: usize, place: Place) -> Meaning {
        self.places.push(place);
        let to = self.places.len() - 1;
        self.steps.push(Step { op, from, to, activation: Activation::None });
        Meaning::Value(to)
    }

    /// The step whose output is at `place`, if nobody but the next operation reads `name`.
    fn last_step(&mut self, name: &str, place: usize) -> Option<&mut Step> {
        if self.graph.readers(name) != 1 {
            return None;
        }
        self.steps.iter_mut().find(|step| step.to == place)
    }

    fn add(&mut self, node: &'a Node) -> Result<(), String> {
        let (Some(input), [output]) = (node.inputs.first(), node.outputs.as_slice()) else {
            return Err("one output and an input expected".to_owned());
        };
        let meaning = match node.op.as_str() {
            "Conv" => self.conv(node)?,
            "Relu" => {
                let place = self.place(input)?;
                let step = self.last_step(input, place).filter(|step| step.activation == Activation::None);
                step.ok_or("only after a convolution that nobody else reads")?.activation = Activation::Relu;
                Meaning::Value(place)
            }
            "MaxPool" => self.halve(node, input)?,
            "Resize" => {
                expect("mode", node.word("mode"), b"nearest")?;
                expect("coordinate_transformation_mode", node.word("coordinate_transformation_mode"), b"asymmetric")?;
                expect("nearest_mode", node.word("nearest_mode"), b"floor")?;
                let (_, scales) = self.tensor(node, 2)?;
                expect("scales", scales, &[1.0, 1.0, 2.0, 2.0])?;
                Meaning::Upsampled(self.place(input)?)
            }
            "Add" => self.sum(node)?,
            "Transpose" => {
                expect("perm", node.ints("perm"), &[0, 2, 3, 1])?;
                Meaning::Value(self.place(input)?)
            }
            // The cells of a level row by row, as they lie in memory; `YuNet` holds their number against the picture.
            "Reshape" => Meaning::Value(self.place(input)?),
            "Sigmoid" => {
                let from = self.place(input)?;
                self.step(Op::Sigmoid, from, self.places[from])
            }
            _ => return Err("this operation is not known".to_owned()),
        };
        let reads_picture = |step: &Step| {
            step.from == PICTURE && !matches!(step.op, Op::Conv { .. })
                || matches!(step.op, Op::AddUpsampled { coarse: PICTURE })
        };
        if self.steps.last().is_some_and(reads_picture) {
            return Err("the picture is only read by a 3×3 convolution".to_owned());
        }
        self.names.insert(output, meaning);
        Ok(())
    }

    /// Dimensions and values of an input that is a tensor of the file.
    fn tensor(&self, node: &Node, at: usize) -> Result<(&'a [usize], &'a [f32]), String> {
        let name = node.inputs.get(at).ok_or_else(|| format!("input {at} is missing"))?;
        let tensor = self.graph.tensors.get(name).ok_or_else(|| format!("{name:?} is not among the file's tensors"))?;
        let values =
            tensor.values.as_deref().ok_or_else(|| format!("{name:?} does not hold as many f32 as it says"))?;
        Ok((&tensor.dims, values))
    }

    fn conv(&mut self, node: &'a Node) -> Result<Meaning, String> {
        let (dims, weight) = self.tensor(node, 1)?;
        let (_, bias) = self.tensor(node, 2)?;
        let [co, group_ci, kernel, _] = *dims else { return Err(format!("weights of shape {dims:?}")) };
        expect("weights", dims, &[co, group_ci, kernel, kernel])?;
        expect("bias", &[bias.len()], &[co])?;
        expect("dilations", node.ints("dilations"), &[1, 1])?;
        let (groups, stride) = (node.int("group", 1), node.ints("strides").first().copied().unwrap_or(0));
        expect("strides", node.ints("strides"), &[stride; 2])?;
        expect("pads", node.ints("pads"), &[i64::try_from(kernel / 2).unwrap_or(0); 4])?;
        let input = &node.inputs[0];
        if let (Some(Meaning::Pointwise { from, weight: first, bias: first_bias }), 3, 1, 1) =
            (self.names.get(input.as_str()), kernel, stride, group_ci)
        {
            expect("group", &[groups], &[i64::try_from(co).unwrap_or(0)])?;
            let place = self.places[*from];
            let taps = transposed(weight, co, 9);
            let weights = Separable::new([place.channels, co], (first, first_bias), (&taps, bias));
            let op = Op::Separable { weights: weights.map_err(|error| error.to_string())?, halve: false };
            let from = *from;
            return Ok(self.step(op, from, Place { channels: co, ..place }));
        }
        let from = self.place(input)?;
        let place = self.places[from];
        if from == PICTURE && kernel != 3 {
            return Err("the picture is only read by a 3×3 convolution".to_owned());
        }
        expect("group", &[groups], &[1])?;
        expect("input channels", &[group_ci], &[place.channels])?;
        match (kernel, stride) {
            (1, 1) if self.graph.readers(&node.outputs[0]) == 1 => {
                Ok(Meaning::Pointwise { from, weight: transposed(weight, co, group_ci), bias: bias.to_vec() })
            }
            (3, 1 | 2) => {
                let stride = if stride == 2 { 2 } else { 1 };
                // `[co, ci, 3, 3]` to `[3, 3, ci, co]`.
                let weight = transposed(weight, co, group_ci * 9);
                let taps: Vec<f32> = (0..9)
                    .flat_map(|tap| (0..group_ci).map(move |i| (i * 9 + tap) * co))
                    .flat_map(|row| weight[row..row + co].iter().copied())
                    .collect();
                let shape = ConvShape { n: 1, h: 2, w: 2, ci: group_ci, co, kernel: 3, stride };
                let weights = Weights::new(&shape, Algorithm::Direct, &taps).map_err(|error| error.to_string())?;
                let shrunk = place.shrunk * stride;
                let bias = bias.to_vec();
                Ok(self.step(Op::Conv { weights, bias, stride }, from, Place { channels: co, shrunk }))
            }
            _ => Err(format!("a kernel of {kernel} at stride {stride} is not known")),
        }
    }

    fn halve(&mut self, node: &Node, input: &str) -> Result<Meaning, String> {
        expect("kernel_shape", node.ints("kernel_shape"), &[2, 2])?;
        expect("strides", node.ints("strides"), &[2, 2])?;
        expect("pads", node.ints("pads"), &[0; 4])?;
        expect("ceil_mode", &[node.int("ceil_mode", 0)], &[0])?;
        let from = self.place(input)?;
        let half = Place { shrunk: self.places[from].shrunk * 2, ..self.places[from] };
        if let Some(Step { op: Op::Separable { halve, .. }, .. }) = self.last_step(input, from)
            && !*halve
        {
            *halve = true;
            self.places[from] = half;
            return Ok(Meaning::Value(from));
        }
        Ok(self.step(Op::Halve, from, half))
    }

    fn sum(&mut self, node: &Node) -> Result<Meaning, String> {
        let meaning = |at: usize| node.inputs.get(at).and_then(|name| self.names.get(name.as_str()));
        let (Some(Meaning::Value(fine)), Some(Meaning::Upsampled(coarse))) = (meaning(0), meaning(1)) else {
            return Err("a value plus an enlarged one expected".to_owned());
        };
        let (fine, coarse) = (*fine, *coarse);
        let (place, other) = (self.places[fine], self.places[coarse]);
        expect("channels and sides", &[other.channels, other.shrunk], &[place.channels, place.shrunk * 2])?;
        Ok(self.step(Op::AddUpsampled { coarse }, fine, place))
    }
}

/// Refuses a value that is not the expected one.
fn expect<T: PartialEq + std::fmt::Debug>(name: &str, found: &[T], expected: &[T]) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{name}: expected {expected:?}, found {found:?}")) }
}

/// `[rows, columns]` to `[columns, rows]`.
fn transposed(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column])).collect()
}

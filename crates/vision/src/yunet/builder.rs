//! From the operations of YuNet's ONNX file to the steps of [`super::network::FastYuNet`].

use super::onnx::{Graph, Node};
use super::step::{Op, PICTURE, Place, Step};
use fastconv::{Activation, Algorithm, ConvShape, Separable, Weights};
use std::collections::HashMap;

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

/// Puts the steps together, operation by operation.
pub(super) struct Builder<'a> {
    graph: &'a Graph,
    names: HashMap<&'a str, Meaning>,
    pub(super) steps: Vec<Step>,
    pub(super) places: Vec<Place>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(graph: &'a Graph, input: &'a str) -> Self {
        let names = HashMap::from([(input, Meaning::Value(PICTURE))]);
        Self { graph, names, steps: vec![], places: vec![Place { channels: 3, shrunk: 1 }] }
    }

    /// The place of a value.
    pub(super) fn place(&self, name: &str) -> Result<usize, String> {
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

    pub(super) fn add(&mut self, node: &'a Node) -> Result<(), String> {
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

//! The part of ONNX files that [`crate::YuNet`] needs: operations in their order, and tensors of `f32`.
//!
//! Field numbers are those of `onnx.proto` (ONNX 1.x, IR version 3 and later). Fields that are not listed are passed over, but
//! an operation, an attribute's value or a tensor's type that is not known is refused by those who read the graph.

use prost::Message;
use std::collections::HashMap;

#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
}

#[derive(Clone, PartialEq, Message)]
struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeProto>,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<ValueInfoProto>,
}

#[derive(Clone, PartialEq, Message)]
struct ValueInfoProto {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<AttributeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct AttributeProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, tag = "3")]
    i: i64,
    #[prost(bytes = "vec", tag = "4")]
    s: Vec<u8>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    ints: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorProto {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(float, repeated, tag = "4")]
    float_data: Vec<f32>,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

/// `TensorProto.DataType.FLOAT`.
const FLOAT: i32 = 1;

/// A tensor of the file.
#[derive(Debug)]
pub(crate) struct Tensor {
    pub dims: Vec<usize>,
    /// `None`: not of type `f32`, or not as many values as `dims` say.
    pub values: Option<Vec<f32>>,
}

/// One operation.
#[derive(Debug)]
pub(crate) struct Node {
    pub op: String,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    attributes: HashMap<String, AttributeProto>,
}

impl Node {
    /// A list of whole numbers; empty where the file has none.
    pub fn ints(&self, name: &str) -> &[i64] {
        self.attributes.get(name).map_or(&[], |attribute| &attribute.ints)
    }

    /// A whole number, `or` where the file has none.
    pub fn int(&self, name: &str, or: i64) -> i64 {
        self.attributes.get(name).map_or(or, |attribute| attribute.i)
    }

    /// A word; empty where the file has none.
    pub fn word(&self, name: &str) -> &[u8] {
        self.attributes.get(name).map_or(&[], |attribute| &attribute.s)
    }

    /// What it is called in messages.
    pub fn title(&self) -> String {
        format!("{} {:?}", self.op, self.outputs.first().map_or("", String::as_str))
    }
}

/// A file's graph.
#[derive(Debug)]
pub(crate) struct Graph {
    /// In the file's order: each after those whose outputs it takes.
    pub nodes: Vec<Node>,
    pub tensors: HashMap<String, Tensor>,
    /// Names of what goes in, without the tensors.
    pub inputs: Vec<String>,
}

impl Graph {
    /// Reads the bytes of an ONNX file.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let model = ModelProto::decode(bytes).map_err(|error| format!("not an ONNX file: {error}"))?;
        let graph = model.graph.filter(|graph| !graph.node.is_empty()).ok_or("not an ONNX file: it has no graph")?;
        let tensors: HashMap<_, _> =
            graph.initializer.into_iter().map(|tensor| (tensor.name.clone(), Tensor::from(tensor))).collect();
        let inputs = graph.input.into_iter().map(|input| input.name).filter(|name| !tensors.contains_key(name));
        let nodes = graph.node.into_iter().map(|node| Node {
            op: node.op_type,
            inputs: node.input,
            outputs: node.output,
            attributes: node.attribute.into_iter().map(|attribute| (attribute.name.clone(), attribute)).collect(),
        });
        Ok(Self { nodes: nodes.collect(), inputs: inputs.collect(), tensors })
    }

    /// How many operations read a value.
    pub fn readers(&self, name: &str) -> usize {
        self.nodes.iter().flat_map(|node| &node.inputs).filter(|input| *input == name).count()
    }
}

impl From<TensorProto> for Tensor {
    fn from(tensor: TensorProto) -> Self {
        let dims: Vec<usize> = tensor.dims.iter().map(|dim| usize::try_from(*dim).unwrap_or(0)).collect();
        let len = dims.iter().try_fold(1usize, |len, dim| len.checked_mul(*dim));
        let values = if tensor.raw_data.is_empty() {
            tensor.float_data
        } else {
            let (words, _) = tensor.raw_data.as_chunks::<4>();
            words.iter().map(|word| f32::from_le_bytes(*word)).collect()
        };
        let fits = tensor.data_type == FLOAT && Some(values.len()) == len;
        Self { dims, values: fits.then_some(values) }
    }
}

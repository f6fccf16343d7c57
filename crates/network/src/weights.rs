//! Weights in safetensors: one file per part, named by the modules' fields, f16 or f32.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use half::f16;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Number format on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 16 bits: what ships.
    F16,
    /// 32 bits.
    F32,
}

/// Why weights could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: std::io::Error,
    },
    /// Not a safetensors file.
    #[error("{}: not a valid safetensors file: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another file than the manifest means.
    #[error("{}: SHA-256 expected {expected}, found {found}", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// From the manifest.
        expected: String,
        /// Of the file.
        found: String,
    },
    /// A tensor is not there.
    #[error("{}: tensor '{key}' is missing; expected shape {expected:?}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
        /// Its shape in the network.
        expected: Vec<usize>,
    },
    /// A tensor has another shape.
    #[error("{}: tensor '{key}': expected shape {expected:?}, found {found:?}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
        /// Its shape in the network.
        expected: Vec<usize>,
        /// Its shape in the file.
        found: Vec<usize>,
    },
    /// A tensor has a number format that weights do not come in.
    #[error("{}: tensor '{key}': expected F16 or F32, found {found}", path.display())]
    Format16Or32 {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
        /// The format in the file.
        found: String,
    },
    /// Not a number.
    #[error("{}: tensor '{key}' holds a value that is not finite", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
    },
    /// The file has a tensor that the network has no place for.
    #[error("{}: unexpected tensor '{key}'; the network has no such weights", path.display())]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
    },
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> WeightsError + '_ {
    move |error| WeightsError::Io { path: path.to_owned(), error }
}

/// The names of the modules that lead to a parameter.
#[derive(Default)]
struct Keys(Vec<String>);

impl Keys {
    fn key(&self) -> String {
        self.0.join(".")
    }
}

struct Collector {
    keys: Keys,
    precision: Precision,
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
}

impl<B: Backend> ModuleVisitor<B> for Collector {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.keys.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.keys.0.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let data = param.val().into_data();
        let shape = data.shape.to_vec();
        let values = data.iter::<f32>();
        let (dtype, bytes) = match self.precision {
            Precision::F16 => (Dtype::F16, values.flat_map(|v| f16::from_f32(v).to_le_bytes()).collect()),
            Precision::F32 => (Dtype::F32, values.flat_map(f32::to_le_bytes).collect()),
        };
        self.tensors.insert(self.keys.key(), (dtype, shape, bytes));
    }
}

/// A module's weights as the bytes of a safetensors file; equal weights give equal bytes.
///
/// # Errors
/// The format cannot hold them.
pub fn to_bytes<B: Backend, M: Module<B>>(module: &M, precision: Precision) -> Result<Vec<u8>, WeightsError> {
    let mut collector = Collector { keys: Keys::default(), precision, tensors: BTreeMap::new() };
    module.visit(&mut collector);
    let invalid = |error: safetensors::SafeTensorError| WeightsError::Format {
        path: PathBuf::from("(memory)"),
        reason: error.to_string(),
    };
    let views = collector
        .tensors
        .iter()
        .map(|(key, (dtype, shape, bytes))| Ok((key.clone(), TensorView::new(*dtype, shape.clone(), bytes)?)))
        .collect::<Result<BTreeMap<_, _>, _>>()
        .map_err(invalid)?;
    serialize(views, None).map_err(invalid)
}

/// SHA-256 of bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// The file cannot be read.
pub fn sha256_file(path: &Path) -> Result<String, WeightsError> {
    Ok(sha256(&read(path).map_err(io(path))?))
}

/// A whole file; no pipe, whose writer may never come.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    if std::fs::metadata(path)?.is_file() {
        std::fs::read(path)
    } else {
        Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "is no regular file"))
    }
}

/// Writes a module's weights and syncs them to disk; returns the file's SHA-256.
///
/// # Errors
/// The file cannot be written.
pub fn save<B: Backend, M: Module<B>>(module: &M, path: &Path, precision: Precision) -> Result<String, WeightsError> {
    let bytes = to_bytes::<B, M>(module, precision)?;
    let mut file = File::create(path).map_err(io(path))?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(io(path))?;
    Ok(sha256(&bytes))
}

struct Filler<'a, B: Backend> {
    keys: Keys,
    file: &'a SafeTensors<'a>,
    path: &'a Path,
    device: &'a B::Device,
    unused: BTreeSet<String>,
    error: Option<WeightsError>,
}

impl<B: Backend> Filler<'_, B> {
    fn read(&mut self, expected: Vec<usize>) -> Result<TensorData, WeightsError> {
        let key = self.keys.key();
        let path = || self.path.to_owned();
        self.unused.remove(&key);
        let Ok(view) = self.file.tensor(&key) else {
            return Err(WeightsError::Missing { path: path(), key, expected });
        };
        if view.shape() != expected {
            return Err(WeightsError::Shape { path: path(), key, expected, found: view.shape().to_vec() });
        }
        let values: Vec<f32> = match view.dtype() {
            Dtype::F16 => view.data().chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            Dtype::F32 => view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            other => return Err(WeightsError::Format16Or32 { path: path(), key, found: format!("{other:?}") }),
        };
        if values.iter().any(|v| !v.is_finite()) {
            return Err(WeightsError::NotFinite { path: path(), key });
        }
        Ok(TensorData::new(values, expected))
    }
}

impl<B: Backend> ModuleMapper<B> for Filler<'_, B> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.keys.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.keys.0.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        if self.error.is_some() {
            return param;
        }
        let (id, value, mapper) = param.consume();
        let value = match self.read(value.dims().to_vec()) {
            Ok(data) => Tensor::from_data(data, self.device),
            Err(error) => {
                self.error = Some(error);
                value
            }
        };
        Param::from_mapped_value(id, value, mapper)
    }
}

/// Fills a module from a file, key by key.
///
/// # Errors
/// The file cannot be read, has another digest than expected, lacks a tensor, has one too many or of another shape, or
/// holds values that are not finite. Each names the file, and the key, what was expected and what was found.
pub fn load<B: Backend, M: Module<B>>(
    module: M,
    path: &Path,
    expected_sha256: Option<&str>,
    device: &B::Device,
) -> Result<M, WeightsError> {
    let bytes = read(path).map_err(io(path))?;
    if let Some(expected) = expected_sha256 {
        let found = sha256(&bytes);
        if found != expected {
            return Err(WeightsError::Digest { path: path.to_owned(), expected: expected.to_owned(), found });
        }
    }
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| WeightsError::Format { path: path.to_owned(), reason: error.to_string() })?;
    let unused = file.names().into_iter().map(str::to_owned).collect();
    let mut filler = Filler::<B> { keys: Keys::default(), file: &file, path, device, unused, error: None };
    let module = module.map(&mut filler);
    if let Some(error) = filler.error {
        return Err(error);
    }
    match filler.unused.into_iter().next() {
        Some(key) => Err(WeightsError::Unexpected { path: path.to_owned(), key }),
        None => Ok(module),
    }
}

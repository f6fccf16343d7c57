//! What can go wrong when the engine starts or a frame is processed.

use network::DeviceError;
use vision::DetectError;

use crate::ConfigError;
use crate::model::store_error::StoreError;
use crate::teaching::tasks::TaskError;

/// The engine cannot start, or a frame cannot be processed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// An option is out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The model or the taught tasks cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The device asked for cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The face detector cannot be opened, or refuses a frame.
    #[error("face detection: {0}")]
    Detect(#[from] DetectError),
    /// A column cannot be explained.
    #[error(transparent)]
    Network(#[from] network::NetworkError),
    /// The teaching half cannot start.
    #[error(transparent)]
    Tasks(Box<TaskError>),
    /// The system gives no thread.
    #[error("cannot start the {name} thread: {source}")]
    Thread {
        /// Which one.
        name: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

impl From<TaskError> for EngineError {
    fn from(error: TaskError) -> Self {
        // Boxed: it is by far the largest, and every frame returns this type.
        Self::Tasks(Box::new(error))
    }
}

//! Tasks that are taught, changed and removed while perception goes on.

pub(crate) mod admission;
pub(crate) mod board;
pub(crate) mod capture;
pub(crate) mod crops;
pub(crate) mod exchange;
pub(crate) mod fresh_crops;
pub(crate) mod handle;
pub(crate) mod progress_files;
pub(crate) mod promise;
pub(crate) mod queue;
pub(crate) mod read_ahead;
pub(crate) mod requests;
pub(crate) mod served_model;
pub(crate) mod task_error;
pub(crate) mod tasks;
pub(crate) mod trainer;
pub(crate) mod transfer;
pub(crate) mod workshop;

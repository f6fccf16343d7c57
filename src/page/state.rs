//! What the requests of the page work with.

use std::sync::Arc;

use engine::EngineConfig;
use tokio::sync::Semaphore;

use super::access::Access;
use super::feed::Page;
use crate::options::{self, Live, PageOptions};
use crate::services::TaskServices;

/// What requests work with.
pub(super) struct Server {
    pub(super) page: Page,
    pub(super) tasks: TaskServices,
    pub(super) config: EngineConfig,
    pub(super) options: Live,
    /// Fully qualified name of the node.
    pub(super) node_name: String,
    pub(super) access: Access,
    /// One explanation at a time.
    pub(super) explaining: Semaphore,
    /// Places of viewers.
    pub(super) viewers: Arc<Semaphore>,
    /// Places of requests.
    pub(super) places: Semaphore,
}

impl Server {
    /// The options that hold now.
    pub(super) fn live(&self) -> PageOptions {
        options::current(&self.options).page
    }
}

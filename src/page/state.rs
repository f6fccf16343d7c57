//! What the requests of the page work with.

use std::sync::Arc;

use axum::http::StatusCode;
use engine::EngineConfig;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::access::Access;
use super::feed::Page;
use super::reply::Refused;
use crate::options::{self, Live, PageOptions};
use crate::service;
use crate::services::TaskServices;

/// Viewers at once; each takes pictures.
pub(super) const VIEWERS: usize = 8;
/// Requests that are worked on at once; a capture takes as long as it is told.
const REQUESTS: usize = 16;

/// What requests work with.
pub(super) struct Server {
    pub(super) page: Page,
    pub(super) tasks: TaskServices,
    pub(super) config: EngineConfig,
    options: Live,
    /// Fully qualified name of the node.
    pub(super) node_name: String,
    /// Another one after each start.
    pub(super) instance: String,
    pub(super) access: Access,
    /// Each explanation takes some seconds of a core: one at a time.
    explaining: Arc<Semaphore>,
    /// An upload may be large: one at a time.
    importing: Arc<Semaphore>,
    /// For viewers.
    pub(super) viewers: Arc<Semaphore>,
    requests: Arc<Semaphore>,
}

fn busy(message: String) -> Refused {
    Refused(StatusCode::SERVICE_UNAVAILABLE, message)
}

impl Server {
    pub(super) fn new(
        page: Page,
        tasks: TaskServices,
        config: EngineConfig,
        options: Live,
        (node_name, instance): (String, String),
        access: Access,
    ) -> Self {
        let permits = |count| Arc::new(Semaphore::new(count));
        let (explaining, importing) = (permits(1), permits(1));
        let (viewers, requests) = (permits(VIEWERS), permits(REQUESTS));
        Self { page, tasks, config, options, node_name, instance, access, explaining, importing, viewers, requests }
    }

    /// The options that hold now.
    pub(super) fn options(&self) -> PageOptions {
        options::current(&self.options).page
    }

    /// The turn of an explanation.
    ///
    /// # Errors
    /// Another one has it.
    pub(super) fn explanation_turn(&self) -> Result<OwnedSemaphorePermit, Refused> {
        let turn = Arc::clone(&self.explaining).try_acquire_owned();
        turn.map_err(|_| busy("another explanation is being made; try again".to_owned()))
    }

    /// The turn of an upload.
    ///
    /// # Errors
    /// Another one has it.
    pub(super) fn import_turn(&self) -> Result<OwnedSemaphorePermit, Refused> {
        let turn = Arc::clone(&self.importing).try_acquire_owned();
        turn.map_err(|_| busy("another task is being imported; try again when that has ended".to_owned()))
    }
}

/// Does a request's work, which may take its time, beside the threads that serve. It holds its permit to the end, also when the one
/// who asked has gone.
///
/// # Errors
/// Too many requests are worked on; else what `work` says.
pub(super) async fn run<T: Send + 'static>(
    server: Arc<Server>,
    work: impl FnOnce(&Server) -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    let permit =
        Arc::clone(&server.requests).try_acquire_owned().map_err(|_| busy(service::busy(REQUESTS, "the page")))?;
    let done = tokio::task::spawn_blocking(move || {
        let done = work(&server);
        drop(permit);
        done
    });
    // The panic itself is on the console.
    done.await.map_err(|_| Refused(StatusCode::INTERNAL_SERVER_ERROR, service::FAILED.to_owned()))?
}

//! Services that may take their time: each request is answered on a thread of its own, none can end the node.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures::StreamExt;
use r2r::{Node, ServiceRequest, WrappedServiceTypeSupport};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::qos;

/// Requests of one service that are worked on at once.
const AT_ONCE: usize = 16;

/// To the sender of a request that panicked.
pub(crate) const FAILED: &str = "this request made the node fail; please report it with the log";

/// To the sender of a request beyond the limit.
pub(crate) fn busy(at_once: usize, to: &str) -> String {
    format!("{at_once} requests to {to} are being worked on; try again when one has ended")
}

/// Why a request was not granted, in words for its sender.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) String);

impl<E: std::error::Error> From<E> for Refusal {
    fn from(error: E) -> Self {
        // A cause that the error's own text does not show yet is told too.
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !message.contains(&cause_text) {
                message = format!("{message}: {cause_text}");
            }
            source = cause.source();
        }
        Self(message)
    }
}

/// How requests of one service are worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// [`AT_ONCE`] of them at once.
    Any,
    /// One after the other, in the order in which they come.
    AsTheyCome,
}

/// Offers the service `name`; `refuse` makes the reply to a request that is not granted.
///
/// # Errors
/// When ROS refuses to create the service.
pub(crate) fn offer<S>(
    node: &mut Node,
    runtime: &Handle,
    (name, order): (&str, Order),
    refuse: fn(String) -> S::Response,
    answer: impl Fn(S::Request) -> Result<S::Response, Refusal> + Send + Sync + 'static,
) -> r2r::Result<()>
where
    S: WrappedServiceTypeSupport + 'static,
    S::Request: Send,
    S::Response: Send,
{
    let mut requests = node.create_service::<S>(name, qos::services())?;
    let name: Arc<str> = name.into();
    let answer = Arc::new(answer);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    runtime.spawn(async move {
        while let Some(mut request) = requests.next().await {
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                respond(&name, request, refuse(busy(AT_ONCE, &name)));
                continue;
            };
            let (name, answer) = (Arc::clone(&name), Arc::clone(&answer));
            let answering = tokio::task::spawn_blocking(move || {
                let message = std::mem::take(&mut request.message);
                let answered = catch_unwind(AssertUnwindSafe(|| answer(message)));
                let refused = match answered {
                    Ok(Ok(response)) => return respond(&name, request, response),
                    Ok(Err(Refusal(refused))) => refused,
                    // The panic itself is on the console.
                    Err(_) => FAILED.to_owned(),
                };
                // Its sender reads the reason; labels in it may name a person, which nobody else needs to know.
                tracing::info!("{name}: a request was refused; the reason is in the reply");
                respond(&name, request, refuse(refused.replace('\0', "\u{fffd}")));
                drop(place);
            });
            if order == Order::AsTheyCome {
                // A panic has been answered by the task itself.
                let _ = answering.await;
            }
        }
    });
    Ok(())
}

/// Sends a reply.
pub(crate) fn respond<S: WrappedServiceTypeSupport + 'static>(
    name: &str,
    request: ServiceRequest<S>,
    response: S::Response,
) {
    // The caller may be gone; that is no reason to stop.
    if let Err(error) = request.respond(response) {
        tracing::debug!("a reply of {name} could not be sent: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the folder")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("it is locked")]
    struct Inner;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the folder: {0}")]
    struct Complete(#[source] Inner);

    #[test]
    fn a_refusal_tells_every_cause_once() {
        let whole = "cannot read the folder: it is locked";
        assert_eq!(Refusal::from(Outer(Inner)).0, whole);
        assert_eq!(Refusal::from(Complete(Inner)).0, whole);
    }
}

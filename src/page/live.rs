//! The socket of a viewer: at once what there is, then every news, of pictures the newest.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::feed::Feeds;
use super::messages;

/// A viewer that takes nothing for so long has gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends until the viewer or the node goes. While a picture is on its way others come; the newest is sent next. `view` is the camera,
/// with the viewer's permit, or why there is none.
pub(super) async fn show(
    mut socket: WebSocket,
    feeds: Arc<Feeds>,
    hello: String,
    view: Result<(usize, OwnedSemaphorePermit), String>,
) {
    let (camera, _permit) = match view {
        Ok(view) => view,
        Err(message) => {
            for text in [hello, messages::refused(&message)] {
                if !matches!(timeout(PATIENCE, socket.send(Message::text(text))).await, Ok(Ok(()))) {
                    return;
                }
            }
            return;
        }
    };
    let (mut tasks, mut health) = (feeds.tasks.subscribe(), feeds.health.subscribe());
    let mut shown = feeds.cameras[camera].shown.subscribe();
    // What there is already is news to this viewer.
    tasks.mark_changed();
    health.mark_changed();
    shown.mark_changed();
    let mut next = Message::text(hello);
    loop {
        if !matches!(timeout(PATIENCE, socket.send(next)).await, Ok(Ok(()))) {
            return;
        }
        next = loop {
            tokio::select! {
                changed = tasks.changed() => match changed {
                    Ok(()) => break Message::text(tasks.borrow_and_update().as_ref()),
                    Err(_) => return,
                },
                changed = health.changed() => match changed {
                    Ok(()) => break Message::text(health.borrow_and_update().as_ref()),
                    Err(_) => return,
                },
                changed = shown.changed() => match changed {
                    Ok(()) => {
                        let newest = shown.borrow_and_update().clone();
                        if let Some(newest) = newest {
                            break Message::Binary(newest);
                        }
                    }
                    Err(_) => return,
                },
                heard = socket.recv() => match heard {
                    // Viewers have nothing to say; pings are answered below.
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => {}
                },
            }
        };
    }
}

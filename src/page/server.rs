//! The server of the page.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use engine::EngineConfig;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use super::access::{Access, Entry, TOKEN_FILE};
use super::extract::Asked;
use super::feed::Page;
use super::listener::{CONNECTIONS, IDLE, Limited};
use super::reply::Refused;
use super::requests;
use super::state::{Server, VIEWERS};
use super::{assets, export, import, live, messages};
use crate::options::{self, Live, PageOptions};
use crate::services::TaskServices;

/// Nothing from elsewhere, no frame of others around it.
const POLICY: &str =
    "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// What the page is offered with.
pub(crate) struct Offer {
    pub(crate) page: Page,
    pub(crate) tasks: TaskServices,
    pub(crate) config: EngineConfig,
    pub(crate) live: Live,
    /// Fully qualified name of the node.
    pub(crate) node_name: String,
}

/// Serves from now on. A page that cannot be served is told, and the node goes on without it.
pub(crate) fn offer(runtime: &Handle, offer: Offer) {
    let PageOptions { address, port, .. } = options::current(&offer.live).page;
    let socket = SocketAddr::new(address, port);
    match std::net::TcpListener::bind(socket) {
        Err(error) => {
            tracing::warn!("there is no page on {socket}: {error}; give another page.port, or 0 for none");
        }
        Ok(listener) => {
            if let Err(error) = serve(runtime, offer, listener, socket) {
                tracing::warn!("there is no page on {socket}: {error}");
            }
        }
    }
}

fn serve(runtime: &Handle, offer: Offer, listener: std::net::TcpListener, socket: SocketAddr) -> io::Result<()> {
    let Offer { page, tasks, config, live, node_name } = offer;
    listener.set_nonblocking(true)?;
    let (access, token) = Access::on(socket.ip(), &config.state_dir)?;
    let place = if socket.ip().is_unspecified() {
        format!("this machine's name, port {}", socket.port())
    } else {
        socket.to_string()
    };
    if socket.ip().is_loopback() {
        tracing::info!("page: http://{socket}/");
    } else {
        tracing::info!("page: http on {place}, with the token in {}", config.state_dir.join(TOKEN_FILE).display());
    }
    if let Some(token) = token {
        // On the console alone: every peer hears the log.
        eprintln!("page: append /?token={token} to the address; this is told once");
    }
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let names = (node_name, format!("{}-{started}", std::process::id()));
    let router = router(Arc::new(Server::new(page, tasks, config, live, names, access)));
    runtime.spawn(async move {
        let served = match TcpListener::from_std(listener) {
            Ok(listener) => axum::serve(Limited::new(listener, CONNECTIONS, IDLE), router).await,
            Err(error) => Err(error),
        };
        if let Err(error) = served {
            tracing::error!("the page has ended: {error}");
        }
    });
    Ok(())
}

fn router(server: Arc<Server>) -> Router {
    let api = Router::new()
        .route("/capture", post(requests::capture))
        .route("/teach", post(requests::teach))
        .route("/cancel", post(requests::cancel))
        .route("/remove", post(requests::remove))
        .route("/forget", post(requests::forget))
        .route("/discard", post(requests::discard))
        .route("/samples", get(requests::samples))
        .route("/sample", get(requests::sample))
        .route("/explanation", get(requests::explanation))
        .route("/export", get(export::export))
        .route("/import", post(import::import));
    Router::new()
        .nest("/api", api)
        .route("/live", get(watch))
        .fallback(assets::answer)
        .layer(middleware::from_fn_with_state(Arc::clone(&server), let_in))
        .with_state(server)
}

/// Nothing is answered before it is known who asks.
async fn let_in(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let mut response = match server.access.check(request.method(), request.uri(), request.headers()) {
        Entry::Granted => next.run(request).await,
        Entry::Welcome(cookie) => {
            (StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie), (header::LOCATION, "/".to_owned())]).into_response()
        }
        Entry::Refused(status, why) => Refused(status, why.to_owned()).into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // Faces are in it, and another version of the node may have another page.
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[derive(Deserialize)]
struct Watched {
    #[serde(default)]
    camera: String,
}

/// A browser tells its page nothing of a socket that was not opened: who gets nothing is told so on the open one.
async fn watch(State(server): State<Arc<Server>>, Asked(asked): Asked<Watched>, upgrade: WebSocketUpgrade) -> Response {
    let feeds = Arc::clone(server.page.feeds());
    let names: Vec<&str> = feeds.cameras.iter().map(|feed| feed.name.as_str()).collect();
    let why_not = server.tasks.may_change().err().map(|refusal| refusal.0);
    let hello = messages::hello(&server.node_name, &server.instance, &names, why_not, server.options().rate_hz);
    let view = match (feeds.position(&asked.camera), Arc::clone(&server.viewers).try_acquire_owned()) {
        (None, _) => Err(format!("there is no camera `{}`", asked.camera)),
        (_, Err(_)) => Err(format!("{VIEWERS} people look at the page already; try again when one has gone")),
        (Some(camera), Ok(permit)) => Ok((camera, permit)),
    };
    let small = upgrade.max_message_size(1024).write_buffer_size(0);
    small.on_upgrade(move |socket| live::show(socket, feeds, hello, view))
}

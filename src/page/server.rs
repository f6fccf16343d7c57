//! The server of the page.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use engine::EngineConfig;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::access::{Access, Entry};
use super::feed::Page;
use super::requests::{self, Refused};
use super::state::Server;
use super::{assets, export, import, live, messages};
use crate::options::{self, Live, PageOptions};
use crate::services::TaskServices;

/// Viewers at once; each takes pictures.
const VIEWERS: usize = 8;
/// Requests that are worked on at once; a capture takes as long as it is told.
const REQUESTS: usize = 16;
/// Of a request's JSON, bytes.
const MOST_JSON: usize = 64 << 10;
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

/// Serves from now on; a port that is taken is told, and the node goes on without a page.
pub(crate) fn offer(runtime: &Handle, offer: Offer) {
    let PageOptions { address, port, .. } = options::current(&offer.live).page;
    if let Err(error) = try_offer(runtime, offer, address, port) {
        tracing::warn!("there is no page: {address}:{port}: {error}; give another page.port, or 0 for none");
    }
}

fn try_offer(runtime: &Handle, offer: Offer, address: IpAddr, port: u16) -> io::Result<()> {
    let Offer { page, tasks, config, live, node_name } = offer;
    let socket = SocketAddr::new(address, port);
    let listener = std::net::TcpListener::bind(socket)?;
    listener.set_nonblocking(true)?;
    let (access, token) = Access::on(address, &config.state_dir)?;
    export::sweep(&config.exchange());
    let query = token.map_or_else(String::new, |token| format!("?token={token}"));
    tracing::info!("page: http://{socket}/{query}");
    let server = Server {
        page,
        tasks,
        config,
        options: live,
        node_name,
        access,
        explaining: Semaphore::new(1),
        viewers: Arc::new(Semaphore::new(VIEWERS)),
        places: Semaphore::new(REQUESTS),
    };
    let router = router(Arc::new(server));
    runtime.spawn(async move {
        let served = match TcpListener::from_std(listener) {
            Ok(listener) => axum::serve(listener, router).await,
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
        .layer(DefaultBodyLimit::max(MOST_JSON))
        .route("/import", post(import::import).layer(DefaultBodyLimit::max(import::MOST_BYTES)))
        .layer(middleware::from_fn_with_state(Arc::clone(&server), in_turn));
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

async fn in_turn(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    match server.places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => {
            let busy = format!("{REQUESTS} requests are being worked on; try again when one has ended");
            Refused(StatusCode::SERVICE_UNAVAILABLE, busy).into_response()
        }
    }
}

#[derive(Deserialize)]
struct Watched {
    #[serde(default)]
    camera: String,
}

async fn watch(State(server): State<Arc<Server>>, Query(asked): Query<Watched>, upgrade: WebSocketUpgrade) -> Response {
    let feeds = Arc::clone(server.page.feeds());
    let camera = match asked.camera.as_str() {
        "" => Some(0),
        name => feeds.cameras.iter().position(|feed| feed.name == name),
    };
    let Some(camera) = camera else {
        return Refused(StatusCode::NOT_FOUND, format!("there is no camera `{}`", asked.camera)).into_response();
    };
    let Ok(place) = Arc::clone(&server.viewers).try_acquire_owned() else {
        let many = format!("{VIEWERS} people look at the page already");
        return Refused(StatusCode::SERVICE_UNAVAILABLE, many).into_response();
    };
    let names: Vec<&str> = feeds.cameras.iter().map(|feed| feed.name.as_str()).collect();
    let why_not = server.tasks.may_change().err().map(|refusal| refusal.0);
    let hello = messages::hello(&server.node_name, &names, why_not);
    let small = upgrade.max_message_size(1024).write_buffer_size(0);
    small.on_upgrade(move |socket| live::show(socket, feeds, camera, hello, place))
}

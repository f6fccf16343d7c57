//! What comes with a request, read with limits of size and time.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::reply::Refused;

/// Of a request's JSON, bytes.
const MOST_JSON: usize = 64 << 10;
/// A body that is not there after so long has lost its sender.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the address says behind its `?`.
pub(super) struct Asked<T>(pub(super) T);

/// What the body says.
pub(super) struct Json<T>(pub(super) T);

fn not_understood(error: impl std::fmt::Display) -> Refused {
    Refused(StatusCode::BAD_REQUEST, format!("the request is not understood: {error}"))
}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        Query::try_from_uri(&parts.uri).map(|Query(asked)| Self(asked)).map_err(not_understood)
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        let body = read(request.into_body(), MOST_JSON, PATIENCE).await?;
        parsed(&body).map(Self)
    }
}

fn parsed<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(not_understood)
}

/// A whole body.
///
/// # Errors
/// One that is larger, or does not come.
pub(super) async fn read(body: Body, most_bytes: usize, patience: Duration) -> Result<Bytes, Refused> {
    match timeout(patience, axum::body::to_bytes(body, most_bytes)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            let too_large = format!("the request is broken off, or larger than {most_bytes} bytes");
            Err(Refused(StatusCode::PAYLOAD_TOO_LARGE, too_large))
        }
        Err(_) => Err(Refused(StatusCode::REQUEST_TIMEOUT, "the request did not come in time".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_request_is_told_so() {
        let Err(Refused(status, message)) = parsed::<Vec<String>>(&Bytes::from_static(b"{\"kind\": 3}")) else {
            panic!()
        };
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(message.contains("not understood"), "{message}");
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_or_does_not_come_is_refused() {
        let read = |body, most| read(body, most, Duration::from_millis(50));
        assert_eq!(read(Body::from("four"), 4).await.unwrap(), "four");
        assert_eq!(read(Body::from("five!"), 4).await.unwrap_err().0, StatusCode::PAYLOAD_TOO_LARGE);
        let never = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read(never, 4).await.unwrap_err().0, StatusCode::REQUEST_TIMEOUT);
    }
}

//! Replies to the page: what was asked for, or why not, always as JSON with `success` and `message`.

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::service::Refusal;

const JSON: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

/// What a request comes to.
pub(super) type Reply = Result<Response, Refused>;

/// A refusal with its status.
#[derive(Debug)]
pub(super) struct Refused(pub(super) StatusCode, pub(super) String);

impl From<Refusal> for Refused {
    fn from(Refusal(message): Refusal) -> Self {
        Self(StatusCode::CONFLICT, message)
    }
}

impl<E: std::error::Error> From<E> for Refused {
    fn from(error: E) -> Self {
        Refusal::from(error).into()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(status, message) = self;
        (status, JSON, json!({"success": false, "message": message}).to_string()).into_response()
    }
}

/// A granted request: `message` and what else there is to say.
pub(super) fn granted(message: impl Into<String>, mut more: Value) -> Response {
    more["success"] = true.into();
    more["message"] = message.into().into();
    (JSON, more.to_string()).into_response()
}

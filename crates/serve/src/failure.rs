//! Answers that aren't what was asked for.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::ServeError;

/// Why a request gets no other answer. The texts are ours alone: nothing of the request is echoed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no such thing.
    NotFound(&'static str),
    /// The request makes no sense.
    BadRequest(&'static str),
    /// The client may not know.
    Unauthorized,
    /// The client calls the server by a name that isn't its own.
    Misdirected,
    /// The store took too long.
    TooSlow,
    /// The store failed. The server's user is told why, the client only that it did.
    Store(Arc<ServeError>),
}

/// What the server's user is to be told, on its way out beside the answer.
#[derive(Debug, Clone)]
pub(crate) struct Problem(pub(crate) Arc<ServeError>);

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::TooSlow => StatusCode::GATEWAY_TIMEOUT,
            Self::Store(_) => StatusCode::BAD_GATEWAY,
        }
    }

    fn message(&self) -> &'static str {
        match self {
            Self::NotFound(message) | Self::BadRequest(message) => message,
            Self::Unauthorized => "send the token: as `Authorization: Bearer`, `Circle-Token`, or a password",
            Self::Misdirected => "this server is not called that; it can be told to be with --host",
            Self::TooSlow => "the store took too long",
            Self::Store(_) => "the store could not be read; the server's own output tells more",
        }
    }

    /// The answer for programs, in the shape of CircleCI's API.
    pub(crate) fn into_json(self) -> Response {
        let body = Json(json!({ "message": self.message() }));
        self.with(body)
    }

    fn with(self, body: impl IntoResponse) -> Response {
        let mut response = (self.status(), body).into_response();
        match self {
            Self::Store(error) => {
                response.extensions_mut().insert(Problem(error));
            }
            Self::Unauthorized => {
                // A browser asks its user for the second.
                for challenge in ["Bearer", "Basic realm=\"epitaph\""] {
                    response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
                }
            }
            _ => {}
        }
        response
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<Arc<ServeError>> for Failure {
    fn from(error: Arc<ServeError>) -> Self {
        Self::Store(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = format!("{}\n", self.message());
        self.with(body)
    }
}

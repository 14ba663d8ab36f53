//! How requests of object stores travel: with our TLS, no limit on a whole transfer, and a watch for silence.
//!
//! The client's own limit is on a request's whole time, which a slow uplink passes with every part. Here a request
//! fails when nothing moves: no piece of its content is taken, no piece of the answer comes.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use jiff::Timestamp;
use object_store::ClientOptions;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use reqwest::header::{CONTENT_LENGTH, RETRY_AFTER};
use tokio::time::{Instant, Sleep};
use url::Url;

use crate::StoreError;
use crate::error::is_tls_error;
use crate::http::{connections, retry_after};
use crate::options::{Network, StoreOptions};

/// Content is handed on in pieces of so many bytes, so that progress can be seen.
const PIECE: usize = 64 << 10;

/// Makes the services through which an object store speaks.
#[derive(Debug)]
pub(super) struct Transport {
    client: reqwest::Client,
    network: Network,
}

impl Transport {
    /// For a store at that address.
    pub(super) fn new(address: &Url, options: &StoreOptions) -> Result<Self, StoreError> {
        let client = connections(address, options.ca_file.as_deref(), &options.network)?;
        Ok(Self { client, network: options.network.clone() })
    }
}

impl HttpConnector for Transport {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let insecure =
            options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|value| value == "true");
        Ok(HttpClient::new(Service { client: self.client.clone(), network: self.network.clone(), insecure }))
    }
}

#[derive(Debug)]
struct Service {
    client: reqwest::Client,
    network: Network,
    /// Whether requests may go without TLS.
    insecure: bool,
}

/// When something moved last.
#[derive(Debug, Clone)]
struct Moved(Arc<Mutex<Instant>>);

/// Why a request failed, where no library says it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("nothing moved for {} s", .0.as_secs())]
    Stalled(Duration),
    #[error("http is not allowed unless AWS_ALLOW_HTTP, AZURE_ALLOW_HTTP or GOOGLE_ALLOW_HTTP is true")]
    Insecure,
    #[error("the address can't be parsed")]
    Address(#[source] url::ParseError),
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string());
        let url = url.map_err(|error| HttpError::new(HttpErrorKind::Unknown, Failure::Address(error)))?;
        if url.scheme() != "https" && !self.insecure {
            return Err(HttpError::new(HttpErrorKind::Unknown, Failure::Insecure));
        }
        let moved = Moved::now();
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        let length = body.content_length();
        if length > 0 {
            request.headers_mut().insert(CONTENT_LENGTH, length.into());
            *request.body_mut() = Some(reqwest::Body::wrap_stream(pieces(body, moved.clone())));
        }
        let response = moved.watch(self.client.execute(request), self.network.stall_timeout).await?;
        if matches!(response.status().as_u16(), 429 | 503) {
            self.wait_as_asked(&response).await;
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = Watched::new(response.into(), self.network.stall_timeout);
        let mut answer = HttpResponse::new(HttpResponseBody::new(body));
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        Ok(answer)
    }
}

impl Service {
    /// The client repeats a request by its own clock; what the server asks for comes before that.
    async fn wait_as_asked(&self, response: &reqwest::Response) {
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        if let Some(asked) = asked.and_then(|text| retry_after(text, Timestamp::now())) {
            tokio::time::sleep(asked.min(self.network.longest_retry_after)).await;
        }
    }
}

impl Moved {
    fn now() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn touch(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the headers of an answer as long as something moves.
    async fn watch(
        &self,
        answer: impl Future<Output = reqwest::Result<reqwest::Response>>,
        patience: Duration,
    ) -> Result<reqwest::Response, HttpError> {
        let mut answer = std::pin::pin!(answer);
        loop {
            let deadline = self.last() + patience;
            match tokio::time::timeout_at(deadline, &mut answer).await {
                Ok(answer) => return answer.map_err(http_error),
                Err(_) if self.last() + patience > deadline => {}
                Err(_) => return Err(stalled(patience)),
            }
        }
    }
}

/// The content of a request in small pieces; each one that is taken is a sign of life.
fn pieces(
    body: HttpRequestBody,
    moved: Moved,
) -> impl Stream<Item = Result<Bytes, HttpError>> + Send + use<> {
    let chunks = body.into_data_stream();
    chunks.flat_map(move |chunk| {
        let moved = moved.clone();
        let mut rest = chunk;
        stream::iter(std::iter::from_fn(move || {
            moved.touch();
            match &mut rest {
                Ok(bytes) if bytes.is_empty() => None,
                Ok(bytes) => Some(Ok(bytes.split_to(PIECE.min(bytes.len())))),
                Err(_) => Some(std::mem::replace(&mut rest, Ok(Bytes::new()))),
            }
        }))
    })
}

/// An answer's body that fails when nothing comes for too long.
struct Watched {
    body: reqwest::Body,
    patience: Duration,
    silence: Pin<Box<Sleep>>,
}

impl Watched {
    fn new(body: reqwest::Body, patience: Duration) -> Self {
        Self { body, patience, silence: Box::pin(tokio::time::sleep(patience)) }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let deadline = Instant::now() + self.patience;
            self.silence.as_mut().reset(deadline);
            return Poll::Ready(frame.map(|frame| frame.map_err(http_error)));
        }
        self.silence.as_mut().poll(context).map(|()| Some(Err(stalled(self.patience))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn stalled(patience: Duration) -> HttpError {
    HttpError::new(HttpErrorKind::Timeout, Failure::Stalled(patience))
}

/// Tells what passes from what doesn't. The library's message holds the URL with its query, so that is taken out.
fn http_error(error: reqwest::Error) -> HttpError {
    let kind = if is_tls_error(&error) || error.is_builder() {
        HttpErrorKind::Unknown
    } else if error.is_connect() {
        HttpErrorKind::Connect
    } else {
        // The request may have been carried out.
        HttpErrorKind::Interrupted
    };
    HttpError::new(kind, error.without_url())
}

//! A file as an answer: its conditions, its parts, and its content in pieces.
//!
//! A piece is read when the client has taken the one before it, on a thread for blocking work that is given back
//! between two pieces. So a download costs one piece of memory and no thread, however slow the client is.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, ETAG, HeaderMap,
    HeaderValue, RANGE,
};
use axum::http::{HeaderName, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use epitaph_store::Opened;
use futures_util::stream;

use crate::ServeError;
use crate::blocking::blocking;
use crate::condition::{Verdict, part_allowed, verdict};
use crate::failure::Failure;
use crate::range::{Asked, asked};
use crate::site::Site;

/// Large enough that a hop between threads costs little beside it, small enough for every connection to hold one.
const PIECE: usize = 128 * 1024;

/// What is known of a file before it is opened.
#[derive(Debug)]
pub(crate) struct Download {
    /// In bytes.
    pub(crate) size: u64,
    /// What makes its entity tag.
    pub(crate) version: Option<String>,
    /// Further headers of an answer with content.
    pub(crate) extra: Vec<(HeaderName, HeaderValue)>,
}

/// Answers with a file, which is opened only if some of it is to be sent.
pub(crate) async fn respond(
    site: &Arc<Site>,
    download: Download,
    open: impl FnOnce(Option<Range<u64>>) -> Result<Opened, ServeError> + Send + 'static,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let Download { size, version, extra } = download;
    let tag = version.and_then(|version| HeaderValue::try_from(format!("\"{version}\"")).ok());
    let tag_text = tag.as_ref().and_then(|tag| tag.to_str().ok());
    // A file's name stands for whatever was pushed last under it.
    let mut common = vec![
        (ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    ];
    match tag_text.map_or(Verdict::Send, |tag| verdict(headers, tag)) {
        Verdict::Send => {}
        Verdict::Changed => return Ok(StatusCode::PRECONDITION_FAILED.into_response()),
        Verdict::Unchanged => {
            common.extend(tag.map(|tag| (ETAG, tag)));
            common.push((CONTENT_LENGTH, size.into()));
            // A cache takes it over for what it holds (RFC 9111, 3.2), which must not get that of our own pages.
            common.extend(extra.into_iter().filter(|(name, _)| name == CONTENT_SECURITY_POLICY));
            return Ok(with(StatusCode::NOT_MODIFIED.into_response(), common));
        }
    }
    let range = headers.get(RANGE).filter(|_| part_allowed(headers, tag_text));
    let range = range.and_then(|range| range.to_str().ok()).map_or(Asked::Whole, |range| asked(range, size));
    common.extend(tag.map(|tag| (ETAG, tag)));
    let (status, range) = match range {
        Asked::Whole => (StatusCode::OK, None),
        Asked::Part(range) => {
            let told = format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1));
            common.extend(HeaderValue::try_from(told).ok().map(|told| (CONTENT_RANGE, told)));
            (StatusCode::PARTIAL_CONTENT, Some(range))
        }
        Asked::Nothing => {
            let told = HeaderValue::try_from(format!("bytes */{size}")).ok();
            common.extend(told.map(|told| (CONTENT_RANGE, told)));
            return Ok(with(StatusCode::RANGE_NOT_SATISFIABLE.into_response(), common));
        }
    };
    let length = range.as_ref().map_or(size, |range| range.end.saturating_sub(range.start));
    common.push((CONTENT_LENGTH, length.into()));
    common.extend(extra);
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        let opened = blocking(move || open(range)).await?;
        if opened.size != size {
            return Err(ServeError::Changed { expected: size, found: opened.size }.into());
        }
        body(opened.content, Arc::clone(site))
    };
    Ok(with((status, body).into_response(), common))
}

fn with(mut response: Response, headers: Vec<(HeaderName, HeaderValue)>) -> Response {
    for (name, value) in headers {
        response.headers_mut().insert(name, value);
    }
    response
}

/// Content as a body. If reading fails the body breaks off, and the client misses what was announced to it.
fn body(content: Box<dyn Read + Send>, site: Arc<Site>) -> Body {
    let pieces = stream::try_unfold((content, site), |(mut content, site)| async move {
        let read = blocking(move || {
            let piece = read_piece(&mut content).map_err(|source| ServeError::Content { source })?;
            Ok((piece, content))
        });
        match read.await {
            Ok((piece, _)) if piece.is_empty() => Ok(None),
            Ok((piece, content)) => Ok(Some((piece, (content, site)))),
            Err(error) => {
                (site.on_problem)(&error);
                Err(error)
            }
        }
    });
    Body::from_stream(pieces)
}

/// Reads until a piece is full or nothing is left. What came before an error is thrown away: it may be the end of
/// something damaged.
fn read_piece(content: &mut dyn Read) -> io::Result<Bytes> {
    let mut piece = Vec::with_capacity(PIECE);
    content.take(PIECE as u64).read_to_end(&mut piece)?;
    Ok(piece.into())
}

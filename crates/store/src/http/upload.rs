//! A request whose body is sent piece by piece, and watched while it is.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, unfold};
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};
use reqwest::{Body, Method};
use tokio::time::{Instant, timeout};
use url::Url;

use super::client::{Answer, Client, is_redirect, network_error, unfollowed};
use super::{shown, strip_user};
use crate::StoreError;

/// How often an upload is looked at.
const TICK: Duration = Duration::from_millis(200);

/// The longest piece that is handed to a connection: on a slow link, the next one still shows soon that it moves.
const PIECE: usize = 64 << 10;

/// A body, piece by piece, in its order. An error breaks the request off.
pub(crate) type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// How far an upload is.
#[derive(Debug, Default)]
struct Sent {
    /// Bytes that the connection has taken.
    bytes: AtomicU64,
    /// Whether it waits for the next piece, and so the server can't be blamed for silence.
    starved: AtomicBool,
}

impl Client {
    /// Sends a PUT request with a body of `length` bytes, and waits for the headers of the answer, whatever its status.
    /// `at` is told the position now and then. A body that ends early breaks the request off.
    pub(crate) async fn put(
        &self,
        url: &Url,
        headers: &HeaderMap,
        length: u64,
        pieces: Pieces,
        at: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Answer, StoreError> {
        let mut url = url.clone();
        strip_user(&mut url);
        let (request, token_sent) = self.request(&Method::PUT, &url, headers);
        let sent = Arc::new(Sent::default());
        let request = request
            .header(CONTENT_LENGTH, HeaderValue::from(length))
            .body(Body::wrap_stream(counted(pieces, Arc::clone(&sent))));
        let mut answer = pin!(request.send());
        let (mut position, mut moved) = (0, Instant::now());
        let response = loop {
            if let Ok(answer) = timeout(TICK, &mut answer).await {
                break answer.map_err(|error| network_error(&url, error))?;
            }
            let now = sent.bytes.load(Ordering::Relaxed);
            if now != position || sent.starved.load(Ordering::Relaxed) {
                (position, moved) = (now, Instant::now());
                at(position);
            } else if moved.elapsed() >= self.stall_timeout {
                return Err(StoreError::Stalled { url: shown(&url), after: self.stall_timeout });
            }
        };
        if is_redirect(response.status()) {
            return Err(unfollowed(&url));
        }
        Ok(Answer::new(response, url, token_sent, self.stall_timeout))
    }
}

/// The same bytes in short pieces, counted when the connection takes them.
fn counted(pieces: Pieces, sent: Arc<Sent>) -> BoxStream<'static, io::Result<Bytes>> {
    let next = |(mut pieces, mut rest, sent): (Pieces, Bytes, Arc<Sent>)| async move {
        while rest.is_empty() {
            sent.starved.store(true, Ordering::Relaxed);
            let piece = pieces.next().await;
            sent.starved.store(false, Ordering::Relaxed);
            match piece? {
                Ok(piece) => rest = piece,
                Err(error) => return Some((Err(error), (pieces, rest, sent))),
            }
        }
        let piece = rest.split_to(rest.len().min(PIECE));
        sent.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Some((Ok(piece), (pieces, rest, sent)))
    };
    unfold((pieces, Bytes::new(), sent), next).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn long_pieces_are_cut_and_empty_ones_left_out() {
        let long = Bytes::from(vec![7; 2 * PIECE + 1]);
        let pieces = [Ok(Bytes::new()), Ok(long), Ok(Bytes::from_static(b"x")), Ok(Bytes::new())];
        let sent = Arc::new(Sent::default());
        let out: Vec<_> =
            counted(futures_util::stream::iter(pieces).boxed(), Arc::clone(&sent)).collect().await;
        let lengths: Vec<usize> = out.into_iter().map(|piece| piece.unwrap().len()).collect();
        assert_eq!(lengths, [PIECE, PIECE, 1, 1]);
        assert_eq!(sent.bytes.load(Ordering::Relaxed), 2 * PIECE as u64 + 2);
    }
}

//! One artifact, passed on as it arrives.

use std::io::{self, Cursor, Read};
use std::ops::Range;

use reqwest::StatusCode;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use url::Url;

use super::part::parse_content_range;
use crate::StoreError;
use crate::http::{Answer, Client};
use crate::opened::Opened;
use crate::runtime::Blocking;

/// The body of an answer, read from outside of the runtime.
struct Body {
    runtime: Blocking,
    answer: Answer,
    piece: Cursor<Vec<u8>>,
    /// Bytes that have yet to arrive.
    left: u64,
}

/// Sends the request, and waits for the headers of the answer.
pub(crate) async fn open(
    runtime: &Blocking,
    client: &Client,
    url: &Url,
    range: Option<&Range<u64>>,
) -> Result<Opened, StoreError> {
    // Content that a server compresses on its way has neither the length nor the positions of the file.
    let mut headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
    // No header can ask for nothing: only the length is taken of what arrives instead.
    let only_length = range.is_some_and(Range::is_empty);
    let range = range.filter(|range| !range.is_empty());
    if let Some(range) = range
        && let Ok(value) = HeaderValue::try_from(format!("bytes={}-{}", range.start, range.end - 1))
    {
        headers.insert(RANGE, value);
    }
    let answer = client.get(url, &headers).await?;
    let bad = |why: &str| StoreError::BadAnswer { url: answer.shown_url(), why: why.to_owned() };
    let (size, left) = match (answer.status(), range) {
        (StatusCode::OK, None) => {
            let size = answer.content_length().ok_or_else(|| bad("it doesn't tell the length"))?;
            (size, if only_length { 0 } else { size })
        }
        (StatusCode::PARTIAL_CONTENT, Some(range)) => {
            let told = answer.header(&CONTENT_RANGE).and_then(parse_content_range);
            match told {
                Some((start, Some(size))) if start == range.start && size >= range.end => {
                    (size, range.end - range.start)
                }
                _ => return Err(bad("it is another part than was asked for")),
            }
        }
        (status, _) if status.is_success() => return Err(bad("it is not the part that was asked for")),
        _ => return Err(answer.refusal()),
    };
    let body = Body { runtime: runtime.clone(), answer, piece: Cursor::default(), left };
    Ok(Opened { size, content: Box::new(body) })
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.piece.read(buffer)?;
            if length > 0 || buffer.is_empty() || self.left == 0 {
                return Ok(length);
            }
            let piece = self.runtime.wait(self.answer.chunk()).map_err(io::Error::other)?;
            let Some(piece) = piece else { return Err(io::ErrorKind::UnexpectedEof.into()) };
            let most = piece.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            let piece = piece.get(..most).unwrap_or_default().to_vec();
            self.left -= piece.len() as u64;
            self.piece = Cursor::new(piece);
        }
    }
}

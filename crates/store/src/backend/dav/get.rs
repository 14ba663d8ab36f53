//! Reading a file, and going on where a connection broke.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{empty, try_unfold};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::Method;
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_MATCH, IF_UNMODIFIED_SINCE,
    LAST_MODIFIED, RANGE,
};
use url::Url;

use super::session::{Session, refusal};
use super::tree::Found;
use crate::backend::{Content, UNKNOWN};
use crate::http::Answer;
use crate::{NoProgress, StoreError};

/// A transfer that got this many bytes further since its last failure has not used up its attempts.
const MOVED_ON: u64 = 1 << 20;

/// What the server knows of a file; none if there is no file.
pub(super) async fn head(session: &Session, key: &str) -> Result<Option<Found>, StoreError> {
    let url = session.address().file(key)?;
    let answer = session.ask(&Method::HEAD, &url, &HeaderMap::new(), None).await?;
    if is_absent(&answer) {
        return Ok(None);
    }
    if !answer.status().is_success() {
        return Err(refusal("HEAD", &answer));
    }
    if answer.header(&CONTENT_LENGTH).is_none() {
        // Apache leaves it out where the file is empty.
        let opened = open(session, &url, &(0..u64::MAX), None).await?;
        return Ok(Some(Found { size: opened.map_or(0, |opened| opened.size), modified: modified(&answer) }));
    }
    Ok(Some(Found { size: length(&answer)?, modified: modified(&answer) }))
}

/// Reads from `range.start` to before `range.end` or the end of the content, whichever comes first.
pub(super) async fn get(session: &Arc<Session>, key: &str, range: Range<u64>) -> Result<Content, StoreError> {
    let url = session.address().file(key)?;
    let Some(Opened { answer, version, size }) = open(session, &url, &range, None).await? else {
        let size = head(session, key).await?.map_or(0, |found| found.size);
        return Ok(Content { size, chunks: empty().boxed() });
    };
    let end = range.end.min(size);
    let position = if answer.status().as_u16() == 206 { range.start } else { 0 };
    let session = Arc::clone(session);
    let (wanted, start) = (range.start, range.start);
    let cursor = Cursor {
        session,
        url,
        version,
        size,
        position,
        wanted,
        start,
        end,
        failures: 0,
        furthest: start,
        answer: Some(answer),
    };
    let chunks =
        try_unfold(cursor, |mut cursor| async move { Ok(cursor.next().await?.map(|chunk| (chunk, cursor))) });
    Ok(Content { size, chunks: chunks.boxed() })
}

/// By what a server tells one content of a file from the next.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
}

/// Content that is on its way.
struct Opened {
    answer: Answer,
    version: Version,
    size: u64,
}

/// Asks for a range; a status of 200 in the answer means that the server gives the whole file instead. `version` is the
/// content that must still be there. None if the range starts at the end of the content or behind it.
async fn open(
    session: &Session,
    url: &Url,
    range: &Range<u64>,
    version: Option<&Version>,
) -> Result<Option<Opened>, StoreError> {
    let mut headers = HeaderMap::new();
    if *range != (0..u64::MAX) {
        let last =
            if range.end == u64::MAX { String::new() } else { range.end.saturating_sub(1).to_string() };
        let range = format!("bytes={}-{last}", range.start);
        headers.extend(HeaderValue::from_str(&range).ok().map(|range| (RANGE, range)));
    }
    if let Some(version) = version {
        headers.extend(version.condition());
    }
    let answer = session.ask(&Method::GET, url, &headers, None).await?;
    let size = match answer.status().as_u16() {
        _ if is_absent(&answer) => return Err(absent("GET", &answer)),
        416 => return Ok(None),
        412 => return Err(changed(&answer)),
        206 => size_of_range(&answer, range.start)?,
        200 => length(&answer)?,
        _ => return Err(refusal("GET", &answer)),
    };
    let now = Version::of(&answer);
    if version.is_some_and(|version| *version != now) {
        return Err(changed(&answer));
    }
    Ok(Some(Opened { answer, version: now, size }))
}

impl Version {
    fn of(answer: &Answer) -> Self {
        let value = |name| answer.header(name).and_then(|value| HeaderValue::from_str(value).ok());
        Self { etag: value(&ETAG), modified: value(&LAST_MODIFIED) }
    }

    /// The header that asks for this version only (RFC 9110, 13.1).
    fn condition(&self) -> Option<(reqwest::header::HeaderName, HeaderValue)> {
        // A weak tag never matches there.
        let strong = self.etag.as_ref().filter(|tag| !tag.as_bytes().starts_with(b"W/"));
        strong
            .map(|tag| (IF_MATCH, tag.clone()))
            .or_else(|| self.modified.as_ref().map(|time| (IF_UNMODIFIED_SINCE, time.clone())))
    }
}

/// A place in a file.
struct Cursor {
    session: Arc<Session>,
    url: Url,
    version: Version,
    size: u64,
    /// Where the next byte of the answer belongs.
    position: u64,
    /// Where the bytes begin that are still wanted.
    wanted: u64,
    start: u64,
    end: u64,
    /// Failures since it last moved on, and how far it was then.
    failures: u32,
    furthest: u64,
    answer: Option<Answer>,
}

impl Cursor {
    /// The next piece of what was asked for.
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let session = Arc::clone(&self.session);
        let mut retry = session.retry_after(self.failures);
        while self.position < self.end {
            match self.piece().await {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Ok(Some(piece)),
                Err(error) => {
                    self.answer = None;
                    if self.wanted >= self.furthest.saturating_add(MOVED_ON) {
                        self.furthest = self.wanted;
                        retry.moved_on();
                    }
                    self.failures = retry.failures() + 1;
                    retry.wait(error, self.url.path(), &NoProgress).await?;
                }
            }
        }
        Ok(None)
    }

    /// The next piece of the answer, as far as it was asked for.
    async fn piece(&mut self) -> Result<Bytes, StoreError> {
        let mut answer = match self.answer.take() {
            Some(answer) => answer,
            None => self.reopen().await?,
        };
        let cut_short = || StoreError::CutShort {
            url: self.address(),
            received: self.wanted.saturating_sub(self.start),
            expected: self.end.saturating_sub(self.start),
        };
        let mut piece = answer.chunk().await?.ok_or_else(cut_short)?;
        self.answer = Some(answer);
        let length = piece.len() as u64;
        let before = self.wanted.saturating_sub(self.position).min(length);
        self.position += length;
        self.wanted = self.wanted.max(self.position);
        let behind = self.position.saturating_sub(self.end).min(length);
        piece.truncate((length - behind) as usize);
        Ok(piece.split_off((before as usize).min(piece.len())))
    }

    async fn reopen(&mut self) -> Result<Answer, StoreError> {
        let from = self.wanted;
        let opened = open(&self.session, &self.url, &(from..self.end), Some(&self.version)).await?;
        match opened {
            Some(Opened { answer, size, .. }) if size == self.size => {
                self.position = if answer.status().as_u16() == 206 { from } else { 0 };
                Ok(answer)
            }
            _ => Err(StoreError::BadAnswer { url: self.address(), why: CHANGED.to_owned() }),
        }
    }

    fn address(&self) -> String {
        crate::http::shown(&self.url)
    }
}

const CHANGED: &str = "it changed while it was read";

fn changed(answer: &Answer) -> StoreError {
    StoreError::BadAnswer { url: answer.shown_url(), why: CHANGED.to_owned() }
}

/// Whether there is no file: nothing at all, or a folder. For a folder, servers lead to its URL with a slash, or allow
/// no GET.
fn is_absent(answer: &Answer) -> bool {
    matches!(answer.status().as_u16(), 404 | 405 | 410) || answer.url().path().ends_with('/')
}

/// The error that a file's absence is.
fn absent(method: &'static str, answer: &Answer) -> StoreError {
    match refusal(method, answer) {
        StoreError::HttpStore { method, url, token_sent, .. } => {
            StoreError::HttpStore { method, url, status: 404, token_sent }
        }
        other => other,
    }
}

/// When a file was last written to, if the server tells.
fn modified(answer: &Answer) -> Timestamp {
    answer.header(&LAST_MODIFIED).and_then(time).unwrap_or(UNKNOWN)
}

/// The length of the whole file, of an answer that has all of it.
fn length(answer: &Answer) -> Result<u64, StoreError> {
    answer.header(&CONTENT_LENGTH).and_then(|text| text.trim().parse().ok()).ok_or_else(|| {
        StoreError::BadAnswer { url: answer.shown_url(), why: "it doesn't tell the file's length".to_owned() }
    })
}

/// The length of the whole file, of an answer that has a part from `start` on.
fn size_of_range(answer: &Answer, start: u64) -> Result<u64, StoreError> {
    let range = answer.header(&CONTENT_RANGE).and_then(content_range);
    range.filter(|(first, size)| *first == start && first < size).map(|(_, size)| size).ok_or_else(|| {
        StoreError::BadAnswer {
            url: answer.shown_url(),
            why: "its Content-Range is not what was asked for".to_owned(),
        }
    })
}

/// The first position and the whole length (RFC 9110, 14.4).
fn content_range(text: &str) -> Option<(u64, u64)> {
    let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, size.trim().parse().ok()?))
}

/// A date of HTTP (RFC 9110, 5.6.7).
pub(super) fn time(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        assert_eq!(content_range("bytes 5-9/100"), Some((5, 100)));
        for text in ["bytes */100", "bytes 5-9/*", "items 5-9/100", "bytes 5/100", ""] {
            assert_eq!(content_range(text), None, "{text}");
        }
    }

    #[test]
    fn dates_of_http() {
        assert_eq!(time("Sun, 22 Nov 2026 10:00:00 GMT"), Some("2026-11-22T10:00:00Z".parse().unwrap()));
        assert_eq!(time("yesterday"), None);
    }

    #[test]
    fn only_strong_tags_are_a_condition() {
        let version = |etag: &'static str| Version {
            etag: Some(HeaderValue::from_static(etag)),
            modified: Some(HeaderValue::from_static("Sun, 22 Nov 2026 10:00:00 GMT")),
        };
        assert_eq!(version("\"a\"").condition().unwrap().0, IF_MATCH);
        assert_eq!(version("W/\"a\"").condition().unwrap().0, IF_UNMODIFIED_SINCE);
        assert_eq!(Version { etag: None, modified: None }.condition(), None);
    }
}

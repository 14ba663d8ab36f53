//! Files on their way to their names.

use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH};
use url::Url;

use super::folders::{make_above, method};
use super::get::head;
use super::payload::Payload;
use super::session::{Session, refusal, transient};
use super::{INCOMING, address::join};
use crate::{NoProgress, StoreError};

const DESTINATION: HeaderName = HeaderName::from_static("destination");
const OVERWRITE: HeaderName = HeaderName::from_static("overwrite");

/// What may happen to a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It is replaced.
    Replace,
    /// It stays.
    Create,
}

/// How a request to give a file its name ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moved {
    Done,
    /// Another file has the name, and keeps it.
    Taken,
    /// The server doesn't do this.
    Refused,
}

/// Gives a key its content; `false` if it had one, and was to keep it.
pub(super) async fn put(
    session: &Session,
    key: &str,
    payload: &Payload<'_>,
    mode: Mode,
) -> Result<bool, StoreError> {
    if session.moves().await? {
        match by_move(session, key, payload, mode).await? {
            Moved::Done => return Ok(true),
            Moved::Taken => return Ok(false),
            Moved::Refused => session.never_move_again(),
        }
    }
    plainly(session, key, payload, mode).await
}

/// Sends it to a temporary name first, so that it is never seen in part.
async fn by_move(
    session: &Session,
    key: &str,
    payload: &Payload<'_>,
    mode: Mode,
) -> Result<Moved, StoreError> {
    let temporary = join(INCOMING, &temporary_name(Timestamp::now()));
    let moved = match upload(session, &temporary, payload, &HeaderMap::new()).await {
        Ok(_) => transfer("MOVE", session, &temporary, key, payload.length(), mode).await,
        Err(error) => Err(error),
    };
    if !matches!(moved, Ok(Moved::Done)) {
        // One attempt: what stays is swept away a day later.
        let url = session.address().file(&temporary)?;
        let _ = session.client().send(&Method::DELETE, &url, &HeaderMap::new(), None).await;
    }
    moved
}

/// Sends it to its name.
async fn plainly(
    session: &Session,
    key: &str,
    payload: &Payload<'_>,
    mode: Mode,
) -> Result<bool, StoreError> {
    let mut headers = HeaderMap::new();
    if mode == Mode::Create {
        if head(session, key).await?.is_some() {
            return Ok(false);
        }
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
    }
    upload(session, key, payload, &headers).await
}

/// How the server copied a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copied {
    Whole,
    /// It stopped in the middle.
    Cut,
    /// Another file has the name, and keeps it.
    Taken,
    /// The server doesn't do this.
    Refused,
}

/// Gives a key the content of another one of that length, unless it has some.
pub(super) async fn copy(session: &Session, from: &str, to: &str, length: u64) -> Result<Copied, StoreError> {
    match transfer("COPY", session, from, to, length, Mode::Create).await? {
        Moved::Refused => Ok(Copied::Refused),
        Moved::Taken => Ok(Copied::Taken),
        Moved::Done => {
            let is_whole = head(session, to).await?.is_some_and(|found| found.size == length);
            Ok(if is_whole { Copied::Whole } else { Copied::Cut })
        }
    }
}

/// Sends it as often as it takes; `false` if a condition in the headers doesn't hold.
async fn upload(
    session: &Session,
    key: &str,
    payload: &Payload<'_>,
    headers: &HeaderMap,
) -> Result<bool, StoreError> {
    let url = session.address().file(key)?;
    make_above(session, key).await?;
    let mut retry = session.retry();
    let mut broken = false;
    loop {
        match attempt(session, key, &url, payload, headers).await {
            // Nothing was there before our own attempts: what has the name now may be what one of them left.
            Ok(false) if broken => return replace_ours(session, key, &url, payload).await,
            Ok(done) => return Ok(done),
            Err(error) => retry.wait(error, key, &NoProgress).await.map_err(given_up)?,
        }
        broken = true;
    }
}

/// Sends it once more where an earlier attempt has left less than the whole.
async fn replace_ours(
    session: &Session,
    key: &str,
    url: &Url,
    payload: &Payload<'_>,
) -> Result<bool, StoreError> {
    if head(session, key).await?.is_some_and(|found| found.size == payload.length()) {
        return Ok(true);
    }
    attempt(session, key, url, payload, &HeaderMap::new()).await.map_err(given_up)
}

/// The error of the last attempt: nginx answers 500 where a folder is missing, so what was asked for is told as well.
fn given_up(error: StoreError) -> StoreError {
    match error {
        StoreError::Status { url, status, token_sent, .. } => {
            StoreError::HttpStore { method: "PUT", url, status, token_sent }
        }
        other => other,
    }
}

async fn attempt(
    session: &Session,
    key: &str,
    url: &Url,
    payload: &Payload<'_>,
    headers: &HeaderMap,
) -> Result<bool, StoreError> {
    let answer = payload.send(session, url, headers).await?;
    if let Some(error) = transient(&answer) {
        return Err(error);
    }
    if answer.status().as_u16() == 412 {
        return Ok(false);
    }
    if !answer.status().is_success() {
        return Err(refusal("PUT", &answer));
    }
    // A server may take what a broken connection left for a whole file.
    let stored = head(session, key).await?.map_or(0, |found| found.size);
    let expected = payload.length();
    if stored == expected {
        Ok(true)
    } else {
        Err(StoreError::Truncated { url: answer.shown_url(), stored, expected })
    }
}

/// Moves or copies a file of that length to another key.
async fn transfer(
    name: &'static str,
    session: &Session,
    from: &str,
    to: &str,
    length: u64,
    mode: Mode,
) -> Result<Moved, StoreError> {
    let (source, target) = (session.address().file(from)?, session.address().file(to)?);
    let mut headers = HeaderMap::new();
    let target = HeaderValue::from_str(target.as_str())
        .map_err(|_| StoreError::UnsafePath { path: to.to_owned(), why: "it fits in no header" })?;
    headers.insert(DESTINATION, target);
    // The default of RFC 4918, 10.6, is T; some servers take it for F.
    headers.insert(OVERWRITE, HeaderValue::from_static(if mode == Mode::Create { "F" } else { "T" }));
    let method = method(name)?;
    // Servers don't agree on how they say that a folder is missing there.
    make_above(session, to).await?;
    let answer = session.ask(&method, &source, &headers, None).await?;
    match answer.status().as_u16() {
        200..=299 => Ok(Moved::Done),
        412 => Ok(Moved::Taken),
        // Moved by an attempt whose answer was lost.
        404 if head(session, to).await?.is_some_and(|found| found.size == length) => Ok(Moved::Done),
        // Also where a proxy in front of the server knows it by another address than the server itself.
        400 | 403 | 405 | 501 => Ok(Moved::Refused),
        _ => Err(refusal(name, &answer)),
    }
}

/// A name that no other upload has: the time, so that old ones can be told, and chance.
fn temporary_name(now: Timestamp) -> String {
    format!("{}-{:016x}", now.strftime("%Y%m%dT%H%M%SZ"), fastrand::u64(..))
}

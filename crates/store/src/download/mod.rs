//! Files that arrive from a CI system: each from its URL into a pull's target, in as many attempts as it takes.
//!
//! `open` passes one on as it arrives; `part` is a file on its way, from which a later attempt or pull goes on.

mod open;
mod part;

use reqwest::StatusCode;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, HeaderMap, HeaderValue, IF_RANGE, RANGE};
use url::Url;

use crate::http::{Answer, Client, Retry};
use crate::options::Network;
use crate::paths::SafePath;
use crate::target::Target;
use crate::{Progress, StoreError};

pub(crate) use open::open;
pub(crate) use part::Part;

/// A transfer that got this many bytes further since its last failure has not used up its attempts.
const MOVED_ON: u64 = 1 << 20;

/// The longest file of which a server doesn't say how long it is, in bytes. CircleCI takes files of up to 3 GB.
const LONGEST_UNANNOUNCED: u64 = 8 << 30;

/// Fetches artifacts into one target.
#[derive(Clone, Copy)]
pub(crate) struct Downloads<'a> {
    pub(crate) client: &'a Client,
    pub(crate) network: &'a Network,
    pub(crate) target: &'a Target,
    pub(crate) progress: &'a dyn Progress,
}

impl<'a> Downloads<'a> {
    /// Fetches one artifact, and gives it its name. Tells how many bytes this pull transferred.
    pub(crate) async fn fetch(&self, url: &Url, path: &SafePath) -> Result<u64, StoreError> {
        let (part, bytes) = self.fetch_part(url, path).await?;
        part.finish(url.as_str()).await?;
        Ok(bytes)
    }

    /// Fetches one file, as often as it takes, and leaves it without its name. Also tells how many bytes this pull
    /// transferred.
    pub(crate) async fn fetch_part<'p>(
        &self,
        url: &Url,
        path: &'p SafePath,
    ) -> Result<(Part<'p>, u64), StoreError>
    where
        'a: 'p,
    {
        let mut part = Part::open(self.target, path, url.as_str())?;
        let resumed = part.length();
        self.progress.started(path.as_str(), part.total());
        if resumed > 0 {
            self.progress.advanced(path.as_str(), resumed, part.total());
        }
        let mut retry = Retry::new(self.network);
        let mut transferred = 0;
        // Only what never arrived before is progress: a server that always begins anew, and always breaks, makes none.
        let mut furthest = resumed;
        loop {
            match self.attempt(url, path, &mut part, &mut transferred).await {
                Ok(()) => break,
                Err(error) => {
                    if part.length() >= furthest + MOVED_ON {
                        retry.moved_on();
                    }
                    furthest = furthest.max(part.length());
                    if let Err(error) = retry.wait(error, path.as_str(), self.progress).await {
                        part.abandon();
                        return Err(error);
                    }
                }
            }
        }
        Ok((part, transferred))
    }

    /// Sends one request, for what is missing if that is possible, and takes what arrives.
    async fn attempt(
        &self,
        url: &Url,
        path: &SafePath,
        part: &mut Part<'_>,
        transferred: &mut u64,
    ) -> Result<(), StoreError> {
        if part.is_complete() {
            return Ok(());
        }
        let mut answer = self.open(url, part).await?;
        while let Some(chunk) = answer.chunk().await? {
            part.append(&chunk)?;
            *transferred += chunk.len() as u64;
            self.progress.advanced(path.as_str(), part.length(), part.total());
            if part.total().is_none() && part.length() > LONGEST_UNANNOUNCED {
                part.reset()?;
                return Err(StoreError::TooLarge { url: answer.shown_url(), limit: LONGEST_UNANNOUNCED });
            }
        }
        match part.total() {
            Some(expected) if part.length() != expected => {
                let received = part.length();
                if received > expected {
                    part.reset()?;
                }
                Err(StoreError::CutShort { url: answer.shown_url(), received, expected })
            }
            _ => Ok(()),
        }
    }

    /// Gets an answer whose body can be appended to the part.
    async fn open(&self, url: &Url, part: &mut Part<'_>) -> Result<Answer, StoreError> {
        // Content that a server compresses on its way has neither the length nor the tag of the file.
        let mut headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
        let range = HeaderValue::try_from(format!("bytes={}-", part.length()));
        let validator = part.validator().and_then(|validator| HeaderValue::from_str(validator).ok());
        if let (Some(validator), Ok(range)) = (validator, range) {
            headers.insert(RANGE, range);
            headers.insert(IF_RANGE, validator);
            let answer = self.client.get(url, &headers).await?;
            match answer.status() {
                StatusCode::PARTIAL_CONTENT if part.continues(&answer, answer.header(&CONTENT_RANGE)) => {
                    return Ok(answer);
                }
                // Not what was asked for: the file has changed, or the server can't do it. Once more from the start.
                StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => part.reset()?,
                _ => return begun(answer, part),
            }
            headers.remove(RANGE);
            headers.remove(IF_RANGE);
        }
        begun(self.client.get(url, &headers).await?, part)
    }
}

/// Takes an answer as the whole file.
fn begun(answer: Answer, part: &mut Part<'_>) -> Result<Answer, StoreError> {
    match answer.status() {
        StatusCode::OK => part.begin(&answer).map(|()| answer),
        status if status.is_success() => Err(StoreError::BadAnswer {
            url: answer.shown_url(),
            why: format!("status {} without the whole file", status.as_u16()),
        }),
        _ => Err(answer.refusal()),
    }
}

//! One look-up on the network: all servers are asked at once, and the first good answer wins.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, HeaderName, LAST_MODIFIED};

use super::cache::Cache;
use super::server::WebServer;
use super::wanted::DebuginfodWanted;
use crate::http::{Answer, Retry};
use crate::options::Network;
use crate::{NoProgress, Progress, StoreError};

/// A server that sends less than this within its time is skipped (debuginfod-client-config(7), `DEBUGINFOD_TIMEOUT`).
const LEAST: u64 = 100 << 10;

/// The whole length, also where the body is sent in chunks.
const X_DEBUGINFOD_SIZE: HeaderName = HeaderName::from_static("x-debuginfod-size");

/// What is said of a file; an error says what is wrong with it.
pub(super) type Check<'a> = dyn FnMut(&Path) -> Result<(), String> + 'a;

/// A look-up.
pub(super) struct Round<'a> {
    pub(super) wanted: &'a DebuginfodWanted<'a>,
    /// The servers that are asked, and the others.
    pub(super) servers: &'a [WebServer],
    pub(super) cache: &'a Cache,
    /// Headers for the servers alone, and for wherever they redirect to as well.
    pub(super) secret: &'a HeaderMap,
    pub(super) headers: &'a HeaderMap,
    pub(super) ca_file: Option<&'a Path>,
    pub(super) network: &'a Network,
    /// How long [`LEAST`] bytes may take once an answer has begun.
    pub(super) patience: Duration,
    pub(super) max_size: u64,
    pub(super) progress: &'a dyn Progress,
    pub(super) seen: &'a Seen,
}

/// How far a look-up has come, for whoever ends it before its time.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Failures, by the server's index.
    pub(super) failures: RefCell<Vec<(usize, StoreError)>>,
    /// The servers that have not answered yet.
    pub(super) waiting: RefCell<Vec<usize>>,
    /// The server that is sending the file, and the bytes that came.
    pub(super) sending: Cell<Option<(usize, u64)>>,
}

/// What a look-up came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Found(PathBuf),
    /// No server has it.
    Absent,
    /// Nobody who has it could give it.
    Failed,
}

impl Round<'_> {
    pub(super) async fn run(&self, check: &mut Check<'_>) -> Outcome {
        let up = self.servers.iter().enumerate().filter(|(_, server)| server.down().is_none());
        self.seen.waiting.replace(up.map(|(index, _)| index).collect());
        let mut outcome = if self.seen.waiting.borrow().len() == self.servers.len() {
            Outcome::Absent
        } else {
            Outcome::Failed
        };
        let mut asked: FuturesUnordered<_> = self
            .servers
            .iter()
            .enumerate()
            .filter(|(_, server)| server.down().is_none())
            .map(|(index, server)| self.ask(index, server, Retry::new(self.network), None))
            .collect();
        while let Some((index, server, retry, answer)) = asked.next().await {
            self.seen.waiting.borrow_mut().retain(|waiting| *waiting != index);
            let error = match answer {
                Ok(answer) => match self.take(index, answer, check).await {
                    Ok(path) => return Outcome::Found(path),
                    // A transfer that broke is begun anew, after the other servers' answers.
                    Err(error) if is_worth_a_retry(&error) => {
                        asked.push(self.ask(index, server, retry, Some(error)));
                        continue;
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if !matches!(error, StoreError::Status { status: 404 | 410, .. }) {
                outcome = Outcome::Failed;
                let hopeless = matches!(error, StoreError::Io { .. });
                self.seen.failures.borrow_mut().push((index, error));
                // What can't be written can't be taken from another server either.
                if hopeless {
                    break;
                }
            }
        }
        outcome
    }

    /// Asks one server until it answers with the file, or there is no point in asking.
    async fn ask<'r>(
        &'r self,
        index: usize,
        server: &'r WebServer,
        mut retry: Retry<'r>,
        mut failed: Option<StoreError>,
    ) -> (usize, &'r WebServer, Retry<'r>, Result<Answer, StoreError>) {
        loop {
            if let Some(error) = failed.take()
                && let Err(error) = retry.wait(error, self.wanted.name, &NoProgress).await
            {
                return (index, server, retry, Err(error));
            }
            match self.request(server).await {
                Err(error) if is_worth_a_retry(&error) => failed = Some(error),
                Err(error) => return (index, server, retry, Err(error)),
                Ok(answer) => return (index, server, retry, Ok(answer)),
            }
        }
    }

    async fn request(&self, server: &WebServer) -> Result<Answer, StoreError> {
        let client = server.client(self.secret, self.ca_file, self.network)?;
        let answer = client.get(&server.url(self.wanted), self.headers).await?;
        if answer.status() == StatusCode::OK { Ok(answer) } else { Err(answer.refusal()) }
    }

    /// Takes a file into the cache, if it is what was asked for.
    async fn take(
        &self,
        index: usize,
        mut answer: Answer,
        check: &mut Check<'_>,
    ) -> Result<PathBuf, StoreError> {
        let url = answer.shown_url();
        let announced = answer.header(&X_DEBUGINFOD_SIZE).and_then(|size| size.trim().parse().ok());
        let total = answer.content_length().or(announced);
        if total.is_some_and(|total| total > self.max_size) {
            return Err(StoreError::TooLarge { url, limit: self.max_size });
        }
        if answer.header(&CONTENT_ENCODING).is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity"))
        {
            return Err(StoreError::BadAnswer {
                url,
                why: "it is compressed, which nobody asked for".to_owned(),
            });
        }
        let modified = answer.header(&LAST_MODIFIED).and_then(time);
        let mut file = self.cache.begin(self.wanted.build_id, self.wanted.file)?;
        self.progress.started(self.wanted.name, total);
        let mut received = 0;
        let taken = self.receive(index, &mut answer, total, &mut received, |bytes| file.append(bytes)).await;
        self.seen.sending.set(None);
        let kept = taken.and_then(|()| {
            let checked = check(file.temporary_path());
            checked.map_err(|why| StoreError::Refused {
                url,
                why: format!("asked for build ID {}, but: {why}", self.wanted.build_id),
            })?;
            file.keep(modified)
        });
        match &kept {
            Ok(_) => self.progress.finished(self.wanted.name),
            Err(error) => self.progress.failed(self.wanted.name, error),
        }
        kept
    }

    async fn receive(
        &self,
        index: usize,
        answer: &mut Answer,
        total: Option<u64>,
        received: &mut u64,
        mut append: impl FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let (mut since, mut moved) = (Instant::now(), 0);
        loop {
            self.seen.sending.set(Some((index, *received)));
            let left = self.patience.saturating_sub(since.elapsed());
            let Ok(chunk) = tokio::time::timeout(left, answer.chunk()).await else {
                let after = since.elapsed();
                return Err(StoreError::TooSlow { url: answer.shown_url(), received: moved, after });
            };
            let Some(chunk) = chunk? else { break };
            *received += chunk.len() as u64;
            moved += chunk.len() as u64;
            if *received > self.max_size {
                return Err(StoreError::TooLarge { url: answer.shown_url(), limit: self.max_size });
            }
            append(&chunk)?;
            self.progress.advanced(self.wanted.name, *received, total);
            if moved >= LEAST {
                (since, moved) = (Instant::now(), 0);
            }
        }
        match total {
            Some(expected) if expected != *received => {
                Err(StoreError::CutShort { url: answer.shown_url(), received: *received, expected })
            }
            _ => Ok(()),
        }
    }
}

/// Whether the server may do better the next time. One that was silent or slow has used up its time.
fn is_worth_a_retry(error: &StoreError) -> bool {
    error.is_transient() && !matches!(error, StoreError::Stalled { .. } | StoreError::TooSlow { .. })
}

/// The time of an HTTP date (RFC 9110, 5.6.7).
fn time(text: &str) -> Option<SystemTime> {
    DateTimeParser::new().parse_timestamp(text.trim()).ok().map(SystemTime::from)
}

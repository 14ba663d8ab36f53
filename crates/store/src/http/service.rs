//! An API that is asked until it answers, or gives a reason that doesn't pass.

use std::ops::Range;

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue};
use serde::de::DeserializeOwned;
use url::Url;

use super::{Answer, Client, Credential, Retry, shown};
use crate::download::open;
use crate::opened::Opened;
use crate::options::{Network, StoreOptions};
use crate::runtime::Blocking;
use crate::{NoProgress, Progress, StoreError};

/// The longest answer that is understood. A page of a hundred items has 200 kilobytes.
const LONGEST_ANSWER: usize = 16 << 20;

/// The API of one CI system.
#[derive(Debug)]
pub(crate) struct Service {
    runtime: Blocking,
    client: Client,
    network: Network,
}

impl Service {
    /// Sets up what is needed to ask the API at `base`. Nothing is asked yet.
    pub(crate) fn new(
        base: &Url,
        credential: Option<Credential>,
        options: &StoreOptions,
    ) -> Result<Self, StoreError> {
        let client = Client::new(base, credential, options.ca_file.as_deref(), &options.network)?;
        let runtime = Blocking::alone()?;
        Ok(Self { runtime, client, network: options.network.clone() })
    }

    /// Runs to its end what asks the API.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.wait(work)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// Gets a JSON document. `name` says what it is, if it has to be asked for again.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        url: &Url,
        name: &str,
        progress: &dyn Progress,
    ) -> Result<T, StoreError> {
        self.json_within(url, name, &mut { LONGEST_ANSWER }, progress).await
    }

    /// Gets a JSON document of at most `left` bytes, and takes its length off them.
    pub(crate) async fn json_within<T: DeserializeOwned>(
        &self,
        url: &Url,
        name: &str,
        left: &mut usize,
        progress: &dyn Progress,
    ) -> Result<T, StoreError> {
        // Without it, a server may choose a format for people.
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        let body = self.body(url, &headers, *left, name, progress).await?;
        *left = left.saturating_sub(body.len());
        serde_json::from_slice(&body)
            .map_err(|error| StoreError::BadAnswer { url: shown(url), why: error.to_string() })
    }

    /// Reads a file into memory, unless it is longer than `limit` bytes.
    pub(crate) fn read(&self, url: &Url, name: &str, limit: u64) -> Result<Vec<u8>, StoreError> {
        // Content that a server compresses on its way has not the length of the file.
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.block_on(self.body(url, &headers, limit, name, &NoProgress))
    }

    /// Opens a file, or a part of it, to be read as it arrives.
    pub(crate) fn open(
        &self,
        url: &Url,
        name: &str,
        range: Option<&Range<u64>>,
    ) -> Result<Opened, StoreError> {
        self.block_on(async {
            let mut retry = Retry::new(&self.network);
            loop {
                match open(&self.runtime, &self.client, url, range).await {
                    Ok(opened) => return Ok(opened),
                    Err(error) => retry.wait(error, name, &NoProgress).await?,
                }
            }
        })
    }

    async fn body(
        &self,
        url: &Url,
        headers: &HeaderMap,
        limit: usize,
        name: &str,
        progress: &dyn Progress,
    ) -> Result<Vec<u8>, StoreError> {
        let mut retry = Retry::new(&self.network);
        loop {
            let body = match self.client.get(url, headers).await {
                Ok(answer) if answer.status() == StatusCode::OK => whole(answer, limit).await,
                Ok(answer) => Err(answer.refusal()),
                Err(error) => Err(error),
            };
            match body {
                Ok(body) => return Ok(body),
                Err(error) => retry.wait(error, name, progress).await?,
            }
        }
    }
}

/// The whole body of an answer, which must have the length that is announced.
async fn whole(answer: Answer, limit: usize) -> Result<Vec<u8>, StoreError> {
    let (expected, url) = (answer.content_length(), answer.shown_url());
    let body = answer.body(limit).await?;
    match (expected, body.len() as u64) {
        (Some(expected), received) if expected != received => {
            Err(StoreError::CutShort { url, received, expected })
        }
        _ => Ok(body),
    }
}

//! Requests to the store's server, sent as often as it takes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderMap;
use tokio::sync::OnceCell;
use url::Url;

use super::ability::Ability;
use super::address::Address;
use crate::http::{Answer, Client, Credential, Retry};
use crate::options::Network;
use crate::{NoProgress, StoreError, StoreOptions};

/// A server, and what is known of it by now.
#[derive(Debug)]
pub(super) struct Session {
    client: Client,
    address: Address,
    network: Network,
    ability: OnceCell<Ability>,
    /// Set when a MOVE was refused by a server that had announced it.
    refuses_moves: AtomicBool,
    /// The paths of folders that are there.
    folders: Mutex<BTreeSet<String>>,
}

impl Session {
    /// Asks nothing yet.
    pub(super) fn new(url: Url, options: &StoreOptions) -> Result<Self, StoreError> {
        let credential = options.http_login.as_ref().map(|login| Credential {
            headers: login.headers(),
            origin: url.origin(),
            domain: None,
        });
        let network = options.network.clone();
        let client = Client::new(&url, credential, options.ca_file.as_deref(), &network)?;
        Ok(Self {
            client,
            address: Address::new(url),
            network,
            ability: OnceCell::new(),
            refuses_moves: AtomicBool::new(false),
            folders: Mutex::default(),
        })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// A count of failures that starts anew.
    pub(super) fn retry(&self) -> Retry<'_> {
        Retry::new(&self.network)
    }

    /// A count of failures that goes on.
    pub(super) fn retry_after(&self, failures: u32) -> Retry<'_> {
        Retry::after(&self.network, failures)
    }

    /// Sends a request until there is an answer that would be the same the next time.
    pub(super) async fn ask(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: Option<&Bytes>,
    ) -> Result<Answer, StoreError> {
        let mut retry = self.retry();
        loop {
            match self.try_once(method, url, headers, body).await {
                Ok(answer) => return Ok(answer),
                Err(error) => retry.wait(error, url.path(), &NoProgress).await?,
            }
        }
    }

    /// The same, until the body of an answer with the status `wanted` has come whole, of at most `limit` bytes; another
    /// answer is given as it is.
    pub(super) async fn ask_whole(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: Option<&Bytes>,
        (wanted, limit): (u16, usize),
    ) -> Result<Result<Vec<u8>, Answer>, StoreError> {
        let mut retry = self.retry();
        loop {
            let read = match self.try_once(method, url, headers, body).await {
                Ok(answer) if answer.status().as_u16() == wanted => answer.body(limit).await,
                Ok(answer) => return Ok(Err(answer)),
                Err(error) => Err(error),
            };
            match read {
                Ok(read) => return Ok(Ok(read)),
                Err(error) => retry.wait(error, url.path(), &NoProgress).await?,
            }
        }
    }

    async fn try_once(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: Option<&Bytes>,
    ) -> Result<Answer, StoreError> {
        let answer = self.client.send(method, url, headers, body).await?;
        match transient(&answer) {
            None => Ok(answer),
            Some(error) => Err(error),
        }
    }

    /// What the server speaks; asked once.
    async fn ability(&self) -> Result<Ability, StoreError> {
        self.ability.get_or_try_init(|| Ability::ask(self)).await.copied()
    }

    /// Whether folders can be listed.
    pub(super) async fn lists(&self) -> Result<bool, StoreError> {
        Ok(self.ability().await?.lists)
    }

    /// Whether files can be moved to their names.
    pub(super) async fn moves(&self) -> Result<bool, StoreError> {
        Ok(self.ability().await?.moves && !self.refuses_moves.load(Ordering::Relaxed))
    }

    /// Remembers that a MOVE was refused.
    pub(super) fn never_move_again(&self) {
        self.refuses_moves.store(true, Ordering::Relaxed);
    }

    /// Whether a folder is known to be there.
    pub(super) fn knows_folder(&self, path: &str) -> bool {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    /// Remembers that a folder is there.
    pub(super) fn has_folder(&self, path: &str) {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
    }
}

/// The error that an answer is if the next one may be another.
pub(super) fn transient(answer: &Answer) -> Option<StoreError> {
    Some(answer.refusal()).filter(StoreError::is_transient)
}

/// The error that an answer other than success is.
pub(super) fn refusal(method: &'static str, answer: &Answer) -> StoreError {
    match answer.refusal() {
        StoreError::Status { url, status, token_sent, .. } => {
            StoreError::HttpStore { method, url, status, token_sent }
        }
        other => other,
    }
}

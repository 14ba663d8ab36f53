//! A store behind a plain web server: `http://host/path/` and `https://host/path/`.
//!
//! Any server that takes PUT will do; the more of WebDAV (RFC 4918) it speaks, the more it can be relied on. What it
//! speaks is asked once, by OPTIONS:
//!
//! - A server of WebDAV class 1 (Apache's mod_dav, rclone, nginx with its dav-ext module) lists folders by PROPFIND, and
//!   every file is sent to a temporary name below `incoming/` and moved to its own when it is whole. A move that must not
//!   overwrite makes a manifest create-if-absent as far as the server's own check is free of races.
//! - Any other server (nginx's own dav module) gets a plain PUT, and is asked for the length afterwards. Create-if-absent
//!   is a look before the PUT and `If-None-Match: *`, which nginx ignores: what keeps two pushes apart there is that the
//!   names of manifests hold the time in microseconds and chance. It can't list, so [`index`] keeps, beside every file
//!   that was created so, a list of its folder: `ls` and `pull` work, what only lists everything (`gc`) says that it can't.
//!
//! `address` turns keys to URLs and back, `session` sends one request as often as it takes, `ability` asks what the
//! server speaks, `folders` makes folders, `put` and `payload` send files, `get` reads them and goes on where a connection broke,
//! `multistatus` understands what PROPFIND answers, and `tree` walks.

mod ability;
mod address;
mod create;
mod delete;
mod folders;
mod get;
mod index;
mod multistatus;
mod payload;
mod put;
mod session;
mod tree;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use jiff::Timestamp;
use url::Url;

use payload::Payload;
use put::{Copied, Mode};
use session::Session;
use tree::Found;

use super::{At, Backend, Content, Object, Stored};
use crate::http::hashed;
use crate::layout::blob_key;
use crate::{StoreError, StoreOptions};

/// Where files grow that are moved to their names when they are whole.
const INCOMING: &str = "incoming";

/// Files that are asked about, or removed, at once.
const AT_ONCE: usize = 8;

/// A store behind a web server.
#[derive(Debug, Clone)]
pub(crate) struct Dav {
    session: Arc<Session>,
}

impl Dav {
    /// Opens a store. Nothing is asked for yet.
    pub(crate) fn new(url: Url, options: &StoreOptions) -> Result<Self, StoreError> {
        Ok(Self { session: Arc::new(Session::new(url, options)?) })
    }

    /// Gives a second key the content of a first one, unless it has some: by the server itself, or else through us.
    async fn copy(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let size = get::head(&self.session, from).await?.map_or(0, |found| found.size);
        let mut mode = Mode::Create;
        if self.session.moves().await? {
            match put::copy(&self.session, from, to, size).await? {
                Copied::Whole | Copied::Taken => return Ok(()),
                Copied::Cut => mode = Mode::Replace,
                Copied::Refused => {}
            }
        }
        let payload = Payload::Stored { session: &self.session, key: from, size };
        put::put(&self.session, to, &payload, mode).await.map(drop)
    }
}

#[async_trait]
impl Backend for Dav {
    fn url(&self) -> String {
        self.session.address().shown()
    }

    fn locate(&self, key: &str) -> String {
        format!("{}{key}", self.url())
    }

    /// Asks what the server speaks, so that one that can't be reached or doesn't know us is told at once.
    async fn prepare(&self) -> Result<(), StoreError> {
        self.session.lists().await.map(drop)
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        tree::folders(&self.session, prefix).await
    }

    /// Where the server can't list, only what [`create`](Backend::create) has made.
    async fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        let files = tree::list(&self.session, prefix).await?;
        Ok(files.into_iter().map(|(key, found)| object(key, found)).collect())
    }

    async fn head(&self, key: &str) -> Result<Option<Object>, StoreError> {
        Ok(get::head(&self.session, key).await?.map(|found| object(key.to_owned(), found)))
    }

    /// A connection that breaks is made anew, and the reading goes on as long as the content is the same.
    async fn get(&self, key: &str, range: Range<u64>) -> Result<Content, StoreError> {
        get::get(&self.session, key, range).await
    }

    /// The file is read twice, since its hash is its name. It is sent as often as it takes, each time from its start.
    async fn put_file(&self, source: &Path, at: At<'_>) -> Result<Stored, StoreError> {
        let content = hashed(source).await?;
        let key = blob_key(&content.sha256).unwrap_or_default();
        if let Some(there) = get::head(&self.session, &key).await?
            && there.size == content.size
        {
            at(content.size);
            return Ok(Stored { there_since: Some(there.modified), ..Stored::new(content) });
        }
        let payload = Payload::File { path: source, content: &content, at };
        put::put(&self.session, &key, &payload, Mode::Replace).await?;
        Ok(Stored::new(content))
    }

    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        put::put(&self.session, key, &Payload::Bytes(bytes.into()), Mode::Replace).await.map(drop)
    }

    async fn alias(&self, sha256: &str, key: &str) -> Result<Option<Timestamp>, StoreError> {
        if let Some(there) = get::head(&self.session, key).await? {
            return Ok(Some(there.modified));
        }
        self.copy(&blob_key(sha256).unwrap_or_default(), key).await.map(|()| None)
    }

    async fn create(&self, key: &str, bytes: Vec<u8>) -> Result<bool, StoreError> {
        create::create(&self.session, key, &bytes.into()).await
    }

    async fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        let delete = |key: String| async move { delete::delete(&self.session, &key).await };
        iter(keys.to_vec()).map(delete).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn sweep(&self, before: Timestamp) -> Result<u64, StoreError> {
        delete::sweep(&self.session, before).await
    }
}

fn object(key: String, found: Found) -> Object {
    Object { key, size: found.size, modified: found.modified }
}

//! The artifacts of one CircleCI job, to be read only.
//!
//! `api` gets the list. A file goes to `<node index>/<path>`, because the parallel runs of a job may well store the same
//! path.

mod api;

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use tokio::runtime::{self, Runtime};
use url::Url;

use api::ApiArtifact;

use crate::download::{Downloads, Record, open};
use crate::http::{Client, Credential, Retry, server_url, shown};
use crate::listing::{Artifact, Listing, Run};
use crate::location::CircleCiJob;
use crate::opened::Opened;
use crate::options::{Network, StoreOptions};
use crate::outcome::{Failed, Pulled};
use crate::paths::SafePath;
use crate::target::Target;
use crate::{NoProgress, Progress, Selection, StoreError};

const DEFAULT_URL: &str = "https://circleci.com";

/// CircleCI serves artifacts from below this domain.
const ARTIFACTS_DOMAIN: &str = "circle-artifacts.com";

/// A CircleCI job.
#[derive(Debug)]
pub(crate) struct CircleCi {
    runtime: Arc<Runtime>,
    client: Client,
    network: Network,
    base: Url,
    list_url: Url,
    job: CircleCiJob,
}

/// What became of one artifact.
enum Arrival {
    Fetched { bytes: u64 },
    Present,
}

impl CircleCi {
    pub(crate) fn new(job: CircleCiJob, options: &StoreOptions) -> Result<Self, StoreError> {
        let base = server_url("CircleCI", options.circleci_url.as_deref().unwrap_or(DEFAULT_URL))?;
        let credential = options.circleci_token.clone().map(|token| Credential {
            headers: HeaderMap::from_iter([(HeaderName::from_static("circle-token"), token.header())]),
            origin: base.origin(),
            domain: Some(ARTIFACTS_DOMAIN),
        });
        let client = Client::new(&base, credential, options.ca_file.as_deref(), &options.network)?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(StoreError::io("start", Path::new("the network runtime")))?;
        let runtime = Arc::new(runtime);
        let list_url = api::artifacts_url(&base, &job)?;
        Ok(Self { runtime, client, network: options.network.clone(), base, list_url, job })
    }

    pub(crate) fn url(&self) -> String {
        let CircleCiJob { vcs, org, repo, build } = &self.job;
        format!("circleci://{vcs}/{org}/{repo}/{build}")
    }

    pub(crate) fn ls(&self, selection: &Selection) -> Result<Listing, StoreError> {
        let list = self.runtime.block_on(self.list(selection, &NoProgress))?;
        let artifact = |artifact: ApiArtifact| Artifact {
            path: artifact.path,
            node: artifact.node_index.to_string(),
            size: None,
            sha256: None,
            url: Some(artifact.url),
        };
        let mut artifacts: Vec<Artifact> = list.into_iter().map(artifact).collect();
        artifacts.retain(|artifact| selection.takes_node(&artifact.node));
        let run = Run {
            provider: "circleci".to_owned(),
            repo: self.repo(),
            job: self.job.build.to_string(),
            created: None,
            artifacts,
        };
        Ok(Listing { runs: vec![run], warnings: Vec::new() })
    }

    pub(crate) fn pull(
        &self,
        dir: &Path,
        selection: &Selection,
        progress: &dyn Progress,
    ) -> Result<Pulled, StoreError> {
        let mut list = self.runtime.block_on(self.list(selection, progress))?;
        list.retain(|artifact| selection.takes_node(&artifact.node_index.to_string()));
        if list.is_empty() {
            return Err(self.nothing_found(selection));
        }
        let target = Target::open(dir)?;
        let record = Record::open(&target)?;
        let downloads = Downloads { client: &self.client, network: &self.network, target: &target, progress };
        progress.total(list.len() as u64, None);
        Ok(self.runtime.block_on(self.fetch_all(list, downloads, &record)))
    }

    async fn fetch_all(&self, list: Vec<ApiArtifact>, downloads: Downloads<'_>, record: &Record) -> Pulled {
        let progress = downloads.progress;
        let mut pulled = Pulled { job: self.job.build.to_string(), repo: self.repo(), ..Pulled::default() };
        let mut taken = HashSet::new();
        let transfers = list.into_iter().map(|artifact| {
            let name = format!("{}/{}", artifact.node_index, artifact.path);
            let path = SafePath::parse(Some(&artifact.node_index.to_string()), &artifact.path);
            let path = path.and_then(|path| {
                let first = taken.insert(path.clone());
                first.then_some(path).ok_or_else(|| StoreError::ListedTwice { path: name.clone() })
            });
            async move {
                let arrival = match path {
                    Ok(path) => self.fetch(&artifact.url, &path, downloads, record).await,
                    Err(error) => Err(error),
                };
                (name, arrival)
            }
        });
        let mut arrivals = stream::iter(transfers).buffer_unordered(self.network.transfers.max(1));
        while let Some((name, arrival)) = arrivals.next().await {
            match arrival {
                Ok(Arrival::Fetched { bytes }) => {
                    progress.finished(&name);
                    pulled.fetched += 1;
                    pulled.bytes += bytes;
                }
                Ok(Arrival::Present) => {
                    progress.skipped(&name, "it is there already");
                    pulled.present += 1;
                }
                Err(error) => {
                    progress.failed(&name, &error);
                    pulled.failed.push(Failed { path: name, error });
                }
            }
        }
        pulled
    }

    async fn fetch(
        &self,
        url: &str,
        path: &SafePath,
        downloads: Downloads<'_>,
        record: &Record,
    ) -> Result<Arrival, StoreError> {
        let url = self.artifact_url(url)?;
        if record.holds(downloads.target, path, url.as_str()) {
            return Ok(Arrival::Present);
        }
        let downloaded = downloads.fetch(&url, path).await?;
        record.add(path, url.as_str(), &downloaded.metadata);
        Ok(Arrival::Fetched { bytes: downloaded.bytes })
    }

    pub(crate) fn read(&self, artifact: &Artifact, limit: u64) -> Result<Vec<u8>, StoreError> {
        let url = self.artifact_url(artifact.url.as_deref().unwrap_or_default())?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.runtime.block_on(async {
            let mut retry = Retry::new(&self.network);
            loop {
                match self.read_once(&url, limit).await {
                    Ok(content) => return Ok(content),
                    Err(error) => retry.wait(error, &artifact.path, &NoProgress).await?,
                }
            }
        })
    }

    pub(crate) fn open(&self, artifact: &Artifact, range: Option<&Range<u64>>) -> Result<Opened, StoreError> {
        let url = self.artifact_url(artifact.url.as_deref().unwrap_or_default())?;
        self.runtime.block_on(async {
            let mut retry = Retry::new(&self.network);
            loop {
                match open(&self.runtime, &self.client, &url, range).await {
                    Ok(opened) => return Ok(opened),
                    Err(error) => retry.wait(error, &artifact.path, &NoProgress).await?,
                }
            }
        })
    }

    async fn read_once(&self, url: &Url, limit: usize) -> Result<Vec<u8>, StoreError> {
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
        let answer = self.client.get(url, &headers).await?;
        if answer.status() != StatusCode::OK {
            return Err(answer.refusal());
        }
        let expected = answer.content_length();
        let shown = answer.shown_url();
        let content = answer.body(limit).await?;
        let received = content.len() as u64;
        match expected {
            Some(expected) if expected != received => {
                Err(StoreError::CutShort { url: shown, received, expected })
            }
            _ => Ok(content),
        }
    }

    /// Checks where the list says that an artifact is.
    fn artifact_url(&self, url: &str) -> Result<Url, StoreError> {
        let bad = |why: &str| StoreError::BadAnswer { url: shown(&self.list_url), why: why.to_owned() };
        let url = Url::parse(url).map_err(|_| bad("the URL of an artifact can't be parsed"))?;
        match (self.base.scheme(), url.scheme()) {
            (_, "https") | ("http", "http") => Ok(url),
            ("https", "http") => Err(bad("the URL of an artifact leads from https to http")),
            _ => Err(bad("the URL of an artifact leads away from the web")),
        }
    }

    async fn list(
        &self,
        selection: &Selection,
        progress: &dyn Progress,
    ) -> Result<Vec<ApiArtifact>, StoreError> {
        if !selection.takes_job(&self.repo(), &self.job.build.to_string()) {
            return Err(self.nothing_found(selection));
        }
        api::artifacts(&self.client, &self.list_url, &self.network, progress).await
    }

    fn repo(&self) -> String {
        format!("{}/{}", self.job.org, self.job.repo)
    }

    fn nothing_found(&self, selection: &Selection) -> StoreError {
        StoreError::NothingFound { store: self.url(), selection: selection.to_string() }
    }
}

//! What GitLab keeps of a job: its archive of artifacts, to be read only, and generic packages.
//!
//! A job's archive is unpacked into the target itself, since its paths are those of the project's folder. `place`
//! understands URLs, `api` asks the server, `push` fills packages. Works with gitlab.com and self-managed servers.

mod api;
mod place;
mod push;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use reqwest::header::{HeaderMap, HeaderName};
use url::Url;

use api::{Api, PackageFile};
pub(crate) use place::{GitlabPlace, GitlabWhat};

use crate::archive::{self, Incoming, Unpack};
use crate::http::{Credential, Service, server_url};
use crate::listing::{Artifact, Listing, Run};
use crate::opened::Opened;
use crate::options::{GitlabToken, StoreOptions};
use crate::outcome::{Failed, Pulled};
use crate::{Encrypt, NoProgress, Progress, Selection, StoreError};

const DEFAULT_URL: &str = "https://gitlab.com";

/// What a job's archive is called.
const ARCHIVE: &str = "artifacts";

/// All artifacts of one job are of one node: GitLab gives each parallel run a job of its own.
const NODE: &str = "0";

/// The artifacts of a job, or the files of a package.
#[derive(Debug)]
pub(crate) struct Gitlab {
    service: Service,
    server: Url,
    place: GitlabPlace,
    encrypt: Option<Arc<dyn Encrypt>>,
}

impl Gitlab {
    pub(crate) fn new(place: GitlabPlace, options: &StoreOptions) -> Result<Self, StoreError> {
        let configured = server_url("GitLab", options.gitlab_url.as_deref().unwrap_or(DEFAULT_URL))?;
        // A URL that somebody pastes may choose the server, but not who gets the token.
        let server = match &place.server {
            Some(server) if server.host() != configured.host() => server.clone(),
            _ => configured.clone(),
        };
        let credential = options.gitlab_token.as_ref().map(|token| {
            let (name, token) = match token {
                GitlabToken::Private(token) => ("private-token", token),
                GitlabToken::Job(token) => ("job-token", token),
            };
            Credential {
                headers: HeaderMap::from_iter([(HeaderName::from_static(name), token.header())]),
                origin: configured.origin(),
                domain: None,
            }
        });
        let service = Service::new(&server, credential, options)?;
        Ok(Self { service, server, place, encrypt: options.encrypt.clone() })
    }

    pub(crate) fn url(&self) -> String {
        self.place.url()
    }

    pub(crate) fn ls(&self, selection: &Selection) -> Result<Listing, StoreError> {
        self.check(selection)?;
        let (artifacts, created) = match &self.place.what {
            GitlabWhat::Job { id } => self.job_artifacts(*id)?,
            GitlabWhat::Package { name, version } => {
                let files = self.files(name, version, &NoProgress)?;
                let created = files.iter().filter_map(|file| file.created_at.clone()).max();
                let api = self.api();
                let artifact = |file: PackageFile| Artifact {
                    url: Some(api.file_url(name, version, &file.file_name).into()),
                    path: file.file_name,
                    node: NODE.to_owned(),
                    size: file.size,
                    sha256: file.file_sha256,
                };
                (files.into_iter().map(artifact).collect(), created)
            }
        };
        let run = Run {
            provider: "gitlab".to_owned(),
            repo: self.place.project.clone(),
            job: self.place.job(),
            created,
            artifacts,
        };
        Ok(Listing { runs: vec![run], warnings: Vec::new() })
    }

    /// A job's archive, if it has one, and when the job ended.
    fn job_artifacts(&self, id: u64) -> Result<(Vec<Artifact>, Option<String>), StoreError> {
        let job = self.service.block_on(self.api().job(id, &NoProgress)).map_err(advised)?;
        let archive = job.artifacts.iter().find(|file| file.file_type == "archive");
        if let (None, Some(when)) = (archive, job.artifacts_expire_at) {
            return Err(StoreError::Expired { name: ARCHIVE.to_owned(), when: Some(when) });
        }
        let artifact = archive.map(|file| Artifact {
            path: format!("{ARCHIVE}.zip"),
            node: NODE.to_owned(),
            size: file.size,
            sha256: None,
            url: Some(self.api().archive_url(id).into()),
        });
        Ok((artifact.into_iter().collect(), job.finished_at))
    }

    /// Reads a file of a package, or a job's whole archive, into memory.
    pub(crate) fn read(&self, artifact: &Artifact, limit: u64) -> Result<Vec<u8>, StoreError> {
        self.service.read(&artifact.parsed_url()?, &artifact.path, limit).map_err(advised)
    }

    /// Opens such a file, or a part of it, to be read as it arrives.
    pub(crate) fn open(&self, artifact: &Artifact, range: Option<&Range<u64>>) -> Result<Opened, StoreError> {
        self.service.open(&artifact.parsed_url()?, &artifact.path, range).map_err(advised)
    }

    pub(crate) fn pull(
        &self,
        dir: &Path,
        selection: &Selection,
        progress: &dyn Progress,
    ) -> Result<Pulled, StoreError> {
        self.check(selection)?;
        let incoming = match &self.place.what {
            // Nothing is asked about the job before: its own token may fetch the archive and nothing else.
            GitlabWhat::Job { id } => vec![Incoming {
                name: ARCHIVE.to_owned(),
                unpack: Unpack::Here,
                url: self.api().archive_url(*id),
                size: None,
                sha256: None,
            }],
            GitlabWhat::Package { name, version } => {
                let files = self.files(name, version, progress)?;
                let incoming = |file: PackageFile| Incoming {
                    url: self.api().file_url(name, version, &file.file_name),
                    name: file.file_name,
                    unpack: Unpack::Not,
                    size: file.size,
                    sha256: file.file_sha256,
                };
                files.into_iter().map(incoming).collect()
            }
        };
        if incoming.is_empty() {
            return Err(self.nothing_found(selection));
        }
        let pulled = Pulled { job: self.place.job(), repo: self.place.project.clone(), ..Pulled::default() };
        let mut pulled = archive::pull(&self.service, incoming, dir, progress, pulled)?;
        pulled.failed = pulled
            .failed
            .into_iter()
            .map(|failed| Failed { error: advised(failed.error), ..failed })
            .collect();
        Ok(pulled)
    }

    fn files(
        &self,
        name: &str,
        version: &str,
        progress: &dyn Progress,
    ) -> Result<Vec<PackageFile>, StoreError> {
        self.service.block_on(self.api().files(name, version, progress)).map_err(advised)
    }

    fn api(&self) -> Api<'_> {
        Api { service: &self.service, server: &self.server, project: &self.place.project }
    }

    fn check(&self, selection: &Selection) -> Result<(), StoreError> {
        let taken = selection.takes_job(&self.place.project, &self.place.job()) && selection.takes_node(NODE);
        if taken { Ok(()) } else { Err(self.nothing_found(selection)) }
    }

    fn nothing_found(&self, selection: &Selection) -> StoreError {
        StoreError::NothingFound { store: self.url(), selection: selection.to_string() }
    }
}

/// Adds what a person can do about an answer of GitLab.
fn advised(error: StoreError) -> StoreError {
    let advice = match error {
        StoreError::Status { status: 401 | 403, token_sent: true, .. } => {
            "the token is wrong, expired, or may not see this project: GITLAB_TOKEN needs the scope read_api"
        }
        StoreError::Status { status: 404, token_sent: true, .. } => {
            "check project and number, and that the token may see them; artifacts that have expired are \"not found\" too"
        }
        StoreError::Status { status: 401 | 403 | 404, token_sent: false, .. } => {
            "no token was sent there: set GITLAB_TOKEN for a project that isn't public, and for a server of your own \
             EPITAPH_GITLAB_URL=https://HOST (only the host it names gets the token); artifacts that have expired are \
             \"not found\" too"
        }
        error => return error,
    };
    StoreError::Advised { source: Box::new(error), advice }
}

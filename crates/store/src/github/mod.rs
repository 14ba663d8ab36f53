//! The artifacts of one run of GitHub Actions, to be read only.
//!
//! Each artifact is an archive, and is unpacked into a folder of its name: the jobs of a run may well store the same
//! paths. `run` understands URLs, `api` gets the list. Works with github.com, GitHub Enterprise Server, and what answers
//! as they do.

mod api;
mod run;

use std::ops::Range;
use std::path::Path;

use reqwest::header::{AUTHORIZATION, HeaderMap};
use url::Url;

use api::{Api, ApiArtifact};
pub(crate) use run::GithubRun;

use crate::archive::{self, Incoming, Unpack};
use crate::http::{Credential, Service, below, server_url};
use crate::listing::{Artifact, Listing, Run};
use crate::opened::Opened;
use crate::options::StoreOptions;
use crate::outcome::{Failed, Pulled};
use crate::{NoProgress, Progress, Selection, StoreError, Warning};

const DEFAULT_URL: &str = "https://github.com";

/// A run of a workflow.
#[derive(Debug)]
pub(crate) struct Github {
    service: Service,
    /// Where the API is.
    api: Url,
    run: GithubRun,
}

impl Github {
    pub(crate) fn new(run: GithubRun, options: &StoreOptions) -> Result<Self, StoreError> {
        let configured = server_url("GitHub", options.github_url.as_deref().unwrap_or(DEFAULT_URL))?;
        // A URL that somebody pastes may choose the server, but not who gets the token.
        let server = match &run.server {
            Some(server) if server.host() != configured.host() => server,
            _ => &configured,
        };
        let api = api_url(server);
        let credential = options.github_token.as_ref().map(|token| Credential {
            headers: HeaderMap::from_iter([(AUTHORIZATION, token.bearer())]),
            origin: api_url(&configured).origin(),
            domain: None,
        });
        Ok(Self { service: Service::new(&api, credential, options)?, api, run })
    }

    pub(crate) fn url(&self) -> String {
        self.run.url()
    }

    pub(crate) fn ls(&self, selection: &Selection) -> Result<Listing, StoreError> {
        let list = self.list(selection, &NoProgress)?;
        let api = self.api();
        let artifact = |artifact: ApiArtifact| Artifact {
            path: format!("{}.zip", artifact.name),
            size: artifact.size_in_bytes,
            sha256: artifact.sha256(),
            url: Some(api.archive_url(&artifact).into()),
            node: artifact.name,
        };
        let mut warnings = self.warnings();
        for expired in list.iter().filter(|artifact| artifact.expired) {
            let message = expired_error(expired).to_string();
            warnings.push(Warning { path: self.url(), message });
        }
        let created = list.iter().filter_map(|artifact| artifact.created_at.clone()).max();
        let run = Run {
            provider: "github".to_owned(),
            repo: self.repo(),
            job: self.run.id.to_string(),
            created,
            artifacts: list.into_iter().filter(|artifact| !artifact.expired).map(artifact).collect(),
        };
        Ok(Listing { runs: vec![run], warnings })
    }

    /// Reads an artifact's archive into memory.
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
        let list = self.list(selection, progress)?;
        if list.is_empty() {
            return Err(self.nothing_found(selection));
        }
        let mut pulled = Pulled {
            job: self.run.id.to_string(),
            repo: self.repo(),
            warnings: self.warnings(),
            ..Pulled::default()
        };
        let (expired, list): (Vec<_>, Vec<_>) = list.into_iter().partition(|artifact| artifact.expired);
        for artifact in expired {
            let error = expired_error(&artifact);
            progress.failed(&artifact.name, &error);
            pulled.failed.push(Failed { path: artifact.name, error });
        }
        let api = self.api();
        let incoming = |artifact: ApiArtifact| Incoming {
            url: api.archive_url(&artifact),
            size: artifact.size_in_bytes,
            sha256: artifact.sha256(),
            unpack: Unpack::IntoFolder,
            name: artifact.name,
        };
        let incoming = list.into_iter().map(incoming).collect();
        let mut pulled = archive::pull(&self.service, incoming, dir, progress, pulled)?;
        pulled.failed = pulled
            .failed
            .into_iter()
            .map(|failed| Failed { error: advised(failed.error), ..failed })
            .collect();
        Ok(pulled)
    }

    fn list(&self, selection: &Selection, progress: &dyn Progress) -> Result<Vec<ApiArtifact>, StoreError> {
        if !selection.takes_job(&self.repo(), &self.run.id.to_string()) {
            return Err(self.nothing_found(selection));
        }
        let mut list = self.service.block_on(self.api().artifacts(progress)).map_err(advised)?;
        list.retain(|artifact| selection.takes_node(&artifact.name));
        Ok(list)
    }

    /// What the URL asks for that GitHub can't tell.
    fn warnings(&self) -> Vec<Warning> {
        let message = "GitHub doesn't tell which job stored an artifact: these are those of the whole run";
        let of_job = self.run.of_job.then(|| Warning { path: self.url(), message: message.to_owned() });
        of_job.into_iter().collect()
    }

    fn api(&self) -> Api<'_> {
        Api { service: &self.service, base: &self.api, run: &self.run }
    }

    fn repo(&self) -> String {
        format!("{}/{}", self.run.owner, self.run.repo)
    }

    fn nothing_found(&self, selection: &Selection) -> StoreError {
        StoreError::NothingFound { store: self.url(), selection: selection.to_string() }
    }
}

/// Where the API of a server is: on github.com and the hosts of data residency (`NAME.ghe.com`) beside it, on GitHub
/// Enterprise Server below `/api/v3`.
fn api_url(server: &Url) -> Url {
    let host = server.host_str().unwrap_or_default();
    if host == "github.com" || host.ends_with(".ghe.com") {
        let mut api = server.clone();
        if api.set_host(Some(&format!("api.{host}"))).is_ok() {
            return api;
        }
    }
    below(server, ["api", "v3"])
}

fn expired_error(artifact: &ApiArtifact) -> StoreError {
    StoreError::Expired { name: artifact.name.clone(), when: artifact.expires_at.clone() }
}

/// Adds what a person can do about an answer of GitHub.
fn advised(error: StoreError) -> StoreError {
    let advice = match error {
        StoreError::Status { status: 401, .. } => {
            "the token is wrong or expired: set GH_TOKEN to one that may read the repository's Actions"
        }
        StoreError::Status { status: 403 | 429, token_sent: true, .. } => {
            "the token may not read the repository's Actions (fine-grained tokens: \"Actions: read\"), or has been \
             used too often: wait, or set GH_TOKEN to another one"
        }
        StoreError::Status { status: 403 | 404 | 429, token_sent: false, .. } => {
            "no token was sent there: set GH_TOKEN (artifacts can't be downloaded without one), and for a server of \
             your own EPITAPH_GITHUB_URL=https://HOST (only the host it names gets the token)"
        }
        StoreError::Status { status: 404, token_sent: true, .. } => {
            "check owner, repository and run, and that the token may see them"
        }
        StoreError::Status { status: 410, .. } => "the artifact has expired: run the job again",
        error => return error,
    };
    StoreError::Advised { source: Box::new(error), advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_api_is() {
        let api = |server: &str| api_url(&Url::parse(server).unwrap()).to_string();
        assert_eq!(api("https://github.com"), "https://api.github.com/");
        assert_eq!(api("https://acme.ghe.com"), "https://api.acme.ghe.com/");
        assert_eq!(api("https://ghe.acme.example"), "https://ghe.acme.example/api/v3");
        assert_eq!(api("http://127.0.0.1:8000/sub/"), "http://127.0.0.1:8000/sub/api/v3");
        assert_eq!(api("https://evil-github.com"), "https://evil-github.com/api/v3");
    }

    #[test]
    fn a_pasted_url_chooses_no_receiver_of_the_token() {
        let options = StoreOptions {
            github_token: Some(crate::Token::new("secret").unwrap()),
            ..StoreOptions::default()
        };
        let opened = |url: &str| {
            let run = GithubRun::of_page(&Url::parse(url).unwrap()).unwrap().unwrap();
            Github::new(run, &options).unwrap().api.to_string()
        };
        assert_eq!(opened("https://github.com/a/b/actions/runs/1"), "https://api.github.com/");
        // Not over http, even if that is what was pasted.
        assert_eq!(opened("http://github.com/a/b/actions/runs/1"), "https://api.github.com/");
        assert_eq!(opened("https://evil.example/a/b/actions/runs/1"), "https://evil.example/api/v3");
    }
}

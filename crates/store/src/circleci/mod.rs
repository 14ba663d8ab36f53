//! The artifacts of CircleCI jobs, to be read only.
//!
//! `address` understands what a person pastes, `api` asks what there is, `listed` puts the answers together job by job,
//! and `plan` finds a place for each artifact. `pull` then has them downloaded one by one.

mod address;
mod api;
mod listed;
mod plan;
mod pull;

use std::ops::Range;
use std::path::Path;

use reqwest::header::{HeaderMap, HeaderName};
use url::Url;

use api::{Api, ApiArtifact};
use listed::{JobList, Listed};
use plan::Plan;

pub(crate) use address::Address;

use crate::download::Downloads;
use crate::http::{Credential, Service, server_url, shown};
use crate::listing::{Artifact, Listing, Run};
use crate::opened::Opened;
use crate::options::StoreOptions;
use crate::outcome::Pulled;
use crate::target::Target;
use crate::warning::Warning;
use crate::{NoProgress, Progress, Selection, StoreError};

const DEFAULT_URL: &str = "https://circleci.com";

/// CircleCI serves artifacts from below this domain.
const ARTIFACTS_DOMAIN: &str = "circle-artifacts.com";

/// How many jobs are named one by one in the outcome of a pull.
const NAMED_JOBS: usize = 8;

/// Jobs of a CircleCI project.
#[derive(Debug)]
pub(crate) struct CircleCi {
    service: Service,
    base: Url,
    address: Address,
}

impl CircleCi {
    pub(crate) fn new(address: Address, options: &StoreOptions) -> Result<Self, StoreError> {
        let base = server_url("CircleCI", options.circleci_url.as_deref().unwrap_or(DEFAULT_URL))?;
        let credential = options.circleci_token.clone().map(|token| Credential {
            headers: HeaderMap::from_iter([(HeaderName::from_static("circle-token"), token.header())]),
            origin: base.origin(),
            domain: Some(ARTIFACTS_DOMAIN),
        });
        Ok(Self { service: Service::new(&base, credential, options)?, base, address })
    }

    pub(crate) fn url(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn ls(&self, selection: &Selection) -> Result<Listing, StoreError> {
        let Listed { jobs, failed, mut warnings } = self.list(selection, &NoProgress)?;
        let left_out = |failed: crate::Failed| Warning {
            message: format!("its artifacts could not be listed: {}", failed.error),
            path: failed.path,
        };
        warnings.extend(failed.into_iter().map(left_out));
        let artifact = |artifact: ApiArtifact| Artifact {
            path: artifact.path,
            node: artifact.node_index.to_string(),
            size: None,
            sha256: None,
            url: Some(artifact.url),
        };
        let run = |job: JobList| Run {
            provider: "circleci".to_owned(),
            repo: self.address.project.repo(),
            job: job.job,
            created: None,
            artifacts: job.artifacts.into_iter().map(artifact).collect(),
        };
        Ok(Listing { runs: jobs.into_iter().rev().map(run).collect(), warnings })
    }

    pub(crate) fn pull(
        &self,
        dir: &Path,
        selection: &Selection,
        progress: &dyn Progress,
    ) -> Result<Pulled, StoreError> {
        let Listed { jobs, failed, mut warnings } = self.list(selection, progress)?;
        if jobs.iter().all(|job| job.artifacts.is_empty()) && failed.is_empty() {
            let (store, selection) = (self.url(), selection.to_string());
            return Err(StoreError::NothingFound { store, selection });
        }
        let target = Target::open(dir)?;
        let job = named(&jobs);
        let plan = Plan::of(jobs);
        warnings.extend(plan.warnings.iter().cloned());
        progress.total(plan.files.len() as u64, None);
        let repo = self.address.project.repo();
        let mut pulled = Pulled { job, repo, failed, warnings, ..Pulled::default() };
        let downloads = Downloads {
            client: self.service.client(),
            network: self.service.network(),
            target: &target,
            progress,
        };
        let locate = |url: &str| self.artifact_url(url);
        self.service.block_on(pull::fetch_all(plan, downloads, locate, &mut pulled));
        Ok(pulled)
    }

    fn list(&self, selection: &Selection, progress: &dyn Progress) -> Result<Listed, StoreError> {
        let api = Api { service: &self.service, base: &self.base, project: &self.address.project, progress };
        self.service.block_on(Listed::of(&self.address, selection, api))
    }

    pub(crate) fn read(&self, artifact: &Artifact, limit: u64) -> Result<Vec<u8>, StoreError> {
        let url = self.artifact_url(artifact.url.as_deref().unwrap_or_default())?;
        self.service.read(&url, &artifact.path, limit)
    }

    pub(crate) fn open(&self, artifact: &Artifact, range: Option<&Range<u64>>) -> Result<Opened, StoreError> {
        let url = self.artifact_url(artifact.url.as_deref().unwrap_or_default())?;
        self.service.open(&url, &artifact.path, range)
    }

    /// Checks where the list says that an artifact is.
    fn artifact_url(&self, url: &str) -> Result<Url, StoreError> {
        let bad = |why: &str| StoreError::BadAnswer { url: shown(&self.base), why: why.to_owned() };
        let url = Url::parse(url).map_err(|_| bad("the URL of an artifact can't be parsed"))?;
        match (self.base.scheme(), url.scheme()) {
            (_, "https") | ("http", "http") => Ok(url),
            ("https", "http") => Err(bad("the URL of an artifact leads from https to http")),
            _ => Err(bad("the URL of an artifact leads away from the web")),
        }
    }
}

/// The jobs of a pull in words: `41, 42`, or how many there are.
fn named(jobs: &[JobList]) -> String {
    let names: Vec<&str> = jobs.iter().take(NAMED_JOBS).map(|job| job.job.as_str()).collect();
    let more = jobs.len() - names.len();
    let names = names.join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_named_or_counted() {
        let jobs = |count: usize| -> Vec<JobList> {
            let job =
                |number: usize| JobList { job: number.to_string(), folder: None, artifacts: Vec::new() };
            (1..=count).map(job).collect()
        };
        assert_eq!(named(&jobs(1)), "1");
        assert_eq!(named(&jobs(3)), "1, 2, 3");
        assert_eq!(named(&jobs(10)), "1, 2, 3, 4, 5, 6, 7, 8 and 2 more");
    }
}

//! CircleCI's API: which jobs there are, and which artifacts they have.
//!
//! `v2` is what the service documents today; `v1` is API v1.1, the only one that finds the latest job, and the only one
//! of old servers. `answer` reads what either says, in bounded memory.

mod answer;
mod v1;
mod v2;

use serde::Deserialize;
use url::Url;

use super::address::{Project, What};
use crate::http::Service;
use crate::{Progress, StoreError};

/// How many jobs a workflow or a pipeline may have, and how many workflows that; the largest known have some hundreds.
const MOST_JOBS: usize = 1000;

/// One artifact, as both APIs describe it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ApiArtifact {
    pub(super) path: String,
    #[serde(default)]
    pub(super) node_index: u64,
    pub(super) url: String,
}

/// One job of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiJob {
    pub(super) number: u64,
    pub(super) name: String,
}

/// Asks one server about one project.
#[derive(Clone, Copy)]
pub(super) struct Api<'a> {
    pub(super) service: &'a Service,
    pub(super) base: &'a Url,
    pub(super) project: &'a Project,
    pub(super) progress: &'a dyn Progress,
}

impl Api<'_> {
    /// Lists the artifacts of a job.
    pub(super) async fn artifacts(&self, job: u64) -> Result<Vec<ApiArtifact>, StoreError> {
        let newer = match v2::artifacts(self, job).await {
            Err(error) if self.may_be_older(&error) => error,
            answer => return answer,
        };
        v1::artifacts(self, job).await.map_err(|older| if is_refusal(&older) { newer } else { older })
    }

    /// Lists the artifacts of the latest job.
    pub(super) async fn latest(
        &self,
        branch: Option<&str>,
        filter: Option<&str>,
    ) -> Result<Vec<ApiArtifact>, StoreError> {
        v1::latest(self, branch, filter).await
    }

    /// Lists the jobs of a workflow or a pipeline that have run, each once, by number.
    pub(super) async fn jobs(&self, what: &What) -> Result<Vec<ApiJob>, StoreError> {
        let mut jobs = match what {
            What::Workflow(id) => v2::jobs(self, id).await?,
            What::Pipeline(number) => {
                let workflows = v2::workflows(self, *number).await?;
                self.check_count("workflows", workflows.len())?;
                let mut jobs = Vec::new();
                for workflow in workflows {
                    jobs.extend(v2::jobs(self, &workflow).await?);
                    self.check_count("jobs", jobs.len())?;
                }
                jobs
            }
            What::Job(_) | What::Latest { .. } => Vec::new(),
        };
        // A workflow that was run again from where it failed lists the jobs that had passed a second time.
        jobs.sort_by_key(|job| job.number);
        jobs.dedup_by_key(|job| job.number);
        self.check_count("jobs", jobs.len())?;
        Ok(jobs)
    }

    fn check_count(&self, of: &str, count: usize) -> Result<(), StoreError> {
        if count <= MOST_JOBS {
            return Ok(());
        }
        let why = format!("it lists more than {MOST_JOBS} {of}");
        Err(StoreError::BadAnswer { url: crate::http::shown(self.base), why })
    }

    /// Whether an error may mean that API v2 is not for this server or this token: a server of the time before it doesn't
    /// find it, and tokens of one project are known to API v1.1 only. Projects that are of no VCS are unknown to that.
    fn may_be_older(&self, error: &StoreError) -> bool {
        is_refusal(error) && self.project.vcs != "circleci"
    }

    /// `{base}/api/{segments}`.
    fn url(&self, segments: &[&str]) -> Result<Url, StoreError> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| StoreError::BadServer { service: "CircleCI", why: "it can't have a path" })?
            .pop_if_empty()
            .push("api")
            .extend(segments);
        Ok(url)
    }

    /// `{base}/api/{version}/project/{slug}/{segments}`.
    fn project_url(&self, version: &str, segments: &[&str]) -> Result<Url, StoreError> {
        let Project { vcs, org, repo } = self.project;
        self.url(&[&[version, "project", vcs, org, repo], segments].concat())
    }
}

fn is_refusal(error: &StoreError) -> bool {
    matches!(error, StoreError::Status { status: 401 | 403 | 404, .. })
}

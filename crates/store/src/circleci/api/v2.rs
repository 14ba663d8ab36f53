//! API v2 (<https://circleci.com/docs/api/v2/>): lists in pages, and what a pipeline consists of.

use serde::Deserialize;

use super::super::address::is_uuid;
use super::answer::{all_pages, one};
use super::{Api, ApiArtifact, ApiJob};
use crate::StoreError;
use crate::http::shown;

/// A pipeline or a workflow: of all that is told, only the ID matters.
#[derive(Deserialize)]
struct WithId {
    id: String,
}

#[derive(Deserialize)]
struct Job {
    /// Absent for a job that has not run: one that waits, or that asks for approval.
    #[serde(default)]
    job_number: Option<u64>,
    #[serde(default)]
    name: String,
}

/// `GET /api/v2/project/{slug}/{job-number}/artifacts`.
pub(super) async fn artifacts(api: &Api<'_>, job: u64) -> Result<Vec<ApiArtifact>, StoreError> {
    let url = api.project_url("v2", &[&job.to_string(), "artifacts"])?;
    all_pages(api, &url, "list of artifacts").await
}

/// `GET /api/v2/workflow/{id}/job`: the jobs that have run.
pub(super) async fn jobs(api: &Api<'_>, workflow: &str) -> Result<Vec<ApiJob>, StoreError> {
    let url = api.url(&["v2", "workflow", workflow, "job"])?;
    let jobs: Vec<Job> = all_pages(api, &url, "list of jobs").await?;
    Ok(jobs.into_iter().filter_map(|job| Some(ApiJob { number: job.job_number?, name: job.name })).collect())
}

/// `GET /api/v2/project/{slug}/pipeline/{number}`, and `GET /api/v2/pipeline/{id}/workflow` of what that answers: the
/// IDs of its workflows.
pub(super) async fn workflows(api: &Api<'_>, pipeline: u64) -> Result<Vec<String>, StoreError> {
    let url = api.project_url("v2", &["pipeline", &pipeline.to_string()])?;
    let WithId { id } = one(api, &url, "pipeline").await?;
    let checked = |WithId { id }: WithId| {
        let why = "an ID in it is no UUID".to_owned();
        // It becomes a part of the next request's path.
        if is_uuid(&id) { Ok(id) } else { Err(StoreError::BadAnswer { url: shown(&url), why }) }
    };
    let of_it = api.url(&["v2", "pipeline", &checked(WithId { id })?, "workflow"])?;
    let workflows: Vec<WithId> = all_pages(api, &of_it, "list of workflows").await?;
    workflows.into_iter().map(checked).collect()
}

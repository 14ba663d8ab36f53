//! API v1.1 (<https://circleci.com/docs/api/v1/>): one list without pages for each job.

use super::answer::one;
use super::{Api, ApiArtifact};
use crate::StoreError;
use crate::http::Items;

/// `GET /api/v1.1/project/:vcs/:org/:repo/:job/artifacts`.
pub(super) async fn artifacts(api: &Api<'_>, job: u64) -> Result<Vec<ApiArtifact>, StoreError> {
    let url = api.project_url("v1.1", &[&job.to_string(), "artifacts"])?;
    one(api, &url, "list of artifacts").await.map(|Items(artifacts)| artifacts)
}

/// `GET /api/v1.1/project/:vcs/:org/:repo/latest/artifacts?branch=:branch&filter=:filter`. Without a branch it is the
/// latest job of all branches, without a filter one of any outcome.
pub(super) async fn latest(
    api: &Api<'_>,
    branch: Option<&str>,
    filter: Option<&str>,
) -> Result<Vec<ApiArtifact>, StoreError> {
    let mut url = api.project_url("v1.1", &["latest", "artifacts"])?;
    for (key, value) in [("branch", branch), ("filter", filter)] {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(key, value);
        }
    }
    one(api, &url, "list of the latest artifacts").await.map(|Items(artifacts)| artifacts)
}

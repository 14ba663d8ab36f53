//! GitHub's REST API: the artifacts of a run.
//!
//! Shapes and limits as in "REST API endpoints for GitHub Actions artifacts" and "… for workflow runs" of GitHub's
//! documentation (API version 2022-11-28).

use std::collections::HashMap;

use serde::Deserialize;
use url::Url;

use super::run::GithubRun;
use crate::http::{Items, LONGEST_LIST, MOST_ITEMS, Service, below, shown, too_many};
use crate::{Progress, StoreError};

/// The most that the API gives at once.
const PER_PAGE: usize = 100;

/// More artifacts than any run stores: each job may have 500.
const MOST_PAGES: usize = 200;

/// One artifact, as the API describes it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ApiArtifact {
    pub(super) id: u64,
    pub(super) name: String,
    /// The archive's size in bytes.
    #[serde(default)]
    pub(super) size_in_bytes: Option<u64>,
    #[serde(default)]
    pub(super) expired: bool,
    #[serde(default)]
    pub(super) created_at: Option<String>,
    #[serde(default)]
    pub(super) expires_at: Option<String>,
    /// `sha256:…` of the archive; absent for those that the first versions of actions/upload-artifact stored.
    #[serde(default)]
    digest: Option<String>,
}

impl ApiArtifact {
    /// The SHA-256 of the archive in lower-case hex.
    pub(super) fn sha256(&self) -> Option<String> {
        Some(self.digest.as_deref()?.strip_prefix("sha256:")?.to_ascii_lowercase())
    }
}

#[derive(Debug, Deserialize)]
struct Page {
    artifacts: Items<ApiArtifact>,
}

/// One attempt of a run.
#[derive(Debug, Deserialize)]
struct Attempt {
    run_started_at: String,
}

/// What is asked of the API at `base`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Api<'a> {
    pub(super) service: &'a Service,
    pub(super) base: &'a Url,
    pub(super) run: &'a GithubRun,
}

impl Api<'_> {
    /// Lists the artifacts that are asked for: of each name the latest, sorted by name.
    pub(super) async fn artifacts(&self, progress: &dyn Progress) -> Result<Vec<ApiArtifact>, StoreError> {
        let mut artifacts = self.all(progress).await?;
        if let Some(attempt) = self.run.attempt {
            let (start, end) = self.span(attempt, progress).await?;
            // Times are written in one form, in UTC, so that their texts compare as they do.
            artifacts.retain(|artifact| {
                let created = artifact.created_at.as_deref();
                created.is_none_or(|created| {
                    start.as_str() <= created && end.as_deref().is_none_or(|end| created < end)
                })
            });
        }
        if let Some(id) = self.run.artifact {
            artifacts.retain(|artifact| artifact.id == id);
        }
        // A run that is started again may store another one under a name that it used before.
        let mut latest: HashMap<String, ApiArtifact> = HashMap::new();
        for artifact in artifacts {
            match latest.get(&artifact.name) {
                Some(known) if known.id >= artifact.id => {}
                _ => drop(latest.insert(artifact.name.clone(), artifact)),
            }
        }
        let mut artifacts: Vec<ApiArtifact> = latest.into_values().collect();
        artifacts.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(artifacts)
    }

    async fn all(&self, progress: &dyn Progress) -> Result<Vec<ApiArtifact>, StoreError> {
        let mut url = self.below_run(&["artifacts"]);
        let (mut all, mut left) = (Vec::new(), LONGEST_LIST);
        for number in 1..=MOST_PAGES {
            url.set_query(Some(&format!("per_page={PER_PAGE}&page={number}")));
            let page = self.service.json_within(&url, "list of artifacts", &mut left, progress).await?;
            let Page { artifacts: Items(page) } = page;
            let is_last = page.len() < PER_PAGE;
            all.extend(page);
            if all.len() > MOST_ITEMS {
                return Err(StoreError::BadAnswer { url: shown(&url), why: too_many() });
            }
            if is_last {
                return Ok(all);
            }
        }
        let why = format!("more than {} artifacts", PER_PAGE * MOST_PAGES);
        Err(StoreError::BadAnswer { url: shown(&url), why })
    }

    /// When an attempt began, and when the next one did.
    async fn span(
        &self,
        attempt: u64,
        progress: &dyn Progress,
    ) -> Result<(String, Option<String>), StoreError> {
        let start = self.started(attempt, progress).await?;
        match self.started(attempt.saturating_add(1), progress).await {
            Ok(end) => Ok((start, Some(end))),
            Err(StoreError::Status { status: 404, .. }) => Ok((start, None)),
            Err(error) => Err(error),
        }
    }

    async fn started(&self, attempt: u64, progress: &dyn Progress) -> Result<String, StoreError> {
        let url = self.below_run(&["attempts", &attempt.to_string()]);
        let attempt: Attempt = self.service.json(&url, "attempt of the run", progress).await?;
        Ok(attempt.run_started_at)
    }

    /// Where an artifact's archive is served, by a redirect to a signed URL. The answer's own `archive_download_url` is
    /// not used: it would choose who gets the token.
    pub(super) fn archive_url(&self, artifact: &ApiArtifact) -> Url {
        let id = artifact.id.to_string();
        below(self.base, ["repos", &self.run.owner, &self.run.repo, "actions", "artifacts", &id, "zip"])
    }

    fn below_run(&self, tail: &[&str]) -> Url {
        let id = self.run.id.to_string();
        let path = ["repos", &self.run.owner, &self.run.repo, "actions", "runs", &id];
        below(self.base, path.iter().chain(tail))
    }
}

//! The CI job that a crash belongs to, as far as the job's own environment tells.

mod links;
mod provider;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use provider::CiProvider;

/// One run of a job in a CI system.
///
/// ```
/// use epitaph_summary::{CiJob, CiProvider};
///
/// let job = CiJob::of(CiProvider::CircleCi, |name| (name == "CIRCLE_BUILD_NUM").then(|| "1234".to_owned()));
/// assert_eq!(job.run.as_deref(), Some("1234"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CiJob {
    /// The CI system: `circleci`, `github`, `gitlab`, `buildkite`, `jenkins`, `azure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The repository or project, as the system writes it: `acme/app`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// The system's name for this run of this job alone, by which its artifacts are found in a store (`job=` in a key).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Which of the job's parallel runs it is, in the same place (`node=` in a key): an index, or the machine's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The commit that is built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha: Option<String>,
    /// The branch that is built: of a pull request, the one it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The tag that is built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The number of the pull or merge request that is built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<String>,
    /// What the job is called in the system's configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The system's number or ID of what it runs: of the job, or of the build or workflow that the job is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// How often that was started, where it can be started again under the same ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Which of the job's parallel runs it is, counted as the system counts: GitLab and Azure from 1 on, others from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_index: Option<u32>,
    /// How many parallel runs the job has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_total: Option<u32>,
    /// The job's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The address beneath which the files of the output folder are found, once they are stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_url_base: Option<String>,
}

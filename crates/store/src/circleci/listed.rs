//! What an address means: jobs, with the artifacts of each.

use futures_util::StreamExt;
use futures_util::stream;

use super::address::{Address, What};
use super::api::{Api, ApiArtifact, ApiJob};
use crate::fuse::Fuse;
use crate::outcome::Failed;
use crate::warning::Warning;
use crate::{Selection, StoreError};

/// Longest name of a job in the name of its folder, in bytes.
const LONGEST_NAME: usize = 80;

/// The artifacts of one job.
#[derive(Debug)]
pub(super) struct JobList {
    /// The job's number, or `latest`.
    pub(super) job: String,
    /// The folder that its artifacts go to, where several jobs may be meant.
    pub(super) folder: Option<String>,
    pub(super) artifacts: Vec<ApiArtifact>,
}

/// All jobs that an address means.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) jobs: Vec<JobList>,
    /// Jobs whose artifacts could not be listed.
    pub(super) failed: Vec<Failed>,
    pub(super) warnings: Vec<Warning>,
}

impl Listed {
    /// Asks for what the address means and the selection takes; artifacts of other nodes are dropped.
    ///
    /// An error means that nothing could be listed.
    pub(super) async fn of(
        address: &Address,
        selection: &Selection,
        api: Api<'_>,
    ) -> Result<Self, StoreError> {
        let repo = address.project.repo();
        let nothing =
            || StoreError::NothingFound { store: address.to_string(), selection: selection.to_string() };
        let takes = |job: &str| selection.takes_job(&repo, job);
        let mut listed = match &address.what {
            What::Job(number) if takes(&number.to_string()) => {
                Self::one(number.to_string(), api.artifacts(*number).await?)
            }
            What::Latest { branch, filter } if takes("latest") => {
                let artifacts = api.latest(branch.as_deref(), *filter).await?;
                let mut listed = Self::one("latest".to_owned(), artifacts);
                if branch.is_none() {
                    let message = "no branch is named, so this is the latest job of any: add ?branch=NAME";
                    listed.warnings.push(Warning { path: address.to_string(), message: message.to_owned() });
                }
                listed
            }
            What::Job(_) | What::Latest { .. } => return Err(nothing()),
            what @ (What::Workflow(_) | What::Pipeline(_)) => {
                let mut jobs = api.jobs(what).await?;
                jobs.retain(|job| takes(&job.number.to_string()) || takes(&job.name));
                if jobs.is_empty() {
                    return Err(nothing());
                }
                Self::several(jobs, api).await?
            }
        };
        for job in &mut listed.jobs {
            job.artifacts.retain(|artifact| selection.takes_node(&artifact.node_index.to_string()));
        }
        Ok(listed)
    }

    fn one(job: String, artifacts: Vec<ApiArtifact>) -> Self {
        Self { jobs: vec![JobList { job, folder: None, artifacts }], ..Self::default() }
    }

    /// Lists the artifacts of several jobs, some at a time. One that can't be listed doesn't stop the others.
    async fn several(jobs: Vec<ApiJob>, api: Api<'_>) -> Result<Self, StoreError> {
        let fuse = Fuse::new(api.service.network().transfers);
        let fuse = &fuse;
        let lists = jobs.into_iter().map(|job| async move {
            let folder = folder_of(&job);
            let artifacts = match fuse.check(&folder) {
                Ok(()) => fuse.note(api.artifacts(job.number).await),
                Err(error) => Err(error),
            };
            (job, folder, artifacts)
        });
        let mut lists = stream::iter(lists).buffered(api.service.network().transfers.max(1));
        let mut listed = Self::default();
        while let Some((job, folder, artifacts)) = lists.next().await {
            match artifacts {
                Ok(artifacts) => {
                    listed.jobs.push(JobList {
                        job: job.number.to_string(),
                        folder: Some(folder),
                        artifacts,
                    });
                }
                Err(error) => listed.failed.push(Failed { path: folder, error }),
            }
        }
        if listed.jobs.is_empty() && !listed.failed.is_empty() {
            return Err(listed.failed.swap_remove(0).error);
        }
        Ok(listed)
    }
}

/// `456-build-and-test`: the number, by which nothing else is called, then as much of the name as is harmless.
fn folder_of(job: &ApiJob) -> String {
    let harmless = |char: char| if char.is_ascii_alphanumeric() || "._-".contains(char) { char } else { '_' };
    let name: String = job.name.chars().take(LONGEST_NAME).map(harmless).collect();
    if name.is_empty() { job.number.to_string() } else { format!("{}-{name}", job.number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_for_each_job() {
        let folder = |name: &str| folder_of(&ApiJob { number: 7, name: name.to_owned() });
        assert_eq!(folder("build-and_test.x86"), "7-build-and_test.x86");
        assert_eq!(folder("../test: a/b\0\u{e4}"), "7-.._test__a_b__");
        assert_eq!(folder(""), "7");
        assert_eq!(folder(&"x".repeat(500)).len(), 82);
    }
}

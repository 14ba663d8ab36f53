//! Files into a generic package ("Generic packages repository" of GitLab's documentation, "Publish a single file"): what
//! tells the story first, cores last, for the job may be killed at any time.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use serde::Deserialize;

use super::{Gitlab, GitlabWhat, NODE, advised};
use crate::http::{Retry, hashed};
use crate::keyed::{Destination, Plan, Planned};
use crate::listing::Artifact;
use crate::outcome::{Failed, Pushed};
use crate::{Encrypt, Progress, PushOptions, StoreError};

/// The longest answer that is understood, in bytes.
const LONGEST: usize = 1 << 20;

/// What GitLab says of a file that it has got, where it is asked to (`select=package_file`).
#[derive(Deserialize)]
struct Published {
    #[serde(default)]
    file_sha256: Option<String>,
}

impl Gitlab {
    /// Puts files into the package, each visible as soon as it is there. Of two files of one name, the later one counts.
    pub(crate) fn push(
        &self,
        sources: &[PathBuf],
        options: &PushOptions,
        progress: &dyn Progress,
    ) -> Result<Pushed, StoreError> {
        let GitlabWhat::Package { name, version } = &self.place.what else {
            return Err(StoreError::ReadOnly { store: self.url() });
        };
        let destination = options.destination.as_deref().map(Destination::parse).transpose()?;
        let plan = Plan::make(sources, destination.as_ref(), None, self.encrypt.as_deref());
        let Plan { files, skipped, failed, warnings } = plan;
        let bytes = files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.size));
        progress.total(files.len() as u64, Some(bytes));
        for skipped in &skipped {
            progress.skipped(&skipped.path, &skipped.reason);
        }
        let mut pushed = Pushed { skipped, failed, warnings, ..Pushed::default() };
        let sending =
            Sending { gitlab: self, package: (name, version), encrypt: self.encrypt.as_ref(), progress };
        self.service.block_on(async {
            for rank in files.chunk_by(|one, other| one.role.rank() == other.role.rank()) {
                let sending = &sending;
                let sends = rank.iter().map(|file| async move { (file, sending.send(file).await) });
                let mut sends = stream::iter(sends).buffered(self.service.network().transfers.max(1));
                while let Some((file, sent)) = sends.next().await {
                    match sent {
                        Ok(artifact) => {
                            pushed.bytes += artifact.size.unwrap_or_default();
                            pushed.artifacts.push(artifact);
                        }
                        Err(error) => {
                            progress.failed(&file.artifact, &error);
                            let path = file.source.display().to_string();
                            pushed.failed.push(Failed { path, error });
                        }
                    }
                }
            }
        });
        pushed.manifest_key = (!pushed.artifacts.is_empty()).then(|| self.url());
        Ok(pushed)
    }
}

/// A push under way.
struct Sending<'a> {
    gitlab: &'a Gitlab,
    /// The package's name and version.
    package: (&'a str, &'a str),
    encrypt: Option<&'a Arc<dyn Encrypt>>,
    progress: &'a dyn Progress,
}

impl Sending<'_> {
    async fn send(&self, file: &Planned) -> Result<Artifact, StoreError> {
        let name = file.artifact.as_str();
        let (source, size) = file.leaving(self.encrypt).await?;
        self.progress.started(name, Some(size));
        let content = hashed(&source).await?;
        let service = &self.gitlab.service;
        let (package, version) = self.package;
        let mut url = self.gitlab.api().file_url(package, version, name);
        let address = url.to_string();
        url.query_pairs_mut().append_pair("select", "package_file");
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        let at = |position| self.progress.advanced(name, position, Some(content.size));
        let mut retry = Retry::new(service.network());
        let answer = loop {
            let answer = match service.client().put_file(&url, &headers, &source, &content, &at).await {
                Ok(answer) if matches!(answer.status(), StatusCode::OK | StatusCode::CREATED) => {
                    answer.body(LONGEST).await
                }
                Ok(answer) => Err(answer.refusal()),
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => break answer,
                Err(error) => retry.wait(error, name, self.progress).await.map_err(refused)?,
            }
        };
        // Servers that are too old to be asked answer something else.
        let there =
            serde_json::from_slice(&answer).ok().and_then(|published: Published| published.file_sha256);
        if let Some(actual) = there.filter(|there| *there != content.sha256) {
            let why = format!("it has got a file with the SHA-256 {actual}, not {}", content.sha256);
            return Err(StoreError::BadAnswer { url: address, why });
        }
        self.progress.finished(name);
        Ok(Artifact {
            path: name.to_owned(),
            node: NODE.to_owned(),
            size: Some(content.size),
            sha256: Some(content.sha256),
            url: Some(address),
        })
    }
}

/// Adds what a person can do about a refusal of GitLab.
fn refused(error: StoreError) -> StoreError {
    let advice = match error {
        StoreError::Status { status: 401 | 403, token_sent: true, .. } => {
            "the token is wrong, expired, or may not write packages: GITLAB_TOKEN needs the scope api; a job's own token \
             may write those of its project"
        }
        StoreError::Status { status: 400, .. } => {
            "names of packages, versions and files hold letters, digits and . _ - + ~ @ only: push a folder that `collect` \
             has written, or give --destination; and some groups take no file twice: give the package another version"
        }
        StoreError::Status { status: 413, .. } => {
            "the file is larger than the server takes (5 GB on gitlab.com, or what its administrator has set)"
        }
        error => return advised(error),
    };
    StoreError::Advised { source: Box::new(error), advice }
}

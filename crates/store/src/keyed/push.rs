//! From local files into the store.

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::Value;

use super::Keyed;
use super::manifest::{Entry, Manifest, SCHEMA};
use super::names::Destination;
use super::plan::{Plan, Planned};
use crate::backend::{Backend, Stored};
use crate::files::{open_regular, read_capped};
use crate::fuse::Fuse;
use crate::hash::{Copied, sha256_of};
use crate::layout::{Role, manifest_folder, push_name, summary_key};
use crate::listing::Artifact;
use crate::outcome::{Failed, Pushed, Skipped};
use crate::warning::Warning;
use crate::{Encrypt, JobId, Progress, StoreError};

/// A summary of ten thousand threads is shorter.
const LONGEST_SUMMARY: u64 = 64 << 20;

/// How often a new name is tried for a manifest. Names hold 32 random bits and the time in microseconds.
const NAMES: usize = 8;

/// How a push names what it stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushOptions {
    /// The prefix of the artifact paths, as `store_artifacts` understands it. For a folder it takes the place of the
    /// folder's path. For one file alone it is the artifact's whole path, unless it ends in `/`; beside other paths,
    /// a file goes below it. Without it, an artifact's path is the absolute path without its leading slash.
    pub destination: Option<String>,
    /// The job that pushes.
    pub job: JobId,
}

/// One push under way.
pub(super) struct Push<'a> {
    pub(super) backend: &'a dyn Backend,
    pub(super) identity: Identity,
    pub(super) options: &'a PushOptions,
    pub(super) progress: &'a dyn Progress,
    pub(super) encrypt: Option<Arc<dyn Encrypt>>,
    pub(super) warnings: Mutex<Vec<Warning>>,
}

/// What a push is known by, whoever finishes it.
pub(super) struct Identity {
    /// Its manifest's name, and when it was made.
    pub(super) name: String,
    pub(super) created: Timestamp,
}

impl Identity {
    /// That of a push that is made now.
    fn new() -> Self {
        let created = Timestamp::now();
        Self { name: push_name(created), created }
    }
}

/// A file of the push that is in the store.
pub(super) struct Sent {
    pub(super) file: Planned,
    pub(super) stored: Stored,
    /// The second key that it has.
    pub(super) also: Option<String>,
}

impl Keyed {
    /// Copies files and folders into the store.
    pub(crate) fn push(
        &self,
        sources: &[PathBuf],
        options: &PushOptions,
        progress: &dyn Progress,
    ) -> Result<Pushed, StoreError> {
        let folder = manifest_folder(&options.job)?;
        let destination = options.destination.as_deref().map(Destination::parse).transpose()?;
        self.runtime.wait(async {
            self.backend.prepare().await?;
            let plan =
                Plan::make(sources, destination.as_ref(), self.backend.local(), self.encrypt.as_deref());
            let backend = self.backend.as_ref();
            let (identity, warnings) = (Identity::new(), Mutex::new(plan.warnings));
            let encrypt = self.encrypt.clone();
            let push = Push { backend, identity, options, progress, encrypt, warnings };
            push.run(&folder, plan.files, plan.skipped, plan.failed, self.network.transfers).await
        })
    }
}

impl Push<'_> {
    /// Sends the files, and makes visible what has arrived.
    pub(super) async fn run(
        self,
        folder: &str,
        files: Vec<Planned>,
        skipped: Vec<Skipped>,
        failed: Vec<Failed>,
        transfers: usize,
    ) -> Result<Pushed, StoreError> {
        let bytes = files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.size));
        self.progress.total(files.len() as u64, Some(bytes));
        for skipped in &skipped {
            self.progress.skipped(&skipped.path, &skipped.reason);
        }
        for failed in &failed {
            self.progress.failed(&failed.path, &failed.error);
        }
        let mut pushed = Pushed { skipped, failed, ..Pushed::default() };
        let sent = self.send_all(files, transfers, &mut pushed.failed).await;
        for Sent { file, stored, .. } in &sent {
            pushed.bytes += stored.content.size;
            pushed.artifacts.push(Artifact {
                path: file.artifact.clone(),
                node: self.options.job.node.clone(),
                size: Some(stored.content.size),
                sha256: Some(stored.content.sha256.clone()),
                url: None,
            });
        }
        if !sent.is_empty() {
            let key = self.commit(folder, &sent).await?;
            self.outlive_gc(&key, sent, &mut pushed.failed).await;
            pushed.manifest_key = Some(key);
        }
        pushed.warnings = self.warnings.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(pushed)
    }

    /// Sends the files, several at once; those of a later rank only when all before are there, since a job may be
    /// killed at any time. Where a store fails as many in a row, however often each is tried, it is not asked for the rest,
    /// which would take as long for each.
    async fn send_all(&self, files: Vec<Planned>, transfers: usize, failed: &mut Vec<Failed>) -> Vec<Sent> {
        let fuse = &Fuse::new(transfers);
        let mut outcomes = Vec::with_capacity(files.len());
        let mut files = files.into_iter().enumerate().peekable();
        while let Some((_, first)) = files.peek() {
            let rank = first.role.rank();
            let ranked = std::iter::from_fn(|| files.next_if(|(_, file)| file.role.rank() == rank));
            let sends = ranked.map(|(index, file)| async move {
                let outcome = match fuse.check(&file.artifact) {
                    Ok(()) => fuse.note(self.store(&file).await),
                    Err(error) => Err(error).inspect_err(|error| self.progress.failed(&file.artifact, error)),
                };
                (index, file, outcome)
            });
            let mut sends = stream::iter(sends).buffer_unordered(transfers.max(1));
            while let Some(outcome) = sends.next().await {
                outcomes.push(outcome);
            }
        }
        outcomes.sort_by_key(|(index, ..)| *index);
        let mut sent = Vec::with_capacity(outcomes.len());
        for (_, file, outcome) in outcomes {
            match outcome {
                Ok((stored, also)) => sent.push(Sent { file, stored, also }),
                Err(error) => failed.push(Failed { path: file.source.display().to_string(), error }),
            }
        }
        sent
    }

    /// Puts one file into the store. Tells its second key, if it has one.
    pub(super) async fn store(&self, file: &Planned) -> Result<(Stored, Option<String>), StoreError> {
        let name = file.artifact.as_str();
        let (source, size) = file
            .leaving(self.encrypt.as_ref())
            .await
            .inspect_err(|error| self.progress.failed(name, error))?;
        let size = Some(size);
        self.progress.started(name, size);
        let at = |position| self.progress.advanced(name, position, size);
        let stored = self.backend.put_file(&source, &at).await;
        let mut stored = stored.inspect_err(|error| self.progress.failed(name, error))?;
        if let Some(error) = stored.trouble.take() {
            self.warn_once(&format!("this push can't go on if its process dies: {}", with_source(&error)));
        }
        // The artifact is safe now; what a query or a debugger would find besides is not worth failing it.
        let sha256 = &stored.content.sha256;
        let also = match &file.role {
            Role::Summary { id } => self.summary(id, &source, &stored.content).await.map(Some),
            Role::BuildId { key } => {
                let aliased = self.backend.alias(sha256, key).await;
                let aliased = aliased.map(|since| {
                    // Whichever was there for longer is what a gc may have removed.
                    stored.there_since = stored.there_since.into_iter().chain(since).min();
                    Some(key.clone())
                });
                aliased.map_err(|error| error.to_string())
            }
            Role::Bulk | Role::Plain => Ok(None),
        };
        let also = also.unwrap_or_else(|message| {
            self.warn(file.artifact.clone(), message);
            None
        });
        self.progress.finished(name);
        Ok((stored, also))
    }

    /// Puts a summary where the fleet's queries find it, and tells the key. It is what was stored, or nothing: the file may
    /// have changed since.
    async fn summary(&self, id: &str, source: &Path, content: &Copied) -> Result<String, String> {
        let source = source.to_owned();
        let read = move || {
            read_capped(&mut open_regular(&source)?, LONGEST_SUMMARY).map_err(StoreError::io("read", &source))
        };
        let read = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?;
        let bytes = read.map_err(|error| with_source(&error))?;
        if sha256_of(&bytes) != content.sha256 {
            return Err("it has changed since it was stored, so queries don't find it".to_owned());
        }
        let line = summary_line(&bytes);
        let (line, time) =
            line.map_err(|why| format!("not a summary, so stored as a plain artifact: {why}"))?;
        let key = summary_key(time.unwrap_or(self.identity.created), &self.options.job.repo, id);
        self.backend.put(&key, line).await.map_err(|error| error.to_string())?;
        Ok(key)
    }

    /// Writes the manifest, which makes the push visible, and tells its key.
    async fn commit(&self, folder: &str, sent: &[Sent]) -> Result<String, StoreError> {
        let JobId { provider, repo, job, node } = self.options.job.clone();
        let entry = |Sent { file, stored, also }: &Sent| Entry {
            path: file.artifact.clone(),
            sha256: stored.content.sha256.clone(),
            size: stored.content.size,
            also: also.clone(),
        };
        let manifest = Manifest {
            schema: SCHEMA.to_owned(),
            created: self.identity.created.to_string(),
            provider,
            repo,
            job,
            node,
            destination: self.options.destination.clone(),
            artifacts: sent.iter().map(entry).collect(),
        };
        let bad = |why| StoreError::BadManifest { path: PathBuf::from(self.backend.locate(folder)), why };
        let line = manifest.to_line().map_err(|error| bad(error.to_string()))?;
        let others = std::iter::repeat_with(|| push_name(self.identity.created)).take(NAMES);
        for name in std::iter::once(self.identity.name.clone()).chain(others) {
            let key = format!("{folder}/{name}.json");
            if self.backend.create(&key, line.clone()).await? || self.has(&key, &line).await? {
                return Ok(key);
            }
        }
        Err(bad("every name that was tried is taken".to_owned()))
    }

    /// Whether a process that died, or one whose answer was lost, has written that.
    async fn has(&self, key: &str, line: &[u8]) -> Result<bool, StoreError> {
        let there = self.backend.get(key, 0..u64::MAX).await?.bytes(line.len() as u64).await?;
        Ok(there.is_some_and(|there| there == line))
    }

    /// Warns of what is the same for every file.
    fn warn_once(&self, message: &str) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.iter().all(|warning| warning.message != message) {
            warnings.push(Warning { path: self.backend.url(), message: message.to_owned() });
        }
    }

    pub(super) fn warn(&self, path: String, message: String) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.push(Warning { path, message });
    }
}

/// An error with its cause, in one line.
fn with_source(error: &StoreError) -> String {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

/// A summary as one line with its end (a reader of JSON Lines may drop a line without one), and when the process
/// died.
fn summary_line(bytes: &[u8]) -> Result<(Vec<u8>, Option<Timestamp>), String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if !value.is_object() {
        return Err("it is no JSON object".to_owned());
    }
    let time = value.get("time").and_then(Value::as_str).and_then(|time| time.parse().ok());
    let mut line = serde_json::to_vec(&value).map_err(|error| error.to_string())?;
    line.push(b'\n');
    Ok((line, time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_becomes_one_line() {
        let text = b"{\n  \"schema\": \"epitaph-crash/1\",\n  \"time\": \"2026-11-22T10:00:00Z\",\n  \"x\": \"a\\nb\"\n}\n";
        let (line, time) = summary_line(text).unwrap();
        assert_eq!(time, Some("2026-11-22T10:00:00Z".parse().unwrap()));
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
        assert_eq!(
            serde_json::from_slice::<Value>(&line).unwrap(),
            serde_json::from_slice::<Value>(text).unwrap()
        );
    }

    #[test]
    fn what_is_no_summary() {
        assert!(summary_line(b"").is_err());
        assert!(summary_line(b"{\"a\":").is_err());
        assert!(summary_line(b"[1]").is_err());
        assert!(summary_line(&b"[".repeat(100_000)).is_err(), "depth is limited");
        assert_eq!(summary_line(b"{\"time\":\"yesterday\"}").unwrap().1, None);
    }
}

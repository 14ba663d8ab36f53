//! From local files into the folder.

use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

use super::layout::{Role, blob_key, manifest_folder, push_name, summary_key};
use super::manifest::{Entry, Manifest, SCHEMA};
use super::names::Destination;
use super::plan::{Plan, Planned};
use super::writer::Writer;
use crate::files::{open_regular, read_capped};
use crate::hash::Copied;
use crate::listing::Artifact;
use crate::outcome::{Failed, Pushed};
use crate::warning::Warning;
use crate::{JobId, Progress, StoreError};

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
struct Push<'a> {
    root: &'a Path,
    writer: Writer<'a>,
    time: Timestamp,
    job: &'a JobId,
    progress: &'a dyn Progress,
    warnings: Vec<Warning>,
}

pub(super) fn push(
    root: &Path,
    sources: &[PathBuf],
    options: &PushOptions,
    progress: &dyn Progress,
) -> Result<Pushed, StoreError> {
    let folder = manifest_folder(&options.job)?;
    let destination = options.destination.as_deref().map(Destination::parse).transpose()?;
    let writer = Writer::open(root)?;
    let plan = Plan::make(sources, destination.as_ref(), root);
    progress.total(plan.files.len() as u64, Some(plan.bytes()));
    for skipped in &plan.skipped {
        progress.skipped(&skipped.path, &skipped.reason);
    }
    for failed in &plan.failed {
        progress.failed(&failed.path, &failed.error);
    }

    let mut push =
        Push { root, writer, time: Timestamp::now(), job: &options.job, progress, warnings: plan.warnings };
    let mut pushed = Pushed { skipped: plan.skipped, failed: plan.failed, ..Pushed::default() };
    let mut entries = Vec::with_capacity(plan.files.len());
    for file in plan.files {
        match push.store(&file) {
            Ok(copied) => {
                pushed.bytes += copied.size;
                pushed.artifacts.push(Artifact {
                    path: file.artifact.clone(),
                    node: options.job.node.clone(),
                    size: Some(copied.size),
                    sha256: Some(copied.sha256.clone()),
                    url: None,
                });
                entries.push(Entry { path: file.artifact, sha256: copied.sha256, size: copied.size });
            }
            Err(error) => {
                progress.failed(&file.artifact, &error);
                pushed.failed.push(Failed { path: file.source.display().to_string(), error });
            }
        }
    }
    if !entries.is_empty() {
        pushed.manifest_key = Some(push.commit(&folder, options, entries)?);
    }
    pushed.warnings = push.warnings;
    Ok(pushed)
}

impl Push<'_> {
    fn store(&mut self, file: &Planned) -> Result<Copied, StoreError> {
        self.progress.started(&file.artifact, Some(file.size));
        let copied = self.writer.blob(&file.source, |position| {
            self.progress.advanced(&file.artifact, position, Some(file.size));
        })?;
        // The artifact is safe now; what a query or a debugger would find besides is not worth failing it.
        let besides = match &file.role {
            Role::Summary { id } => self.summary(id, &copied.sha256),
            Role::BuildId { key } => self.writer.link(&copied.sha256, key).map_err(|error| error.to_string()),
            Role::Bulk | Role::Plain => Ok(()),
        };
        if let Err(message) = besides {
            self.warnings.push(Warning { path: file.artifact.clone(), message });
        }
        self.progress.finished(&file.artifact);
        Ok(copied)
    }

    /// Puts a summary where the fleet's queries find it.
    fn summary(&mut self, id: &str, sha256: &str) -> Result<(), String> {
        // It is read back from the blob, since the source may change at any time.
        let blob = self.root.join(blob_key(sha256).unwrap_or_default());
        let read =
            |mut file: File| read_capped(&mut file, LONGEST_SUMMARY).map_err(StoreError::io("read", &blob));
        let bytes = open_regular(&blob).and_then(read).map_err(|error| error.to_string())?;
        let (line, time) = summary_line(&bytes)
            .map_err(|why| format!("not a summary, so stored as a plain artifact: {why}"))?;
        let key = summary_key(time.unwrap_or(self.time), &self.job.repo, id);
        self.writer.put(&key, &line).map_err(|error| error.to_string())
    }

    fn commit(
        &mut self,
        folder: &str,
        options: &PushOptions,
        artifacts: Vec<Entry>,
    ) -> Result<String, StoreError> {
        let manifest = Manifest {
            schema: SCHEMA.to_owned(),
            created: self.time.to_string(),
            provider: self.job.provider.clone(),
            repo: self.job.repo.clone(),
            job: self.job.job.clone(),
            node: self.job.node.clone(),
            destination: options.destination.clone(),
            artifacts,
        };
        let path = self.root.join(folder);
        let line = manifest
            .to_line()
            .map_err(|error| StoreError::BadManifest { path: path.clone(), why: error.to_string() })?;
        for _ in 0..NAMES {
            let key = format!("{folder}/{}.json", push_name(self.time));
            if self.writer.commit(&key, &line)? {
                return Ok(key);
            }
        }
        Err(StoreError::BadManifest { path, why: "every name that was tried is taken".to_owned() })
    }
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

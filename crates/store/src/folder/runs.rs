//! From manifests to jobs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::layout::{RUNS, key_value, selected};
use super::manifest::Manifest;
use crate::listing::{Artifact, Run};
use crate::warning::Warning;
use crate::{Selection, StoreError};

/// The levels of a manifest's key above its name.
const LEVELS: [&str; 4] = ["provider", "repo", "job", "node"];

/// A job, known by its manifests' keys alone: none has been read.
#[derive(Debug)]
pub(super) struct Pushes {
    provider: String,
    repo: String,
    job: String,
    /// The manifests with their nodes, by the time in their names.
    manifests: Vec<(OsString, String, PathBuf)>,
}

impl Pushes {
    /// All selected jobs of a store, newest first.
    pub(super) fn find(root: &Path, selection: &Selection) -> Result<Vec<Self>, StoreError> {
        let mut jobs: BTreeMap<[String; 3], Self> = BTreeMap::new();
        let mut found = Vec::new();
        // A folder that isn't there is a mistake; one that holds no pushes yet is an empty store.
        fs::read_dir(root).map_err(StoreError::io("read", root))?;
        descend(&root.join(RUNS), &LEVELS, selection, &mut Vec::new(), &mut found)?;
        for (values, path) in found {
            let (Ok([provider, repo, job, node]), Some(name)) =
                (<[String; 4]>::try_from(values), path.file_name().map(OsString::from))
            else {
                continue;
            };
            let job = jobs.entry([provider.clone(), repo.clone(), job.clone()]).or_insert_with(|| Self {
                provider,
                repo,
                job,
                manifests: Vec::new(),
            });
            job.manifests.push((name, node, path));
        }
        let mut jobs: Vec<Self> = jobs.into_values().collect();
        for job in &mut jobs {
            job.manifests.sort();
        }
        jobs.sort_by(|a, b| b.newest().cmp(&a.newest()));
        Ok(jobs)
    }

    fn newest(&self) -> Option<&OsString> {
        self.manifests.last().map(|(name, ..)| name)
    }

    /// Reads the manifests. A path that one node pushed several times has its last content.
    pub(super) fn read(&self, warnings: &mut Vec<Warning>) -> Run {
        let mut artifacts = BTreeMap::new();
        let mut created = None;
        for (_, node, path) in &self.manifests {
            let manifest = match Manifest::read(path) {
                Ok(manifest) => manifest,
                Err(error) => {
                    warnings.push(Warning { path: path.display().to_string(), message: error.to_string() });
                    continue;
                }
            };
            created = Some(manifest.created);
            for entry in manifest.artifacts {
                artifacts.insert((node.clone(), entry.path), (entry.size, entry.sha256));
            }
        }
        let artifacts = artifacts.into_iter().map(|((node, path), (size, sha256))| Artifact {
            path,
            node,
            size: Some(size),
            sha256: Some(sha256),
            url: None,
        });
        Run {
            provider: self.provider.clone(),
            repo: self.repo.clone(),
            job: self.job.clone(),
            created,
            artifacts: artifacts.collect(),
        }
    }
}

/// Walks down the levels of the key, and only where the selection leads.
fn descend(
    folder: &Path,
    levels: &[&str],
    selection: &Selection,
    values: &mut Vec<String>,
    found: &mut Vec<(Vec<String>, PathBuf)>,
) -> Result<(), StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // The level above may have seen something that is not a folder, or is gone by now.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(error) => return Err(StoreError::io("read", folder)(error)),
    };
    for entry in entries {
        let path = entry.map_err(StoreError::io("read", folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        match levels.split_first() {
            Some((level, below)) => {
                if let Some(value) = key_value(level, name)
                    && selected(selection, level, &value)
                {
                    values.push(value);
                    descend(&path, below, selection, values, found)?;
                    values.pop();
                }
            }
            // A name with a dot first is a manifest that is still being written.
            None if !name.starts_with('.')
                && path.extension().is_some_and(|extension| extension == "json") =>
            {
                found.push((values.clone(), path));
            }
            None => {}
        }
    }
    Ok(())
}

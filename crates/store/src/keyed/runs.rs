//! From manifests to jobs.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};

use super::manifest::Manifest;
use crate::backend::{Backend, Object};
use crate::layout::{RUNS, is_json, key_value, repo_folder, selected};
use crate::listing::{Artifact, Run};
use crate::outcome::Failed;
use crate::{Selection, StoreError};

/// The levels of a manifest's key above its name.
const LEVELS: [&str; 4] = ["provider", "repo", "job", "node"];

/// How many manifests of one job are read at once.
const READS_OF_A_JOB: usize = 8;

/// A job, known by its manifests' keys alone: none has been read.
#[derive(Debug)]
pub(super) struct Pushes {
    provider: String,
    repo: String,
    job: String,
    /// The manifests with their names, which begin with the time, and their nodes.
    manifests: Vec<(String, String, String)>,
}

impl Pushes {
    /// All selected jobs of a store, newest first.
    ///
    /// Keys are listed in one go below what is selected: a store answers a thousand at a time, while walking down to each
    /// job would take two requests for every one of them.
    pub(super) async fn find(backend: &dyn Backend, selection: &Selection) -> Result<Vec<Self>, StoreError> {
        let mut jobs: BTreeMap<[String; 3], Self> = BTreeMap::new();
        for prefix in prefixes(backend, selection).await? {
            for Object { key, .. } in backend.list(&prefix).await? {
                let Some(([provider, repo, job, node], name)) = parse(&key, selection) else { continue };
                let name = name.to_owned();
                let pushes = jobs.entry([provider, repo, job]).or_insert_with_key(|[provider, repo, job]| {
                    let (provider, repo, job) = (provider.clone(), repo.clone(), job.clone());
                    Self { provider, repo, job, manifests: Vec::new() }
                });
                pushes.manifests.push((name, node, key));
            }
        }
        let mut jobs: Vec<Self> = jobs.into_values().collect();
        for job in &mut jobs {
            job.manifests.sort();
        }
        jobs.sort_by(|a, b| b.newest().cmp(&a.newest()));
        Ok(jobs)
    }

    fn newest(&self) -> Option<&String> {
        self.manifests.last().map(|(name, ..)| name)
    }

    /// Reads the manifests, and tells which of them can't be read. A path that one node pushed several times has its last
    /// content.
    pub(super) async fn read(self, backend: &dyn Backend) -> (Run, Vec<Failed>) {
        let mut failed = Vec::new();
        let mut artifacts = BTreeMap::new();
        let mut created = None;
        let reads = self.manifests.into_iter().map(|(_, node, key)| async move {
            let manifest = Manifest::read(backend, &key).await;
            (node, key, manifest)
        });
        let mut reads = stream::iter(reads).buffered(READS_OF_A_JOB);
        while let Some((node, key, manifest)) = reads.next().await {
            let manifest = match manifest {
                Ok(manifest) => manifest,
                // A gc was faster.
                Err(error) if error.is_absent() => continue,
                Err(error) => {
                    failed.push(Failed { path: backend.locate(&key), error });
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
        let artifacts = artifacts.collect();
        (Run { provider: self.provider, repo: self.repo, job: self.job, created, artifacts }, failed)
    }
}

/// Below which prefixes the selected manifests are: where a job and its repository are known, no other job's are listed.
async fn prefixes(backend: &dyn Backend, selection: &Selection) -> Result<Vec<String>, StoreError> {
    let Some(repo) = &selection.repo else { return Ok(vec![RUNS.to_owned()]) };
    let providers = backend.folders(RUNS).await?;
    let known = providers.iter().filter(|name| key_value("provider", name).is_some());
    Ok(known.map(|provider| repo_folder(provider, repo, selection.job.as_deref())).collect())
}

/// The values of a manifest's key and its name, if it is one and selected.
fn parse<'a>(key: &'a str, selection: &Selection) -> Option<([String; 4], &'a str)> {
    let mut parts = key.strip_prefix(RUNS)?.strip_prefix('/')?.split('/');
    let mut values = [const { String::new() }; 4];
    for (level, value) in LEVELS.into_iter().zip(&mut values) {
        *value = key_value(level, parts.next()?).filter(|value| selected(selection, level, value))?;
    }
    let name = parts.next().filter(|name| is_json(name))?;
    parts.next().is_none().then_some((values, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Folder;

    #[tokio::test]
    async fn no_more_is_listed_than_is_selected() {
        let dir = tempfile::tempdir().unwrap();
        for provider in ["provider=gh", "provider=a%20b", "stray"] {
            std::fs::create_dir_all(dir.path().join("runs").join(provider)).unwrap();
        }
        let store = Folder::new(dir.path().to_owned());
        let prefixes = async |repo: Option<&str>, job: Option<&str>| {
            let selection =
                Selection { repo: repo.map(Into::into), job: job.map(Into::into), ..Selection::default() };
            let mut prefixes = prefixes(&store, &selection).await.unwrap();
            prefixes.sort();
            prefixes
        };
        assert_eq!(prefixes(None, Some("7")).await, ["runs"]);
        let below =
            |rest: &str| ["provider=a%20b", "provider=gh"].map(|provider| format!("runs/{provider}/{rest}"));
        assert_eq!(prefixes(Some("acme/app"), None).await, below("repo=acme%2Fapp"));
        assert_eq!(prefixes(Some("acme/app"), Some("7/8")).await, below("repo=acme%2Fapp/job=7%2F8"));
    }

    #[test]
    fn keys_of_manifests() {
        let all = Selection::default();
        let key = "runs/provider=gh/repo=acme%2Fapp/job=7/node=0/20261122T0.json";
        let (values, name) = parse(key, &all).unwrap();
        assert_eq!(
            (values.each_ref().map(String::as_str), name),
            (["gh", "acme/app", "7", "0"], "20261122T0.json")
        );
        for other in [
            "runs/provider=gh/repo=a/job=7/node=0",
            "runs/provider=gh/repo=a/job=7/node=0/README",
            "runs/provider=gh/repo=a/job=7/node=0/x/y.json",
            "runs/provider=gh/job=7/repo=a/node=0/x.json",
            "runsx/provider=gh/repo=a/job=7/node=0/x.json",
            "runs/stray.json",
        ] {
            assert_eq!(parse(other, &all), None, "{other}");
        }
        let selection =
            |repo: &str, job: &str| Selection { repo: Some(repo.into()), job: Some(job.into()), node: None };
        assert!(parse(key, &selection("acme/app", "7")).is_some());
        assert!(parse(key, &selection("acme/app", "8")).is_none());
        assert!(parse(key, &selection("acme", "7")).is_none());
    }
}

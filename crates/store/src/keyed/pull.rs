//! From the store into a local folder.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};

use super::Keyed;
use crate::fuse::Fuse;
use crate::hash::{copy_hashed, hex, sha256_of};
use crate::listing::{Artifact, Run};
use crate::outcome::{Failed, Pulled};
use crate::paths::{SafePath, encode_component};
use crate::target::Target;
use crate::{Progress, Selection, StoreError};

/// Shorter files are fetched again as a whole.
const WORTH_RESUMING: u64 = 1 << 20;

/// What became of one artifact.
enum Arrival {
    Fetched { bytes: u64 },
    Present,
}

/// Fetches one artifact into its place.
struct Fetch<'a> {
    store: &'a Keyed,
    target: &'a Target,
    artifact: &'a Artifact,
    /// As progress calls it.
    name: &'a str,
    path: &'a SafePath,
    progress: &'a dyn Progress,
}

/// A file that grows, with the hash of what it holds.
struct Growing {
    file: File,
    length: u64,
    hasher: Sha256,
}

impl Keyed {
    /// Copies a job's selected artifacts. If several nodes of the job have one path, every artifact of the job goes
    /// to `<node>/<path>`, whichever of them are selected; else to `<path>`. `unread` are manifests of the job that
    /// may name more.
    pub(super) async fn pull_run(
        &self,
        run: Run,
        unread: Vec<Failed>,
        dir: &Path,
        selection: &Selection,
        progress: &dyn Progress,
    ) -> Result<Pulled, StoreError> {
        let target = &Target::open(dir)?;
        let by_node = run.nodes_collide();
        let artifacts: Vec<Artifact> =
            run.artifacts.into_iter().filter(|artifact| selection.takes_node(&artifact.node)).collect();
        let bytes = artifacts.iter().filter_map(|artifact| artifact.size).fold(0, u64::saturating_add);
        progress.total(artifacts.len() as u64, Some(bytes));

        let fuse = &Fuse::new(self.network.transfers);
        let mut taken = HashSet::new();
        let transfers = artifacts.into_iter().enumerate().map(|(index, artifact)| {
            let node = by_node.then(|| encode_component(&artifact.node));
            let name = node
                .as_ref()
                .map_or_else(|| artifact.path.clone(), |node| format!("{node}/{}", artifact.path));
            let path = SafePath::parse(node.as_deref(), &artifact.path).and_then(|path| {
                let first = taken.insert(path.clone());
                first.then_some(path).ok_or_else(|| StoreError::ListedTwice { path: name.clone() })
            });
            async move {
                let arrival = match path {
                    Ok(path) => {
                        let (artifact, name, path) = (&artifact, name.as_str(), &path);
                        Fetch { store: self, target, artifact, name, path, progress }.run(fuse).await
                    }
                    Err(error) => Err(error),
                };
                (index, name, arrival)
            }
        });
        let mut arrivals = stream::iter(transfers).buffer_unordered(self.network.transfers.max(1));
        let mut pulled = Pulled { job: run.job, repo: run.repo, failed: unread, ..Pulled::default() };
        let mut failed = Vec::new();
        while let Some((index, name, arrival)) = arrivals.next().await {
            match arrival {
                Ok(Arrival::Fetched { bytes }) => {
                    progress.finished(&name);
                    pulled.fetched += 1;
                    pulled.bytes += bytes;
                }
                Ok(Arrival::Present) => {
                    progress.skipped(&name, "it is there already");
                    pulled.present += 1;
                }
                Err(error) => {
                    progress.failed(&name, &error);
                    failed.push((index, Failed { path: name, error }));
                }
            }
        }
        failed.sort_by_key(|(index, _)| *index);
        pulled.failed.extend(failed.into_iter().map(|(_, failed)| failed));
        Ok(pulled)
    }
}

impl Fetch<'_> {
    async fn run(&self, fuse: &Fuse) -> Result<Arrival, StoreError> {
        let (key, expected) = self.store.blob(self.artifact)?;
        if self.target.existing(self.path).is_some_and(|mut file| is_identical(&mut file, self.artifact)) {
            return Ok(Arrival::Present);
        }
        fuse.check(self.name)?;
        self.progress.started(self.name, self.artifact.size);
        let id = sha256_of(self.path.as_str());
        let (part, note) = (format!("{id}.part"), format!("{id}.sha256"));
        let mut resumed = self.take_up(&part, &note, expected)?;
        // What an earlier pull left may be what is damaged, or the way may have done it: what is damaged twice is damaged in
        // the store. A folder has no way.
        let mut again = self.store.backend.local().is_none() || resumed.is_some();
        let outcome = loop {
            match fuse.note(self.attempt(&key, expected, &part, &note, resumed.take()).await) {
                Err(StoreError::Damaged { .. } | StoreError::WrongSize { .. }) if again => again = false,
                outcome => break outcome,
            }
        };
        match outcome {
            // What has arrived is worth keeping only where the rest may come later.
            Err(error) if error.is_transient() && self.is_resumable() => Err(error),
            outcome => {
                self.target.discard(&part);
                self.target.discard(&note);
                outcome
            }
        }
    }

    fn is_resumable(&self) -> bool {
        self.artifact.size.is_some_and(|size| size >= WORTH_RESUMING)
    }

    /// What an earlier pull of the same content left.
    fn take_up(&self, part: &str, note: &str, expected: &str) -> Result<Option<Growing>, StoreError> {
        if !self.is_resumable()
            || self.target.read_note(note, 64).is_none_or(|sum| sum != expected.as_bytes())
        {
            return Ok(None);
        }
        let failed = StoreError::io("read", &self.target.describe(self.path));
        let mut file = self.target.part(part)?;
        let mut hasher = HashWriter(Sha256::new());
        let length = io::copy(&mut file, &mut hasher).map_err(failed)?;
        // A longer one is none of ours.
        Ok((Some(length) <= self.artifact.size).then_some(Growing { file, length, hasher: hasher.0 }))
    }

    /// Fetches what is missing, checks the whole, and gives the file its name.
    async fn attempt(
        &self,
        key: &str,
        expected: &str,
        part: &str,
        note: &str,
        resumed: Option<Growing>,
    ) -> Result<Arrival, StoreError> {
        let mut growing = match resumed {
            Some(growing) => growing,
            None => self.begin(part, note, expected)?,
        };
        let before = growing.length;
        if before == 0 || Some(before) != self.artifact.size {
            let mut content = self.store.backend.get(key, before..u64::MAX).await?;
            while let Some(chunk) = content.chunks.next().await {
                growing.append(&chunk?).map_err(StoreError::io("write", &self.target.describe(self.path)))?;
                self.progress.advanced(self.name, growing.length, self.artifact.size);
                if self.artifact.size.is_some_and(|size| growing.length > size) {
                    let (expected, found) = (self.artifact.size.unwrap_or_default(), content.size);
                    return Err(StoreError::WrongSize { path: self.artifact.path.clone(), expected, found });
                }
            }
        }
        let found = hex(&growing.hasher.finalize());
        if found != expected {
            let (path, expected) = (self.artifact.path.clone(), expected.to_owned());
            return Err(StoreError::Damaged { path, expected, found });
        }
        // Elsewhere, so that the other transfers go on.
        let file = growing.file;
        let synced = tokio::task::spawn_blocking(move || file.sync_all()).await;
        let synced = synced.unwrap_or_else(|error| Err(io::Error::other(error)));
        synced.map_err(StoreError::io("write", &self.target.describe(self.path)))?;
        self.target.publish(part, self.path, expected)?;
        Ok(Arrival::Fetched { bytes: growing.length - before })
    }

    fn begin(&self, part: &str, note: &str, expected: &str) -> Result<Growing, StoreError> {
        self.target.discard(part);
        if self.is_resumable() {
            self.target.write_note(note, expected.as_bytes())?;
        }
        Ok(Growing { file: self.target.part(part)?, length: 0, hasher: Sha256::new() })
    }
}

impl Growing {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// Hashes what is written.
struct HashWriter(Sha256);

impl Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a local file has an artifact's content. The length is compared first: it is free.
fn is_identical(file: &mut File, artifact: &Artifact) -> bool {
    file.metadata().is_ok_and(|metadata| Some(metadata.len()) == artifact.size)
        && copy_hashed(file, &mut io::sink(), |_| ())
            .is_ok_and(|copied| Some(copied.sha256) == artifact.sha256)
}

//! Removes what is old, and what nobody names any more.
//!
//! A push may share a blob that was stored long ago and that no manifest names by now, at the moment when a gc wants
//! to remove it. The two meet like this:
//!
//! - The gc writes a marker, *then* reads the manifests it doesn't know yet, *then* removes what none of them names,
//!   then removes the marker.
//! - The push writes its manifest, *then* looks for markers. While there is one, it waits; if there was one, or if it
//!   shared anything old, it looks whether all of its content is still there, and stores again what isn't.
//!
//! So either the gc reads the push's manifest and keeps what it names, or its marker came before the manifest, and the
//! push sees it, waits, and puts back what was removed. Content that is not named yet, because its push isn't done,
//! is kept for a day. Markers are short-lived (a gc works in batches), and one that its gc left behind is ignored after
//! [`MARKER_LIFE`]; all ages are told by the store's clock.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::Keyed;
use super::manifest::Manifest;
use crate::StoreError;
use crate::backend::{Backend, Object, UNKNOWN};
use crate::layout::{RUNS, Role, blob_key, is_json, push_name};
use crate::outcome::Collected;

/// Where a gc that removes things says so.
pub(super) const MARKERS: &str = "gc";

/// After that time a marker means nothing any more.
pub(super) const MARKER_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// A batch is not begun later than that after its marker was written.
const LATEST: Duration = Duration::from_secs(300);

/// A batch goes on no longer than that after its marker was written: what has been asked for by then is done within the
/// marker's life.
const END: Duration = Duration::from_secs(480);

/// What was pushed and not named by a manifest is kept so long, since its push may still run.
const UNNAMED_IS_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// How many manifests are read at once.
const READS: usize = 16;

/// How many keys are removed under one marker: what a store removes in one request.
const BATCH: usize = 1000;

/// Where content is that manifests name. Blobs go last: while there are any, the rest is known for a store's.
const NAMED: [&str; 3] = ["summaries", "buildid", "blobs"];

/// What the manifests that stay name.
#[derive(Default)]
struct Named {
    manifests: HashSet<String>,
    keys: HashSet<String>,
    /// IDs of crashes, from manifests that don't tell where their summaries are.
    summaries: HashSet<String>,
}

impl Keyed {
    /// Removes pushes that are older than `age`, and content that no push names. With `dry_run` it only tells.
    pub(crate) fn gc(&self, age: Duration, dry_run: bool) -> Result<Collected, StoreError> {
        self.runtime.wait(collect(self.backend.as_ref(), age, dry_run))
    }
}

async fn collect(backend: &dyn Backend, age: Duration, dry_run: bool) -> Result<Collected, StoreError> {
    check(backend).await?;
    let now = if dry_run { Timestamp::now() } else { clock(backend).await? };
    let expired_before = SignedDuration::try_from(age).ok().and_then(|age| now.checked_sub(age).ok());
    let expired_before = expired_before.unwrap_or(Timestamp::MIN);
    let manifests = backend.list(RUNS).await?;
    let (old, kept): (Vec<Object>, Vec<Object>) = manifests
        .into_iter()
        .filter(|object| is_json(&object.key))
        .partition(|object| object.modified < expired_before);

    // First, so that nobody finds a manifest whose content is gone.
    let mut collected = Collected { pushes: old.len() as u64, ..Collected::default() };
    let expired: HashSet<String> = old.into_iter().map(|object| object.key).collect();
    let mut named = Named::default();
    named.read(backend, kept, &expired).await?;
    if !dry_run {
        let keys: Vec<String> = expired.iter().cloned().collect();
        backend.delete(&keys).await?;
    }
    let mut unnamed = Vec::new();
    for prefix in NAMED {
        let objects = backend.list(prefix).await?.into_iter();
        unnamed.extend(
            objects
                .filter(|object| is_older(object.modified, UNNAMED_IS_KEPT, now) && !named.has(&object.key)),
        );
    }
    if dry_run {
        for object in &unnamed {
            collected.count(object.size);
        }
        return Ok(collected);
    }
    for batch in unnamed.chunks(BATCH) {
        remove(backend, batch, &mut named, &expired, &mut collected).await?;
    }
    collected.unfinished = backend.sweep(now.checked_sub(UNNAMED_IS_KEPT).unwrap_or(Timestamp::MIN)).await?;
    Ok(collected)
}

/// Removes those keys of a batch that no manifest names by now.
async fn remove(
    backend: &dyn Backend,
    batch: &[Object],
    named: &mut Named,
    expired: &HashSet<String>,
    collected: &mut Collected,
) -> Result<(), StoreError> {
    let begun = Instant::now();
    let marker = mark(backend).await?;
    let removed = async {
        named.read(backend, backend.list(RUNS).await?, expired).await?;
        let batch: Vec<&Object> = batch.iter().filter(|object| !named.has(&object.key)).collect();
        if begun.elapsed() > LATEST {
            collected.left += batch.len() as u64;
            return Ok(());
        }
        let keys: Vec<String> = batch.iter().map(|object| object.key.clone()).collect();
        let left = END.saturating_sub(begun.elapsed());
        let Ok(deleted) = tokio::time::timeout(left, backend.delete(&keys)).await else {
            collected.left += batch.len() as u64;
            return Ok(());
        };
        deleted?;
        for object in batch {
            collected.count(object.size);
        }
        Ok(())
    };
    let removed = removed.await;
    let unmarked = backend.delete(&[marker]).await;
    removed.and(unmarked)
}

/// Whether something was written that long before `now`. What a store doesn't know the time of never was.
pub(super) fn is_older(modified: Timestamp, age: SignedDuration, now: Timestamp) -> bool {
    now.duration_since(modified) > age
}

/// Fails where nothing says that this is a store, although something is there: a folder of downloaded artifacts has files
/// by build ID as well, and nobody names them.
async fn check(backend: &dyn Backend) -> Result<(), StoreError> {
    let names = backend.folders("").await?;
    let is_store = names.iter().any(|name| name == RUNS)
        || names.iter().any(|name| name == "blobs")
            && backend.folders("blobs").await?.iter().any(|name| name == "sha256");
    if is_store || names.iter().all(|name| name == MARKERS) {
        return Ok(());
    }
    Err(StoreError::NoStore { url: backend.url() })
}

async fn mark(backend: &dyn Backend) -> Result<String, StoreError> {
    let key = format!("{MARKERS}/{}.json", push_name(Timestamp::now()));
    backend.put(&key, b"{}\n".to_vec()).await?;
    Ok(key)
}

/// What time it is by the store's clock.
async fn clock(backend: &dyn Backend) -> Result<Timestamp, StoreError> {
    // A store that isn't there is not made by looking for what is old.
    let dead = backend.list(MARKERS).await?;
    let marker = mark(backend).await?;
    let now = backend.head(&marker).await?.map_or(UNKNOWN, |object| object.modified);
    let dead =
        dead.into_iter().filter(|object| is_older(object.modified, MARKER_LIFE, now) && now != UNKNOWN);
    let keys: Vec<String> = dead.map(|object| object.key).chain([marker]).collect();
    backend.delete(&keys).await?;
    if now == UNKNOWN {
        let why = "it doesn't tell when a file was written, so nobody knows what is old".to_owned();
        return Err(StoreError::BadAnswer { url: backend.url(), why });
    }
    Ok(now)
}

impl Named {
    /// Learns what manifests name that it hasn't read yet. One that can't be read may name anything, and is an error.
    async fn read(
        &mut self,
        backend: &dyn Backend,
        manifests: Vec<Object>,
        expired: &HashSet<String>,
    ) -> Result<(), StoreError> {
        let new: Vec<String> = manifests
            .into_iter()
            .map(|object| object.key)
            .filter(|key| is_json(key) && !expired.contains(key) && !self.manifests.contains(key))
            .collect();
        let reads = new.into_iter().map(|key| async move {
            match Manifest::read(backend, &key).await {
                Ok(manifest) => Ok(Some((key, manifest))),
                // Another gc was faster.
                Err(error) if error.is_absent() => Ok(None),
                Err(error) => Err(error),
            }
        });
        let mut reads = stream::iter(reads).buffer_unordered(READS);
        while let Some(read) = reads.try_next().await? {
            if let Some((key, manifest)) = read {
                self.add(manifest);
                self.manifests.insert(key);
            }
        }
        Ok(())
    }

    fn add(&mut self, manifest: Manifest) {
        for entry in manifest.artifacts {
            self.keys.extend(blob_key(&entry.sha256));
            match (entry.also, Role::of(&entry.path)) {
                (Some(key), _) | (None, Role::BuildId { key }) => {
                    self.keys.insert(key);
                }
                (None, Role::Summary { id }) => {
                    self.summaries.insert(id);
                }
                (None, Role::Bulk | Role::Plain) => {}
            }
        }
    }

    fn has(&self, key: &str) -> bool {
        let id = || key.strip_prefix("summaries/")?.rsplit('/').next()?.strip_suffix(".json");
        self.keys.contains(key) || id().is_some_and(|id| self.summaries.contains(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyed::manifest::Entry;

    #[test]
    fn manifests_name_content_and_second_keys() {
        let sum = "ab".repeat(32);
        let entry = |path: &str, also: Option<&str>| Entry {
            path: path.into(),
            sha256: sum.clone(),
            size: 1,
            also: also.map(Into::into),
        };
        let artifacts = vec![
            entry("crashes/x1/summary.json", None),
            entry("elsewhere/summary.json", Some("summaries/date=2026-11-22/repo=r/x2.json")),
            entry("up/buildid/AB12/executable", None),
        ];
        let mut named = Named::default();
        named.add(Manifest {
            schema: String::new(),
            created: String::new(),
            provider: String::new(),
            repo: String::new(),
            job: String::new(),
            node: String::new(),
            destination: None,
            artifacts,
        });
        for key in [
            &format!("blobs/sha256/ab/{sum}"),
            "summaries/date=2020-01-01/repo=r/x1.json",
            "summaries/date=2026-11-22/repo=r/x2.json",
            "buildid/ab12/executable",
        ] {
            assert!(named.has(key), "{key}");
        }
        for key in
            ["summaries/date=2026-11-23/repo=r/x2.json", "buildid/ab12/debuginfo", "blobs/sha256/ab/abab"]
        {
            assert!(!named.has(key), "{key}");
        }
    }
}

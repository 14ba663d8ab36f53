//! From the folder into a local one.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::Path;

use super::layout::blob_key;
use crate::files::open_regular;
use crate::hash::{CopyError, copy_hashed, sha256_of};
use crate::listing::{Artifact, Run};
use crate::outcome::{Failed, Pulled};
use crate::paths::{SafePath, encode_component};
use crate::target::Target;
use crate::warning::Warning;
use crate::{Progress, Selection, StoreError};

/// What became of one artifact.
enum Arrival {
    Fetched { bytes: u64 },
    Present,
}

/// Copies a job's selected artifacts. If several nodes of the job have one path, every artifact of the job goes to
/// `<node>/<path>`, whichever of them are selected; else to `<path>`.
pub(super) fn pull(
    root: &Path,
    run: Run,
    warnings: Vec<Warning>,
    dir: &Path,
    selection: &Selection,
    progress: &dyn Progress,
) -> Result<Pulled, StoreError> {
    let target = Target::open(dir)?;
    let by_node = run.nodes_collide();
    let artifacts: Vec<Artifact> =
        run.artifacts.into_iter().filter(|artifact| selection.takes_node(&artifact.node)).collect();
    let bytes = artifacts.iter().filter_map(|artifact| artifact.size).fold(0, u64::saturating_add);
    progress.total(artifacts.len() as u64, Some(bytes));

    let mut pulled = Pulled { job: run.job, repo: run.repo, warnings, ..Pulled::default() };
    let mut taken = HashSet::new();
    for artifact in artifacts {
        let node = by_node.then(|| encode_component(&artifact.node));
        let name =
            node.as_ref().map_or_else(|| artifact.path.clone(), |node| format!("{node}/{}", artifact.path));
        let arrival = SafePath::parse(node.as_deref(), &artifact.path).and_then(|path| {
            if !taken.insert(path.clone()) {
                return Err(StoreError::ListedTwice { path: name.clone() });
            }
            fetch(root, &artifact, &name, &target, &path, progress)
        });
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
                pulled.failed.push(Failed { path: name, error });
            }
        }
    }
    Ok(pulled)
}

fn fetch(
    root: &Path,
    artifact: &Artifact,
    name: &str,
    target: &Target,
    path: &SafePath,
    progress: &dyn Progress,
) -> Result<Arrival, StoreError> {
    let sha256 = artifact.sha256.as_deref().unwrap_or_default();
    let blob = blob_key(sha256).map(|key| root.join(key)).ok_or_else(|| StoreError::BadManifest {
        path: root.to_owned(),
        why: format!("the sha256 of `{}` is no sum", artifact.path),
    })?;
    if target.existing(path).is_some_and(|mut file| is_identical(&mut file, artifact)) {
        return Ok(Arrival::Present);
    }
    progress.started(name, artifact.size);
    let mut blob_file = open_regular(&blob)?;
    let part = format!("{}.part", sha256_of(path.as_str()));
    // Left by a pull that was killed; a copy is not resumed, since all of it must be hashed anyway.
    target.discard(&part);
    let copied = target.part(&part).and_then(|mut file| {
        let at = |position| progress.advanced(name, position, artifact.size);
        let copied = copy_hashed(&mut blob_file, &mut file, at).map_err(|error| match error {
            CopyError::Read(error) => StoreError::io("read", &blob)(error),
            CopyError::Write(error) => StoreError::io("write", &target.describe(path))(error),
        })?;
        if copied.sha256 != sha256 {
            return Err(StoreError::Damaged {
                path: artifact.path.clone(),
                expected: sha256.to_owned(),
                found: copied.sha256,
            });
        }
        file.sync_all().map_err(StoreError::io("write", &target.describe(path)))?;
        target.publish(&part, path)?;
        Ok(copied)
    });
    match copied {
        Ok(copied) => Ok(Arrival::Fetched { bytes: copied.size }),
        Err(error) => {
            target.discard(&part);
            Err(error)
        }
    }
}

/// Whether a local file has an artifact's content. The length is compared first: it is free.
fn is_identical(file: &mut File, artifact: &Artifact) -> bool {
    file.metadata().is_ok_and(|metadata| Some(metadata.len()) == artifact.size)
        && copy_hashed(file, &mut io::sink(), |_| ())
            .is_ok_and(|copied| Some(copied.sha256) == artifact.sha256)
}

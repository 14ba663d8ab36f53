//! The output folder: what a CI system stores as it is.
//!
//! ```text
//! crashes/<id>/core.zst           the core; core.zst.age where it was encrypted
//! crashes/<id>/summary.json       written last: its presence seals the crash
//! buildid/<hex>/executable        each mapped ELF file once, in debuginfod's path shape
//! buildid/<hex>/debuginfo         its separate debug information, or what dwz took out of several
//! files/<sha256>/<name>           binaries without a build ID, and split debug information (.dwo, .dwp)
//! index.html, summary.md,         reports over the crashes, rewritten as crashes come
//! junit/epitaph.xml
//! not-kept.jsonl                  crashes that were found and not kept, of each the least that tells of it
//! manifest.json                   path, size and sha256 of every file
//! ```
//!
//! Any number of writers may share it. A crash is written under the lock of its own folder, `manifest.json` and the
//! reports under the lock of the output folder. Every file is written under a temporary name (`.tmp-…`, in a folder
//! that the writer has locked) and renamed when it is whole; a name of that kind whose folder is not locked is a dead
//! writer's, and goes.
//!
//! Who may write to the folder is trusted not to turn it against us while it is in use: it is created for its owner
//! alone, and one of another user's is refused.

mod ahead;
mod binary;
mod core;
mod disk;
mod error;
mod ladder;
mod lock;
mod manifest;
mod not_kept;
mod refresh;
mod remove;
mod reserve;
mod seal;
mod space;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use binary::{BinarySource, BinaryToKeep};
pub use core::{CoreInput, Reduction, StoredCore};
pub(crate) use disk::is_full;
pub use error::BundleError;
pub use ladder::SmallerCore;
pub use remove::remove_sealed_original;
pub use reserve::Reserve;
pub use seal::{SealRequest, Sealed, Stored};
pub use space::Space;

use disk::{Disk, RealDisk, write_file};
use lock::{FolderLock, NotLocked};
use manifest::MANIFEST;

/// The core of a crash, in its folder.
const CORE: &str = "core.zst";
/// The same, where it was encrypted.
const ENCRYPTED_CORE: &str = "core.zst.age";
/// The folder of the crashes.
const CRASHES: &str = "crashes";
/// The folder of the JUnit report: a CI system's test results point at it.
const JUNIT: &str = "junit";
/// The file whose presence seals a crash.
const SUMMARY: &str = "summary.json";
/// Longest wait for a lock that is held while reports are written.
const SHORT_WAIT: Duration = Duration::from_secs(60);

/// An output folder.
#[derive(Clone)]
pub struct OutputFolder {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    reserve: Arc<Reserve>,
}

impl std::fmt::Debug for OutputFolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutputFolder").field("path", &self.path).finish_non_exhaustive()
    }
}

impl OutputFolder {
    /// Opens an output folder, creating it (for its owner alone) and what CI systems expect in it: afterwards
    /// `crashes/` and `junit/` exist, whatever else happens.
    ///
    /// As long as the folder is open, some space is held for the summaries: see [`Reserve`].
    pub fn open(dir: &Path) -> Result<OutputFolder, BundleError> {
        OutputFolder::open_with(dir, Reserve::near(dir))
    }

    /// Tells whether a folder has all that [`OutputFolder::open`] makes and reports besides, so that a job without crashes has
    /// nothing to do there.
    pub fn is_ready(dir: &Path) -> bool {
        // The manifest is written after all reports.
        let is_folder = |name: &str| dir.join(name).symlink_metadata().is_ok_and(|it| it.is_dir());
        dir.join(MANIFEST).is_file() && is_folder(CRASHES) && is_folder(JUNIT)
    }

    /// As [`OutputFolder::open`], with space that is held already.
    pub fn open_with(dir: &Path, reserve: Reserve) -> Result<OutputFolder, BundleError> {
        OutputFolder::open_on(dir, reserve, Arc::new(RealDisk))
    }

    fn open_on(dir: &Path, reserve: Reserve, disk: Arc<dyn Disk>) -> Result<OutputFolder, BundleError> {
        let write_error = |source| BundleError::write(dir, 0, source);
        match dir.symlink_metadata() {
            Ok(link) if link.is_symlink() => check_owner(dir, link.uid())?,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(write_error)?;
            }
            Err(error) => return Err(write_error(error)),
        }
        let path = dir.canonicalize().map_err(write_error)?;
        let metadata = path.metadata().map_err(write_error)?;
        if !metadata.is_dir() {
            return Err(BundleError::NotAFolder { path: dir.to_owned() });
        }
        // Root writes for others all the time: a container's root into a workspace of the host's user.
        if !nix::unistd::geteuid().is_root() {
            check_owner(dir, metadata.uid())?;
        }
        make_folder(&path.join(CRASHES))?;
        make_folder(&path.join(JUNIT))?;
        Ok(OutputFolder { path, disk, reserve: Arc::new(reserve) })
    }

    /// Returns how much room the folder's file system has, where that says so.
    pub fn space(&self) -> Option<Space> {
        self.disk.space(&self.path).ok()
    }

    /// Returns the folder's path, absolute and without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn crashes(&self) -> PathBuf {
        self.path.join(CRASHES)
    }

    /// Writes a small file that must be there, if need be into the space that is held for it.
    fn write_small(&self, workshop: &Path, target: &Path, bytes: &[u8]) -> Result<(), BundleError> {
        self.with_reserve(|| {
            write_file(&*self.disk, workshop, target, bytes)
                .map_err(|error| BundleError::write(target, bytes.len() as u64, error))
        })
    }

    /// Does something that takes little space; where there is none, once more with what is held.
    fn with_reserve<T>(&self, act: impl Fn() -> Result<T, BundleError>) -> Result<T, BundleError> {
        match act() {
            Err(BundleError::Full { .. }) if self.reserve.release() => act(),
            done => done,
        }
    }

    /// Locks the reports and the manifest.
    fn lock_reports(&self) -> Result<FolderLock, BundleError> {
        FolderLock::wait(&self.path, SHORT_WAIT).map_err(|error| lock_error(&self.path, SHORT_WAIT, error))
    }
}

fn lock_error(path: &Path, waited: Duration, error: NotLocked) -> BundleError {
    let path = path.to_owned();
    match error {
        NotLocked::Busy => BundleError::Busy { path, waited },
        NotLocked::Gone => BundleError::Write { path, source: io::ErrorKind::NotFound.into() },
        NotLocked::Io(source) => BundleError::Write { path, source },
    }
}

/// Tells whether the crash in `folder` is sealed.
fn is_sealed(folder: &Path) -> bool {
    folder.join(SUMMARY).symlink_metadata().is_ok_and(|metadata| metadata.is_file())
}

/// Returns the core of the crash that is kept in `folder`, encrypted or not, if it has one.
pub fn sealed_core(folder: &Path) -> Option<PathBuf> {
    let core = [CORE, ENCRYPTED_CORE].map(|name| folder.join(name));
    core.into_iter().find(|core| core.symlink_metadata().is_ok_and(|metadata| metadata.is_file()))
}

/// Refuses what belongs neither to us nor to root.
fn check_owner(path: &Path, owner: u32) -> Result<(), BundleError> {
    if owner == nix::unistd::geteuid().as_raw() || owner == 0 {
        Ok(())
    } else {
        Err(BundleError::NotOurs { path: path.to_owned(), owner })
    }
}

/// Makes a folder for its owner alone, with those above it, unless it is there. A symbolic link is no folder here.
fn make_folder(path: &Path) -> Result<(), BundleError> {
    if let Err(source) = DirBuilder::new().recursive(true).mode(0o700).create(path)
        && source.kind() != io::ErrorKind::AlreadyExists
        && source.kind() != io::ErrorKind::NotADirectory
    {
        return Err(BundleError::write(path, 0, source));
    }
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        // Made, and removed by somebody who tidied up: whoever locks it next notices and makes it again.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => Err(BundleError::NotAFolder { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests;

//! Files that appear whole or not at all.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::NamedTempFile;

use super::ahead::SyncAhead;
use super::space::Space;

/// How the name of every temporary file begins. It never reaches a manifest, and the next writer of the same folder
/// removes what a killed one left.
pub(super) const TEMPORARY: &str = ".tmp-";

/// What is about to be done to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Create a temporary file.
    Create,
    /// Write as many bytes to it.
    Write(usize),
    /// Wait until its bytes are on the disk.
    Sync,
    /// Give it its name.
    Publish,
}

/// The disk that a folder lies on. Tests put one in between that fails when they want it to.
pub(super) trait Disk: Send + Sync {
    /// Fails if `step`, on the way to `target`, is to fail.
    fn before(&self, step: Step, target: &Path) -> io::Result<()>;

    /// Returns how much room there is beneath `folder`.
    fn space(&self, folder: &Path) -> io::Result<Space>;
}

/// The real one.
pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn before(&self, _: Step, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn space(&self, folder: &Path) -> io::Result<Space> {
        Space::of(folder)
    }
}

/// Tells whether `error` says that the disk, or the user's share of it, is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// What to do where the target exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    /// Put the new file in its place.
    Replace,
    /// Leave it: whoever was first has written the same.
    Keep,
}

/// A file that is being written under a temporary name; it vanishes unless it is published.
pub(super) struct NewFile<'a> {
    disk: &'a dyn Disk,
    temporary: NamedTempFile,
    target: PathBuf,
    ahead: SyncAhead,
}

impl<'a> NewFile<'a> {
    /// Begins the file `target`. Its temporary name is in `workshop`, a folder of the same file system that the caller
    /// has locked, so that nobody takes it for a dead writer's.
    pub(super) fn create(disk: &'a dyn Disk, workshop: &Path, target: &Path) -> io::Result<NewFile<'a>> {
        disk.before(Step::Create, target)?;
        let temporary = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(workshop)?;
        Ok(NewFile { disk, temporary, target: target.to_owned(), ahead: SyncAhead::default() })
    }

    /// Gives the file its name, once its bytes are on the disk.
    pub(super) fn publish(mut self, existing: Existing, modified: Option<SystemTime>) -> io::Result<()> {
        if let Some(modified) = modified {
            // A file system that keeps no times loses only a convenience.
            let _ = self.temporary.as_file().set_modified(modified);
        }
        self.disk.before(Step::Sync, &self.target)?;
        self.ahead.finish()?;
        self.temporary.as_file().sync_all()?;
        self.disk.before(Step::Publish, &self.target)?;
        let published = match existing {
            Existing::Replace => self.temporary.persist(&self.target),
            Existing::Keep => self.temporary.persist_noclobber(&self.target),
        };
        match published {
            Ok(_) => sync_folder_of(&self.target),
            Err(error)
                if existing == Existing::Keep && error.error.kind() == io::ErrorKind::AlreadyExists =>
            {
                Ok(())
            }
            Err(error) => Err(error.error),
        }
    }
}

impl Write for NewFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.before(Step::Write(bytes.len()), &self.target)?;
        let count = self.temporary.as_file_mut().write(bytes)?;
        self.ahead.wrote(self.temporary.as_file(), count);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes `bytes` as the file `target`, in the place of any other.
pub(super) fn write_file(disk: &dyn Disk, workshop: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = NewFile::create(disk, workshop, target)?;
    file.write_all(bytes)?;
    file.publish(Existing::Replace, None)
}

/// Waits until the name of `file` is on the disk.
fn sync_folder_of(file: &Path) -> io::Result<()> {
    let Some(folder) = file.parent() else { return Ok(()) };
    match File::open(folder)?.sync_all() {
        // Some file systems can't; their names are as safe as they get.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        done => done,
    }
}

/// Removes the temporary files of dead writers from `folder`, which the caller has locked: nobody else writes there.
pub(super) fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        if entry.file_name().as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
            && entry.file_type().is_ok_and(|kind| kind.is_file())
        {
            // What can't be removed is in nobody's way.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

//! How a finished file gets its name, and what keeps it from getting one.
//!
//! The store chooses the names, and the folder may be a person's own: a checkout, a home. So a pull replaces only what
//! a pull wrote, and puts hidden names (`.git`, `.envrc`, `.bash_profile`: what programs read unasked) only into folders
//! that a pull made.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, RenameFlags, openat, renameat, renameat2};
use nix::sys::stat::{Mode, fstatat, mkdirat};

use super::record::Inode;
use super::{FILE, FOLDER, PRIVATE_FOLDER, Target};
use crate::StoreError;
use crate::paths::SafePath;

const TAKEN: &str = "something that no pull wrote stands there";
const HIDDEN: &str = "its name is hidden, and the folder is not one that a pull made";

/// How much of two files is compared at a time.
const PIECE: usize = 64 * 1024;

/// A folder on the way to a file.
struct Folder {
    fd: OwnedFd,
    /// Below the target.
    path: String,
    /// Whether a pull made it.
    ours: bool,
}

impl Target {
    /// Gives a finished file its name, and remembers that it came from there. What a pull wrote before is replaced;
    /// a file of the same content stays as it is. Returns what is known of the file that has the name now.
    pub(crate) fn publish(&self, part: &str, path: &SafePath, source: &str) -> Result<Metadata, StoreError> {
        let failed = |error| self.error("write", Path::new(path.as_str()), error);
        let (folders, name) = path.split();
        let mut folder = self.root()?;
        for name in folders {
            folder = self.enter(&folder, name, path)?;
        }
        let file = openat(&*self.staging, part, FILE, Mode::empty()).map(File::from).map_err(failed)?;
        let read = |file: &File| file.metadata().map_err(StoreError::io("read", &self.describe(path)));
        let metadata = match fstatat(&folder.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) if name.starts_with('.') && !folder.ours => {
                return Err(self.not_written(path, HIDDEN));
            }
            Err(Errno::ENOENT) => {
                self.rename_to_new(part, &folder, name).map_err(|error| match error {
                    Errno::EEXIST => self.not_written(path, TAKEN),
                    error => failed(error),
                })?;
                read(&file)?
            }
            Err(error) => return Err(failed(error)),
            Ok(_) => {
                let there = openat(&folder.fd, name, FILE, Mode::empty()).map(File::from);
                let there = there.ok().filter(|there| there.metadata().is_ok_and(|there| there.is_file()));
                let there = there.ok_or_else(|| self.not_written(path, TAKEN))?;
                if self.record.wrote(path, &read(&there)?) {
                    renameat(&*self.staging, part, &folder.fd, name).map_err(failed)?;
                    read(&file)?
                } else if are_the_same(&file, &there).map_err(StoreError::io("read", &self.describe(path)))? {
                    self.discard(part);
                    read(&there)?
                } else {
                    return Err(self.not_written(path, TAKEN));
                }
            }
        };
        self.record.add(path, source, &metadata);
        Ok(metadata)
    }

    fn root(&self) -> Result<Folder, StoreError> {
        let fd = self.root.try_clone().map_err(StoreError::io("open", &self.path))?;
        let ours = self.is_ours("", &fd);
        Ok(Folder { fd, path: String::new(), ours })
    }

    /// Opens a folder on the way to a file, and makes it if it is not there.
    fn enter(&self, parent: &Folder, name: &str, file: &SafePath) -> Result<Folder, StoreError> {
        let failed = |error| match error {
            // Linux says ENOTDIR of a link opened so; the manual page promises ELOOP.
            Errno::ENOTDIR | Errno::ELOOP => StoreError::UnsafePath {
                path: file.as_str().to_owned(),
                why: "a link or a file stands in the target where a folder should be",
            },
            error => self.error("write", Path::new(file.as_str()), error),
        };
        let separator = if parent.path.is_empty() { "" } else { "/" };
        let path = format!("{}{separator}{name}", parent.path);
        let may_stand_here = parent.ours || !name.starts_with('.');
        let made =
            if may_stand_here { mkdirat(&parent.fd, name, PRIVATE_FOLDER) } else { Err(Errno::EEXIST) };
        if let Err(error) = made
            && error != Errno::EEXIST
        {
            return Err(failed(error));
        }
        let fd = match openat(&parent.fd, name, FOLDER, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::ENOENT) if !may_stand_here => return Err(self.not_written(file, HIDDEN)),
            Err(error) => return Err(failed(error)),
        };
        if made.is_ok() {
            self.take_over(&path, &fd);
        }
        let ours = made.is_ok() || self.is_ours(&path, &fd);
        if may_stand_here || ours {
            Ok(Folder { fd, path, ours })
        } else {
            Err(self.not_written(file, HIDDEN))
        }
    }

    /// Remembers that a folder is ours.
    pub(super) fn take_over(&self, path: &str, folder: &OwnedFd) {
        if let Some(inode) = inode_of(folder) {
            self.record.add_folder(path, inode);
        }
    }

    pub(super) fn is_ours(&self, path: &str, folder: &OwnedFd) -> bool {
        inode_of(folder).is_some_and(|inode| self.record.made(path, inode))
    }

    /// Gives a file a name that nothing has.
    fn rename_to_new(&self, part: &str, folder: &Folder, name: &str) -> nix::Result<()> {
        match renameat2(&*self.staging, part, &folder.fd, name, RenameFlags::RENAME_NOREPLACE) {
            // Network file systems can't do it, and nothing had that name a moment ago.
            Err(Errno::EINVAL | Errno::ENOSYS) => renameat(&*self.staging, part, &folder.fd, name),
            renamed => renamed,
        }
    }

    fn not_written(&self, path: &SafePath, why: &'static str) -> StoreError {
        StoreError::NotWritten { path: self.describe(path), why }
    }
}

/// Which folder it is.
fn inode_of(folder: &OwnedFd) -> Option<Inode> {
    let folder = File::from(folder.try_clone().ok()?);
    folder.metadata().ok().map(|folder| Inode::of(&folder))
}

/// Whether two files hold the same bytes.
fn are_the_same(mut one: &File, mut other: &File) -> io::Result<bool> {
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut here, mut there) = (vec![0; PIECE], vec![0; PIECE]);
    loop {
        let length = one.read(&mut here)?;
        let (here, there) = (here.get(..length), there.get_mut(..length));
        let (Some(here), Some(there)) = (here, there) else { return Ok(false) };
        if length == 0 {
            return Ok(true);
        }
        match other.read_exact(there) {
            Ok(()) if here == there => {}
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
            _ => return Ok(false),
        }
    }
}

//! Opening files that others have named: only regular ones, without waiting on a FIFO or waking a device.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

/// What to do with a symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// Follow it: the user typed the path.
    Follow,
    /// Refuse it: the path was found in a tree that somebody else may have made.
    Refuse,
}

/// Why a file was not opened.
#[derive(Debug)]
pub(crate) enum NotOpened {
    /// It is no regular file; says what it is.
    NotRegular(&'static str),
    /// The system said no.
    Io(io::Error),
}

impl From<NotOpened> for io::Error {
    fn from(not_opened: NotOpened) -> io::Error {
        match not_opened {
            NotOpened::NotRegular(kind) => {
                io::Error::new(io::ErrorKind::InvalidInput, format!("it is {kind}"))
            }
            NotOpened::Io(error) => error,
        }
    }
}

/// Opens a regular file for reading.
pub(crate) fn open_regular(path: &Path, links: Links) -> Result<(File, Metadata), NotOpened> {
    let named = match links {
        Links::Follow => std::fs::metadata(path),
        Links::Refuse => std::fs::symlink_metadata(path),
    };
    // Looked at before it is opened: opening a device may already do something.
    check(named.map_err(NotOpened::Io)?.file_type())?;
    let mut flags = OFlag::O_NONBLOCK;
    if links == Links::Refuse {
        flags |= OFlag::O_NOFOLLOW;
    }
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).map_err(NotOpened::Io)?;
    // And once more: the name may have come to mean something else.
    let metadata = file.metadata().map_err(NotOpened::Io)?;
    check(metadata.file_type())?;
    Ok((file, metadata))
}

fn check(kind: FileType) -> Result<(), NotOpened> {
    if kind.is_file() { Ok(()) } else { Err(NotOpened::NotRegular(describe(kind))) }
}

fn describe(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_fifo() {
        "a pipe (FIFO)"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_block_device() || kind.is_char_device() {
        "a device"
    } else {
        "not a regular file"
    }
}

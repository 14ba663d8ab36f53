//! Opens what may be a core, without trusting its name, its kind or whoever put it there.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use epitaph_bundle::holds_core;
use epitaph_elf::{FileKind, identify};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::rejected::Reason;

/// Who chose the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// The user named it: links are followed, and it may belong to anyone.
    ByUser,
    /// It was found by its name, as anyone who can write into the folder may arrange.
    ByName,
}

/// An open regular file.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) metadata: Metadata,
    pub(super) kind: FileKind,
    /// Whether it is not a core itself, but holds one: compressed, or in a report.
    pub(super) wraps_core: bool,
}

/// Returns what tells a file from all others of the host.
pub(super) fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Looks at what may be opened: opening a FIFO or a device can block or do something.
pub(super) fn look(path: &Path, chosen: Chosen) -> Result<Metadata, Reason> {
    let seen = match chosen {
        Chosen::ByUser => std::fs::metadata(path),
        Chosen::ByName => std::fs::symlink_metadata(path),
    };
    let seen = seen.map_err(reason_of)?;
    check(&seen, chosen)?;
    Ok(seen)
}

/// Opens `path`, if it is still what was [seen](look) there, and looks at what it holds.
pub(super) fn open(path: &Path, chosen: Chosen, seen: &Metadata) -> Result<Opened, Reason> {
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    flags.set(OFlags::NOFOLLOW, chosen == Chosen::ByName);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed()) // the standard library adds O_CLOEXEC
        .open(path)
        .map_err(reason_of)?;
    let metadata = file.metadata().map_err(Reason::Unreadable)?;
    check(&metadata, chosen)?;
    if identity(seen) != identity(&metadata) {
        return Err(Reason::Replaced);
    }
    let kind = identify(&file).map_err(Reason::Unreadable)?;
    // A broken wrapper is some other file.
    let wraps_core = kind == FileKind::NotElf && holds_core(&file).unwrap_or(false);
    Ok(Opened { file, metadata, kind, wraps_core })
}

fn reason_of(error: io::Error) -> Reason {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT) => Reason::NotFound,
        // What O_NOFOLLOW makes of a link.
        Some(Errno::LOOP) => Reason::Symlink,
        _ => Reason::Unreadable(error),
    }
}

fn check(metadata: &Metadata, chosen: Chosen) -> Result<(), Reason> {
    let kind = metadata.file_type();
    if kind.is_symlink() {
        return Err(Reason::Symlink);
    }
    if kind.is_dir() {
        return Err(Reason::Folder);
    }
    if !kind.is_file() {
        return Err(Reason::SpecialFile(match () {
            () if kind.is_fifo() => "a FIFO",
            () if kind.is_socket() => "a socket",
            () => "a device",
        }));
    }
    if chosen == Chosen::ByName {
        if metadata.nlink() > 1 {
            return Err(Reason::HardLinked(metadata.nlink()));
        }
        let user = rustix::process::geteuid().as_raw();
        if metadata.uid() != user && metadata.uid() != 0 {
            return Err(Reason::ForeignOwner(metadata.uid()));
        }
    }
    Ok(())
}

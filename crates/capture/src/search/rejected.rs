//! Files that have a core's name, or were given as cores, and were not taken.

use std::io;
use std::path::PathBuf;

use epitaph_elf::FileKind;

use crate::text::quoted_path;

/// A file that was not taken, and why.
#[derive(Debug)]
pub struct Rejected {
    /// The file.
    pub path: PathBuf,
    /// Why it was not taken.
    pub reason: Reason,
}

/// Why a file was not taken as a core.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// A path was given where nothing is.
    #[error("does not exist")]
    NotFound,
    /// It can't be opened or read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// It is a symbolic link.
    #[error("is a symbolic link, and those are not followed")]
    Symlink,
    /// It is a folder, where every core of this host would get this very name.
    #[error("is a folder, so the kernel cannot write a core of this name")]
    Folder,
    /// It is a FIFO, a socket or a device.
    #[error("is {0}, not a file")]
    SpecialFile(&'static str),
    /// It has more than one name, as a link that somebody made to another user's file would.
    #[error("has {0} hard links, and a core has one")]
    HardLinked(u64),
    /// It belongs to another user.
    #[error("belongs to user {0}, neither to this user nor to root")]
    ForeignOwner(u32),
    /// It holds no bytes.
    #[error(
        "is empty: the kernel created it and could write nothing (full disk, a file system that maps owners \
         or modes, or a umask that takes the owner's rights)"
    )]
    Empty,
    /// It is an ELF file of another kind.
    #[error("is {0}, not a core")]
    OtherElf(&'static str),
    /// It begins as an ELF file does, and makes no sense.
    #[error("has a damaged ELF header")]
    BrokenElf,
    /// It is not an ELF file.
    #[error("is not an ELF file, so not a core")]
    NotElf,
    /// Another file took its place while it was looked at.
    #[error("was replaced while it was being opened")]
    Replaced,
}

impl Rejected {
    /// Returns one sentence that names the file and the reason.
    pub fn sentence(&self) -> String {
        format!("{} {}", quoted_path(&self.path), self.reason)
    }
}

impl Reason {
    /// Returns the stable token of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Reason::NotFound => "not_found",
            Reason::Unreadable(_) => "unreadable",
            Reason::Symlink => "symlink",
            Reason::Folder => "folder",
            Reason::SpecialFile(_) => "special_file",
            Reason::HardLinked(_) => "hard_linked",
            Reason::ForeignOwner(_) => "foreign_owner",
            Reason::Empty => "empty",
            Reason::OtherElf(_) => "other_elf",
            Reason::BrokenElf => "broken_elf",
            Reason::NotElf => "not_elf",
            Reason::Replaced => "replaced",
        }
    }

    /// Returns what to do about it, where something can be done.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Reason::Unreadable(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Some("run epitaph as the user who owns the file, or as root")
            }
            Reason::Symlink | Reason::ForeignOwner(_) | Reason::HardLinked(_) => {
                Some("give the file's path as an argument to take it all the same")
            }
            Reason::Folder => Some("remove or rename the folder, or set core_uses_pid to 1"),
            Reason::Empty => {
                Some("free space, or send cores to another file system (core_pattern=/tmp/core.%p)")
            }
            _ => None,
        }
    }

    /// Returns why a file of this kind isn't taken, if it isn't.
    pub(super) fn of_kind(kind: FileKind) -> Option<Reason> {
        match kind {
            FileKind::Core => None,
            FileKind::Executable => Some(Reason::OtherElf("a program")),
            FileKind::SharedObject => Some(Reason::OtherElf("a program or shared library")),
            FileKind::Relocatable => Some(Reason::OtherElf("an object file")),
            FileKind::BrokenElf => Some(Reason::BrokenElf),
            FileKind::NotElf => Some(Reason::NotElf),
            FileKind::Empty => Some(Reason::Empty),
        }
    }

    /// Returns whether this is about a core that is there and can't be had, rather than about another file.
    pub(crate) fn is_a_loss(&self) -> bool {
        matches!(self, Reason::Empty | Reason::Unreadable(_) | Reason::ForeignOwner(_))
    }
}

//! Storing the binaries that explain a core, each once.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use epitaph_elf::{
    BuildId, Bytes, Companion, FileKind, ModulePart, Object, ReadAt, SupplementaryLink, identify,
};
use thiserror::Error;

use super::disk::{Disk, Existing, NewFile};
use super::space::{KEEP_FREE, Space};
use super::{BundleError, make_folder};
use crate::binaries::LONGEST_NAME;
use crate::digest::{for_each_chunk, sha256_of};
use crate::names::safe_name;
use crate::regular::{Links, open_regular};

/// A binary to keep with a crash.
#[derive(Clone, Debug)]
pub struct BinaryToKeep {
    /// Index into the summary's `modules`.
    pub module: usize,
    /// Where its bytes are.
    pub source: BinarySource,
    /// The build ID that it must have, where that is known.
    pub build_id: Option<BuildId>,
    /// Which of the module's files it is.
    pub part: ModulePart,
}

/// Where a binary's bytes are.
#[derive(Clone, Debug)]
pub enum BinarySource {
    /// In a file. A symbolic link is followed.
    Path(PathBuf),
    /// In memory, or mapped.
    Bytes(Bytes),
}

/// Why a binary was not stored.
#[derive(Debug, Error)]
pub(super) enum BinaryTrouble {
    #[error("it cannot be read: {0}")]
    Read(#[source] io::Error),
    #[error("it is no ELF program or library")]
    NotElf,
    #[error("it is another kind of file")]
    OtherKind,
    #[error("it has no build ID, by which alone it could be found")]
    NoId,
    #[error("it is another build than the one that was mapped ({})", .0.as_ref().map_or("it has no build ID".to_owned(), |id| id.to_string()))]
    OtherBuild(Option<BuildId>),
    #[error("it has {size} bytes, which is over the limit of {limit} bytes")]
    TooLarge { size: u64, limit: u64 },
    #[error("no space left: it needs {needed} bytes, {space}, and some are kept for the summaries")]
    Full { needed: u64, space: Space },
    #[error("{0}")]
    Folder(#[source] BundleError),
    #[error("the copy cannot be written: {0}")]
    Write(#[source] io::Error),
}

/// Sections of which every `.dwo` and `.dwp` file has one.
const SPLIT: &[&str] = &[".debug_info.dwo", ".zdebug_info.dwo"];
/// Sections of which every supplementary file has one.
const SUPPLEMENTARY: &[&str] = &[".debug_info", ".zdebug_info", ".debug_str", ".zdebug_str"];

/// A binary that was opened and is what it should be.
struct Binary {
    bytes: Box<dyn ReadAt>,
    build_id: Option<BuildId>,
    modified: Option<SystemTime>,
}

/// Stores `binary`, which the process knew as `name`, unless the folder has it or it has more bytes than `limit`; returns
/// its path relative to `root`.
///
/// `workshop` is the folder of the crash that it is stored for.
pub(super) fn store_binary(
    disk: &dyn Disk,
    root: &Path,
    workshop: &Path,
    binary: &BinaryToKeep,
    name: &[u8],
    limit: u64,
) -> Result<String, BinaryTrouble> {
    let opened = open(binary)?;
    let size = opened.bytes.size().map_err(BinaryTrouble::Read)?;
    if size > limit {
        return Err(BinaryTrouble::TooLarge { size, limit });
    }
    let relative = match &opened.build_id {
        Some(id) if binary.part == ModulePart::Image => format!("buildid/{id}/executable"),
        Some(id) => format!("buildid/{id}/debuginfo"),
        None => {
            let (hash, _) = sha256_of(&*opened.bytes).map_err(BinaryTrouble::Read)?;
            format!("files/{hash}/{}", name_in_files(&binary.part, name))
        }
    };
    let target = root.join(&relative);
    if target.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Ok(relative);
    }
    // A file system that doesn't say how much is free says when it is full.
    if let Ok(space) = disk.space(root)
        && !space.has_room_for(size, KEEP_FREE)
    {
        return Err(BinaryTrouble::Full { needed: size, space });
    }
    make_folder(target.parent().unwrap_or(root)).map_err(BinaryTrouble::Folder)?;
    let mut file = NewFile::create(disk, workshop, &target).map_err(BinaryTrouble::Write)?;
    for_each_chunk(&*opened.bytes, |chunk| file.write_all(chunk)).map_err(BinaryTrouble::Write)?;
    file.publish(Existing::Keep, opened.modified).map_err(BinaryTrouble::Write)?;
    Ok(relative)
}

/// The name in `files/` of one of the files of a module that the process knew as `name`. Split debug information is
/// looked for by the name that its unit says, a package by the module's.
fn name_in_files(part: &ModulePart, name: &[u8]) -> String {
    let safe = |name: &[u8]| safe_name(name, LONGEST_NAME);
    match part {
        ModulePart::Image | ModulePart::Companion(Companion::Supplementary(_)) => safe(name),
        ModulePart::Debug => format!("{}.debug", safe(name)),
        ModulePart::Companion(Companion::Split { name, .. }) => {
            safe(name.file_name().unwrap_or_default().as_bytes())
        }
        ModulePart::Companion(Companion::Package) => safe(&[name, b".dwp"].concat()),
    }
}

fn open(binary: &BinaryToKeep) -> Result<Binary, BinaryTrouble> {
    let read = |error: io::Error| BinaryTrouble::Read(error);
    let (bytes, headers, modified): (Box<dyn ReadAt>, Bytes, _) = match &binary.source {
        BinarySource::Path(path) => {
            let (file, metadata) = open_regular(path, Links::Follow).map_err(|error| read(error.into()))?;
            let headers = Bytes::map(&file).map_err(read)?;
            (Box::new(file), headers, metadata.modified().ok())
        }
        // A copy of what is mapped is read through the map: its file may have no name any more.
        BinarySource::Bytes(bytes) => (Box::new(Mapped(bytes.clone())), bytes.clone(), None),
    };
    let kind = identify(&*bytes).map_err(read)?;
    match kind {
        FileKind::Executable | FileKind::SharedObject => {}
        // Companions are not linked.
        FileKind::Relocatable if matches!(binary.part, ModulePart::Companion(_)) => {}
        _ => return Err(BinaryTrouble::NotElf),
    }
    let object = Object::parse(headers).map_err(|_| BinaryTrouble::NotElf)?;
    let build_id = build_id_of(&object, &binary.part)?;
    // The file at a path may have been rebuilt since it was looked at.
    if binary.build_id.is_some() && binary.build_id != build_id {
        return Err(BinaryTrouble::OtherBuild(build_id));
    }
    Ok(Binary { bytes, build_id, modified })
}

/// Returns the ID that a file is stored under, if it has one, having checked that a companion is one.
fn build_id_of(object: &Object, part: &ModulePart) -> Result<Option<BuildId>, BinaryTrouble> {
    let any = |names: &[&str]| names.iter().any(|name| object.has_section(name));
    match part {
        ModulePart::Image | ModulePart::Debug => Ok(object.build_id().cloned()),
        // Without an ID, it is no different from any other of its name.
        ModulePart::Companion(Companion::Supplementary(SupplementaryLink { id: None, .. })) => {
            Err(BinaryTrouble::NoId)
        }
        // A crafted link may name any file of this machine, with that file's own build ID.
        ModulePart::Companion(Companion::Supplementary(_)) if any(&[".text"]) || !any(SUPPLEMENTARY) => {
            Err(BinaryTrouble::OtherKind)
        }
        ModulePart::Companion(Companion::Supplementary(_)) => Ok(object.supplementary_id()),
        ModulePart::Companion(_) if !any(SPLIT) => Err(BinaryTrouble::OtherKind),
        ModulePart::Companion(Companion::Split { .. } | Companion::Package) => Ok(None),
    }
}

struct Mapped(Bytes);

impl ReadAt for Mapped {
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buf)
    }
}

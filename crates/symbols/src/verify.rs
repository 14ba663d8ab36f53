//! Is this file the one that was mapped?

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use epitaph_elf::{Bytes, FileState, Object, Origin, Outcome, Wanted};

/// Bytes of a file's start that the kernel dumps and that are compared.
const FIRST_PAGE: usize = 4096;

/// An opened object file, with the time it was last written.
pub(crate) struct Opened {
    pub(crate) object: Arc<Object>,
    pub(crate) modified: Option<SystemTime>,
}

/// Opens an object file. Only regular files are opened: a path that a core names may be anything.
pub(crate) fn open(path: &Path) -> Result<Opened, Outcome> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Outcome::Absent,
        _ => Outcome::Unreadable(error.to_string()),
    };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Err(Outcome::NotElf);
    }
    let file = File::open(path).map_err(unreadable)?;
    let object = Object::parse(Bytes::map(&file).map_err(unreadable)?).map_err(|_| Outcome::NotElf)?;
    Ok(Opened { object: Arc::new(object), modified: metadata.modified().ok() })
}

/// Compares a file with what the core says of the mapped one.
///
/// Equal build IDs are proof. Where the core has none, the first page must be the same byte for byte and the file
/// no younger than the core (`newest`), and even then it is called unverified: a rebuilt program may begin with
/// the same page. Where the core lacks that page too, the file must fit where the mapped one lay; and what is at the
/// path of a file that was deleted is another one.
pub(crate) fn compare(
    opened: &Opened,
    wanted: &Wanted<'_>,
    newest: Option<SystemTime>,
    origin: Origin,
) -> Result<FileState, Outcome> {
    let object = &opened.object;
    if object.arch().is_none_or(|arch| arch.name != wanted.arch) {
        return Err(Outcome::OtherBuild(object.build_id().cloned()));
    }
    if let Some(id) = &wanted.module.build_id {
        return match object.build_id() {
            Some(found) if found == id => Ok(FileState::Verified),
            other => Err(Outcome::OtherBuild(other.cloned())),
        };
    }
    let mapped = &wanted.module.first_page;
    let bytes = object.bytes();
    let len = bytes.len().min(FIRST_PAGE);
    if mapped.is_empty() {
        if wanted.module.deleted && matches!(origin, Origin::RecordedPath | Origin::Sysroot) {
            return Err(Outcome::Replaced);
        }
        if !wanted.module.fits(object) {
            return Err(Outcome::OtherLayout);
        }
    } else if mapped.get(..len) != bytes.get(..len) {
        return Err(Outcome::OtherContent);
    }
    match (opened.modified, newest) {
        (Some(modified), Some(newest)) if modified > newest => Err(Outcome::Younger),
        _ => Ok(FileState::Unverified),
    }
}

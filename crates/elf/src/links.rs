//! What an object file says of the files that its debug information continues in.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::build_id::BuildId;
use crate::object::Object;

/// What `.gnu_debuglink` says: the name of the debug file, and the CRC-32 of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebugLink {
    /// File name without folders.
    pub name: PathBuf,
    /// CRC-32 (IEEE 802.3) of the whole debug file.
    pub crc: u32,
}

/// What a file says of its supplementary file: the one that holds what several files' debug information has in
/// common (dwz makes it).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SupplementaryLink {
    /// Its path; a relative one is relative to the folder of the file that says so.
    pub name: PathBuf,
    /// Its build ID, or the checksum that stands for one.
    pub id: Option<BuildId>,
}

/// The version of `.debug_sup` that there is.
const SUP_VERSION: u16 = 5;

impl Object {
    /// Returns what `.gnu_debuglink` says: a file name, padding to 4 bytes, and a CRC-32 (GDB manual, "Separate
    /// Debug Files").
    pub fn debug_link(&self) -> Option<DebugLink> {
        let bytes = self.section(".gnu_debuglink").ok()??;
        let (name, _) = c_string(bytes)?;
        let crc = self.endian().u32_at(bytes, (name.len() + 1).next_multiple_of(4))?;
        Some(DebugLink { name: path(name), crc })
    }

    /// Returns where the supplementary debug file is: `.gnu_debugaltlink` (a path and a build ID), or `.debug_sup`
    /// (DWARF 5, 7.3.6) of a file that isn't a supplementary one itself.
    pub fn supplementary_link(&self) -> Option<SupplementaryLink> {
        if let Some(bytes) = self.section(".gnu_debugaltlink").ok().flatten() {
            let (name, id) = c_string(bytes)?;
            return Some(SupplementaryLink { name: path(name), id: BuildId::new(id) });
        }
        let sup = self.debug_sup().filter(|sup| !sup.is_supplementary && !sup.name.is_empty())?;
        Some(SupplementaryLink { name: path(sup.name), id: BuildId::new(sup.checksum) })
    }

    /// Returns what a supplementary debug file is known by: the checksum in its `.debug_sup`, or its build ID.
    pub fn supplementary_id(&self) -> Option<BuildId> {
        let sup = self.debug_sup().filter(|sup| sup.is_supplementary);
        sup.and_then(|sup| BuildId::new(sup.checksum)).or_else(|| self.build_id().cloned())
    }

    fn debug_sup(&self) -> Option<DebugSup<'_>> {
        let bytes = self.section(".debug_sup").ok()??;
        if self.endian().u16_at(bytes, 0)? != SUP_VERSION {
            return None;
        }
        let is_supplementary = *bytes.get(2)? != 0;
        let (name, rest) = c_string_or_empty(bytes.get(3..)?)?;
        // A ULEB128; no checksum is longer than its first byte can say.
        let (len, checksum) = rest.split_first().filter(|(len, _)| **len < 0x80)?;
        Some(DebugSup { is_supplementary, name, checksum: checksum.get(..usize::from(*len))? })
    }
}

/// The fields of `.debug_sup`.
struct DebugSup<'a> {
    is_supplementary: bool,
    name: &'a [u8],
    checksum: &'a [u8],
}

/// Splits bytes at their first NUL: the text before it, if there is any, and what follows.
fn c_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    c_string_or_empty(bytes).filter(|(text, _)| !text.is_empty())
}

fn c_string_or_empty(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

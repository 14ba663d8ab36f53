//! MiniDebugInfo: `.gnu_debugdata`, a small ELF file packed with xz into a stripped one. It has the symbols that
//! `.dynsym` lacks (GDB manual, "MiniDebugInfo").

use crate::bytes::Bytes;
use crate::inflate::unpack_xz;
use crate::object::{Object, ObjectError};

/// The section that holds it.
const SECTION: &str = ".gnu_debugdata";

impl Object {
    /// Unpacks the MiniDebugInfo; `None` if there is none. Whoever needs it twice keeps it.
    pub fn mini_debug_info(&self) -> Option<Result<Object, ObjectError>> {
        let packed = match self.section(SECTION) {
            Ok(packed) => packed?,
            Err(error) => return Some(Err(error)),
        };
        let unpacked =
            unpack_xz(packed).map_err(|source| ObjectError::Inflate { name: SECTION.to_owned(), source });
        Some(unpacked.and_then(|bytes| Object::parse(Bytes::from(bytes))))
    }
}

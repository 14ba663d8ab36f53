//! What several files' debug information has in common, taken out by dwz into a file of its own (DWARF 5, 7.3.6).

use std::convert::Infallible;

use epitaph_elf::{Object, ObjectError};
use gimli::{Dwarf, SectionId};

use crate::dwarf::{Slice, endian};

/// Reads a supplementary file's sections, whole: references into it lead anywhere.
pub(crate) fn read<'a>(object: &'a Object, errors: &mut Vec<ObjectError>) -> Dwarf<Slice<'a>> {
    let load = |id: SectionId| -> Result<Slice<'a>, Infallible> {
        let wanted =
            [SectionId::DebugInfo, SectionId::DebugAbbrev, SectionId::DebugStr, SectionId::DebugLineStr];
        let bytes = if wanted.contains(&id) { object.section(id.name()) } else { Ok(None) };
        let bytes = bytes.unwrap_or_else(|error| {
            errors.push(error);
            None
        });
        Ok(Slice::new(bytes.unwrap_or_default(), endian(object)))
    };
    match Dwarf::load(load) {
        Ok(dwarf) => dwarf,
    }
}

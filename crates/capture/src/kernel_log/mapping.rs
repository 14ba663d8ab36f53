//! The mapping in a message: `FILE[OFFSET,BASE+SIZE]`, before Linux 6.10 `FILE[BASE+SIZE]`.

use std::ffi::OsString;

use epitaph_elf::MappedCode;

use super::hex;

/// Reads the mapping at the end of a message, which the program counter must be in.
pub(super) fn mapping(text: &str, pc: u64) -> Option<MappedCode> {
    let (file, rest) = text.rsplit_once('[')?;
    let (inside, _) = rest.split_once(']')?;
    let (range, at) = match inside.split_once(',') {
        Some((at, range)) => (range, Some(hex(at)?)),
        None => (inside, None),
    };
    let (start, size) = range.split_once('+')?;
    let start = hex(start)?;
    let end = start.checked_add(hex(size)?)?;
    // The offset is that of the program counter.
    let into = pc.checked_sub(start).filter(|_| pc < end)?;
    let offset = match at {
        Some(at) => Some(at.checked_sub(into)?),
        None => None,
    };
    Some(MappedCode { file: OsString::from(file), start, end, offset })
}

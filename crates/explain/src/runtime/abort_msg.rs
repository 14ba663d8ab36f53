//! glibc's last words: `__abort_msg`, a pointer that it keeps for debuggers (`sysdeps/posix/libc_fatal.c`,
//! `assert/assert.c`: `struct abort_msg_s { unsigned int size; char msg[]; }`).

use epitaph_elf::LoadedModules;

use super::globals::variable;
use crate::peek::Peek;

/// The file names of glibc, of today and before 2.34.
const LIBC: [&str; 2] = ["libc.so.", "libc-2."];
/// Bytes of `size`.
const HEADER: u64 = 4;
/// Largest mapping that is believed to be one of these messages, in bytes.
const LARGEST: u64 = 16 << 20;

/// Reads the message; `None` where there is none, it can't be read, or the C library is another.
pub(crate) fn read(loaded: &LoadedModules<'_>, peek: Peek<'_>) -> Option<String> {
    let pointer = variable(loaded, &LIBC, "__abort_msg")?;
    let record = peek.word(pointer).filter(|record| *record != 0)?;
    let size = peek.number(record, HEADER as u8)?;
    let text = peek.text(record.checked_add(HEADER)?)?;
    ((HEADER..=LARGEST).contains(&size) && text.len() as u64 <= size - HEADER).then_some(text)
}

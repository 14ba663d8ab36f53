//! glibc's last words: `__abort_msg`, a pointer that it keeps for debuggers (`sysdeps/posix/libc_fatal.c`,
//! `assert/assert.c`: `struct abort_msg_s { unsigned int size; char msg[]; }`).

use epitaph_elf::LoadedModules;

use super::globals::{has_module, variable};
use crate::peek::Peek;

/// The file names of glibc, of today and before 2.34.
pub(crate) const LIBC: [&str; 2] = ["libc.so.", "libc-2."];
/// Bytes of `size`.
const HEADER: u64 = 4;
/// Largest mapping that is believed to be one of these messages, in bytes.
const LARGEST: u64 = 16 << 20;

/// Bytes of a program's own data in which the pointer is looked for.
const MOST_DATA: u64 = 1 << 20;
/// What sizes and addresses of mappings are multiples of, on every machine.
const PAGE: u64 = 4 << 10;

/// Reads the message; `None` where there is none, it can't be read, or the C library is another.
pub(crate) fn read(loaded: &LoadedModules<'_>, peek: Peek<'_>) -> Option<String> {
    let pointer = variable(loaded, &LIBC, "__abort_msg")?;
    at(peek, peek.word(pointer).filter(|record| *record != 0)?)
}

/// Finds the message of a C library that is linked into a program without symbols: a word of the program's data points to
/// the start of a mapping that begins with its own size, and holds a text that ends with a line end.
pub(crate) fn find(loaded: &LoadedModules<'_>, peek: Peek<'_>) -> Option<String> {
    if has_module(loaded, &LIBC) {
        return None;
    }
    let main = loaded.modules().iter().position(|loaded| loaded.module.main)?;
    let (object, bias) = (loaded.object(main)?, loaded.bias(main)?);
    object.segments().iter().filter(|segment| segment.write).find_map(|segment| {
        let start = segment.address.wrapping_add(bias);
        let end = start.checked_add(segment.memory_size.min(MOST_DATA))?;
        peek.words(start, end).filter(|(_, word)| *word != 0 && word.is_multiple_of(PAGE)).find_map(
            |(_, record)| {
                let size = peek.number(record, HEADER as u8)?;
                let text = size.is_multiple_of(PAGE).then(|| at(peek, record)).flatten()?;
                (text.ends_with('\n') && text.len() > 4 && !text.contains(char::REPLACEMENT_CHARACTER))
                    .then_some(text)
            },
        )
    })
}

/// Reads the record at an address.
fn at(peek: Peek<'_>, record: u64) -> Option<String> {
    let size = peek.number(record, HEADER as u8)?;
    let text = peek.text(record.checked_add(HEADER)?)?;
    ((HEADER..=LARGEST).contains(&size) && text.len() as u64 <= size - HEADER).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peek::testing::Words;

    #[test]
    fn a_message_fits_into_its_mapping() {
        let mut words = Words::default();
        words.put(0x1000, &[4096]).text(0x1004, "free(): invalid pointer\n");
        assert_eq!(at(words.peek(), 0x1000).as_deref(), Some("free(): invalid pointer\n"));
        words.put(0x1000, &[8]).text(0x1004, "free(): invalid pointer\n");
        assert_eq!(at(words.peek(), 0x1000), None);
        assert_eq!(at(words.peek(), 0x10_0000), None);
    }
}

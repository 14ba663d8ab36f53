//! Strings of C and C++ in a process's memory.

use epitaph_elf::{Memory, Process, read_string, read_vec};

/// Longest string that may be a name or a path, in bytes (linux/limits.h, `PATH_MAX`).
const LONGEST: usize = 4096;

/// Returns the text at an address, up to its NUL; `None` if it is empty, too long or no text.
pub(super) fn c_string(memory: &dyn Memory, address: u64) -> Option<String> {
    let bytes = read_string(memory, address, LONGEST);
    (bytes.len() < LONGEST).then(|| text(bytes))?
}

/// Returns the value of a `std::string` at an address, and the size of such an object, for either library:
///
/// - libstdc++ (bits/basic_string.h): pointer, length, and 16 bytes that are the text itself where it has up to 15;
/// - libc++ (string, `__rep`, the default layout of little-endian machines): capacity with its lowest bit set, length,
///   pointer; or twice the length in one byte, and up to 22 bytes of text (10 where pointers have 4 bytes).
pub(super) fn cxx_string(process: &Process, memory: &dyn Memory, address: u64) -> Option<(String, u64)> {
    let word = u64::from(process.arch.bits() / 8);
    let bytes = read_vec(memory, address, 2 * word as usize + 16).ok()?;
    let value = |index: u64| process.arch.word_in(&bytes, (index * word) as usize);
    let (first, length, third) = (value(0)?, value(1)?, value(2)?);
    if first == address + 2 * word || length > 15 && third >= length {
        let libstdcxx = pointed(memory, first, length);
        if libstdcxx.is_some() {
            return Some((libstdcxx?, 2 * word + 16));
        }
    }
    let size = 3 * word;
    if first & 1 == 1 {
        return Some((pointed(memory, third, length)?, size));
    }
    let length = usize::from(*bytes.first()? / 2);
    let inside = bytes.get(1..=length).filter(|_| length + 2 <= size as usize)?;
    let is_ended = bytes.get(length + 1) == Some(&0);
    Some((text(inside.to_vec()).filter(|_| is_ended)?, size))
}

fn pointed(memory: &dyn Memory, address: u64, length: u64) -> Option<String> {
    let length = usize::try_from(length).ok().filter(|length| (1..LONGEST).contains(length))?;
    let bytes = read_vec(memory, address, length + 1).ok()?;
    let (end, bytes) = bytes.split_last()?;
    text(bytes.to_vec()).filter(|_| *end == 0)
}

/// Takes bytes for text if they are such.
pub(super) fn text(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    (!text.is_empty() && !text.contains(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use epitaph_testkit::core::machine::{I386, X86_64};

    use super::super::testing::{BASE, Layout};
    use super::*;

    #[test]
    fn strings_of_both_libraries_are_read() {
        for machine in [X86_64, I386] {
            for text in ["a", "pays", "fifteen letters", "pays by card, or in cash"] {
                let word = u64::from(machine.number == X86_64.number) * 4 + 4;
                let libstdcxx = Layout::new(machine)
                    .libstdcxx(text)
                    .see(|scene| cxx_string(scene.process, scene.memory, BASE));
                assert_eq!(libstdcxx, Some((text.to_owned(), 2 * word + 16)), "libstdc++, {}", machine.name);
                let libcxx = Layout::new(machine)
                    .libcxx(text)
                    .see(|scene| cxx_string(scene.process, scene.memory, BASE));
                assert_eq!(libcxx, Some((text.to_owned(), 3 * word)), "libc++, {}", machine.name);
            }
        }
    }

    #[test]
    fn other_bytes_are_no_strings() {
        for words in [
            [0, 0, 0, 0],
            [BASE, 5, 5, 0],
            [BASE + 0x1000, u64::MAX, u64::MAX, 0],
            [BASE + 0x3fff, 16, 16, 0],
            [u64::MAX, u64::MAX, u64::MAX, u64::MAX],
            [0x11, 16, 0x10, 0],
            [0x08_08_08_08_08, 0, 0, 0],
        ] {
            let string =
                Layout::new(X86_64).words(&words).see(|scene| cxx_string(scene.process, scene.memory, BASE));
            assert_eq!(string, None, "{words:x?}");
        }
    }
}

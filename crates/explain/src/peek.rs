//! Reads from a dead process's memory: checked, bounded, and `None` where it can't be read.

use epitaph_elf::{Arch, Memory, read_string, read_vec};

use crate::scene::Scene;

/// Longest text that is taken from a process, in bytes.
pub(crate) const LONGEST_TEXT: usize = 4 << 10;

/// Most words that are read at once: where a stack ends may be made up.
const MOST_WORDS: u64 = 1 << 17;

/// A process's memory, and how its words are to be read.
#[derive(Clone, Copy)]
pub(crate) struct Peek<'a> {
    memory: &'a dyn Memory,
    arch: &'static Arch,
}

impl<'a> Peek<'a> {
    pub(crate) fn new(scene: &Scene<'a>) -> Peek<'a> {
        Peek::of(scene.memory, scene.process.arch)
    }

    pub(crate) fn of(memory: &'a dyn Memory, arch: &'static Arch) -> Peek<'a> {
        Peek { memory, arch }
    }

    /// Bytes of an address.
    pub(crate) fn word_size(self) -> u64 {
        u64::from(self.arch.bits() / 8)
    }

    pub(crate) fn word(self, address: u64) -> Option<u64> {
        self.arch.read_word(self.memory, address).ok()
    }

    /// Reads the word of this index in a table.
    pub(crate) fn word_at(self, table: u64, index: u64) -> Option<u64> {
        self.word(table.checked_add(index.checked_mul(self.word_size())?)?)
    }

    /// Reads a number of up to 8 bytes.
    pub(crate) fn number(self, address: u64, size: u8) -> Option<u64> {
        self.arch.read_number(self.memory, address, size).ok()
    }

    /// Reads bytes.
    pub(crate) fn bytes(self, address: u64, len: usize) -> Option<Vec<u8>> {
        read_vec(self.memory, address, len).ok()
    }

    /// Reads the text up to its NUL, at most [`LONGEST_TEXT`] bytes; what isn't UTF-8 is replaced. `None` where there is
    /// none.
    pub(crate) fn text(self, address: u64) -> Option<String> {
        self.long_text(address, LONGEST_TEXT)
    }

    /// Reads the text up to its NUL, at most `longest` bytes.
    pub(crate) fn long_text(self, address: u64, longest: usize) -> Option<String> {
        let bytes = read_string(self.memory, address, longest);
        (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Reads a text of a known length, of which at most [`LONGEST_TEXT`] bytes are kept; `None` unless it is UTF-8.
    pub(crate) fn utf8(self, address: u64, len: u64) -> Option<String> {
        let wanted = usize::try_from(len).ok()?.min(LONGEST_TEXT);
        let mut bytes = self.bytes(address, wanted)?;
        if let Err(error) = std::str::from_utf8(&bytes) {
            // A text that was cut may end within a character.
            let cut = (wanted as u64) < len && error.error_len().is_none();
            bytes.truncate(if cut { error.valid_up_to() } else { 0 });
        }
        (!bytes.is_empty()).then(|| String::from_utf8(bytes).ok()).flatten()
    }

    /// Reads words from `start` to `end`, with their addresses, at most [`MOST_WORDS`]; those that can't be read are left
    /// out.
    pub(crate) fn words(self, start: u64, end: u64) -> impl DoubleEndedIterator<Item = (u64, u64)> {
        let size = self.word_size();
        let first = start.checked_next_multiple_of(size).unwrap_or(end);
        let count = (end.saturating_sub(first) / size).min(MOST_WORDS);
        (0..count).filter_map(move |index| {
            let address = first + index * size;
            Some((address, self.word(address)?))
        })
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Memory for tests.

    use std::collections::BTreeMap;

    use epitaph_elf::{Memory, MemoryError, X86_64};

    use super::Peek;

    /// Memory of words and texts; the pages that they are in are zero elsewhere.
    #[derive(Default)]
    pub(crate) struct Words(BTreeMap<u64, u8>);

    const PAGE: u64 = 4096;

    impl Words {
        pub(crate) fn put(&mut self, address: u64, words: &[u64]) -> &mut Words {
            let bytes = words.iter().flat_map(|word| word.to_le_bytes());
            self.0.extend((address..).zip(bytes));
            self
        }

        /// Puts a text and its NUL.
        pub(crate) fn text(&mut self, address: u64, text: &str) -> &mut Words {
            self.0.extend((address..).zip(text.bytes().chain([0])));
            self
        }

        pub(crate) fn peek(&self) -> Peek<'_> {
            Peek::of(self, &X86_64)
        }
    }

    impl Memory for Words {
        fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
            for (at, byte) in (address..).zip(buf) {
                let page = at / PAGE * PAGE;
                if self.0.range(page..page + PAGE).next().is_none() {
                    return Err(MemoryError::Unmapped { address: at });
                }
                *byte = self.0.get(&at).copied().unwrap_or_default();
            }
            Ok(())
        }

        fn is_executable(&self, _: u64) -> bool {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Words;
    use super::*;

    #[test]
    fn a_text_that_is_cut_ends_with_a_character() {
        let mut words = Words::default();
        words.text(0x1000, &"a\u{e4}".repeat(LONGEST_TEXT));
        let text = words.peek().utf8(0x1000, 3 * LONGEST_TEXT as u64).unwrap();
        assert!(text.len() == LONGEST_TEXT || text.len() == LONGEST_TEXT - 1, "{}", text.len());
        assert_eq!(words.peek().utf8(0x1002, 4), None);
        assert_eq!(words.peek().utf8(0xfff, 4), None);
    }

    #[test]
    fn words_end_where_the_address_space_does() {
        let words = Words::default();
        assert_eq!(words.peek().words(u64::MAX - 3, u64::MAX).count(), 0);
        assert_eq!(words.peek().word_at(u64::MAX - 8, 2), None);
    }
}

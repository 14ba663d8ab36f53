//! Reads from a dead process's memory: checked, bounded, and `None` where it can't be read.

use epitaph_elf::{Arch, Memory, read_string, read_vec};

use crate::scene::Scene;

/// Longest text that is taken from a process, in bytes.
pub(crate) const LONGEST_TEXT: usize = 4 << 10;

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

    /// Reads words from `start` to `end`, with their addresses; those that can't be read are left out.
    pub(crate) fn words(self, start: u64, end: u64) -> impl DoubleEndedIterator<Item = (u64, u64)> {
        let size = self.word_size();
        let first = start.next_multiple_of(size);
        let count = end.saturating_sub(first) / size;
        (0..count).filter_map(move |index| {
            let address = first + index * size;
            Some((address, self.word(address)?))
        })
    }
}

//! Pointers in an object's data: where the file holds them, or the relocations that the dynamic linker writes them by.

use goblin::elf::section_header::SHT_RELA;

use crate::header::Class;
use crate::object::Object;

/// Bytes of `Elf64_Rela`: offset, symbol and type, addend (gABI, chapter 4). 32-bit architectures keep the addend in
/// place, but for a few that no Go program is built for.
const RELA: usize = 24;

impl Object {
    /// Returns the pointer at `address`, both before the load bias. In a file that is loaded anywhere, the place may
    /// be empty, and a relocation without a symbol (`R_*_RELATIVE`) says what gets there.
    pub(crate) fn pointer_at(&self, address: u64) -> Option<u64> {
        let bytes = self.data_at(address, self.class().word().into())?;
        match self.endian().word_at(self.class(), bytes, 0)? {
            0 => self.relative().find(|(place, _)| *place == address).map(|(_, pointer)| pointer),
            pointer => Some(pointer),
        }
    }

    /// Finds pointers to `address` in writable segments (those that are made read-only again are among them).
    pub(crate) fn pointers_to(&self, address: u64) -> impl Iterator<Item = u64> {
        let (class, endian) = (self.class(), self.endian());
        let in_place = self.segments().iter().filter(|segment| segment.write).flat_map(move |segment| {
            let words = self.data_from(segment.address).unwrap_or_default().chunks_exact(class.word().into());
            (segment.address..)
                .step_by(class.word().into())
                .zip(words)
                .filter(move |(_, word)| endian.word_at(class, word, 0) == Some(address))
                .map(|(place, _)| place)
        });
        let relocated =
            self.relative().filter(move |(_, pointer)| *pointer == address).map(|(place, _)| place);
        in_place.chain(relocated)
    }

    /// Walks the relocations that need no symbol: place and pointer.
    fn relative(&self) -> impl Iterator<Item = (u64, u64)> {
        let endian = self.endian();
        let tables = self.loaded_sections(SHT_RELA).filter(|_| self.class() == Class::Elf64);
        tables.flat_map(|table| table.chunks_exact(RELA)).filter_map(move |entry| {
            let symbol = endian.u64_at(entry, 8)? >> 32;
            (symbol == 0).then_some((endian.u64_at(entry, 0)?, endian.u64_at(entry, 16)?))
        })
    }
}

//! The tables: an index of functions by address, and what each says of unwinding.

use std::ops::Range;

use epitaph_elf::{Endian, Object};

/// Bytes of an entry of the index: where the function starts, and how it is unwound.
const ENTRY: u32 = 8;
/// `EXIDX_CANTUNWIND`, in place of an entry's second word.
const CANT_UNWIND: u32 = 1;

/// A module's `.ARM.exidx`.
#[derive(Clone, Copy)]
pub(crate) struct ExceptionIndex<'a> {
    object: &'a Object,
    /// The section's address (before the load bias).
    start: u32,
    bytes: &'a [u8],
}

/// What the tables say of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The addresses that it is for: a function, or several in a row that are unwound alike (linkers merge them).
    pub(crate) covers: Range<u64>,
    pub(crate) unwinding: Unwinding,
}

/// How a function is unwound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unwinding {
    /// No exception passes through it. That is said of the first function of a stack, and of all code that was
    /// compiled without unwind tables.
    CantUnwind,
    /// By these instructions.
    Instructions(Vec<u8>),
}

impl<'a> ExceptionIndex<'a> {
    /// Takes a module's tables; `None` where it has none, as on every other architecture.
    pub(crate) fn new(object: &'a Object) -> Option<ExceptionIndex<'a>> {
        let start = u32::try_from(object.section_address(".ARM.exidx")?).ok()?;
        let bytes = object.section(".ARM.exidx").ok()??;
        Some(ExceptionIndex { object, start, bytes })
    }

    /// Returns what the tables say of `address` (before the load bias); `None` where they say nothing, or nothing
    /// that can be read.
    pub(crate) fn find(&self, address: u64) -> Option<Entry> {
        let wanted = u32::try_from(address).ok()?;
        let (mut low, mut high) = (0, u32::try_from(self.bytes.len()).ok()? / ENTRY);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.function(middle)? <= wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let index = low.checked_sub(1)?;
        let start = u64::from(self.function(index)?);
        let end = match self.function(low) {
            Some(next) => u64::from(next),
            None => self.object.code_section_at(start)?.end,
        };
        let covers = start..end;
        let unwinding = self.unwinding(index).filter(|_| covers.contains(&address))?;
        Some(Entry { covers, unwinding })
    }

    /// Returns where the function of an entry starts.
    fn function(&self, index: u32) -> Option<u32> {
        let (place, word) = self.word(index, 0)?;
        // A place-relative offset keeps the Thumb bit where a linker resolves it by the function's symbol.
        Some(relative(place, word) & !1)
    }

    fn unwinding(&self, index: u32) -> Option<Unwinding> {
        let (place, word) = self.word(index, 4)?;
        if word == CANT_UNWIND {
            return Some(Unwinding::CantUnwind);
        }
        let instructions = if word >> 31 == 1 {
            // The only compact model that fits into the index itself.
            short(word)
        } else {
            let place = relative(place, word);
            self.table_entry(place)
        };
        instructions.map(Unwinding::Instructions)
    }

    /// Reads an entry of `.ARM.extab`.
    fn table_entry(&self, place: u32) -> Option<Vec<u8>> {
        let bytes = self.object.data_from(place.into())?;
        let (first, rest) = bytes.split_at_checked(4)?;
        let word = self.number(first)?;
        if word >> 31 == 0 {
            // The generic model: the word leads to a personality routine, whose own data follows. Those of GNU's
            // and LLVM's C, C++, Ada, Rust and Go all leave the frame to `__gnu_unwind_frame`, which reads the data
            // as the compact model's long form without the index (libgcc, unwind-arm-common.inc).
            let (second, rest) = rest.split_at_checked(4)?;
            let word = self.number(second)?;
            return self.long(word, 3, word >> 24, rest);
        }
        match word >> 24 & 0xf {
            0 => short(word),
            1 | 2 => self.long(word, 2, word >> 16 & 0xff, rest),
            _ => None,
        }
    }

    /// Takes the instructions of a long form: the low `count` bytes of `word`, then `words` more words, each most
    /// significant byte first.
    fn long(&self, word: u32, count: usize, words: u32, rest: &[u8]) -> Option<Vec<u8>> {
        let mut instructions = word.to_be_bytes().get(4 - count..)?.to_vec();
        for bytes in rest.get(..4 * words as usize)?.chunks_exact(4) {
            instructions.extend(self.number(bytes)?.to_be_bytes());
        }
        Some(instructions)
    }

    /// Reads a word of an entry of the index, and returns its address too.
    fn word(&self, index: u32, within: u32) -> Option<(u32, u32)> {
        let offset = index.checked_mul(ENTRY)?.checked_add(within)?;
        let bytes = self.bytes.get(offset as usize..)?.get(..4)?;
        Some((self.start.wrapping_add(offset), self.number(bytes)?))
    }

    fn number(&self, bytes: &[u8]) -> Option<u32> {
        let bytes = bytes.try_into().ok()?;
        Some(match self.object.endian() {
            Endian::Little => u32::from_le_bytes(bytes),
            Endian::Big => u32::from_be_bytes(bytes),
        })
    }
}

/// The instructions of the short compact form, personality routine 0: the low three bytes.
fn short(word: u32) -> Option<Vec<u8>> {
    (word >> 24 == 0x80).then(|| word.to_be_bytes().into_iter().skip(1).collect())
}

/// Resolves a `prel31` word: 31 bits, signed, relative to the word's own address.
fn relative(place: u32, word: u32) -> u32 {
    let offset = (word << 1).cast_signed() >> 1;
    place.wrapping_add_signed(offset)
}

#[cfg(test)]
mod tests {
    use epitaph_elf::Bytes;

    use super::*;

    fn fixture() -> Vec<u8> {
        let path = "/../../testdata/cores/arm/bare_tables_unoptimized/exe";
        std::fs::read(format!("{}{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    /// As `readelf -u` prints them.
    #[test]
    fn entries_of_each_form_are_found_from_their_first_address_to_their_last() {
        let object = Object::parse(Bytes::from(fixture())).unwrap();
        let index = ExceptionIndex::new(&object).unwrap();
        for (covers, unwinding) in [
            (0x1_0100..0x1_0110, Unwinding::CantUnwind),
            (0x1_0110..0x1_0120, Unwinding::Instructions(vec![0x84, 0x08, 0xb0])),
            (0x1_01d8..0x1_0212, Unwinding::Instructions(vec![0x97, 0x03, 0x84, 0x08, 0xb0, 0xb0])),
            (0x1_0212..0x1_0274, Unwinding::Instructions(vec![0x97, 0x0d, 0x84, 0x08, 0xb0, 0xb0])),
        ] {
            let (start, end) = (covers.start, covers.end);
            let entry = Some(Entry { covers, unwinding });
            assert_eq!(index.find(start), entry);
            assert_eq!(index.find(end - 1), entry);
        }
        for outside in [0, 0x1_00ff, 0x2_0000, u64::MAX] {
            assert_eq!(index.find(outside), None, "{outside:#x}");
        }
    }

    #[test]
    fn broken_tables_lead_nowhere() {
        let whole = fixture();
        let starts: Vec<u64> = (0x1_0000..0x1_1000).step_by(2).collect();
        for at in (0..whole.len()).step_by(7) {
            for value in [0, 0x7f, 0xff] {
                let mut broken = whole.clone();
                broken[at] = value;
                let Ok(object) = Object::parse(Bytes::from(broken)) else { continue };
                let Some(index) = ExceptionIndex::new(&object) else { continue };
                for address in starts.iter().step_by(16) {
                    let found = index.find(*address);
                    assert!(found.is_none_or(|entry| entry.covers.contains(address)));
                }
            }
        }
    }

    #[test]
    fn offsets_are_signed_and_leave_the_top_bit_alone() {
        assert_eq!(relative(0x1_0000, 0x10), 0x1_0010);
        assert_eq!(relative(0x1_0000, 0x7fff_fff0), 0xfff0);
        assert_eq!(relative(0x1_0000, 0xffff_fff0), 0xfff0);
        assert_eq!(relative(4, 0x7fff_fff8), 0xffff_fffc);
    }

    #[test]
    fn the_short_form_holds_three_instructions_of_personality_0_alone() {
        assert_eq!(short(0x80a8_b0b0), Some(vec![0xa8, 0xb0, 0xb0]));
        assert_eq!(short(0x81a8_b0b0), None);
    }
}

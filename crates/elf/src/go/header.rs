//! The head of Go's function table: which of its four forms it has, and where its parts are.

use std::ops::Range;

use crate::header::{Class, Endian};

/// The form of the table, by the version of Go that began to write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    /// Go 1.2 to 1.15: one block, of which everything is an offset.
    Go1_2,
    /// Go 1.16 and 1.17: names, files and values are blocks of their own.
    Go1_16,
    /// Go 1.18 and 1.19: functions are offsets from the start of the code.
    Go1_18,
    /// Go 1.20 and later: a function has the line that it starts at, and an inlined call is shorter.
    Go1_20,
}

/// Where the parts of a table are, in bytes from its start (`runtime/symtab.go`, `pcHeader`).
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) version: Version,
    pub(super) endian: Endian,
    /// Bytes of an address.
    pub(super) word: usize,
    /// Bytes of the shortest instruction.
    pub(super) quantum: u8,
    /// How many functions there are.
    pub(super) functions: usize,
    /// Where the word with the start of the code is, if the table has one.
    pub(super) text_word: Option<usize>,
    pub(super) names: usize,
    /// Files of the compilation units: each an offset into `files`. Before Go 1.16, of the whole program.
    pub(super) units: usize,
    pub(super) files: usize,
    pub(super) values: usize,
    /// What offsets of functions are counted from.
    pub(super) records: usize,
    /// The functions by address: a pair of address and offset each, and the end of the last one.
    pub(super) index: Range<usize>,
}

impl Header {
    /// Reads the head of a table; `None` if it is none, or of a form that isn't known.
    pub(super) fn parse(bytes: &[u8], endian: Endian, class: Class) -> Option<Header> {
        let version = match endian.u32_at(bytes, 0)? {
            0xffff_fffb => Version::Go1_2,
            0xffff_fffa => Version::Go1_16,
            0xffff_fff0 => Version::Go1_18,
            0xffff_fff1 => Version::Go1_20,
            _ => return None,
        };
        let word = usize::from(class.word());
        let [0, 0, quantum @ (1 | 2 | 4), pointer] = *bytes.get(4..8)? else { return None };
        if usize::from(pointer) != word {
            return None;
        }
        let number = |index: usize| {
            let number = endian.word_at(class, bytes, 8 + index * word)?;
            usize::try_from(number).ok()
        };
        let part = |index: usize| number(index).filter(|offset| *offset < bytes.len());
        let functions = number(0)?;
        let field = if version >= Version::Go1_18 { 4 } else { word };
        let size = functions.checked_mul(2)?.checked_add(1)?.checked_mul(field)?;
        let index = |start: usize| Some(start..start.checked_add(size).filter(|end| *end <= bytes.len())?);
        let header = Header {
            version,
            endian,
            word,
            quantum,
            functions,
            text_word: None,
            names: 0,
            units: 0,
            files: 0,
            values: 0,
            records: 0,
            index: 0..0,
        };
        if version == Version::Go1_2 {
            let index = index(8 + word)?;
            let units = usize::try_from(endian.u32_at(bytes, index.end)?).ok()?;
            return Some(Header { units, index, ..header });
        }
        let first = if version == Version::Go1_16 { 2 } else { 3 };
        let records = part(first + 4)?;
        Some(Header {
            text_word: (version >= Version::Go1_18).then_some(8 + 2 * word),
            names: part(first)?,
            units: part(first + 1)?,
            files: part(first + 2)?,
            values: part(first + 3)?,
            records,
            index: index(records)?,
            ..header
        })
    }

    /// Bytes of an entry in the index of functions.
    pub(super) fn entry(&self) -> usize {
        2 * self.field()
    }

    /// Bytes of a field in the index of functions, and of the address that a function's record starts with.
    pub(super) fn field(&self) -> usize {
        if self.version >= Version::Go1_18 { 4 } else { self.word }
    }
}

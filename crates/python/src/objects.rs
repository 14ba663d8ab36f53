//! Objects of the interpreter: each is what its type says, or isn't read.

use std::cell::RefCell;
use std::collections::HashMap;

use epitaph_elf::{Arch, Memory, read_string, read_vec};

use crate::layout::{BYTES_DATA, Layout, SIZE, TEXT_LENGTH, TEXT_STATE, TYPE, TYPE_NAME};

/// Longest text that is read, in characters: of longer ones the first.
const LONGEST_TEXT: u64 = 4096;
/// Most bytes of a bytes object.
const LONGEST_BYTES: u64 = 1 << 20;
/// Bytes that are read at once.
const CHUNK: u64 = 1 << 15;
/// Longest name of a type that is asked for.
const LONGEST_TYPE: usize = 16;
/// Most types whose names are kept.
const MOST_TYPES: usize = 256;

/// Reads objects of one interpreter.
pub(crate) struct Objects<'a> {
    pub(crate) arch: &'a Arch,
    pub(crate) memory: &'a dyn Memory,
    pub(crate) layout: Layout,
    /// Names of types, by address.
    types: RefCell<HashMap<u64, Vec<u8>>>,
}

impl<'a> Objects<'a> {
    pub(crate) fn new(arch: &'a Arch, memory: &'a dyn Memory, layout: Layout) -> Objects<'a> {
        Objects { arch, memory, layout, types: RefCell::default() }
    }

    /// Reads a pointer, or another number as wide, of a structure; a field that isn't at a multiple of its size is none.
    pub(crate) fn word(&self, base: u64, offset: u64) -> Option<u64> {
        let address = base.checked_add(offset).filter(|address| address % 8 == 0)?;
        self.arch.read_word(self.memory, address).ok()
    }

    /// Reads an `int`.
    pub(crate) fn int(&self, base: u64, offset: u64) -> Option<i32> {
        let number = self.arch.read_number(self.memory, base.checked_add(offset)?, 4).ok()?;
        Some(u32::try_from(number).ok()? as i32)
    }

    /// Reads a byte.
    pub(crate) fn byte(&self, base: u64, offset: u64) -> Option<u8> {
        let mut byte = [0];
        self.memory.read(base.checked_add(offset)?, &mut byte).ok()?;
        Some(byte[0])
    }

    /// Tells whether an object is of the type of this name.
    pub(crate) fn is(&self, object: u64, name: &str) -> bool {
        let Some(of) = self.word(object, TYPE) else { return false };
        if let Some(known) = self.types.borrow().get(&of) {
            return known == name.as_bytes();
        }
        let Some(text) = self.word(of, TYPE_NAME) else { return false };
        let read = read_string(self.memory, text, LONGEST_TYPE);
        let same = read == name.as_bytes();
        let mut types = self.types.borrow_mut();
        if types.len() < MOST_TYPES {
            types.insert(of, read);
        }
        same
    }

    /// Reads a string (PEP 393): its state's bits are 2 of interning, 3 of how many bytes a character has, 1 that says
    /// whether the text follows the head, 1 that says whether it is ASCII.
    pub(crate) fn text(&self, object: u64) -> Option<String> {
        if !self.is(object, "str") {
            return None;
        }
        let length = self.word(object, TEXT_LENGTH)?;
        let state = self.int(object, TEXT_STATE)?;
        let (width, is_compact, is_ascii) = (state >> 2 & 7, state & 0x20 != 0, state & 0x40 != 0);
        let width = u64::try_from(width).ok().filter(|width| matches!(width, 1 | 2 | 4) && is_compact)?;
        let offset = if is_ascii { self.layout.ascii_text } else { self.layout.compact_text };
        let size = length.min(LONGEST_TEXT) * width;
        let bytes = read_vec(self.memory, object.checked_add(offset)?, usize::try_from(size).ok()?).ok()?;
        let characters = bytes.chunks_exact(usize::try_from(width).ok()?).map(|bytes| {
            let number = bytes.iter().rev().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
            // A file's name that is no text has half of a pair in the place of each byte.
            char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)
        });
        let mut text: String = characters.collect();
        if length > LONGEST_TEXT {
            text.push('…');
        }
        Some(text)
    }

    /// Reads a bytes object; none that is too long to be a table.
    pub(crate) fn bytes(&self, object: u64) -> Option<Vec<u8>> {
        if !self.is(object, "bytes") {
            return None;
        }
        let size = self.word(object, SIZE).filter(|size| *size <= LONGEST_BYTES)?;
        let start = object.checked_add(BYTES_DATA)?;
        let mut bytes = Vec::new();
        // Not at once: what is read in large parts counts as a search, and isn't kept in a small core.
        for from in (0..size).step_by(CHUNK as usize) {
            let part = (size - from).min(CHUNK) as usize;
            bytes.extend(read_vec(self.memory, start.checked_add(from)?, part).ok()?);
        }
        Some(bytes)
    }
}

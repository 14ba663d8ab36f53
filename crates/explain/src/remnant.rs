//! What was left of formatted output in the part of a stack that is no longer used.

use crate::peek::{LONGEST_TEXT, Peek};

/// Bytes below the stack pointer that are looked at.
const BELOW: u64 = 64 << 10;
/// Bytes of the frames above it that are looked at, at most.
const ABOVE: u64 = 64 << 10;
/// Most texts that are looked at.
const MOST_TEXTS: usize = 1 << 10;
/// Bytes that are read at a time: a divisor of every page's size.
const CHUNK: u64 = 4 << 10;

/// A part of a stack, as far as it can be read; what can't be read is zero.
#[derive(Debug)]
pub(crate) struct Remnant(Vec<u8>);

impl Remnant {
    /// Reads what lies around a stack pointer: below it, and up to `end`.
    pub(crate) fn read(peek: Peek<'_>, sp: u64, end: u64) -> Remnant {
        let start = sp.saturating_sub(BELOW) / CHUNK * CHUNK;
        let end = end.clamp(sp, sp.saturating_add(ABOVE));
        let mut bytes = Vec::new();
        for at in (start..end).step_by(CHUNK as usize) {
            match peek.bytes(at, CHUNK as usize) {
                Some(chunk) => bytes.extend_from_slice(&chunk),
                None => bytes.resize(bytes.len() + CHUNK as usize, 0),
            }
        }
        Remnant(bytes)
    }

    /// Finds texts that hold `part`, the innermost first. Each goes from the first character that can be a text's to the
    /// last, over line ends.
    pub(crate) fn texts_with<'a>(&'a self, part: &'a str) -> impl Iterator<Item = String> + 'a {
        memchr::memmem::find_iter(&self.0, part.as_bytes()).take(MOST_TEXTS).map(|at| {
            let (before, from) = self.0.split_at_checked(at).unwrap_or_default();
            let lead = before.iter().rev().take(LONGEST_TEXT).take_while(|byte| is_text(**byte)).count();
            let rest = from.iter().take(LONGEST_TEXT).take_while(|byte| is_text(**byte)).count();
            let lead = before.get(at - lead..).unwrap_or_default().utf8_chunks().last();
            let rest = from.get(..rest).unwrap_or_default().utf8_chunks().next();
            let lead = lead.filter(|chunk| chunk.invalid().is_empty()).map_or("", |chunk| chunk.valid());
            format!("{lead}{}", rest.map_or("", |chunk| chunk.valid()))
        })
    }
}

/// Tells whether a byte may be a text's: of a character beyond ASCII, or one that is printed.
fn is_text(byte: u8) -> bool {
    byte >= 0x80 || byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_reach_as_far_as_they_are_text() {
        let remnant = Remnant(b"\0\xff\xfeone: two\nthree\x01four: \xc3\xa4\xc3".to_vec());
        assert_eq!(remnant.texts_with(": ").collect::<Vec<_>>(), ["one: two\nthree", "four: \u{e4}"]);
        assert_eq!(remnant.texts_with("five").count(), 0);
    }
}

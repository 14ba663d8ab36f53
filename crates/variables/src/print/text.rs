//! Characters and strings between quotes, as gdb writes C's: what can't be shown is escaped, long runs are counted.

use std::fmt::Write as _;

use epitaph_elf::Endian;

use super::{MOST_ELEMENTS, RUN};
use crate::types::{Kind, Type};

/// What a string is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Units {
    /// Bytes; what is valid UTF-8 among them is shown.
    Bytes,
    Utf16,
    Utf32,
    /// `wchar_t`, of this many bytes.
    Wide(usize),
    /// Rust's characters.
    Rust,
}

impl Units {
    /// Tells what a string of elements of a type is made of; `None` if it is no string.
    pub(crate) fn of(element: &Type<'_>, size: u64) -> Option<Units> {
        let Kind::Number(encoding) = element.kind else { return None };
        match (encoding, size) {
            (gimli::DW_ATE_signed_char | gimli::DW_ATE_unsigned_char | gimli::DW_ATE_UTF, 1) => {
                Some(Units::Bytes)
            }
            (gimli::DW_ATE_UTF, 2) => Some(Units::Utf16),
            (gimli::DW_ATE_UTF, 4) if !element.rust => Some(Units::Utf32),
            (_, 2) if element.name() == "char16_t" => Some(Units::Utf16),
            (_, 4) if element.name() == "char32_t" => Some(Units::Utf32),
            (_, 2 | 4) if element.name() == "wchar_t" => Some(Units::Wide(size as usize)),
            _ => None,
        }
    }

    /// Bytes of one element.
    pub(crate) fn size(self) -> usize {
        match self {
            Units::Bytes => 1,
            Units::Utf16 => 2,
            Units::Utf32 | Units::Rust => 4,
            Units::Wide(size) => size,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Units::Bytes | Units::Rust => "",
            Units::Utf16 => "u",
            Units::Utf32 => "U",
            Units::Wide(_) => "L",
        }
    }
}

/// An element of a string.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Element {
    Char(char),
    /// A unit that is no character.
    Raw(u32),
}

/// Spells one character between single quotes.
pub(super) fn character(value: u32, units: Units) -> String {
    let element = match units {
        Units::Bytes if value >= 0x80 => Element::Raw(value),
        _ => char::from_u32(value).map_or(Element::Raw(value), Element::Char),
    };
    let mut out = format!("{}'", units.prefix());
    escape(element, '\'', &mut false, &mut out);
    out.push('\'');
    out
}

/// Spells a string; no more than the first [`MOST_ELEMENTS`] of it.
pub(crate) fn literal(bytes: &[u8], units: Units, endian: Endian) -> String {
    let elements = elements(bytes, units, endian);
    let mut pieces: Vec<String> = Vec::new();
    let mut open: Option<String> = None;
    let mut escaped = false;
    let (mut at, mut shown) = (0, 0);
    while let Some(element) = elements.get(at) {
        if shown >= MOST_ELEMENTS {
            break;
        }
        let run = elements.iter().skip(at).take_while(|other| *other == element).count();
        if run > RUN {
            pieces.extend(open.take().map(|open| format!("{open}\"")));
            let mut one = format!("{}'", units.prefix());
            escape(*element, '\'', &mut false, &mut one);
            pieces.push(format!("{one}' <repeats {run} times>"));
            at += run;
            shown += RUN;
            escaped = false;
            continue;
        }
        let text = open.get_or_insert_with(|| format!("{}\"", units.prefix()));
        escape(*element, '"', &mut escaped, text);
        at += 1;
        shown += 1;
    }
    pieces.extend(open.map(|open| format!("{open}\"")));
    if pieces.is_empty() {
        return format!("{}\"\"", units.prefix());
    }
    let more = if at < elements.len() { "..." } else { "" };
    format!("{}{more}", pieces.join(", "))
}

fn elements(bytes: &[u8], units: Units, endian: Endian) -> Vec<Element> {
    let words = || {
        bytes.chunks_exact(units.size()).map(move |chunk| {
            let fold = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
            match endian {
                Endian::Little => chunk.iter().rev().fold(0, fold),
                Endian::Big => chunk.iter().fold(0, fold),
            }
        })
    };
    match units {
        Units::Bytes => {
            let mut elements = Vec::with_capacity(bytes.len());
            for chunk in bytes.utf8_chunks() {
                elements.extend(chunk.valid().chars().map(Element::Char));
                elements.extend(chunk.invalid().iter().map(|byte| Element::Raw(u32::from(*byte))));
            }
            elements
        }
        Units::Utf16 | Units::Wide(2) => {
            let decoded = char::decode_utf16(words().map(|word| word as u16));
            let element = |decoded: Result<char, std::char::DecodeUtf16Error>| match decoded {
                Ok(c) => Element::Char(c),
                Err(error) => Element::Raw(error.unpaired_surrogate().into()),
            };
            decoded.map(element).collect()
        }
        _ => words().map(|word| char::from_u32(word).map_or(Element::Raw(word), Element::Char)).collect(),
    }
}

/// Adds an element; after a number a digit is written as one, too, since it would belong to it.
fn escape(element: Element, quote: char, escaped: &mut bool, out: &mut String) {
    let was_escaped = std::mem::take(escaped);
    let short = match element {
        Element::Char('\u{7}') => Some('a'),
        Element::Char('\u{8}') => Some('b'),
        Element::Char('\u{c}') => Some('f'),
        Element::Char('\n') => Some('n'),
        Element::Char('\r') => Some('r'),
        Element::Char('\t') => Some('t'),
        Element::Char('\u{b}') => Some('v'),
        Element::Char('\\') => Some('\\'),
        Element::Char(c) if c == quote => Some(quote),
        _ => None,
    };
    if let Some(short) = short {
        out.push('\\');
        out.push(short);
        return;
    }
    match element {
        Element::Char(c) if !(is_hidden(c) || was_escaped && c.is_ascii_digit()) => out.push(c),
        Element::Char(c) => octal(c as u32, escaped, out),
        Element::Raw(value) => octal(value, escaped, out),
    }
}

fn octal(value: u32, escaped: &mut bool, out: &mut String) {
    *escaped = true;
    // The largest number that three digits hold.
    let _ = if value < 0o1000 { write!(out, "\\{value:03o}") } else { write!(out, "\\u{{{value:x}}}") };
}

/// Tells whether a character is not to be shown: it moves the cursor, turns the text around, or has no width.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_written_as_gdb_writes_them() {
        let spell = |bytes: &[u8]| literal(bytes, Units::Bytes, Endian::Little);
        assert_eq!(spell(b"GET /x"), "\"GET /x\"");
        assert_eq!(spell(b""), "\"\"");
        assert_eq!(spell(b"abc\0\0"), "\"abc\\000\\000\"");
        assert_eq!(spell(b"a\x001\"\\\n"), "\"a\\000\\061\\\"\\\\\\n\"");
        assert_eq!(spell(&[b"abc".as_slice(), &[0; 12]].concat()), "\"abc\", '\\000' <repeats 12 times>");
        assert_eq!(spell(&[[b'x'; 20].as_slice(), b"!"].concat()), "'x' <repeats 20 times>, \"!\"");
        assert_eq!(spell("naïve\u{202e}".as_bytes()), "\"naïve\\u{202e}\"");
        assert_eq!(spell(&[0xff, b'a']), "\"\\377a\"");
        let long: Vec<u8> = (0..300_u32).map(|index| b'a' + (index % 7) as u8).collect();
        assert!(spell(&long).ends_with("...") && spell(&long).len() == 205);
        assert_eq!(literal(&[b'h', 0, b'i', 0], Units::Utf16, Endian::Little), "u\"hi\"");
        assert_eq!(character(0x27, Units::Bytes), "'\\''");
        assert_eq!(character(0xff, Units::Bytes), "'\\377'");
    }
}

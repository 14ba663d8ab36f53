//! Tables of every form, written here from their description and read back; and tables that are broken.

use super::GoTable;
use super::header::Version;
use crate::bytes::Bytes;
use crate::header::Endian;
use crate::object::Object;

const TEXT: u64 = 0x40_1000;
/// One function to this address, and another behind it.
const SECOND: u64 = TEXT + 0x40;
const END: u64 = SECOND + 0x20;

const VERSIONS: [Version; 4] = [Version::Go1_2, Version::Go1_16, Version::Go1_18, Version::Go1_20];

/// An object of nothing but a header: what the table needs of one.
fn object(endian: Endian, word: u8) -> Object {
    let mut header = vec![0; 64];
    header[..4].copy_from_slice(b"\x7fELF");
    header[4] = word / 4;
    header[5] = if endian == Endian::Little { 1 } else { 2 };
    header[6] = 1;
    Object::parse(Bytes::from(header)).unwrap()
}

/// Writes numbers of a byte order and word size.
struct Writer {
    endian: Endian,
    word: u8,
    bytes: Vec<u8>,
}

impl Writer {
    fn u32(&mut self, number: u32) {
        self.bytes.extend(match self.endian {
            Endian::Little => number.to_le_bytes(),
            Endian::Big => number.to_be_bytes(),
        });
    }

    fn word(&mut self, number: u64) {
        match (self.word, self.endian) {
            (4, _) => self.u32(number as u32),
            (_, Endian::Little) => self.bytes.extend(number.to_le_bytes()),
            (_, Endian::Big) => self.bytes.extend(number.to_be_bytes()),
        }
    }
}

/// Writes a table of two functions, `main.first` (lines 7 and 9 of `a.go`, 24 bytes of stack from its fifth byte on)
/// and `main.second` (line 30 of `b.go`, no stack).
fn write(version: Version, endian: Endian, word: u8) -> Vec<u8> {
    let is_new = version >= Version::Go1_18;
    let names = b"\0main.first\0main.second\0";
    let files = b"a.go\0b.go\0";
    // By function: stack, file and line, each a table of its own; 0 means that there is none.
    let is_1_2 = version == Version::Go1_2;
    let file = |index: u8| [2 * (index + 1) + if is_1_2 { 2 } else { 0 }, 0x40, 0];
    let values: Vec<u8> = [
        &[0][..],
        &[2, 4, 48, 0x3c, 0], // 1: 0, 24
        &file(0),             // 6
        &[16, 8, 4, 0x38, 0], // 9: 7, 9
        &[2, 0x40, 0],        // 14: 0
        &file(1),             // 17
        &[62, 0x40, 0],       // 20: 30
    ]
    .concat();
    let mut parts = Writer { endian, word, bytes: Vec::new() };
    parts.u32(match version {
        Version::Go1_2 => 0xffff_fffb,
        Version::Go1_16 => 0xffff_fffa,
        Version::Go1_18 => 0xffff_fff0,
        Version::Go1_20 => 0xffff_fff1,
    });
    parts.bytes.extend([0, 0, 1, word]);
    parts.word(2);
    let head = match version {
        Version::Go1_2 => 8 + usize::from(word),
        Version::Go1_16 => 8 + 7 * usize::from(word),
        _ => 8 + 8 * usize::from(word),
    };
    // Behind the head: names, the units' files, the files' names, values; then the index and the functions. In the
    // oldest form, the index comes first, and the files before their names.
    let field = if is_new { 4 } else { usize::from(word) };
    let index_size = 5 * field;
    let record_size = field + 64;
    let names_at = if is_1_2 { head + index_size + 4 + 12 + 2 * record_size } else { head };
    let units_at = if is_1_2 { head + index_size + 4 } else { names_at + names.len() };
    let files_at = if is_1_2 { names_at + names.len() } else { units_at + 8 };
    let values_at = files_at + files.len();
    let index_at = if is_1_2 { head } else { (values_at + values.len()).next_multiple_of(8) };
    let records_at = if is_1_2 { units_at + 12 } else { index_at + index_size };
    if !is_1_2 {
        parts.word(2);
        if is_new {
            parts.word(TEXT);
        }
        for at in [names_at, units_at, files_at, values_at, index_at] {
            parts.word(at as u64);
        }
        parts.bytes.extend(names);
        for file in [0, 5] {
            parts.u32(file);
        }
        parts.bytes.extend(files);
        parts.bytes.extend(&values);
        parts.bytes.resize(index_at, 0);
    }
    let base = if is_1_2 { 0 } else { index_at };
    let text = if is_new { TEXT } else { 0 };
    let number = |parts: &mut Writer, number: u64| match field {
        4 => parts.u32(number as u32),
        _ => parts.word(number),
    };
    for (index, start) in [TEXT, SECOND].into_iter().enumerate() {
        number(&mut parts, start - text);
        number(&mut parts, (records_at + index * record_size - base) as u64);
    }
    number(&mut parts, END - text);
    if is_1_2 {
        parts.u32(units_at as u32);
        for file in [3, files_at, files_at + 5] {
            parts.u32(file as u32);
        }
    }
    let (name_base, value_base) = if is_1_2 { (names_at, values_at) } else { (0, 0) };
    for (start, name, tables) in [(TEXT, 1, [1, 6, 9]), (SECOND, 12, [14, 17, 20])] {
        let record = parts.bytes.len();
        number(&mut parts, start - text);
        parts.u32((name_base + name) as u32);
        parts.u32(0);
        parts.u32(0);
        for table in tables {
            parts.u32((value_base + table) as u32);
        }
        parts.u32(0);
        parts.bytes.resize(record + record_size, 0);
    }
    if is_1_2 {
        assert_eq!(parts.bytes.len(), names_at);
        parts.bytes.extend(names);
        parts.bytes.extend(files);
        parts.bytes.extend(&values);
    }
    parts.bytes
}

/// Name, file, line and stack at an address.
type Known = (String, String, u32, Option<u32>);

fn known(table: &GoTable<'_>, address: u64) -> Option<Known> {
    let function = table.function(address)?;
    let calls = function.calls(address);
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Some((text(call.name), text(call.file?), call.line?, function.frame_size(address)))
}

#[test]
fn every_form_tells_the_same() {
    let expected =
        |name: &str, file: &str, line, size| Some((name.to_owned(), file.to_owned(), line, Some(size)));
    for version in VERSIONS {
        for (endian, word) in [(Endian::Little, 8), (Endian::Big, 8), (Endian::Little, 4), (Endian::Big, 4)] {
            let (object, bytes) = (object(endian, word), write(version, endian, word));
            let Some(table) = parse(&object, &bytes) else { panic!("{version:?} {endian:?} {word}") };
            for (address, known_there) in [
                (TEXT - 1, None),
                (TEXT, expected("main.first", "a.go", 7, 0)),
                (TEXT + 4, expected("main.first", "a.go", 7, 24)),
                (TEXT + 8, expected("main.first", "a.go", 9, 24)),
                (SECOND - 1, expected("main.first", "a.go", 9, 24)),
                (SECOND, expected("main.second", "b.go", 30, 0)),
                (END - 1, expected("main.second", "b.go", 30, 0)),
                (END, None),
            ] {
                assert_eq!(known(&table, address), known_there, "{version:?} {endian:?} {word} {address:x}");
            }
        }
    }
}

/// Takes a table that is at an address where nothing else is. The word with the start of the code is in place.
fn parse<'a>(object: &'a Object, bytes: &'a [u8]) -> Option<GoTable<'a>> {
    GoTable::with_text(object, 0, bytes, TEXT)
}

#[test]
fn tables_of_other_machines_and_versions_are_none() {
    let bytes = write(Version::Go1_20, Endian::Little, 8);
    for (endian, word) in [(Endian::Big, 8), (Endian::Little, 4)] {
        assert!(parse(&object(endian, word), &bytes).is_none(), "{endian:?} {word}");
    }
    let mut newer = bytes;
    newer[0] = 0xf2;
    assert!(parse(&object(Endian::Little, 8), &newer).is_none());
}

/// Whatever byte is wrong, and wherever the table ends, there is an answer or none.
#[test]
fn broken_tables_are_read_as_far_as_they_go() {
    let object = object(Endian::Little, 8);
    let ask = |bytes: &[u8]| {
        let Some(table) = parse(&object, bytes) else { return };
        for address in [TEXT, TEXT + 8, SECOND, END, u64::MAX] {
            if let Some(function) = table.function(address) {
                let _ = (function.name(), function.frame_size(address), function.calls(address));
            }
        }
    };
    for version in VERSIONS {
        let whole = write(version, Endian::Little, 8);
        for at in 0..whole.len() {
            ask(&whole[..at]);
            for value in [0, 0x7f, 0xff] {
                let mut broken = whole.clone();
                broken[at] = value;
                ask(&broken);
            }
        }
    }
}

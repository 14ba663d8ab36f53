//! The journal's export format, as far as it takes to have a core out of it.
//!
//! It is documented as "Journal Export Formats" (systemd.io/JOURNAL_EXPORT_FORMATS): an entry is fields and an empty line,
//! a field `NAME=VALUE` and the line's end or, if the value isn't plain text, `NAME`, the line's end, the value's size as
//! a little-endian 64-bit number, the value, and the line's end. What is read was a crasher's own memory and names: sizes
//! are bounded, and values that nobody asked for are passed over without being kept.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read as _, Write};

/// The field that holds a core.
const CORE: &[u8] = b"COREDUMP";
/// The longest line that is read: of a name and a text.
const LONGEST_LINE: u64 = 8 << 10;
/// The longest value of binary form that is kept as a text.
const LONGEST_TEXT: u64 = 4 << 10;
/// Most lines of an entry.
const MOST_LINES: usize = 10_000;

/// The texts of an entry, by the names of their fields.
pub(super) type Texts = BTreeMap<String, String>;

/// Reads the first entry that has a core, which goes to `out`; `None` where none has. A core of more than `most` bytes is an
/// error (`FileTooLarge`), as is one that ends early.
pub(super) fn core_of(
    stream: &mut impl BufRead,
    most: u64,
    out: &mut impl Write,
) -> io::Result<Option<Texts>> {
    let mut texts = Texts::new();
    let mut has_core = false;
    let mut lines = 0;
    while lines < MOST_LINES {
        lines += 1;
        let Some(line) = line(stream)? else { return Ok(has_core.then_some(texts)) };
        match line.iter().position(|byte| *byte == b'=') {
            _ if line.is_empty() && has_core => return Ok(Some(texts)),
            _ if line.is_empty() => {
                texts.clear();
                lines = 0;
            }
            Some(end) => {
                let (name, value) = line.split_at(end);
                keep(&mut texts, name, value.get(1..).unwrap_or_default());
            }
            None => {
                let mut size = [0; 8];
                stream.read_exact(&mut size)?;
                let size = u64::from_le_bytes(size);
                if line == CORE && !has_core {
                    if size > most {
                        return Err(io::ErrorKind::FileTooLarge.into());
                    }
                    pass(stream, size, out)?;
                    has_core = true;
                } else if size <= LONGEST_TEXT {
                    let mut value = Vec::new();
                    pass(stream, size, &mut value)?;
                    keep(&mut texts, &line, &value);
                } else {
                    pass(stream, size, &mut io::sink())?;
                }
                let mut end = [0];
                stream.read_exact(&mut end)?;
                if end != *b"\n" {
                    return Err(invalid("a field does not end where it should"));
                }
            }
        }
    }
    Err(invalid("an entry has too many fields"))
}

/// Reads a line without its end; `None` at the stream's end.
fn line(stream: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if stream.take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    match line.pop() {
        Some(b'\n') => Ok(Some(line)),
        _ => Err(invalid("a line is too long, or has no end")),
    }
}

/// Hands on so many bytes.
fn pass(stream: &mut impl BufRead, size: u64, out: &mut impl Write) -> io::Result<()> {
    let passed = io::copy(&mut stream.take(size), out)?;
    if passed == size { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn keep(texts: &mut Texts, name: &[u8], value: &[u8]) {
    if let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value)) {
        texts.insert(name.to_owned(), value.to_owned());
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `journalctl --output=export` (systemd 252) prints an entry of a core that systemd-coredump stored with
    /// `Storage=journal`, with a shorter core.
    fn entry(core: &[u8]) -> Vec<u8> {
        let mut bytes = b"__CURSOR=s=0;i=1\n__REALTIME_TIMESTAMP=1700000000123456\n_BOOT_ID=0123456789abcdef0123456789abcdef\n\
            COREDUMP_PID=4711\nCOREDUMP_UID=1000\nCOREDUMP_COMM=my.prog\nCOREDUMP\n"
            .to_vec();
        bytes.extend((core.len() as u64).to_le_bytes());
        bytes.extend(core);
        bytes.extend(b"\nMESSAGE\n\x05\0\0\0\0\0\0\0a\nb\nc\n\n");
        bytes
    }

    fn read(mut stream: &[u8], most: u64) -> (io::Result<Option<Texts>>, Vec<u8>) {
        let mut core = Vec::new();
        (core_of(&mut stream, most, &mut core), core)
    }

    #[test]
    fn a_core_and_the_texts_of_its_entry_are_read() {
        let mut stream = b"COREDUMP_PID=1\nMESSAGE=processing\n\n".to_vec();
        stream.extend(entry(b"\x7fELF\n\n=\0"));
        stream.extend(entry(b"another"));
        let (texts, core) = read(&stream, 100);
        let texts = texts.unwrap().unwrap();
        assert_eq!(core, b"\x7fELF\n\n=\0");
        assert_eq!((&*texts["COREDUMP_PID"], &*texts["COREDUMP_COMM"]), ("4711", "my.prog"));
        assert_eq!(texts["MESSAGE"], "a\nb\nc");
    }

    #[test]
    fn what_is_cut_or_crafted_is_refused_and_costs_no_memory() {
        let whole = entry(&[7; 50]);
        for cut in 0..whole.len() {
            let (texts, core) = read(&whole[..cut], 100);
            assert!(core.len() <= 50 && !matches!(texts, Ok(Some(texts)) if texts.len() > 7), "{cut}");
        }
        assert_eq!(read(&whole, 49).0.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        let claims = [&b"COREDUMP\n"[..], &u64::MAX.to_le_bytes(), b"short"].concat();
        assert_eq!(read(&claims, u64::MAX).0.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let claims = [&b"OTHER\n"[..], &u64::MAX.to_le_bytes(), b"short"].concat();
        assert_eq!(read(&claims, 10).0.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        for bad in [&vec![b'x'; 100_000][..], b"COREDUMP\n\x01\0\0\0\0\0\0\0xy\n\n", &b"A=1\n".repeat(20_000)]
        {
            assert_eq!(read(bad, 10).0.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        let entries = b"A=1\n\n".repeat(20_000);
        assert!(read(&entries, 10).0.unwrap().is_none(), "it is of one entry that there are too many");
        assert!(read(b"", 10).0.unwrap().is_none() && read(b"A=1\n\nB=2\n\n", 10).0.unwrap().is_none());
    }
}

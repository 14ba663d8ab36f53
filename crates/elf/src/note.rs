//! ELF notes (gABI chapter 5, "Note Section"): name, type and descriptor, each padded to 4 bytes.
//!
//! goblin's own reader wants UTF-8 names and stops at a broken note; this one keeps what came before.

use crate::header::Endian;

/// `NT_PRSTATUS`: one thread's registers.
pub(crate) const NT_PRSTATUS: u32 = 1;
/// `NT_FPREGSET`: one thread's floating-point registers.
pub(crate) const NT_FPREGSET: u32 = 2;
/// `NT_PRPSINFO`: the process.
pub(crate) const NT_PRPSINFO: u32 = 3;
/// `NT_GNU_BUILD_ID`, of owner `GNU`.
pub(crate) const NT_GNU_BUILD_ID: u32 = 3;
/// `NT_AUXV`
pub(crate) const NT_AUXV: u32 = 6;
/// `NT_SIGINFO`
pub(crate) const NT_SIGINFO: u32 = 0x5349_4749;
/// `NT_FILE`
pub(crate) const NT_FILE: u32 = 0x4649_4c45;
/// `NT_ARM_TLS`, of owner `LINUX`: the thread pointer of aarch64.
pub(crate) const NT_ARM_TLS: u32 = 0x401;
/// `NT_ARM_PAC_MASK`, of owner `LINUX`: where in pointers their signatures are.
pub(crate) const NT_ARM_PAC_MASK: u32 = 0x406;

/// Of owner `EPITAPH`: the name of the thread whose `NT_PRSTATUS` came last ("NAME"), which the kernel keeps to itself.
pub(crate) const NT_THREAD_NAME: u32 = 0x4e41_4d45;

/// One note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note<'a> {
    /// Owner, without the final NUL.
    pub(crate) name: &'a [u8],
    pub(crate) kind: u32,
    pub(crate) desc: &'a [u8],
}

/// The notes in a piece of a file.
#[derive(Clone, Debug)]
pub(crate) struct Notes<'a> {
    rest: &'a [u8],
    endian: Endian,
    broken: bool,
}

impl<'a> Notes<'a> {
    pub(crate) fn new(bytes: &'a [u8], endian: Endian) -> Notes<'a> {
        Notes { rest: bytes, endian, broken: false }
    }

    /// Tells whether the notes ended within one, or with one whose sizes make no sense.
    pub(crate) fn broken(&self) -> bool {
        self.broken
    }
}

/// Splits bytes into notes, each with the bytes that it takes; what is broken or cut, and what follows it, is left out.
pub(crate) fn whole_notes(bytes: &[u8], endian: Endian) -> impl Iterator<Item = (Note<'_>, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (note, after) = split(rest, endian)?;
        let (own, _) = rest.split_at_checked(rest.len() - after.len())?;
        rest = after;
        Some((note, own))
    })
}

impl<'a> Iterator for Notes<'a> {
    type Item = Note<'a>;

    fn next(&mut self) -> Option<Note<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let note = split(self.rest, self.endian);
        match note {
            Some((note, rest)) => {
                self.rest = rest;
                Some(note)
            }
            None => {
                // Padding after the last note is not a broken note.
                self.broken = self.rest.iter().any(|byte| *byte != 0);
                self.rest = &[];
                None
            }
        }
    }
}

fn split(bytes: &[u8], endian: Endian) -> Option<(Note<'_>, &[u8])> {
    let name_size = endian.u32_at(bytes, 0)? as usize;
    let desc_size = endian.u32_at(bytes, 4)? as usize;
    let kind = endian.u32_at(bytes, 8)?;
    if name_size == 0 && desc_size == 0 && kind == 0 {
        return None;
    }
    let name = bytes.get(12..12usize.checked_add(name_size)?)?;
    let desc_start = 12usize.checked_add(name_size.checked_next_multiple_of(4)?)?;
    let desc_end = desc_start.checked_add(desc_size)?;
    let desc = bytes.get(desc_start..desc_end)?;
    let next = desc_start.checked_add(desc_size.checked_next_multiple_of(4)?)?;
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    Some((Note { name, kind, desc }, bytes.get(next..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &[u8], kind: u32, desc: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for number in [name.len() as u32, desc.len() as u32, kind] {
            out.extend(number.to_le_bytes());
        }
        for part in [name, desc] {
            out.extend(part);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    #[test]
    fn notes_follow_each_other_with_padding() {
        let mut bytes = note(b"CORE\0", 1, b"12345");
        bytes.extend(note(b"\xff\0", 7, b""));
        let mut notes = Notes::new(&bytes, Endian::Little);
        assert_eq!(notes.next(), Some(Note { name: b"CORE", kind: 1, desc: b"12345" }));
        assert_eq!(notes.next(), Some(Note { name: b"\xff", kind: 7, desc: b"" }));
        assert_eq!(notes.next(), None);
        assert!(!notes.broken());
    }

    #[test]
    fn a_note_without_its_final_padding_counts() {
        let mut bytes = note(b"GNU\0", 3, b"abcde");
        bytes.truncate(bytes.len() - 3);
        assert_eq!(Notes::new(&bytes, Endian::Little).next().unwrap().desc, b"abcde");
    }

    #[test]
    fn absurd_sizes_end_the_walk() {
        for damage in [[0xff; 4], [0, 0, 0, 0x80], [0xfc, 0xff, 0xff, 0xff]] {
            for at in [0, 4] {
                let mut bytes = note(b"CORE\0", 1, b"12345678");
                bytes[at..at + 4].copy_from_slice(&damage);
                let mut notes = Notes::new(&bytes, Endian::Little);
                assert_eq!(notes.next(), None);
                assert!(notes.broken());
            }
        }
    }

    #[test]
    fn every_prefix_is_survived() {
        let mut bytes = note(b"CORE\0", 1, b"12345");
        bytes.extend(note(b"LINUX\0", 0x202, &[7; 33]));
        for len in 0..bytes.len() {
            assert!(Notes::new(&bytes[..len], Endian::Little).count() <= 2);
        }
    }
}

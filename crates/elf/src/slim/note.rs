//! The note that a slim core carries: what it was made of.
//!
//! Owner `EPITAPH`, type `SLIM`. The descriptor is a version, flags, and unsigned LEB128 numbers (DWARF 5, 7.6), the same in
//! every byte order: the original's size, the bytes that were dropped, how many stacks were cut, the shift of the
//! numbers that follow the defects; what was wrong with the original (count; kind and value of each); and its segments
//! (count; of each the distance from the last one's end, its size, its flags, and, where the flags say so, how much of
//! it had been dumped, and how much of that was there).

use crate::process::Defect;
use crate::segment::Segment;

/// The note's owner.
pub(crate) const OWNER: &[u8] = b"EPITAPH";
/// The note's type: "SLIM". A small number would be another note's, and gdb doesn't look at owners.
pub(crate) const NT_SLIM: u32 = 0x534c_494d;

const VERSION: u8 = 1;
/// Of the note's flags: secrets were overwritten.
const SCRUBBED: u8 = 1;
/// Most defects that are believed: there is one of a kind.
const MOST_DEFECTS: u64 = 64;
/// Most segments that are believed; as many as are read of any core.
const MOST_REGIONS: u64 = 1 << 20;
/// Fewest bytes that a segment takes in the note.
const SHORTEST_REGION: u64 = 3;
/// Bits of an offset in a page: a core's numbers are whole pages, and the note's numbers are pages then.
const PAGE_SHIFT: u32 = 12;

// Flags of a segment.
const READ: u8 = 1;
const WRITE: u8 = 2;
const EXECUTE: u8 = 4;
/// All of it was dumped.
const WHOLE: u8 = 8;
/// A part of it was dumped; how much follows.
const IN_PART: u8 = 16;
/// Less was there than had been dumped; how much follows.
const CUT: u8 = 32;

/// What a slim core was made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slimmed {
    /// Apparent size in bytes of the original, holes included.
    pub original_size: u64,
    /// Bytes of memory that the original held and the slim core doesn't.
    pub dropped_bytes: u64,
    /// Stacks that were too large to be kept whole.
    pub cut_stacks: u64,
    /// Whether secrets were overwritten.
    pub scrubbed: bool,
}

/// A segment of the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    /// Its place; `file_size` is how much had been dumped of it.
    pub(crate) segment: Segment,
    /// How much of that was there: less where the original was truncated.
    pub(crate) available: u64,
}

/// The note.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SlimNote {
    pub(crate) facts: Slimmed,
    /// What was wrong with the original, as far as the slim core doesn't show it.
    pub(crate) defects: Vec<Defect>,
    /// The original's segments, by address.
    pub(crate) regions: Vec<Region>,
}

impl SlimNote {
    /// Bytes that the original's headers promised and it lacked.
    pub(crate) fn missing(&self) -> u64 {
        let missing = self.defects.iter().map(|defect| match defect {
            Defect::Truncated { missing } => *missing,
            _ => 0,
        });
        missing.max().unwrap_or(0)
    }

    /// Adds what was wrong with the original to what is wrong with the slim core itself.
    pub(crate) fn add_defects(&self, defects: &mut Vec<Defect>) {
        for defect in &self.defects {
            let known = defects.iter_mut().find(|known| known.code() == defect.code());
            match (known, defect) {
                (Some(Defect::Truncated { missing }), Defect::Truncated { missing: more }) => {
                    *missing = missing.saturating_add(*more);
                }
                (Some(_), _) => {}
                (None, _) => defects.push(defect.clone()),
            }
        }
        if self.facts.cut_stacks > 0 {
            defects.push(Defect::StacksCut { count: self.facts.cut_stacks });
        }
    }

    /// Writes the descriptor.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let sizes = self.regions.iter().flat_map(|region| {
            let Region { segment, available } = region;
            [segment.address, segment.memory_size, segment.file_size, *available]
        });
        let shift =
            if sizes.fold(0, |all, size| all | size).trailing_zeros() >= PAGE_SHIFT { PAGE_SHIFT } else { 0 };
        let mut out = vec![VERSION, if self.facts.scrubbed { SCRUBBED } else { 0 }];
        for number in [
            self.facts.original_size,
            self.facts.dropped_bytes,
            self.facts.cut_stacks,
            shift.into(),
            self.defects.iter().filter(|defect| number_of(defect).is_some()).count() as u64,
        ] {
            put(&mut out, number);
        }
        for (kind, value) in self.defects.iter().filter_map(number_of) {
            put(&mut out, kind);
            put(&mut out, value);
        }
        put(&mut out, self.regions.len() as u64);
        let mut end = 0;
        for Region { segment, available } in &self.regions {
            put(&mut out, segment.address.saturating_sub(end) >> shift);
            put(&mut out, segment.memory_size >> shift);
            let (dumped, whole) = (segment.file_size, segment.file_size == segment.memory_size);
            let flags = [
                (segment.read, READ),
                (segment.write, WRITE),
                (segment.execute, EXECUTE),
                (whole, WHOLE),
                (!whole && dumped > 0, IN_PART),
                (*available < dumped, CUT),
            ];
            out.push(flags.iter().filter(|(set, _)| *set).fold(0, |all, (_, flag)| all | flag));
            if !whole && dumped > 0 {
                put(&mut out, dumped >> shift);
            }
            if *available < dumped {
                put(&mut out, *available >> shift);
            }
            end = segment.end();
        }
        out
    }

    /// Reads the descriptor; `None` if it makes no sense, or is of a version that isn't known.
    pub(crate) fn decode(desc: &[u8]) -> Option<SlimNote> {
        let (&[version, flags], mut rest) = desc.split_first_chunk()?;
        if version != VERSION {
            return None;
        }
        let mut number = || take(&mut rest);
        let facts = Slimmed {
            original_size: number()?,
            dropped_bytes: number()?,
            cut_stacks: number()?,
            scrubbed: flags & SCRUBBED != 0,
        };
        let shift = u32::try_from(number()?).ok().filter(|shift| *shift <= PAGE_SHIFT)?;
        let mut defects = Vec::new();
        let count = number().filter(|count| *count <= MOST_DEFECTS)?;
        for _ in 0..count {
            // One of a kind that isn't known is left out.
            defects.extend(defect(number()?, number()?));
        }
        let count = number()?;
        if count > MOST_REGIONS.min(rest.len() as u64 / SHORTEST_REGION) {
            return None;
        }
        let mut regions = Vec::with_capacity(count as usize);
        let mut end = 0;
        for _ in 0..count {
            let region = region(&mut rest, end, shift)?;
            end = region.segment.end();
            regions.push(region);
        }
        Some(SlimNote { facts, defects, regions })
    }
}

/// Reads a segment of the original, which begins at `end` or behind it.
fn region(rest: &mut &[u8], end: u64, shift: u32) -> Option<Region> {
    let number = |rest: &mut &[u8]| take(rest)?.checked_mul(1 << shift);
    let address = end.checked_add(number(rest)?)?;
    let memory_size = number(rest)?;
    address.checked_add(memory_size).filter(|_| memory_size > 0)?;
    let (flags, after) = rest.split_first()?;
    *rest = after;
    let is = |flag| flags & flag != 0;
    let file_size = match (is(WHOLE), is(IN_PART)) {
        (true, _) => memory_size,
        (false, true) => number(rest)?,
        (false, false) => 0,
    };
    let available = if is(CUT) { number(rest)? } else { file_size };
    let segment = Segment {
        address,
        memory_size,
        offset: 0,
        file_size,
        read: is(READ),
        write: is(WRITE),
        execute: is(EXECUTE),
    };
    (available <= file_size && file_size <= memory_size).then_some(Region { segment, available })
}

/// The number of a defect that is noted, and its value. The others show in a slim core as they do in the original.
fn number_of(defect: &Defect) -> Option<(u64, u64)> {
    Some(match defect {
        Defect::Truncated { missing } => (1, *missing),
        Defect::SegmentCountLost => (2, 0),
        Defect::TooManySegments { promised } => (3, *promised),
        Defect::NotesCut => (4, 0),
        Defect::BrokenNote => (5, 0),
        Defect::NotesTooLarge { size } => (6, *size),
        _ => return None,
    })
}

/// The defect of a number.
fn defect(number: u64, value: u64) -> Option<Defect> {
    Some(match number {
        1 => Defect::Truncated { missing: value },
        2 => Defect::SegmentCountLost,
        3 => Defect::TooManySegments { promised: value },
        4 => Defect::NotesCut,
        5 => Defect::BrokenNote,
        6 => Defect::NotesTooLarge { size: value },
        _ => return None,
    })
}

/// Appends a number.
fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number off the front; `None` where there is none, or it is larger than 64 bits.
fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        number |= bits.checked_mul(1 << shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(address: u64, memory_size: u64, file_size: u64, available: u64) -> Region {
        let segment =
            Segment { address, memory_size, offset: 0, file_size, read: true, write: true, execute: false };
        Region { segment, available }
    }

    fn note() -> SlimNote {
        SlimNote {
            facts: Slimmed { original_size: 1 << 40, dropped_bytes: 77, cut_stacks: 2, scrubbed: true },
            defects: vec![Defect::Truncated { missing: 300 }, Defect::SegmentCountLost],
            regions: vec![
                region(0x1000, 0x2000, 0x2000, 0x2000),
                region(0x3000, 0x1000, 0, 0),
                region(0x7fff_0000_0000, 0x10_0000, 0x8000, 0x1000),
                region(0xffff_ffff_ff60_0000, 0x1000, 0x1000, 0),
            ],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(SlimNote::decode(&note().encode()), Some(note()));
        let odd = SlimNote { regions: vec![region(0x1001, 0x777, 0x333, 0x222)], ..note() };
        assert_eq!(SlimNote::decode(&odd.encode()), Some(odd));
        assert_eq!(SlimNote::decode(&SlimNote::default().encode()), Some(SlimNote::default()));
    }

    #[test]
    fn a_segment_takes_a_few_bytes() {
        let regions = (0..1000).map(|i| region(0x7f00_0000_0000 + i * 0x3000, 0x2000, 0x2000, 0x2000));
        let note = SlimNote { regions: regions.collect(), ..SlimNote::default() };
        assert!(note.encode().len() < 3100);
    }

    #[test]
    fn only_what_the_slim_core_does_not_show_itself_is_noted() {
        let shown = SlimNote { defects: vec![Defect::NoThreads, Defect::NotesCut], ..note() };
        assert_eq!(SlimNote::decode(&shown.encode()).unwrap().defects, [Defect::NotesCut]);
    }

    #[test]
    fn a_slim_core_that_is_cut_itself_lacks_both() {
        let mut defects = vec![Defect::Truncated { missing: 5 }];
        note().add_defects(&mut defects);
        let expected =
            [Defect::Truncated { missing: 305 }, Defect::SegmentCountLost, Defect::StacksCut { count: 2 }];
        assert_eq!(defects, expected);
    }

    #[test]
    fn nothing_is_believed_of_a_damaged_note() {
        let good = note().encode();
        for len in 0..good.len() {
            assert_eq!(SlimNote::decode(&good[..len]), None, "{len}");
        }
        for at in 0..good.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] = byte;
                let Some(note) = SlimNote::decode(&bad) else { continue };
                let mut end = 0;
                for region in &note.regions {
                    assert!(region.segment.address >= end && region.segment.memory_size > 0);
                    assert!(region.available <= region.segment.file_size);
                    assert!(region.segment.file_size <= region.segment.memory_size);
                    end = region.segment.address.checked_add(region.segment.memory_size).unwrap();
                }
            }
        }
        assert_eq!(SlimNote::decode(&[VERSION + 1, 0, 0, 0, 0, 0, 0, 0]), None);
    }
}

//! From an instruction to its line, by the tables that CPython's compiler writes.

use crate::layout::Lines;

/// Bytes of an instruction's code unit (`_Py_CODEUNIT`).
const UNIT: i64 = 2;
/// What a line's difference is in 3.10 where there is no line.
const NO_LINE: i8 = -128;
/// Forms of entries in a table of locations (internal/pycore_code.h, `enum _PyCodeLocationInfoKind`).
const ONE_LINE: u8 = 10;
const NO_COLUMNS: u8 = 13;
const LONG: u8 = 14;
const NO_LOCATION: u8 = 15;

/// Returns the line of the instruction at a byte of the code; `None` where the compiler gave it none, or the table makes
/// no sense. Before the first instruction stands the function's own line.
pub(crate) fn line(form: Lines, table: &[u8], first: u32, at: i64) -> Option<u32> {
    if at < 0 {
        return Some(first);
    }
    let line = match form {
        Lines::Increments => by_increments(table, i64::from(first), at),
        Lines::Ranges => by_ranges(table, i64::from(first), at),
        Lines::Locations => by_locations(table, i64::from(first), at),
    }?;
    u32::try_from(line).ok().filter(|line| *line > 0)
}

/// 3.9: pairs of how many bytes further, and then how many lines.
fn by_increments(table: &[u8], first: i64, at: i64) -> Option<i64> {
    let (mut address, mut line) = (0_i64, first);
    for pair in table.as_chunks::<2>().0 {
        let [bytes, lines] = *pair;
        address += i64::from(bytes);
        if address > at {
            break;
        }
        line = line.checked_add(i64::from(lines as i8))?;
    }
    Some(line)
}

/// 3.10: pairs of how many bytes a range has, and how many lines further it is than the one before.
fn by_ranges(table: &[u8], first: i64, at: i64) -> Option<i64> {
    let (mut end, mut line) = (0_i64, first);
    for pair in table.as_chunks::<2>().0 {
        let [bytes, lines] = *pair;
        end += i64::from(bytes);
        let lines = lines as i8;
        if lines != NO_LINE {
            line = line.checked_add(i64::from(lines))?;
        }
        if at < end {
            return (lines != NO_LINE).then_some(line);
        }
    }
    None
}

/// Since 3.11: entries of a form, a number of code units, and, by the form, lines and columns.
fn by_locations(table: &[u8], first: i64, at: i64) -> Option<i64> {
    let (mut end, mut line) = (0_i64, first);
    let mut rest = table;
    while let Some((head, after)) = rest.split_first() {
        let form = head >> 3 & 15;
        let mut numbers = after;
        let lines = match form {
            LONG | NO_COLUMNS => signed(&mut numbers)?,
            ONE_LINE..NO_COLUMNS => i64::from(form - ONE_LINE),
            _ => 0,
        };
        line = line.checked_add(lines)?;
        end += i64::from(head & 7).saturating_add(1) * UNIT;
        if at < end {
            return (form != NO_LOCATION).then_some(line);
        }
        // Only an entry's first byte has its highest bit set.
        let next = after.iter().position(|byte| byte & 0x80 != 0).unwrap_or(after.len());
        rest = after.get(next..)?;
    }
    None
}

/// Reads a number in groups of six bits, the lowest first; the lowest bit of all is its sign.
fn signed(bytes: &mut &[u8]) -> Option<i64> {
    let (mut value, mut shift) = (0_u64, 0_u32);
    loop {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 63).checked_shl(shift).filter(|_| shift < 36)?;
        shift += 6;
        if byte & 64 == 0 {
            break;
        }
    }
    let magnitude = (value >> 1) as i64;
    Some(if value & 1 == 1 { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn increments_add_up() {
        // Objects/lnotab_notes.txt: a byte's line is that of the last pair at or before it.
        let table = [0, 1, 6, 1, 44, 5, 255, 0, 45, 1, 2, 0xfe];
        let line = |at| line(Lines::Increments, &table, 1, at);
        let lines = [-1, 0, 5, 6, 49, 50, 300, 349, 350, 352].map(line);
        assert_eq!(lines, [1, 2, 2, 3, 3, 8, 8, 8, 9, 7].map(Some));
    }

    #[test]
    fn ranges_may_have_no_line() {
        let table = [6, 1, 44, 2, 2, 0x80, 4, 0xff];
        let line = |at| line(Lines::Ranges, &table, 10, at);
        assert_eq!([-2, 0, 6, 49].map(line), [10, 11, 13, 13].map(Some));
        assert_eq!([50, 51, 52, 56].map(line), [None, None, Some(12), None]);
    }

    #[test]
    fn locations_have_five_forms() {
        let table = [
            0x80 | 15 << 3,     // one unit without a location
            0x80 | 13 << 3 | 1, // two units, lines alone: + 65
            0x40 | 2,
            2,
            0x80 | 3 << 3, // one unit on the same line
            0x12,
            0x80 | 12 << 3, // one unit, two lines further
            1,
            2,
            0x80 | 14 << 3, // one unit, everything: - 3
            7,
            0,
            1,
            1,
        ];
        let line = |at| line(Lines::Locations, &table, 100, at);
        assert_eq!(
            [-2, 0, 2, 4, 6, 8, 10, 12].map(line),
            [Some(100), None, Some(165), Some(165), Some(165), Some(167), Some(164), None]
        );
    }

    #[test]
    fn no_table_is_too_odd() {
        let mut chance = 88_172_645_463_325_252_u64;
        for length in 0..200 {
            let table: Vec<u8> = (0..length)
                .map(|_| {
                    chance ^= chance << 13;
                    chance ^= chance >> 7;
                    chance ^= chance << 17;
                    chance as u8
                })
                .collect();
            for form in [Lines::Increments, Lines::Ranges, Lines::Locations] {
                for at in [i64::MIN, -1, 0, 77, i64::MAX] {
                    let _ = line(form, &table, u32::MAX, at);
                }
            }
        }
        assert_eq!(
            line(Lines::Locations, &[0x80 | 13 << 3, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f], 1, 0),
            None
        );
        assert_eq!(line(Lines::Ranges, &[9], 1, 0), None);
    }
}

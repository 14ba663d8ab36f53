//! Tables of values by address, as Go's linker writes them (`pcsp`, `pcfile`, `pcln`, `pcdata`): pairs of differences.

/// Most pairs that are read of one table; the longest functions have some 100,000.
const MOST_PAIRS: usize = 1 << 20;

/// Returns the value that `table` has at `address`, for a function that starts at `start`.
///
/// A table is a sequence of pairs of variable-length numbers, ended by a 0: a signed (zigzag) difference to the value
/// before, which is −1 at first, and the number of `quantum` bytes of code that have the new value. A difference of 0
/// is an end only behind the first pair (`runtime/symtab.go`, `step`).
pub(super) fn value_at(mut table: &[u8], start: u64, quantum: u8, address: u64) -> Option<i32> {
    let mut end = start;
    let mut value: i32 = -1;
    for index in 0..MOST_PAIRS {
        let difference = number(&mut table)?;
        if difference == 0 && index > 0 {
            return None;
        }
        value = value.wrapping_add((difference >> 1) as i32 ^ -((difference & 1) as i32));
        end = end.checked_add(u64::from(number(&mut table)?) * u64::from(quantum))?;
        if address < end {
            return Some(value);
        }
    }
    None
}

/// Takes a number off the front: seven bits a byte, the lowest first (LEB128), at most 32 bits.
fn number(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0_u32;
    for shift in [0, 7, 14, 21, 28] {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u32::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0 for four bytes, 24 for ten, 8 for two.
    const TABLE: [u8; 7] = [2, 4, 48, 10, 31, 2, 0];

    #[test]
    fn values_hold_from_their_address_to_the_next_ones() {
        for (address, value) in
            [(100, Some(0)), (103, Some(0)), (104, Some(24)), (113, Some(24)), (114, Some(8)), (116, None)]
        {
            assert_eq!(value_at(&TABLE, 100, 1, address), value, "{address}");
        }
        assert_eq!(value_at(&TABLE, 100, 4, 115), Some(0), "an instruction has four bytes");
    }

    #[test]
    fn a_first_difference_of_zero_is_no_end() {
        assert_eq!(value_at(&[0, 1, 4, 1, 0], 0, 1, 0), Some(-1));
        assert_eq!(value_at(&[0, 1, 4, 1, 0], 0, 1, 1), Some(1));
    }

    #[test]
    fn a_broken_table_has_no_values() {
        for table in [&[][..], &[2], &[0x80, 0x80, 0x80, 0x80, 0x80, 1, 1], &[2, 0xff]] {
            assert_eq!(value_at(table, 0, 1, 0), None, "{table:?}");
        }
        assert_eq!(value_at(&[2, 0xff, 0xff, 0xff, 0xff, 0xf], u64::MAX - 1, 4, u64::MAX), None);
    }
}

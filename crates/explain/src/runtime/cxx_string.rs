//! `std::string` in memory, of libstdc++ (`bits/basic_string.h`, the ABI since GCC 5) and of libc++ (`<string>`).

use crate::peek::Peek;

/// Longest string that is believed to be one, in bytes.
const LONGEST: u64 = 1 << 20;
/// Characters that libstdc++ keeps in the string itself.
const LOCAL: u64 = 15;

/// Takes an address for that of a libstdc++ string: pointer, length, and the capacity or the characters themselves.
pub(crate) fn gnu(peek: Peek<'_>, address: u64) -> Option<String> {
    read(peek, gnu_parts(peek, address)?)
}

/// Takes an address for that of a libc++ string of a 64-bit little-endian process: the lowest bit tells the long form
/// (capacity, length, pointer) from the short one (twice the length in the first byte).
pub(crate) fn llvm(peek: Peek<'_>, address: u64) -> Option<String> {
    read(peek, llvm_parts(peek, address)?)
}

/// Takes an address for that of a string of either library, and returns the address of its characters.
pub(crate) fn data(peek: Peek<'_>, address: u64) -> Option<u64> {
    let parts = [gnu_parts(peek, address), llvm_parts(peek, address)];
    parts.into_iter().flatten().find(|parts| read(peek, *parts).is_some()).map(|(data, _)| data)
}

fn gnu_parts(peek: Peek<'_>, address: u64) -> Option<(u64, u64)> {
    let [data, len, capacity] = [0, 1, 2].map(|index| peek.word_at(address, index));
    let (data, len) = (data?, len?);
    let local = data == address.checked_add(2 * peek.word_size())?;
    let most = if local { LOCAL } else { capacity? };
    (len <= most).then_some((data, len))
}

fn llvm_parts(peek: Peek<'_>, address: u64) -> Option<(u64, u64)> {
    let first = peek.number(address, 1)?;
    if first & 1 == 1 {
        Some((peek.word_at(address, 2)?, peek.word_at(address, 1)?))
    } else {
        Some((address.checked_add(1)?, first >> 1))
    }
}

/// Reads characters of this length, behind which a NUL is; none among them.
fn read(peek: Peek<'_>, (data, len): (u64, u64)) -> Option<String> {
    let ends = len <= LONGEST && peek.number(data.checked_add(len)?, 1)? == 0;
    let text = ends.then(|| peek.utf8(data, len)).flatten()?;
    (!text.contains('\0')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peek::testing::Words;

    #[test]
    fn both_forms_of_both_libraries_are_read() {
        let mut words = Words::default();
        words.put(0x1000, &[0x1010, 5, 0, 0]).text(0x1010, "short");
        assert_eq!(gnu(words.peek(), 0x1000).as_deref(), Some("short"));
        words.put(0x2000, &[0x3000, 20, 30]).text(0x3000, "twenty letters, long");
        assert_eq!(gnu(words.peek(), 0x2000).as_deref(), Some("twenty letters, long"));
        words.put(0x4000, &[31, 20, 0x3000]);
        assert_eq!(llvm(words.peek(), 0x4000).as_deref(), Some("twenty letters, long"));
        words.put(0x5000, &[0, 0, 0]).text(0x5000, "\u{a}short");
        assert_eq!(llvm(words.peek(), 0x5000).as_deref(), Some("short"));
        assert_eq!(data(words.peek(), 0x5000), Some(0x5001));
    }

    #[test]
    fn a_length_must_fit() {
        let mut words = Words::default();
        words.put(0x1000, &[0x1010, 16, 0, 0, 0]);
        assert_eq!(gnu(words.peek(), 0x1000), None);
        words.put(0x2000, &[0x3000, 3, 30]).text(0x3000, "longer");
        assert_eq!(gnu(words.peek(), 0x2000), None);
    }
}

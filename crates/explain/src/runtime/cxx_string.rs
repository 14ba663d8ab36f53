//! `std::string` in memory, of libstdc++ (`bits/basic_string.h`, the ABI since GCC 5) and of libc++ (`<string>`).

use crate::peek::Peek;

/// Longest string that is believed to be one, in bytes.
const LONGEST: u64 = 1 << 20;
/// Characters that libstdc++ keeps in the string itself.
const LOCAL: u64 = 15;

/// Takes an address for that of a libstdc++ string: pointer, length, and the capacity or the characters themselves.
pub(crate) fn gnu(peek: Peek<'_>, address: u64) -> Option<String> {
    let [data, len, capacity] = [0, 1, 2].map(|index| peek.word_at(address, index));
    let (data, len) = (data?, len?);
    let local = data == address.checked_add(2 * peek.word_size())?;
    let most = if local { LOCAL } else { capacity?.min(LONGEST) };
    let ends = len <= most && peek.number(data.checked_add(len)?, 1)? == 0;
    let text = ends.then(|| peek.utf8(data, len)).flatten()?;
    (!text.contains('\0')).then_some(text)
}

/// Takes an address for that of a libc++ string of a 64-bit little-endian process: the lowest bit tells the long form
/// (capacity, length, pointer) from the short one (twice the length in the first byte).
pub(crate) fn llvm(peek: Peek<'_>, address: u64) -> Option<String> {
    let first = peek.number(address, 1)?;
    let (data, len) = if first & 1 == 1 {
        (peek.word_at(address, 2)?, peek.word_at(address, 1)?)
    } else {
        (address.checked_add(1)?, first >> 1)
    };
    let ends = len <= LONGEST && peek.number(data.checked_add(len)?, 1)? == 0;
    let text = ends.then(|| peek.utf8(data, len)).flatten()?;
    (!text.contains('\0')).then_some(text)
}

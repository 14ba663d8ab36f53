//! Numbers in words, and what a value looks like.

/// Writes a number of bytes as people do: `8 MiB`, `1.5 KiB`, `48 bytes`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.into_iter().find(|(size, _)| count >= *size) {
        Some((size, unit)) if count.is_multiple_of(size) => format!("{} {unit}", count / size),
        Some((size, unit)) => format!("{:.1} {unit}", count as f64 / size as f64),
        None if count == 1 => "1 byte".to_owned(),
        None => format!("{count} bytes"),
    }
}

/// Writes a large number with its thousands apart: `87,000`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Writes an offset as `+0x148` or `-0x8`.
pub(crate) fn signed(offset: i64) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    format!("{sign}{:#x}", offset.unsigned_abs())
}

/// Says what a value looks like that is no address: text, or what allocators and compilers fill memory with.
pub(crate) fn looks_like(value: u64, bits: u8) -> Option<String> {
    let bytes = value.to_le_bytes();
    let bytes = bytes.get(..usize::from(bits / 8)).unwrap_or_default();
    if let Some((_, meaning)) = fill(bytes) {
        return Some(meaning.to_owned());
    }
    let printable = bytes.iter().take_while(|byte| matches!(byte, b' '..=b'~')).count();
    let rest = bytes.get(printable..).unwrap_or_default();
    // Addresses have zeros (or ones) on top: a text of fewer bytes is no surprise.
    let text = printable >= bytes.len() - 2 && rest.iter().all(|byte| *byte == 0);
    text.then(|| {
        let text = String::from_utf8_lossy(bytes.get(..printable).unwrap_or_default()).into_owned();
        format!("text: {text:?}")
    })
}

/// Whether a fill pattern is of memory that was freed.
pub(crate) fn looks_freed(value: u64, bits: u8) -> bool {
    let bytes = value.to_le_bytes();
    fill(bytes.get(..usize::from(bits / 8)).unwrap_or_default()).is_some_and(|(freed, _)| freed)
}

/// What memory is filled with, byte by byte: by jemalloc (`opt.junk`), mimalloc, FreeBSD's malloc, Microsoft's debug heap,
/// `-ftrivial-auto-var-init=pattern` of clang and gcc.
fn fill(bytes: &[u8]) -> Option<(bool, &'static str)> {
    const FILLS: [(u8, bool, &str); 9] = [
        (0x5a, true, "0x5a bytes, which jemalloc writes over freed memory"),
        (0xe5, true, "0xe5 bytes, which debugging allocators write over freed memory"),
        (0xdf, true, "0xdf bytes, which mimalloc writes over freed memory"),
        (0xdd, true, "0xdd bytes, which debugging allocators write over freed memory"),
        (0xa5, false, "0xa5 bytes, which jemalloc fills new memory with"),
        (0xd0, false, "0xd0 bytes, which mimalloc fills new memory with"),
        (0xcd, false, "0xcd bytes, which debugging allocators fill new memory with"),
        (0xaa, false, "0xaa bytes, which clang fills uninitialized variables with"),
        (0xfe, false, "0xfe bytes, which gcc fills uninitialized variables with"),
    ];
    // What was added to a pointer of this kind changes its lowest bytes.
    let (low, high) = bytes.split_at_checked(2)?;
    let byte = *high.first()?;
    let same = high.iter().all(|other| *other == byte) && (low.contains(&byte) || high.len() > 2);
    FILLS.into_iter().find(|(fill, ..)| same && *fill == byte).map(|(_, freed, meaning)| (freed, meaning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([0, 1, 87_000, 1_234_567].map(grouped), ["0", "1", "87,000", "1,234,567"]);
        assert_eq!(
            [1, 48, 1 << 10, 3 << 19, 8 << 20].map(bytes),
            ["1 byte", "48 bytes", "1 KiB", "1.5 MiB", "8 MiB"]
        );
        assert_eq!([0x148, -8].map(signed), ["+0x148", "-0x8"]);
    }

    #[test]
    fn values_that_are_no_addresses_are_recognized() {
        let text = |value| looks_like(value, 64).unwrap_or_default();
        assert_eq!(text(u64::from_le_bytes(*b"AAAABBBB")), "text: \"AAAABBBB\"");
        assert_eq!(text(u64::from_le_bytes(*b"password")), "text: \"password\"");
        assert!(text(0x5a5a_5a5a_5a5a_5a72).contains("freed"));
        assert!(looks_freed(0xdfdf_dfdf_dfdf_dfdf, 64) && !looks_freed(0xa5a5_a5a5_a5a5_a5a5, 64));
        for address in [0, 0x7fff_1234_5678, 0x5555_5555_5004, 0xffff_ffff_8000_0000, 0x41] {
            assert_eq!(looks_like(address, 64), None, "{address:#x}");
        }
    }
}

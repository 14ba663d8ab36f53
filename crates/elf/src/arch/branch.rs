//! What machine code says of where it goes on.

/// Where a call or a jump leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To this address.
    Direct(u64),
    /// To where the word at this address points.
    Slot(u64),
}

/// A jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// Where it leads.
    pub target: Target,
    /// Address of the first byte after it.
    pub end: u64,
}

/// Reads the instruction that ends where `bytes` end, of a little-endian architecture with 4-byte instructions.
pub(super) fn last_word(bytes: &[u8]) -> Option<u32> {
    bytes.last_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// Takes the lowest `bits` of `value` (1 to 32) for a signed number.
pub(super) fn sign_extended(value: u32, bits: u32) -> i64 {
    i64::from(value.cast_signed() << (32 - bits) >> (32 - bits))
}

/// Tries every byte of `code`, which is at `start`: for architectures where nothing tells where instructions start.
pub(super) fn at_every_byte(start: u64, code: &[u8], jump: fn(u64, &[u8]) -> Option<Jump>) -> Vec<Jump> {
    (0..code.len())
        .filter_map(|offset| jump(start.wrapping_add(offset as u64), code.get(offset..)?))
        .collect()
}

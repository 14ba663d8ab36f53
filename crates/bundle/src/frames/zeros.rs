//! Frames of zeros, written down without compressing anything.

use super::headers::BlockKind;
use super::{LARGEST_BLOCK, MAGIC};

/// The most zeros that one frame holds, in bytes: a whole number of blocks, and the most that a seek table's entry may
/// say (`ZSTD_SEEKABLE_MAX_FRAME_DECOMPRESSED_SIZE`).
pub(super) const LARGEST_ZERO_FRAME: u32 = 1 << 30;

/// Returns a frame of `count` zeros (RFC 8878, 3.1.1): a header, then blocks that repeat one byte. Four bytes stand
/// for 128 KiB.
pub(super) fn zero_frame(count: u32) -> Vec<u8> {
    /// The content's size follows in eight bytes; no checksum, no dictionary, a window.
    const DESCRIPTOR: u8 = 0b1100_0000;
    /// A window of 128 KiB: exponent 7 above the smallest (1 KiB), no mantissa.
    const WINDOW: u8 = 7 << 3;

    let mut frame = Vec::with_capacity(14 + 4 * (count.div_ceil(LARGEST_BLOCK) as usize + 1));
    frame.extend(MAGIC.to_le_bytes());
    frame.extend([DESCRIPTOR, WINDOW]);
    frame.extend(u64::from(count).to_le_bytes());
    let mut left = count;
    loop {
        let size = left.min(LARGEST_BLOCK);
        left -= size;
        // An empty block has no byte to repeat.
        let kind = if size == 0 { BlockKind::Raw } else { BlockKind::Repeated };
        let header = u32::from(left == 0) | (kind as u32) << 1 | size << 3;
        frame.extend(header.to_le_bytes().iter().take(3));
        if size > 0 {
            frame.push(0);
        }
        if left == 0 {
            return frame;
        }
    }
}

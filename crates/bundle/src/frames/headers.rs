//! The headers of zstd frames and blocks (RFC 8878, 3.1.1).

use super::{LARGEST_BLOCK, MAGIC};

/// The longest header of a frame, in bytes.
pub(super) const LONGEST_HEADER: usize = 18;
/// The largest window that libzstd's stream decoders allow, in bytes (`ZSTD_WINDOWLOG_LIMIT_DEFAULT`).
const LARGEST_WINDOW: u64 = 1 << 27;
/// The size of a block's header, in bytes.
pub(super) const BLOCK_HEADER: usize = 3;

/// The header of a frame that says how much it holds and needs no dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Its own size in bytes.
    pub(super) size: usize,
    /// Bytes that the frame decompresses to.
    pub(super) content: u64,
    /// The most bytes that one of its blocks may be or stand for.
    pub(super) largest_block: u32,
    /// Whether a checksum of the content follows the blocks.
    pub(super) checksum: bool,
}

impl FrameHeader {
    /// Reads the header at the start of `bytes`; `None` if there is none of the kind.
    pub(super) fn parse(bytes: &[u8]) -> Option<FrameHeader> {
        if bytes.first_chunk().map(|magic| u32::from_le_bytes(*magic)) != Some(MAGIC) {
            return None;
        }
        let descriptor = *bytes.get(4)?;
        let single_segment = descriptor & 1 << 5 != 0;
        let (reserved, dictionary) = (descriptor & 1 << 3, descriptor & 0b11);
        if reserved != 0 || dictionary != 0 {
            return None;
        }
        let at = if single_segment { 5 } else { 6 };
        // What two bytes say starts where one byte ends.
        let (width, base) = match descriptor >> 6 {
            0 if single_segment => (1, 0),
            0 => return None,
            1 => (2, 256),
            2 => (4, 0),
            _ => (8, 0),
        };
        let content = little_endian(bytes.get(at..at + width)?).checked_add(base)?;
        let window = if single_segment { content } else { window(*bytes.get(5)?) };
        (window <= LARGEST_WINDOW).then_some(FrameHeader {
            size: at + width,
            content,
            largest_block: window.min(u64::from(LARGEST_BLOCK)) as u32,
            checksum: descriptor & 1 << 2 != 0,
        })
    }
}

/// Returns the size of the window in bytes that a descriptor says (RFC 8878, 3.1.1.1.2).
fn window(descriptor: u8) -> u64 {
    let base = 1024u64 << (descriptor >> 3);
    base + base / 8 * u64::from(descriptor & 0b111)
}

/// How a block's content is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockKind {
    /// As it is.
    Raw = 0,
    /// One byte, for as often as the size says.
    Repeated = 1,
    /// Compressed.
    Compressed = 2,
}

/// The header of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockHeader {
    /// Whether the frame ends with it.
    pub(super) last: bool,
    /// How its content is stored.
    pub(super) kind: BlockKind,
    /// The size that it says, in bytes: of what is repeated, how often.
    pub(super) size: u32,
}

impl BlockHeader {
    /// Reads the header at the start of `bytes`; `None` if it is invalid.
    pub(super) fn parse(bytes: &[u8]) -> Option<BlockHeader> {
        let word = little_endian(bytes.get(..BLOCK_HEADER)?) as u32;
        let kind = match word >> 1 & 0b11 {
            0 => BlockKind::Raw,
            1 => BlockKind::Repeated,
            2 => BlockKind::Compressed,
            _ => return None,
        };
        Some(BlockHeader { last: word & 1 != 0, kind, size: word >> 3 })
    }

    /// Returns how many bytes follow the header.
    pub(super) fn stored(self) -> u32 {
        if self.kind == BlockKind::Repeated { 1 } else { self.size }
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn headers_of_every_width_are_those_that_zstd_writes() {
        for size in [0usize, 1, 255, 256, 300, 65_791, 65_792, 1 << 20] {
            let mut frame = zstd::bulk::compress(&vec![7; size], 3).unwrap();
            let header = FrameHeader::parse(&frame).unwrap();
            assert_eq!((header.content, header.checksum), (size as u64, false));
            // The blocks lead exactly to the frame's end.
            let mut at = header.size;
            loop {
                let block = BlockHeader::parse(&frame[at..]).unwrap();
                at += BLOCK_HEADER + block.stored() as usize;
                if block.last {
                    break;
                }
            }
            assert_eq!(at, frame.len());
            frame[4] |= 1 << 3;
            assert_eq!(FrameHeader::parse(&frame), None, "a reserved bit");
        }
    }

    #[test]
    fn the_window_bounds_the_blocks() {
        let header = |descriptor| {
            let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0b1100_0000, descriptor];
            frame.extend((1u64 << 20).to_le_bytes());
            FrameHeader::parse(&frame).map(|header| header.largest_block)
        };
        assert_eq!(header(0), Some(1 << 10));
        assert_eq!(header(1 << 3 | 0b011), Some(2048 + 3 * 256));
        assert_eq!(header(17 << 3), Some(LARGEST_BLOCK));
        assert_eq!(header(17 << 3 | 1), None, "more than 128 MiB");
    }

    #[test]
    fn frames_of_unknown_size_and_other_bytes_are_refused() {
        let mut streamed = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        streamed.write_all(b"streamed").unwrap();
        streamed.flush().unwrap();
        assert_eq!(FrameHeader::parse(&streamed.finish().unwrap()), None);
        assert_eq!(FrameHeader::parse(b"\x28\xb5\x2f\xfd"), None);
        assert_eq!(FrameHeader::parse(b"PK\x03\x04 and some more bytes"), None);
        assert_eq!(BlockHeader::parse(&[0b110, 0, 0]), None, "a reserved kind");
        assert_eq!(BlockHeader::parse(&[1, 0]), None);
    }
}

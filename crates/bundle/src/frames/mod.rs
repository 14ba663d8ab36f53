//! Cores as independent zstd frames: any zstd decoder reads them as one file, and we read any part of one alone.
//!
//! - [`FrameWriter`] compresses what is written to it: data in frames of [`FRAME`] bytes, by several threads where
//!   there is enough of it; long runs of zeros as frames that are written down and not compressed, so that a sparse
//!   core costs what it holds, not what it spans; and behind them the seek table that says where each frame lies
//!   (`zstd_seekable_compression_format.md` 0.1.0, in zstd's `contrib/seekable_format`). That table is in a skippable
//!   frame (RFC 8878, 3.1.2), which other decoders pass over.
//! - [`Layout`] is where the frames of such a file lie, found from its table and proven by its frames.
//!
//! The table has a codec of our own: the crates that write one (`zeekstd`) compress in one thread, and none of them
//! takes frames that are ready made.

mod crew;
mod headers;
mod layout;
mod table;
mod writer;
mod zeros;

pub(crate) use layout::{Frame, Layout};
pub(crate) use writer::FrameWriter;

/// Bytes of input in a frame of data. Halving it makes a core of a compiler 2.4 % larger, and doubling it a byte
/// twice as dear to read; the whole of that core in one frame would be 2.1 % smaller.
pub(crate) const FRAME: usize = 1 << 20;

/// First four bytes of a frame (RFC 8878, 3.1.1).
const MAGIC: u32 = 0xFD2F_B528;
/// The most bytes that one block may stand for (RFC 8878, 3.1.1.2.4).
const LARGEST_BLOCK: u32 = 128 << 10;

#[cfg(test)]
mod tests;

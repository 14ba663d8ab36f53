//! Writing a core as zstd frames that any zstd decoder reads.
//!
//! Data goes through libzstd. A long run of zeros becomes a frame of its own that is not compressed but written down:
//! a block header and one zero byte stand for 128 KiB, so a sparse core costs what it holds, not what it spans.
//! Concatenated frames are one file to every decoder (RFC 8878, 3).

use std::io::{self, Write};

use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation, OutBuffer};

/// Compression level: the default of stock zstd.
const LEVEL: i32 = 3;
/// Compressing threads, where there is enough to compress.
const WORKERS: u32 = 2;
/// Inputs from this size on are worth starting threads for, in bytes.
const WORTH_WORKERS: u64 = 8 << 20;
/// Bytes that one worker takes at a time; they bound the memory that compressing takes.
const JOB_SIZE: u32 = 4 << 20;
/// Runs of zeros from this length on become frames of their own, in bytes.
const LONG_RUN: u64 = 1 << 20;
/// Zeros in one block: the largest that the format allows.
const ZERO_BLOCK: u64 = 128 * 1024;
/// The most zeros that one frame holds, in bytes; a power of two and so a multiple of a block.
const ZERO_FRAME: u64 = 1 << 30;
/// Size of the buffer between libzstd and the file.
const OUT_BUFFER: usize = 128 * 1024;

/// Compresses what is written to it into `sink`.
pub(crate) struct FrameWriter<W> {
    sink: W,
    encoder: Encoder<'static>,
    out: Vec<u8>,
    /// Zeros that were announced and not yet written.
    pending_zeros: u64,
    /// Whether a frame of data has begun and not ended.
    in_frame: bool,
    /// Whether any frame was written: a file without one is not a zstd file.
    any_frame: bool,
}

impl<W: Write> FrameWriter<W> {
    /// Starts a file of about `size` bytes of input.
    pub(crate) fn new(sink: W, size: u64) -> io::Result<FrameWriter<W>> {
        let mut encoder = Encoder::new(LEVEL)?;
        encoder.set_parameter(CParameter::ChecksumFlag(true))?;
        let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
        if size >= WORTH_WORKERS && processors > 1 {
            encoder.set_parameter(CParameter::NbWorkers(WORKERS))?;
            encoder.set_parameter(CParameter::JobSize(JOB_SIZE))?;
        }
        let out = Vec::with_capacity(OUT_BUFFER);
        Ok(FrameWriter { sink, encoder, out, pending_zeros: 0, in_frame: false, any_frame: false })
    }

    /// Adds data.
    pub(crate) fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.write_zeros()?;
        self.compress(bytes)
    }

    /// Adds `count` zero bytes.
    pub(crate) fn zeros(&mut self, count: u64) {
        self.pending_zeros += count;
    }

    /// Ends the file; without this it is cut short.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.write_zeros()?;
        self.end_frame()?;
        if self.any_frame { Ok(()) } else { self.zero_frame(0) }
    }

    /// Returns what was written to.
    pub(crate) fn into_sink(self) -> W {
        self.sink
    }

    fn write_zeros(&mut self) -> io::Result<()> {
        let mut count = std::mem::take(&mut self.pending_zeros);
        if count >= LONG_RUN {
            self.end_frame()?;
            while count > 0 {
                let part = count.min(ZERO_FRAME);
                self.zero_frame(part)?;
                count -= part;
            }
        }
        const ZEROS: [u8; 4096] = [0; 4096];
        while count > 0 {
            let part = count.min(ZEROS.len() as u64);
            self.compress(ZEROS.get(..part as usize).unwrap_or_default())?;
            count -= part;
        }
        Ok(())
    }

    fn compress(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.in_frame {
            self.encoder.reinit()?;
            self.in_frame = true;
        }
        let mut input = InBuffer::around(bytes);
        while input.pos() < bytes.len() {
            self.out.clear();
            self.encoder.run(&mut input, &mut OutBuffer::around(&mut self.out))?;
            self.sink.write_all(&self.out)?;
        }
        Ok(())
    }

    fn end_frame(&mut self) -> io::Result<()> {
        while self.in_frame {
            self.out.clear();
            let left = self.encoder.finish(&mut OutBuffer::around(&mut self.out), false)?;
            self.sink.write_all(&self.out)?;
            self.in_frame = left > 0;
            self.any_frame = true;
        }
        Ok(())
    }

    /// Writes a frame of `count` zeros (RFC 8878, 3.1.1): header, then blocks that repeat one byte.
    fn zero_frame(&mut self, count: u64) -> io::Result<()> {
        const MAGIC: u32 = 0xFD2F_B528;
        /// The content's size follows in eight bytes; no checksum, no dictionary, a window.
        const DESCRIPTOR: u8 = 0b1100_0000;
        /// A window of 128 KiB: exponent 7 above the smallest (1 KiB), no mantissa.
        const WINDOW: u8 = 7 << 3;
        const RLE: u32 = 1 << 1;
        const RAW: u32 = 0;

        let mut frame = Vec::with_capacity(14 + 4 * (count.div_ceil(ZERO_BLOCK) as usize + 1));
        frame.extend(MAGIC.to_le_bytes());
        frame.extend([DESCRIPTOR, WINDOW]);
        frame.extend(count.to_le_bytes());
        let mut left = count;
        loop {
            let size = left.min(ZERO_BLOCK);
            left -= size;
            let last = u32::from(left == 0);
            // An empty block has no byte to repeat.
            let kind = if size == 0 { RAW } else { RLE };
            let header = last | kind | (size as u32) << 3;
            frame.extend(header.to_le_bytes().iter().take(3));
            if size > 0 {
                frame.push(0);
            }
            if left == 0 {
                break;
            }
        }
        self.any_frame = true;
        self.sink.write_all(&frame)
    }
}

#[cfg(test)]
mod tests {
    use epitaph_testkit::skip::skipped;

    use super::*;

    enum Part {
        Zeros(u64),
        Data(Vec<u8>),
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_u32;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8 | 1
        })
        .take(len)
        .collect()
    }

    /// Compresses the parts; returns the file and what it stands for.
    fn write(parts: &[Part]) -> (Vec<u8>, Vec<u8>) {
        let mut plain = Vec::new();
        let mut writer = FrameWriter::new(Vec::new(), 64 << 20).unwrap();
        for part in parts {
            match part {
                Part::Zeros(count) => {
                    plain.resize(plain.len() + *count as usize, 0);
                    writer.zeros(*count);
                }
                Part::Data(bytes) => {
                    plain.extend(bytes);
                    writer.data(bytes).unwrap();
                }
            }
        }
        writer.finish().unwrap();
        (writer.into_sink(), plain)
    }

    #[test]
    fn any_mix_of_data_and_zeros_comes_back() {
        let mixes = [
            vec![],
            vec![Part::Data(b"x".to_vec())],
            vec![Part::Zeros(1)],
            vec![Part::Zeros(LONG_RUN)],
            vec![Part::Zeros(LONG_RUN - 1), Part::Data(noise(70_000)), Part::Zeros(LONG_RUN + 1)],
            vec![
                Part::Data(noise(3)),
                Part::Zeros(5 << 20),
                Part::Zeros(17),
                Part::Data(noise(9 << 20)),
                Part::Zeros(3),
                Part::Data(noise(1)),
            ],
        ];
        for (index, mix) in mixes.iter().enumerate() {
            let (file, plain) = write(mix);
            assert!(zstd::decode_all(file.as_slice()).unwrap() == plain, "mix {index}");
        }
    }

    #[test]
    fn long_runs_of_zeros_cost_next_to_nothing() {
        let mut writer = FrameWriter::new(Vec::new(), 1 << 40).unwrap();
        writer.zeros(3 << 30);
        writer.finish().unwrap();
        let file = writer.into_sink();
        assert!(file.len() < 128 * 1024, "{}", file.len());
    }

    /// The format's own tool reads what we write, where it is installed.
    #[test]
    fn stock_zstd_reads_it() {
        let (file, plain) = write(&[Part::Data(noise(100_000)), Part::Zeros(2 << 20), Part::Data(noise(5))]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("core.zst");
        std::fs::write(&path, file).unwrap();
        let Ok(tested) = std::process::Command::new("zstd").arg("-qt").arg(&path).status() else {
            skipped("zstd is not installed");
            return;
        };
        assert!(tested.success());
        let decoded = std::process::Command::new("zstd").arg("-dc").arg(&path).output().unwrap();
        assert!(decoded.status.success() && decoded.stdout == plain);
    }
}

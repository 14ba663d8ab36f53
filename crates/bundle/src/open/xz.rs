//! Streams of xz, as far as they go: a reader that fails at the end of its input would take what it has decoded of the
//! last chunk, up to 2 MB, with it.

use std::io::{self, BufRead, Read};

use lzma_rust2::{Action, Status, XzStream};

/// The most memory that a stream may ask for, in KiB: four times what `xz -9` needs.
const MEMORY: u32 = 256 << 10;

/// Reads xz streams, one after the other.
pub(super) struct XzReader<R> {
    input: R,
    stream: XzStream,
}

impl<R: BufRead> XzReader<R> {
    /// Reads streams from `input`.
    pub(super) fn new(input: R) -> XzReader<R> {
        XzReader { input, stream: XzStream::new_mem_limit(true, MEMORY) }
    }
}

impl<R: BufRead> Read for XzReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let input = self.input.fill_buf()?;
            let ended = input.is_empty();
            let action = if ended { Action::Finish } else { Action::Run };
            let step = self.stream.process(input, buf, action)?;
            self.input.consume(step.bytes_consumed);
            if step.bytes_produced > 0 || step.status == Status::StreamEnd || buf.is_empty() {
                return Ok(step.bytes_produced);
            }
            if step.bytes_consumed == 0 {
                return Err(if ended {
                    io::ErrorKind::UnexpectedEof.into()
                } else {
                    io::Error::new(io::ErrorKind::InvalidData, "the stream leads nowhere")
                });
            }
        }
    }
}

//! Frames of lz4, around the blocks that `lz4_flex` decompresses (LZ4 Frame Format 1.6.4).
//!
//! Its own frame reader takes a file that ends between two blocks for a whole one, refuses blocks of the legacy
//! format that don't compress, and gives nothing of a block that breaks off: of a small core that is all there is.

use std::hash::Hasher;
use std::io::{self, Read};

use lz4_flex::block::decompress_into_with_dict;
use twox_hash::XxHash32;

const MAGIC: u32 = 0x184d_2204;
const LEGACY_MAGIC: u32 = 0x184c_2102;
/// The first 28 bits of a skippable frame's magic number.
const SKIPPABLE: u32 = 0x0184_d2a5;
/// A block's size that says that the block is stored as it is.
const STORED: u32 = 1 << 31;
/// How far back a block may refer into those before it.
const WINDOW: usize = 64 << 10;
/// What a block of the legacy format decompresses to.
const LEGACY_BLOCK: usize = 8 << 20;

/// Reads lz4 frames, one after the other.
pub(super) struct Lz4Reader<R> {
    input: R,
    frame: Option<Frame>,
    /// What blocks may refer to, and then the block at hand.
    window: Vec<u8>,
    /// Where in `window` the bytes begin that were not read yet.
    unread: usize,
    /// The block at hand as it was read.
    block: Vec<u8>,
    /// What is to be said once all bytes are read.
    error: Option<io::Error>,
}

/// What a frame's header says.
struct Frame {
    /// The most bytes that a block decompresses to.
    block_size: usize,
    linked: bool,
    block_checksums: bool,
    /// Hashes the frame's content, where a checksum follows it.
    content: Option<XxHash32>,
    legacy: bool,
}

impl Frame {
    fn legacy() -> Frame {
        Frame { block_size: LEGACY_BLOCK, linked: false, block_checksums: false, content: None, legacy: true }
    }

    fn parse(input: &mut impl Read) -> io::Result<Frame> {
        let [flags, sizes] = array(input)?;
        if flags >> 6 != 1 || flags & 1 << 1 != 0 {
            return Err(invalid("a version of lz4 frames that is not known"));
        }
        if flags & 1 != 0 {
            return Err(invalid("it needs a dictionary"));
        }
        let mut header = vec![flags, sizes];
        if flags & 1 << 3 != 0 {
            header.extend(array::<8>(input)?); // the content's size, which its end tells too
        }
        let [checksum] = array(input)?;
        if (XxHash32::oneshot(0, &header) >> 8) as u8 != checksum {
            return Err(invalid("a frame header's checksum is wrong"));
        }
        let block_size = match sizes >> 4 & 7 {
            exponent @ 4..=7 => 1 << (8 + 2 * exponent),
            _ => return Err(invalid("a block size that is not known")),
        };
        Ok(Frame {
            block_size,
            linked: flags & 1 << 5 == 0,
            block_checksums: flags & 1 << 4 != 0,
            content: (flags & 1 << 2 != 0).then(|| XxHash32::with_seed(0)),
            legacy: false,
        })
    }

    /// The most bytes that a compressed block takes.
    fn longest_block(&self) -> usize {
        // Only the legacy format has no stored blocks: what doesn't compress grows (LZ4_compressBound).
        if self.legacy { LEGACY_BLOCK + LEGACY_BLOCK / 255 + 16 } else { self.block_size }
    }
}

impl<R: Read> Lz4Reader<R> {
    /// Reads frames from `input`.
    pub(super) fn new(input: R) -> Lz4Reader<R> {
        Lz4Reader { input, frame: None, window: Vec::new(), unread: 0, block: Vec::new(), error: None }
    }

    /// Puts the next block into the window; tells whether there is one.
    fn next_block(&mut self) -> io::Result<bool> {
        while self.error.is_none() {
            let Some(word) = self.word()? else {
                // Frames of the legacy format have no end mark.
                return match &self.frame {
                    Some(frame) if !frame.legacy => Err(io::ErrorKind::UnexpectedEof.into()),
                    _ => Ok(false),
                };
            };
            match self.frame.take() {
                Some(frame) if frame.legacy && matches!(word, MAGIC | LEGACY_MAGIC) => {
                    self.start_frame(word)?;
                }
                Some(mut frame) if word == 0 && !frame.legacy => self.end_frame(&mut frame)?,
                Some(mut frame) => {
                    let read = self.read_block(&mut frame, word);
                    self.frame = Some(frame);
                    return read.map(|()| true);
                }
                None => self.start_frame(word)?,
            }
        }
        self.error.take().map_or(Ok(false), Err)
    }

    /// Reads a number of 4 bytes; `None` at the end of the file.
    fn word(&mut self) -> io::Result<Option<u32>> {
        let mut bytes = Vec::with_capacity(4);
        self.input.by_ref().take(4).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let bytes = bytes.try_into().map_err(|_| io::ErrorKind::UnexpectedEof)?;
        Ok(Some(u32::from_le_bytes(bytes)))
    }

    fn start_frame(&mut self, magic: u32) -> io::Result<()> {
        self.window.clear();
        self.unread = 0;
        self.frame = match magic {
            MAGIC => Some(Frame::parse(&mut self.input)?),
            LEGACY_MAGIC => Some(Frame::legacy()),
            _ if magic >> 4 == SKIPPABLE => {
                let size = u64::from(u32::from_le_bytes(array(&mut self.input)?));
                io::copy(&mut self.input.by_ref().take(size), &mut io::sink())?;
                None
            }
            _ => return Err(invalid("no lz4 frame begins where one ended")),
        };
        Ok(())
    }

    fn end_frame(&mut self, frame: &mut Frame) -> io::Result<()> {
        let Some(content) = frame.content.take() else { return Ok(()) };
        if content.finish() as u32 == u32::from_le_bytes(array(&mut self.input)?) {
            Ok(())
        } else {
            Err(invalid("the content's checksum is wrong"))
        }
    }

    /// Reads the block whose `size` was read, and keeps of those before it what it may refer to.
    fn read_block(&mut self, frame: &mut Frame, size: u32) -> io::Result<()> {
        let stored = size & STORED != 0 && !frame.legacy;
        let len = if stored { size & !STORED } else { size } as usize;
        if len > frame.longest_block() {
            return Err(invalid("a block is larger than its frame allows"));
        }
        self.block.clear();
        let whole = self.input.by_ref().take(len as u64).read_to_end(&mut self.block)? == len;
        if whole && frame.block_checksums {
            let checksum = u32::from_le_bytes(array(&mut self.input)?);
            if XxHash32::oneshot(0, &self.block) != checksum {
                return Err(invalid("a block's checksum is wrong"));
            }
        }
        if !whole {
            self.error = Some(io::ErrorKind::UnexpectedEof.into());
        }
        let forgotten =
            if frame.linked { self.window.len().saturating_sub(WINDOW) } else { self.window.len() };
        self.window.drain(..forgotten);
        self.unread = self.window.len();
        if stored {
            self.window.extend_from_slice(&self.block);
        } else {
            if !whole {
                end_after_whole_sequences(&mut self.block);
            }
            self.window.resize(self.unread + frame.block_size, 0);
            let (dictionary, block) = self.window.split_at_mut(self.unread);
            let decompressed = decompress_into_with_dict(&self.block, block, dictionary);
            let count = decompressed.map_err(|_| invalid("a block makes no sense"))?;
            self.window.truncate(self.unread + count);
        }
        if let Some(content) = &mut frame.content {
            content.write(self.window.get(self.unread..).unwrap_or_default());
        }
        Ok(())
    }
}

impl<R: Read> Read for Lz4Reader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.unread == self.window.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let count = self.window.get(self.unread..).unwrap_or_default().read(buf)?;
        self.unread += count;
        Ok(count)
    }
}

/// Cuts a block that breaks off after its last whole sequence, and ends it as a block must: with a sequence that has
/// no match (LZ4 Block Format, "End of block conditions").
fn end_after_whole_sequences(block: &mut Vec<u8>) {
    let mut end = 0;
    while let Some(next) = after_sequence(block, end) {
        end = next;
    }
    block.truncate(end);
    block.push(0); // no literals
}

/// Returns where the sequence at `at` ends: a token, literals, the match's distance.
fn after_sequence(block: &[u8], at: usize) -> Option<usize> {
    let token = *block.get(at)?;
    let (literals, at) = length(block, at + 1, token >> 4)?;
    let (_, end) = length(block, at.checked_add(literals)?.checked_add(2)?, token & 15)?;
    (end <= block.len()).then_some(end)
}

/// Reads the bytes that a length of 15 goes on in.
fn length(block: &[u8], mut at: usize, nibble: u8) -> Option<(usize, usize)> {
    let mut length = usize::from(nibble);
    let mut more = nibble == 15;
    while more {
        let byte = *block.get(at)?;
        length = length.checked_add(usize::from(byte))?;
        at += 1;
        more = byte == 255;
    }
    Some((length, at))
}

fn array<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

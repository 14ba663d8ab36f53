//! A core that comes as a stream: read once, from its first byte to its last, and kept in part.
//!
//! Cores are compressed or come through pipes, and are larger than memory. The kernel writes what tells which of the
//! bytes matter first: headers, then notes with every thread's stack pointer (linux/fs/binfmt_elf.c, `elf_core_dump`).
//! So [`keep`] reads those ([`front`]), decides what each part of the rest is worth ([`plan`]), and passes over it once,
//! keeping the most worthy pages within a budget ([`pages`]). Pages of zeros cost nothing: that they are zeros is
//! remembered. What was not kept is never made up: reading it is an error of its own ([`NotKept`]).

mod front;
mod kept;
mod pages;
mod plan;
mod ranges;
mod zeros;

use std::io::{self, Read};

pub use front::CoreFront;
pub use kept::{KeptCore, NotKept, StreamEnd};

use pages::Pages;
use plan::Plan;

/// Bytes that are decided on together.
const PAGE: usize = 4096;
/// Bytes that are read at a time: they should stay in the processor's cache between being read and being looked at.
const CHUNK: usize = 64 * PAGE;
/// Bytes behind the end of a core that are read to see the stream end: its checksum is there, and the padding of tapes
/// and disks. A stream that goes on for longer is one that was made to.
const BEHIND: u64 = 16 << 20;

/// How much of a stream is kept and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Bytes that are kept besides headers and notes, which are kept whatever they take (128 MiB at most).
    pub memory: usize,
    /// Bytes after which the rest of the stream is left alone.
    pub largest: u64,
}

impl Default for StreamLimits {
    fn default() -> StreamLimits {
        StreamLimits { memory: 32 << 20, largest: 256 << 30 }
    }
}

/// Reads a core from `stream` and keeps what explains it.
///
/// Never fails: a stream that breaks off gives what came before ([`KeptCore::end`] says how it ended), and one that is
/// no core at all is kept as far as memory goes.
pub fn keep(stream: &mut dyn Read, limits: &StreamLimits) -> KeptCore {
    let mut stream = Whole { stream, end: None };
    let front = CoreFront::read(&mut stream);
    // A core of which the headers alone make no sense is kept as it comes.
    let mut plan = front.open().map(|core| Plan::of(&core, &front, limits.memory as u64)).unwrap_or_default();
    let last =
        front.promised_end().map_or(limits.largest, |end| end.saturating_add(BEHIND).min(limits.largest));
    let mut pages = Pages::new(limits.memory / PAGE);
    let mut at = front.bytes.len() as u64;
    let mut chunk = vec![0; CHUNK];
    while stream.end.is_none() {
        if at >= last {
            stream.end = Some(StreamEnd::Cut);
            break;
        }
        let most = CHUNK.min(usize::try_from(last - at).unwrap_or(CHUNK));
        let count = stream.fill(chunk.get_mut(..most).unwrap_or_default());
        for page in chunk.get(..count).unwrap_or_default().chunks(PAGE) {
            // What the front doesn't hold begins at a page.
            let number = at / PAGE as u64;
            if zeros::is_zero(page) {
                pages.zero(number);
            } else if let Some(worth) = plan.worth(at..at + page.len() as u64, pages.is_full()) {
                pages.put(number, worth, page);
            }
            at += page.len() as u64;
        }
    }
    KeptCore::new(front.bytes, pages, at, stream.end.unwrap_or(StreamEnd::Whole))
}

/// Reads a stream in full parts, and remembers how it ended.
struct Whole<'a> {
    stream: &'a mut dyn Read,
    end: Option<StreamEnd>,
}

impl Whole<'_> {
    /// Fills `buf`, as far as the stream goes; returns how far.
    fn fill(&mut self, buf: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty() && self.end.is_none()) {
            match self.stream.read(rest) {
                Ok(0) => self.end = Some(StreamEnd::Whole),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.end = Some(StreamEnd::Broken(error.to_string())),
            }
        }
        done
    }

    /// Appends bytes to `to` until it holds `len`, as far as the stream goes; tells whether it went that far.
    ///
    /// Memory is taken as the bytes come: a length that a header claims may be any.
    fn extend_to(&mut self, to: &mut Vec<u8>, len: usize) -> bool {
        while to.len() < len && self.end.is_none() {
            let start = to.len();
            to.resize(len.min(start + CHUNK), 0);
            let count = self.fill(to.get_mut(start..).unwrap_or_default());
            to.truncate(start + count);
        }
        to.len() >= len
    }
}

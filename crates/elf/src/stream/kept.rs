//! What was kept of a stream, to be read at random.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use thiserror::Error;

use super::PAGE;
use super::pages::{Page, Pages};
use crate::read_at::ReadAt;

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// Where it should.
    Whole,
    /// With an error: whoever reads it says which.
    Broken(String),
    /// It went on, behind all that the core's headers promise or that may be read; the rest was left alone.
    Cut,
}

/// A byte was passed over: it was in the stream, and is gone.
///
/// It travels inside of an [`io::Error`]; [`NotKept::of`] takes it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("byte {offset} of the stream was not kept")]
pub struct NotKept {
    /// The first byte that is not there.
    pub offset: u64,
}

impl NotKept {
    /// Returns which byte was not kept, if that is what an error says.
    pub fn of(error: &io::Error) -> Option<NotKept> {
        error.get_ref()?.downcast_ref::<NotKept>().copied()
    }
}

impl From<NotKept> for io::Error {
    fn from(error: NotKept) -> io::Error {
        io::Error::other(error)
    }
}

/// A core that was read once. It has the size and the offsets of the whole one; what was not kept of it can't be read
/// ([`NotKept`]), and is never zeros.
pub struct KeptCore {
    front: Arc<Vec<u8>>,
    pages: Pages,
    size: u64,
    end: StreamEnd,
}

impl std::fmt::Debug for KeptCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptCore").field("size", &self.size).field("end", &self.end).finish_non_exhaustive()
    }
}

impl KeptCore {
    pub(super) fn new(front: Arc<Vec<u8>>, pages: Pages, size: u64, end: StreamEnd) -> KeptCore {
        KeptCore { front, pages, size, end }
    }

    /// Returns how many bytes the core has.
    #[expect(clippy::len_without_is_empty, reason = "an empty stream is no core")]
    pub fn len(&self) -> u64 {
        self.size
    }

    /// Says how the stream ended.
    pub fn end(&self) -> &StreamEnd {
        &self.end
    }

    /// Copies what is known of a page from `within` it on, or says that nothing is.
    fn copy(&self, offset: u64, buf: &mut [u8]) -> Result<usize, NotKept> {
        let front = usize::try_from(offset).ok().and_then(|start| self.front.get(start..));
        if let Some(front) = front.filter(|front| !front.is_empty()) {
            return Ok(copy_start(front, buf));
        }
        let (page, within) = (offset / PAGE as u64, (offset % PAGE as u64) as usize);
        match self.pages.get(page) {
            Page::Held(bytes) => Ok(copy_start(bytes.get(within..).unwrap_or_default(), buf)),
            Page::Zeros => {
                let len =
                    buf.len().min(PAGE - within).min(usize::try_from(self.size - offset).unwrap_or(PAGE));
                buf.get_mut(..len).unwrap_or_default().fill(0);
                Ok(len)
            }
            Page::NotKept => Err(NotKept { offset }),
        }
    }
}

fn copy_start(from: &[u8], to: &mut [u8]) -> usize {
    let len = from.len().min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(..len), from.get(..len)) {
        to.copy_from_slice(from);
    }
    len
}

impl ReadAt for KeptCore {
    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let Some(at) = offset.checked_add(done as u64).filter(|at| *at < self.size) else { break };
            match self.copy(at, rest) {
                Ok(count) => done += count,
                // What comes before is given; who reads on is told.
                Err(_) if done > 0 => break,
                Err(not_kept) => return Err(not_kept.into()),
            }
        }
        Ok(done)
    }

    fn readable(&self, range: Range<u64>) -> Option<Range<u64>> {
        let known = |offset: u64| self.copy(offset, &mut [0]).is_ok();
        let next_page = |offset: u64| (offset / PAGE as u64 + 1) * PAGE as u64;
        let ends = |from: u64| std::iter::successors(Some(from), move |at| Some(next_page(*at)));
        let range = range.start..range.end.min(self.size);
        let start = ends(range.start).take_while(|at| *at < range.end).find(|at| known(*at))?;
        let end = ends(start).find(|at| *at >= range.end || !known(*at))?;
        Some(start..end.min(range.end))
    }
}

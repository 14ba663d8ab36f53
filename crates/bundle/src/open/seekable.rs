//! A core in independent zstd frames, of which only those are decompressed that are read.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use epitaph_elf::{ReadAt, fill};
use zstd::bulk::Decompressor;

use super::OpenError;
use super::codec::Codec;
use super::kind::{Content, content};
use super::limits::OpenLimits;
use super::refusal::refuse;
use super::wrapper::Wrapper;
use crate::frames::{Frame, Layout};

/// Decompressed bytes that are kept for the next reads; one frame is kept in any case.
const KEPT: usize = 8 << 20;

/// How much of a core in frames was decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramesRead {
    /// Frames that were decompressed; one that was forgotten and read again counts twice.
    pub decompressed: usize,
    /// Frames that the file has, those of zeros included.
    pub total: usize,
}

/// Random access to what a file with a seek table decompresses to.
pub(super) struct SeekableCore {
    file: Arc<dyn ReadAt>,
    layout: Layout,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What was read last, the latest at the end: where its frame lies in the file, and its content.
    kept: VecDeque<(u64, Arc<Vec<u8>>)>,
    /// Decompressors that nobody uses now.
    idle: Vec<Decompressor<'static>>,
    decompressed: usize,
    /// The first frame that could not be decompressed.
    damage: Option<String>,
}

impl SeekableCore {
    /// Opens the core in `file`, if it can be read frame by frame (see [`Layout::read`]).
    pub(super) fn open(
        path: &Path,
        file: &Arc<dyn ReadAt>,
        limits: &OpenLimits,
    ) -> Result<Option<SeekableCore>, OpenError> {
        let unreadable = |source| OpenError::Read { path: path.to_owned(), source };
        let Some(layout) = Layout::read(&**file).map_err(unreadable)? else { return Ok(None) };
        if layout.size() > limits.largest {
            // Of such a core, the other way reads as much as may be.
            return Ok(None);
        }
        let core = SeekableCore { file: Arc::clone(file), layout, state: Mutex::default() };
        match content(&core) {
            Ok(Content::Core) => Ok(Some(core)),
            Ok(other) => Err(refuse(path, other, Some(Wrapper::Codec(Codec::Zstd)))),
            Err(source) => {
                let wrapper = Codec::Zstd.name();
                Err(OpenError::Broken { path: path.to_owned(), wrapper, source })
            }
        }
    }

    /// Returns how many bytes it decompresses to.
    pub(super) fn len(&self) -> u64 {
        self.layout.size()
    }

    /// Says how much of it was decompressed so far.
    pub(super) fn frames_read(&self) -> FramesRead {
        FramesRead { decompressed: self.state().decompressed, total: self.layout.len() }
    }

    /// Says what could not be decompressed so far, if anything.
    pub(super) fn damage(&self) -> Option<String> {
        self.state().damage.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the content of a frame of data.
    fn content(&self, frame: &Frame) -> io::Result<Arc<Vec<u8>>> {
        let idle = {
            let mut state = self.state();
            if let Some(at) = state.kept.iter().position(|(at, _)| *at == frame.at)
                && let Some(found) = state.kept.remove(at)
            {
                let content = Arc::clone(&found.1);
                state.kept.push_back(found);
                return Ok(content);
            }
            state.idle.pop()
        };
        // Without the lock: threads that read other frames don't wait.
        let mut decompressor = idle.map_or_else(Decompressor::new, Ok)?;
        let content = decompress(&*self.file, frame, &mut decompressor);
        let mut state = self.state();
        state.idle.push(decompressor);
        match content {
            Ok(content) => {
                let content = Arc::new(content);
                state.decompressed += 1;
                state.keep(frame.at, &content);
                Ok(content)
            }
            Err(error) => {
                let text = format!("the zstd frame at byte {} of the file cannot be read: {error}", frame.at);
                state.damage.get_or_insert_with(|| text.clone());
                Err(io::Error::new(error.kind(), text))
            }
        }
    }
}

impl State {
    fn keep(&mut self, at: u64, content: &Arc<Vec<u8>>) {
        let mut size = content.len();
        let fitting = self.kept.iter().rev().take_while(|(_, kept)| {
            size += kept.len();
            size <= KEPT
        });
        let surplus = self.kept.len() - fitting.count();
        self.kept.drain(..surplus);
        self.kept.push_back((at, Arc::clone(content)));
    }
}

/// Decompresses one frame. What comes out is what the frame itself says, in size and (where it has one) checksum: the
/// decoder checks both.
fn decompress(file: &dyn ReadAt, frame: &Frame, decompressor: &mut Decompressor<'_>) -> io::Result<Vec<u8>> {
    let mut stored = vec![0; frame.stored as usize];
    if fill(file, frame.at, &mut stored)? < stored.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut content = Vec::with_capacity(frame.content as usize);
    decompressor.decompress_to_buffer(&stored, &mut content)?;
    if content.len() != frame.content as usize {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "its size is not what its header said"));
    }
    Ok(content)
}

impl ReadAt for SeekableCore {
    fn size(&self) -> io::Result<u64> {
        Ok(self.layout.size())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let Some(frame) = self.layout.from(offset).first() else { return Ok(0) };
        let len = buf.len().min(usize::try_from(frame.end() - offset).unwrap_or(usize::MAX));
        let part = buf.get_mut(..len).unwrap_or_default();
        if frame.zeros {
            part.fill(0);
        } else {
            let content = self.content(frame)?;
            let mut rest = content.get((offset - frame.start) as usize..).unwrap_or_default();
            rest.read_exact(part)?;
        }
        Ok(len)
    }

    fn next_data(&self, from: u64) -> Option<Range<u64>> {
        let frames = self.layout.from(from);
        let first = frames.iter().position(|frame| !frame.zeros)?;
        let data = frames.get(first..)?;
        let end = data.iter().take_while(|frame| !frame.zeros).last().map_or(from, Frame::end);
        Some(data.first()?.start.max(from)..end)
    }
}

//! A core that is read as a stream: a wrapped one, or one that comes through a pipe. No copy of it is made.
//!
//! One pass keeps what explains the crash ([`epitaph_elf::keep`]). A wrapped core is in a file, so what is asked for and
//! was not kept is fetched by another pass, a few times; what has come through a pipe is gone.

use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use epitaph_elf::{KeptCore, NotKept, ReadAt, StreamEnd, keep};

use super::OpenError;
use super::kind::{Content, HEAD, content_of};
use super::limits::OpenLimits;
use super::refusal::refuse;
use super::wrapper::Wrapper;

/// Bytes that a further pass fetches: more of what lies around is likely to be asked for next.
const FETCHED: u64 = 2 << 20;
/// How many of them lie before the first byte that was asked for.
const BEFORE: u64 = 256 << 10;
/// Bytes that a further pass leaves behind at a time.
const SKIPPED: usize = 256 << 10;

/// A core of which a part is kept.
pub(crate) struct StreamedCore {
    size: u64,
    limits: OpenLimits,
    /// The file that the core is in, if it can be read once more.
    file: Option<(Arc<dyn ReadAt>, Wrapper)>,
    known: RwLock<Known>,
    /// Reads that could not be answered.
    refused: AtomicU64,
}

/// What is known of a core's bytes.
struct Known {
    /// What the first pass kept, unless it was given up.
    kept: Option<KeptCore>,
    /// What further passes fetched, and from where.
    fetched: Vec<(u64, Vec<u8>)>,
    /// How many further passes may be made.
    passes: u32,
}

impl StreamedCore {
    /// Reads the core in a wrapped file. Returns why its end is missing, too, if the file is to blame.
    pub(super) fn of_file(
        path: &Path,
        file: Arc<dyn ReadAt>,
        wrapper: Wrapper,
        limits: &OpenLimits,
    ) -> Result<(StreamedCore, Option<String>), OpenError> {
        let reader = wrapper.reader(&*file).map_err(|source| broken(path, wrapper, source))?;
        let kept = read(path, reader, wrapper, limits)?;
        let damage = damage(&kept, &format!("the {} file", wrapper.name()));
        Ok((StreamedCore::new(kept, Some((file, wrapper)), limits), damage))
    }

    /// Reads the core that comes through a pipe, wrapped or not. Returns what wraps it and why its end is missing, too.
    pub(super) fn of_pipe(
        path: &Path,
        pipe: impl Read,
        limits: &OpenLimits,
    ) -> Result<(StreamedCore, Option<Wrapper>, Option<String>), OpenError> {
        let unreadable = |source| OpenError::Read { path: path.to_owned(), source };
        let pipe = Sniffed::new(pipe).map_err(unreadable)?;
        let (kept, wrapper) = match content_of(&pipe.head).map_err(unreadable)? {
            Content::Core => (keep(&mut pipe.whole(), &limits.of_stream()), None),
            Content::Wrapped(wrapper) => {
                let reader = wrapper.unwrap(pipe.whole()).map_err(|source| broken(path, wrapper, source))?;
                (read(path, reader, wrapper, limits)?, Some(wrapper))
            }
            other => return Err(refuse(path, other, None)),
        };
        let what =
            wrapper.map_or("the stream".to_owned(), |wrapper| format!("the {} stream", wrapper.name()));
        let damage = damage(&kept, &what);
        Ok((StreamedCore::new(kept, None, limits), wrapper, damage))
    }

    fn new(kept: KeptCore, file: Option<(Arc<dyn ReadAt>, Wrapper)>, limits: &OpenLimits) -> StreamedCore {
        let passes = if file.is_some() { limits.passes } else { 0 };
        StreamedCore {
            size: kept.len(),
            limits: *limits,
            file,
            known: RwLock::new(Known { kept: Some(kept), fetched: Vec::new(), passes }),
            refused: AtomicU64::new(0),
        }
    }

    /// Returns how many bytes the core has.
    pub(super) fn len(&self) -> u64 {
        self.size
    }

    /// Returns how many reads could not be answered, because the bytes were passed over.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Gives up what is kept, if it can be had again.
    pub(super) fn release(&self) {
        if self.file.is_some() {
            *self.write() = Known { kept: None, fetched: Vec::new(), passes: self.limits.passes };
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes over the core once more to learn what is at `offset`.
    fn learn(&self, known: &mut Known, offset: u64) -> io::Result<()> {
        let Some((file, wrapper)) = &self.file else { return Ok(()) };
        let pass = || Ok::<_, io::Error>(wrapper.reader(&**file)?.unwrap_or_else(|| Box::new(io::empty())));
        if known.kept.is_none() {
            known.kept = Some(keep(&mut pass()?, &self.limits.of_stream()));
            if known.has(offset) {
                return Ok(());
            }
        }
        if known.passes > 0 {
            known.passes -= 1;
            let start = offset.saturating_sub(BEFORE);
            let end = start.saturating_add(FETCHED).min(self.size);
            known.fetched.push((start, part(&mut pass()?, start..end)));
        }
        Ok(())
    }
}

impl Known {
    /// Reads what is known at `offset`; `None` if nothing is.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Option<io::Result<usize>> {
        if let Some(kept) = &self.kept {
            match kept.read_at(offset, buf) {
                Err(error) if NotKept::of(&error).is_some() => {}
                answer => return Some(answer),
            }
        }
        self.fetched.iter().find_map(|(start, bytes)| {
            let within = usize::try_from(offset.checked_sub(*start)?).ok()?;
            bytes.get(within..).filter(|rest| !rest.is_empty()).map(|rest| rest.read_at(0, buf))
        })
    }

    fn has(&self, offset: u64) -> bool {
        self.read_at(offset, &mut [0]).is_some()
    }
}

impl ReadAt for StreamedCore {
    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        if offset >= self.size {
            return Ok(0);
        }
        if let Some(answer) = self.read().read_at(offset, buf) {
            return answer;
        }
        let mut known = self.write();
        // Another thread may have asked for it meanwhile.
        if !known.has(offset) {
            self.learn(&mut known, offset)?;
        }
        known.read_at(offset, buf).unwrap_or_else(|| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            Err(NotKept { offset }.into())
        })
    }

    fn readable(&self, range: Range<u64>) -> Option<Range<u64>> {
        match &self.read().kept {
            Some(kept) => kept.readable(range),
            None => Some(range),
        }
    }

    fn in_order(&self) -> io::Result<Option<Box<dyn Read + '_>>> {
        let Some((file, wrapper)) = &self.file else { return Ok(None) };
        Ok(wrapper.reader(&**file)?.map(|reader| Box::new(reader.take(self.size)) as Box<dyn Read + '_>))
    }
}

/// Reads the core that `reader` gives out of a wrapper, once it is sure to be one.
fn read(
    path: &Path,
    reader: Option<Box<dyn Read + '_>>,
    wrapper: Wrapper,
    limits: &OpenLimits,
) -> Result<KeptCore, OpenError> {
    let refused = |content| refuse(path, content, Some(wrapper));
    let reader = reader.ok_or_else(|| refused(Content::Empty))?;
    let inside = Sniffed::new(reader).map_err(|source| broken(path, wrapper, source))?;
    match content_of(&inside.head).map_err(|source| broken(path, wrapper, source))? {
        Content::Core => Ok(keep(&mut inside.whole(), &limits.of_stream())),
        other => Err(refused(other)),
    }
}

fn broken(path: &Path, wrapper: Wrapper, source: io::Error) -> OpenError {
    OpenError::Broken { path: path.to_owned(), wrapper: wrapper.name(), source }
}

/// A stream of which the first bytes were read.
struct Sniffed<R> {
    head: Vec<u8>,
    rest: R,
    /// Why it breaks off already.
    error: Option<io::Error>,
}

impl<R: Read> Sniffed<R> {
    /// Reads the first bytes; fails only where there are none.
    fn new(mut stream: R) -> io::Result<Sniffed<R>> {
        let mut head = Vec::with_capacity(HEAD);
        match stream.by_ref().take(HEAD as u64).read_to_end(&mut head) {
            Err(error) if head.is_empty() => Err(error),
            read => Ok(Sniffed { head, rest: stream, error: read.err() }),
        }
    }

    /// Returns all of it.
    fn whole(self) -> impl Read {
        io::Cursor::new(self.head).chain(Failed(self.error)).chain(self.rest)
    }
}

/// Fails once, if it has something to fail with, and else has nothing to give.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Says why bytes are missing at the end of a core, if they are.
fn damage(kept: &KeptCore, what: &str) -> Option<String> {
    let len = kept.len();
    match kept.end() {
        StreamEnd::Whole => None,
        StreamEnd::Broken(why) => Some(format!("{what} breaks off after {len} bytes of the core: {why}")),
        StreamEnd::Cut => Some(format!(
            "{what} goes on after {len} bytes, where the core should have ended: the rest was not read"
        )),
    }
}

/// Reads a part of a stream, as far as it goes.
fn part(reader: &mut dyn Read, range: Range<u64>) -> Vec<u8> {
    let mut scratch = vec![0; SKIPPED];
    let mut left = range.start;
    while left > 0 {
        let most = scratch.len().min(usize::try_from(left).unwrap_or(SKIPPED));
        match reader.read(scratch.get_mut(..most).unwrap_or_default()) {
            Ok(0) => return Vec::new(),
            Ok(count) => left -= count as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Vec::new(),
        }
    }
    let mut bytes = Vec::new();
    // A stream that breaks off within the part has done so before, and whoever asks was told.
    let _ = reader.take(range.end - range.start).read_to_end(&mut bytes);
    bytes
}

//! Taking secrets out of the bytes of a core on their way to somewhere else.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::core_file::CoreFile;
use crate::read_at::{ReadAt, fill, read_up_to};

/// Overwrites what must not leave the machine, in bytes that are about to.
///
/// Who writes cores knows where bytes come from, and nothing of what is secret; who knows the secrets implements this.
/// A secret is overwritten in place: nothing moves, so addresses and sizes stay what they were.
pub trait Redact: Send + Sync {
    /// Overwrites secrets in `bytes`, which are the process's memory from `address` on.
    ///
    /// The bytes may be cut anywhere: of a secret that begins before them or goes on behind them, the part that is
    /// in them is overwritten too.
    fn memory(&self, address: u64, bytes: &mut [u8]);

    /// Overwrites secrets in `bytes`, which are the core's notes (command line, mapped files), or a part of them.
    fn notes(&self, bytes: &mut [u8]);
}

/// A whole core whose secrets are overwritten as it is read.
pub struct RedactedCore {
    core: Arc<CoreFile>,
    redact: Arc<dyn Redact>,
    /// What is in the file and where, by offset; the rest belongs to nothing.
    places: Vec<Place>,
}

/// A part of a core's file.
struct Place {
    offsets: Range<u64>,
    content: Content,
}

enum Content {
    /// Notes, redacted as a whole.
    Notes(Vec<u8>),
    /// Memory from this address on.
    Memory(u64),
}

impl std::fmt::Debug for RedactedCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedactedCore").field("core", &self.core).finish_non_exhaustive()
    }
}

impl RedactedCore {
    /// Reads the notes; memory is read, and redacted, when it is asked for.
    pub fn new(core: Arc<CoreFile>, redact: Arc<dyn Redact>) -> io::Result<RedactedCore> {
        let mut places = Vec::new();
        for (offset, size) in core.note_places() {
            let mut bytes = read_up_to(core.source(), *offset, usize::try_from(*size).unwrap_or(usize::MAX))?;
            redact.notes(&mut bytes);
            places.push(Place {
                offsets: *offset..offset + bytes.len() as u64,
                content: Content::Notes(bytes),
            });
        }
        for part in core.parts().iter().filter(|part| part.file_size > 0) {
            let offsets = part.offset..part.offset.saturating_add(part.file_size);
            places.push(Place { offsets, content: Content::Memory(part.address) });
        }
        places.sort_by_key(|place| place.offsets.start);
        Ok(RedactedCore { core, redact, places })
    }
}

impl ReadAt for RedactedCore {
    fn size(&self) -> io::Result<u64> {
        self.core.source().size()
    }

    /// Reads what belongs together: up to the end of notes or of a segment.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let after = self.places.partition_point(|place| place.offsets.start <= offset);
        let next = self.places.get(after).map_or(u64::MAX, |place| place.offsets.start);
        let place = after.checked_sub(1).and_then(|index| self.places.get(index));
        let place = place.filter(|place| place.offsets.contains(&offset));
        let end = place.map_or(next, |place| place.offsets.end.min(next));
        let len = buf.len().min(usize::try_from(end - offset).unwrap_or(usize::MAX));
        let buf = buf.get_mut(..len).unwrap_or_default();
        let Some(Place { offsets, content }) = place else {
            // Headers and padding; of a broken core perhaps more.
            let count = fill(self.core.source(), offset, buf)?;
            self.redact.notes(buf.get_mut(..count).unwrap_or_default());
            return Ok(count);
        };
        let within = offset - offsets.start;
        match content {
            Content::Notes(bytes) => bytes.read_at(within, buf),
            Content::Memory(address) => {
                let count = fill(self.core.source(), offset, buf)?;
                let bytes = buf.get_mut(..count).unwrap_or_default();
                self.redact.memory(address.saturating_add(within), bytes);
                Ok(count)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use epitaph_testkit::core::{CoreBuilder, Psinfo, Segment, Thread};

    /// Turns every `x` into a star, and remembers nothing.
    struct NoX;

    impl Redact for NoX {
        fn memory(&self, address: u64, bytes: &mut [u8]) {
            assert!(
                (0x1000..0x1008).contains(&address) || (0x8000..0x8010).contains(&address),
                "{address:#x}"
            );
            self.notes(bytes);
        }

        fn notes(&self, bytes: &mut [u8]) {
            bytes.iter_mut().filter(|byte| **byte == b'x').for_each(|byte| *byte = b'*');
        }
    }

    #[test]
    fn every_byte_is_redacted_and_none_else_changes() {
        let psinfo = Psinfo { arguments: "prog xx".into(), ..Psinfo::default() };
        let builder = CoreBuilder::new()
            .thread(Thread::new(1))
            .psinfo(psinfo)
            .segment(Segment::data(0x1000, *b"axbxcxdx"))
            .segment(Segment::data(0x8000, *b"xxxx....xxxx...."));
        let raw = builder.build().to_vec();
        let core = Arc::new(CoreFile::open(Arc::new(raw.clone())).unwrap());
        let redacted = RedactedCore::new(core, Arc::new(NoX)).unwrap();
        let expected: Vec<u8> = raw.iter().map(|byte| if *byte == b'x' { b'*' } else { *byte }).collect();
        assert_ne!(raw, expected);
        for step in [1, 7, 64, raw.len()] {
            let mut read: Vec<u8> = Vec::new();
            while (read.len() as u64) < redacted.size().unwrap() {
                let mut buf = vec![0; step];
                let count = redacted.read_at(read.len() as u64, &mut buf).unwrap();
                assert!(count > 0);
                read.extend(&buf[..count]);
            }
            assert!(read == expected, "in steps of {step}");
        }
    }
}

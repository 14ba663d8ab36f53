//! A core that is put together while it is read: headers and notes from memory, and extents from elsewhere.

use std::io;

/// A range of the process's memory, and where it is in the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Where it is in the core.
    pub(crate) offset: u64,
    pub(crate) size: u64,
    pub(crate) address: u64,
    /// Where it is in what it is read from.
    pub(crate) source: u64,
}

impl Extent {
    /// First offset in the core after it.
    pub(crate) fn end(&self) -> u64 {
        self.offset.saturating_add(self.size)
    }
}

/// Where everything is in the core.
pub(crate) struct Pieces {
    /// Everything before the memory.
    head: Vec<u8>,
    /// By offset, disjoint; between two of them there is padding.
    extents: Vec<Extent>,
    size: u64,
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pieces")
            .field("size", &self.size)
            .field("extents", &self.extents.len())
            .finish_non_exhaustive()
    }
}

impl Pieces {
    /// Puts extents, by offset, behind a head.
    pub(crate) fn new(head: Vec<u8>, extents: Vec<Extent>) -> Pieces {
        let size = extents.last().map_or(head.len() as u64, Extent::end);
        Pieces { head, extents, size }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Bytes of headers and notes, padding included.
    pub(crate) fn head_size(&self) -> u64 {
        self.head.len() as u64
    }

    /// Reads as [`crate::ReadAt::read_at`] does; `read` fills a buffer from an extent, so many bytes from its start.
    pub(crate) fn read_at(
        &self,
        offset: u64,
        buf: &mut [u8],
        read: impl FnOnce(&Extent, u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<usize> {
        let len = buf.len().min(usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX));
        let buf = buf.get_mut(..len).unwrap_or_default();
        if let Some(head) = usize::try_from(offset).ok().and_then(|offset| self.head.get(offset..))
            && !head.is_empty()
        {
            let len = buf.len().min(head.len());
            let (part, head) = (buf.get_mut(..len).unwrap_or_default(), head.get(..len).unwrap_or_default());
            part.copy_from_slice(head);
            return Ok(len);
        }
        let index = self.extents.partition_point(|extent| extent.offset <= offset);
        let extent = index.checked_sub(1).and_then(|index| self.extents.get(index));
        if let Some((extent, within)) = extent.map(|extent| (extent, offset - extent.offset))
            && within < extent.size
        {
            let len = buf.len().min(usize::try_from(extent.size - within).unwrap_or(usize::MAX));
            let part = buf.get_mut(..len).unwrap_or_default();
            read(extent, within, part)?;
            return Ok(len);
        }
        // Between two extents, there is padding.
        let next = self.extents.get(index).map_or(self.size, |extent| extent.offset);
        let len = buf.len().min(usize::try_from(next.saturating_sub(offset)).unwrap_or(usize::MAX));
        let part = buf.get_mut(..len).unwrap_or_default();
        part.fill(0);
        Ok(len)
    }
}

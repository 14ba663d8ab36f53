//! How far opening a core may go.

use epitaph_elf::StreamLimits;

/// How far opening a core may go that has to be read as a stream: a compressed one, or one that comes through a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenLimits {
    /// The most bytes that are read of a core, holes included.
    pub largest: u64,
    /// Bytes of memory for what one pass over a core keeps of it.
    pub memory: usize,
    /// How often a compressed core may be read once more, to fetch what the first pass did not keep.
    pub passes: u32,
}

impl Default for OpenLimits {
    fn default() -> OpenLimits {
        let StreamLimits { largest, memory } = StreamLimits::default();
        OpenLimits { largest, memory, passes: 8 }
    }
}

impl OpenLimits {
    pub(super) fn of_stream(&self) -> StreamLimits {
        StreamLimits { memory: self.memory, largest: self.largest }
    }
}

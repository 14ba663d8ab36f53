//! A section of CFI, as the rows and their expressions need it.

use gimli::{DebugFrame, EhFrame, EndianSlice, RunTimeEndian};

pub(crate) type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

/// A module's section of CFI, as a row's expressions need it.
#[derive(Clone, Copy)]
pub(crate) enum Section<'c, 'a> {
    EhFrame(&'c EhFrame<Slice<'a>>),
    DebugFrame(&'c DebugFrame<Slice<'a>>),
}

/// Which of a module's sections a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SectionKind {
    EhFrame,
    /// `.debug_frame` of the file or its separate debug file.
    DebugFrame,
    /// `.debug_frame` of the file's MiniDebugInfo.
    MiniDebugInfo,
}

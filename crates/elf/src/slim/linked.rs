//! What says which files were mapped: kept, because whoever reads the slim core asks for the same.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::PAGE;
use super::budget::Reason;
use super::kept::{Kept, held_at};
use crate::core_file::CoreFile;
use crate::link_map;
use crate::memory::{Memory, MemoryError};
use crate::module::Module;
use crate::segment::Segment;

/// Bytes of `struct link_map` with the C library's own fields (glibc, include/link.h): the threads library's debugging
/// interface reads where a file's thread-local variables are.
const LINK_MAP: u64 = 1280;
/// Bytes of a file's dynamic section that are kept: linkers write about 30 entries.
const DYNAMIC: u64 = 768;
/// Largest vDSO that is kept; the same as is read.
const LARGEST_VDSO: u64 = 1 << 20;

/// Keeps what is read in order to find the modules, by finding them; returns them, and whether there was room.
pub(super) fn keep(core: &CoreFile, kept: &mut Kept<'_>) -> (Vec<Module>, bool) {
    let recording = Recording { core, pages: RefCell::default() };
    let modules = Module::all(core.process(), &recording);
    let linked = link_map::read(core.process(), &recording);
    let mut room = true;
    for page in recording.pages.into_inner() {
        room &= kept.add(page * PAGE..page * PAGE + 1, Reason::Modules);
    }
    for file in linked {
        room &= kept.add(file.entry..file.entry.saturating_add(LINK_MAP), Reason::Modules);
        room &= kept.add(file.dynamic..file.dynamic.saturating_add(DYNAMIC), Reason::Modules);
    }
    let vdso = core.process().auxv.vdso().and_then(|address| held_at(kept.held(), address));
    if let Some(vdso) = vdso.filter(|vdso| vdso.size <= LARGEST_VDSO) {
        room &= kept.add(vdso.range(), Reason::Modules);
    }
    (modules, room)
}

/// Memory that remembers which of its pages were read.
struct Recording<'a> {
    core: &'a CoreFile,
    pages: RefCell<BTreeSet<u64>>,
}

impl Memory for Recording<'_> {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        self.core.read(address, buf)?;
        if let Some(last) = (buf.len() as u64).checked_sub(1) {
            self.pages.borrow_mut().extend(address / PAGE..=address.saturating_add(last) / PAGE);
        }
        Ok(())
    }

    fn is_executable(&self, address: u64) -> bool {
        self.core.is_executable(address)
    }

    fn regions(&self) -> &[Segment] {
        self.core.segments()
    }
}

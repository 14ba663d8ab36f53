//! What says which files were mapped: kept, because whoever reads the slim core asks for the same.

use std::ops::Range;

use super::budget::Reason;
use super::kept::{Kept, held_at};
use crate::core_file::CoreFile;
use crate::link_map::{self, LONGEST_PATH};
use crate::memory::read_string;
use crate::module::Module;
use crate::recording::Recording;

/// Bytes of `struct link_map` with the C library's own fields (glibc, include/link.h): the threads library's debugging
/// interface reads where a file's thread-local variables are.
const LINK_MAP: u64 = 1280;
/// Bytes of a file's dynamic section that are kept: linkers write about 30 entries.
const DYNAMIC: u64 = 768;
/// Largest vDSO that is kept; the same as is read.
const LARGEST_VDSO: u64 = 1 << 20;

/// Keeps what is read in order to find the modules, by finding them; returns them, and whether there was room.
pub(super) fn keep(core: &CoreFile, kept: &mut Kept<'_>) -> (Vec<Module>, bool) {
    let process = core.process();
    let recording = Recording::new(core, usize::MAX);
    let linked = link_map::read(process, &recording);
    if let Some(name) = process.auxv.executable_name() {
        read_string(&recording, name, LONGEST_PATH);
    }
    let mut room = true;
    for page in recording.pages() {
        room &= kept.add(page, Reason::Modules);
    }
    for file in linked {
        room &= kept.add(file.entry..file.entry.saturating_add(LINK_MAP), Reason::Modules);
        room &= kept.add(file.dynamic..file.dynamic.saturating_add(DYNAMIC), Reason::Modules);
    }
    let recording = Recording::new(core, usize::MAX);
    let modules = Module::all(process, &recording);
    // Where no list names the modules, every segment is looked at. What is no module's is not needed to see that.
    let is_of_module = |page: &Range<u64>| {
        let after = modules.partition_point(|module| module.start < page.end);
        after
            .checked_sub(1)
            .and_then(|index| modules.get(index))
            .is_some_and(|module| page.start < module.end)
    };
    for page in recording.pages().filter(is_of_module) {
        room &= kept.add(page, Reason::Modules);
    }
    let vdso = process.auxv.vdso().and_then(|address| held_at(kept.held(), address));
    if let Some(vdso) = vdso.filter(|vdso| vdso.size <= LARGEST_VDSO) {
        room &= kept.add(vdso.range(), Reason::Modules);
    }
    (modules, room)
}

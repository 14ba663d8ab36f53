//! The goroutines of a Go program that no thread runs: their records, and their stacks.

use super::budget::Reason;
use super::kept::Kept;
use crate::arch::Arch;
use crate::core_file::CoreFile;
use crate::go::{GoroutineList, suspended_stack};
use crate::memory::{Memory, read_vec};
use crate::module::Module;

/// Bytes of the program's data that are searched at once.
const CHUNK: u64 = 1 << 16;
/// Bytes of a word.
const WORD: u64 = 8;
/// Bytes of a record (`runtime/runtime2.go`, `g`), about 450 of them used.
const RECORD: u64 = 512;
/// Most bytes of one goroutine's stack that are kept, from its inner end on.
const STACK: u64 = 32 << 10;

/// Keeps the goroutines in the order of the runtime's list, until there is no room.
pub(super) fn keep(core: &CoreFile, modules: &[Module], kept: &mut Kept<'_>) {
    let arch = core.process().arch;
    let Some(main) = modules.iter().find(|module| module.main).filter(|_| arch.goroutine.is_some()) else {
        return;
    };
    let Some(list) = find(core, arch, main, kept) else { return };
    if !kept.add(list.range(), Reason::Pointed) {
        return;
    }
    for index in 0..list.len {
        let Some(record) = list.record(arch, core, index) else { break };
        let stack = suspended_stack(arch, core, record).unwrap_or_default();
        let inner = stack.start..stack.end.min(stack.start.saturating_add(STACK));
        if !kept.add(record..record.saturating_add(RECORD), Reason::Pointed)
            || !kept.add(inner, Reason::Stacks)
        {
            break;
        }
    }
}

/// Finds the longest list in what is kept of a program's data.
fn find(core: &CoreFile, arch: &Arch, program: &Module, kept: &Kept<'_>) -> Option<GoroutineList> {
    let mut found: Option<GoroutineList> = None;
    for segment in core.segments().iter().filter(|segment| segment.write && program.contains(segment.address))
    {
        // A chunk has the two words of the next one's start, so that nothing is cut in two.
        for address in (segment.address..segment.end()).step_by(CHUNK as usize) {
            let size = (CHUNK + 2 * WORD).min(segment.end() - address);
            if !kept.contains(address) {
                continue;
            }
            let bytes = read_vec(core as &dyn Memory, address, size as usize).unwrap_or_default();
            let words: Vec<u64> = (0..bytes.len())
                .step_by(WORD as usize)
                .map_while(|offset| arch.word_in(&bytes, offset))
                .collect();
            for slice in words.windows(3) {
                let Ok(slice) = slice.try_into() else { continue };
                let list = GoroutineList::of(arch, core, slice);
                if list.is_some_and(|list| found.is_none_or(|found| found.len < list.len)) {
                    found = list;
                }
            }
        }
    }
    found
}

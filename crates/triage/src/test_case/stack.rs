//! The part of a stack that belongs to some frames, and the pointers in it.

use std::collections::BTreeSet;
use std::ops::Range;

use epitaph_elf::{Memory, Process};
use epitaph_summary::{Frame, Thread};

use crate::scrub::read_from;

/// Most bytes of stack that are looked at: frameworks' own frames take a few KiB.
const MOST: u64 = 32 << 10;

/// Bytes below a frame's end in which it keeps its caller's registers: where the frame begins isn't always known.
const SAVED: u64 = 128;

/// Returns the addresses of the stack of the frames in `range` (indices, innermost first), as far as the walk found out
/// where each ends.
fn extent(frames: &[Frame], range: &Range<usize>) -> Option<Range<u64>> {
    let ends = |frames: &[Frame]| -> Vec<u64> {
        frames.iter().filter_map(|frame| frame.cfa).map(|cfa| cfa.0).collect()
    };
    let inner = ends(frames.get(..range.start)?);
    let own = ends(frames.get(range.clone())?);
    let (first, end) = (*own.first()?, *own.last()?);
    // The frame further in may be of a signal handler, which may have a stack of its own.
    let is_below = |inner: &u64| *inner < first && first - *inner < MOST;
    let start = inner.last().copied().filter(is_below).unwrap_or(first.saturating_sub(SAVED));
    (start < end).then(|| start..end.min(start.saturating_add(MOST)))
}

/// Returns the pointers to what the process could write to that lie in these frames, and in the registers of the
/// innermost frame, each once, in the order of their values.
pub(super) fn pointers(
    process: &Process,
    memory: &dyn Memory,
    thread: &Thread,
    range: &Range<usize>,
) -> BTreeSet<u64> {
    let word = usize::from(process.arch.bits() / 8);
    let bytes = extent(&thread.frames, range)
        .map(|extent| read_from(memory, extent.start, (extent.end - extent.start) as usize))
        .unwrap_or_default();
    let words = (0..bytes.len()).step_by(word).filter_map(|offset| process.arch.word_in(&bytes, offset));
    let registers = thread.registers.values().map(|value| value.0);
    let is_data = |address: &u64| {
        let regions = memory.regions();
        let after = regions.partition_point(|region| region.address <= *address);
        let region = after.checked_sub(1).and_then(|index| regions.get(index));
        region.is_some_and(|region| region.write && region.contains(*address))
    };
    words.chain(registers).filter(|address| address % word as u64 == 0).filter(is_data).collect()
}

#[cfg(test)]
mod tests {
    use epitaph_summary::Hex;

    use super::*;

    #[test]
    fn the_extent_of_frames_begins_where_the_ones_further_in_end() {
        let frame = |cfa: Option<u64>| Frame { cfa: cfa.map(Hex), ..Frame::default() };
        let frames =
            [frame(Some(0x1000)), frame(None), frame(Some(0x1100)), frame(Some(0x1200)), frame(None)];
        assert_eq!(extent(&frames, &(1..3)), Some(0x1000..0x1100));
        assert_eq!(extent(&frames, &(2..5)), Some(0x1000..0x1200));
        assert_eq!(extent(&frames, &(0..4)), Some(0x1000 - SAVED..0x1200));
        assert_eq!(extent(&frames, &(4..5)), None);
        assert_eq!(extent(&frames, &(0..9)), None);
    }

    #[test]
    fn the_stack_of_a_handler_is_another() {
        let frame = |cfa: u64| Frame { cfa: Some(Hex(cfa)), ..Frame::default() };
        for handler in [0x1000, 0x9000_0000] {
            let frames = [frame(handler), frame(0x7fff_1000), frame(0x7fff_1100)];
            assert_eq!(extent(&frames, &(1..3)), Some(0x7fff_1000 - SAVED..0x7fff_1100));
        }
        let deep = [frame(0x1000), frame(0x1100), frame(0x7fff_0000)];
        assert_eq!(extent(&deep, &(1..3)), Some(0x1000..0x1000 + MOST));
    }
}

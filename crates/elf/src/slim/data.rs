//! Data of programs and libraries, and small mappings.
//!
//! Where a core has the bytes of a mapped file, they may differ from the file's: the kernel dumps what the process has
//! written to (relocated tables, variables), and debuggers read everything else from the file.

use std::ops::Range;

use super::PAGE;
use super::budget::Reason;
use super::kept::Kept;
use crate::module::Module;
use crate::process::Process;
use crate::segment::Segment;

/// Largest segment of a file's data that is kept whole.
const LARGEST_DATA: u64 = 8 << 20;
/// Largest mapping without a file that is kept whole.
const SMALL: u64 = 1 << 20;

/// What a process had mapped, told apart.
pub(super) struct Regions<'a> {
    segments: &'a [Segment],
    /// The addresses that files were mapped to, sorted.
    files: Vec<Range<u64>>,
    /// Whether code that the process can't have changed was dumped as well (coredump_filter, bit 2; or an emulator).
    unchanged_too: bool,
}

impl<'a> Regions<'a> {
    pub(super) fn new(process: &Process, modules: &[Module], segments: &'a [Segment]) -> Regions<'a> {
        let mut files: Vec<Range<u64>> = if process.mappings.is_empty() {
            modules
                .iter()
                .filter(|module| module.image.is_none())
                .map(|module| module.start..module.end)
                .collect()
        } else {
            process.mappings.iter().map(|mapping| mapping.start..mapping.end).collect()
        };
        files.sort_unstable_by_key(|file| (file.start, file.end));
        let mut regions = Regions { segments, files, unchanged_too: true };
        regions.unchanged_too = segments
            .iter()
            .filter(|segment| is_code(segment) && regions.is_of_file(segment))
            .all(|segment| segment.file_size == segment.memory_size);
        regions
    }

    /// Tells whether a file was mapped where a segment begins.
    fn is_of_file(&self, segment: &Segment) -> bool {
        let after = self.files.partition_point(|file| file.start <= segment.address);
        let file = after.checked_sub(1).and_then(|index| self.files.get(index));
        file.is_some_and(|file| file.contains(&segment.address))
    }

    /// Keeps what the process may have changed of its files, with the variables that lie behind it (`.bss`): first what
    /// can be written, and of that the smallest. Returns whether there was room for all.
    pub(super) fn keep_data(&self, kept: &mut Kept<'_>) -> bool {
        let mut data: Vec<(bool, u64, Range<u64>)> = Vec::new();
        let mut data_end = 0;
        for segment in self.segments.iter().filter(|segment| segment.file_size > 0) {
            let is_data = if self.is_of_file(segment) {
                !is_code(segment) || !self.unchanged_too
            } else {
                segment.address == data_end && segment.write && segment.file_size <= SMALL
            };
            if is_data {
                data.push((!segment.write, segment.file_size, segment.address..dumped_end(segment)));
            }
            data_end = if segment.write && self.is_of_file(segment) { segment.end() } else { 0 };
        }
        data.sort_unstable_by_key(|(read_only, size, range)| (*read_only, *size, range.start));
        let mut room = true;
        for (_, size, range) in data {
            // What begins a file is its header, of which only the first page is dumped.
            room &= (size <= LARGEST_DATA && kept.add(range.clone(), Reason::Data)) || size <= PAGE;
        }
        room
    }

    /// Keeps small mappings without a file, the smallest first, but for those that stacks are in: what lies below a
    /// stack's pointer is nothing. They are no promise: what is left out may be pointed to.
    pub(super) fn keep_small(&self, stacks: &[Vec<Range<u64>>], kept: &mut Kept<'_>) {
        let mut starts: Vec<u64> = stacks.iter().flatten().map(|stack| stack.start).collect();
        starts.sort_unstable();
        let has_stack = |segment: &Segment| {
            let next = starts.partition_point(|start| *start < segment.address);
            starts.get(next).is_some_and(|start| *start < segment.end())
        };
        let mut small: Vec<&Segment> = self
            .segments
            .iter()
            .filter(|segment| segment.file_size > 0 && segment.file_size <= SMALL)
            .filter(|segment| !has_stack(segment) && !self.is_of_file(segment))
            .collect();
        small.sort_by_key(|segment| (segment.file_size, segment.address));
        for segment in small {
            if !kept.add(segment.address..dumped_end(segment), Reason::Small) {
                break;
            }
        }
    }
}

fn is_code(segment: &Segment) -> bool {
    segment.execute && !segment.write
}

fn dumped_end(segment: &Segment) -> u64 {
    segment.address.saturating_add(segment.file_size)
}

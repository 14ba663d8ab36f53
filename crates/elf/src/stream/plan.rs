//! What each part of a core is worth keeping for, by its headers and notes.

use std::ops::Range;

use super::PAGE;
use super::front::CoreFront;
use super::ranges::Ranges;
use crate::core_file::CoreFile;
use crate::process::{Process, Thread};
use crate::segment::Segment;
use crate::share::{RED_ZONE, fair_limit};

/// Bytes at both ends of a core that tell one crash from another, and are read for that.
const ENDS: u64 = 64 << 10;
/// Bytes on each side of a pointer that are kept with what it points to.
const AROUND: u64 = 4 << 10;
/// Bytes on each side of a word that a thread may wait for: the lock that it is a part of.
const LOCK: u64 = 64;
/// The largest vDSO; it is of two pages in fact.
const LARGEST_VDSO: u64 = 1 << 20;
/// Mapped files' data that is kept whole.
const LARGEST_DATA: u64 = 8 << 20;
/// Mapped files' data that goes before the stacks of other threads than the crashing one: without the records of the
/// dynamic linker no file is found, and without the threads library's no thread.
const LARGEST_RECORDS: u64 = 256 << 10;
/// Anonymous memory that is kept whole: stacks of threads, small heaps, the dynamic linker's records.
const LARGEST_SMALL: u64 = 1 << 20;
/// Of that, what is no stack or heap, and may be what a library put aside for whoever reads the core: its last words
/// (glibc's `__abort_msg`), a log's end.
const LARGEST_NOTE: u64 = 16 << 10;
/// Of larger memory, what is kept of its start (an early heap holds the records of what `dlopen` loaded) …
const HEAD: u64 = 256 << 10;
/// … and of its end, where a stack begins.
const TAIL: u64 = 64 << 10;

/// What a page is worth. A page takes the place of any that is worth less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// Nothing asks for it.
    Spare,
    /// The start or end of large memory.
    Edge,
    /// Memory that is small enough to be kept whole.
    Small,
    /// Data of programs and libraries.
    Data,
    /// Stacks.
    Stack,
    /// What tells which files were mapped, and what the libraries that run every program know of it.
    Records,
    /// The crashing thread, and what tells its crash from another.
    Crash,
    /// What the core can't be read without.
    Front,
}

impl Worth {
    /// How many there are.
    pub(super) const COUNT: usize = 8;
    /// All that are worth more than nothing, the highest first.
    const WANTED: [Worth; 7] =
        [Worth::Front, Worth::Crash, Worth::Records, Worth::Stack, Worth::Data, Worth::Small, Worth::Edge];
}

/// The parts of the file by their worth.
#[derive(Debug, Default)]
pub(super) struct Plan([Ranges; Worth::WANTED.len()]);

impl Plan {
    /// Plans for a core of which the front was read, with room for so many bytes.
    pub(super) fn of(core: &CoreFile, front: &CoreFront, room: u64) -> Plan {
        let mut wanted = Wanted { core, ranges: Default::default() };
        wanted.ends(front);
        wanted.threads(core.process(), room);
        wanted.segments(core.process());
        Plan(wanted.ranges.map(Ranges::new))
    }

    /// Returns what a page is worth that lies at `range` of the file, behind all pages that were asked about before;
    /// `None` where nothing asks for it and there is no room for such pages.
    pub(super) fn worth(&mut self, range: Range<u64>, full: bool) -> Option<Worth> {
        let mut wanted = Worth::WANTED.into_iter().zip(&mut self.0);
        let found = wanted.find_map(|(worth, ranges)| ranges.touch(&range).then_some(worth));
        found.or((!full).then_some(Worth::Spare))
    }
}

/// Ranges of the file, by worth in the order of [`Worth::WANTED`], as they are found.
struct Wanted<'a> {
    core: &'a CoreFile,
    ranges: [Vec<Range<u64>>; Worth::WANTED.len()],
}

impl Wanted<'_> {
    fn add(&mut self, worth: Worth, range: Range<u64>) {
        let place = Worth::WANTED.iter().position(|wanted| *wanted == worth);
        if let Some(ranges) = place.and_then(|place| self.ranges.get_mut(place)) {
            ranges.push(range);
        }
    }

    /// Adds what of a range of addresses one segment holds: that which `address` is in.
    fn add_memory(&mut self, worth: Worth, address: u64, range: Range<u64>) {
        if let Some(range) = self.core.part_at(address).and_then(|segment| in_file(segment, range)) {
            self.add(worth, range);
        }
    }

    /// Adds what is around an address.
    fn add_around(&mut self, worth: Worth, address: u64) {
        self.add_memory(worth, address, address.saturating_sub(AROUND)..address.saturating_add(AROUND));
    }

    /// The two ends of the file, and what belongs to its front wherever it is.
    fn ends(&mut self, front: &CoreFront) {
        for range in front.notes().chain(front.section_header()) {
            self.add(Worth::Front, range);
        }
        self.add(Worth::Crash, 0..ENDS);
        if let Some(end) = front.promised_end() {
            self.add(Worth::Crash, end.saturating_sub(ENDS)..end);
        }
    }

    /// Stacks and what registers point to. The crashing thread may take half of the room; half of the rest is for the
    /// others' stacks.
    fn threads(&mut self, process: &Process, room: u64) {
        let (crashing, others) = process.threads.split_at(process.threads.len().min(1));
        for (threads, worth, room) in [(crashing, Worth::Crash, room / 2), (others, Worth::Stack, room / 4)] {
            let stacks: Vec<Range<u64>> =
                threads.iter().filter_map(|thread| self.stack(process, thread)).collect();
            let limit = fair_limit(stacks.iter().map(|stack| stack.end - stack.start).collect(), room);
            for stack in stacks {
                self.add(worth, stack.start..stack.end.min(stack.start.saturating_add(limit)));
            }
            for thread in threads {
                self.add_pointers(process, thread, worth);
            }
        }
        // Of a stack that overflowed, the signal's handler has another: there, the registers don't lead.
        if let Some(fault) = process.signal.as_ref().and_then(|signal| signal.fault_address) {
            let within = [fault, fault.saturating_add(AROUND)];
            let near = within.into_iter().find(|address| self.core.part_at(*address).is_some());
            if let Some(near) = near {
                self.add_memory(Worth::Crash, near, near.saturating_sub(AROUND)..near.saturating_add(HEAD));
            }
        }
        if let Some(vdso) = process.auxv.vdso() {
            self.add_memory(Worth::Crash, vdso, vdso..vdso.saturating_add(LARGEST_VDSO));
        }
    }

    /// Where in the file a thread's stack is, from the stack pointer to the end of its memory.
    fn stack(&self, process: &Process, thread: &Thread) -> Option<Range<u64>> {
        let sp = thread.registers.get(process.arch.sp)?;
        let segment = self.core.part_at(sp)?;
        in_file(segment, sp.saturating_sub(RED_ZONE)..segment.end())
    }

    /// The code that runs, the thread's own data, and the lock that it may wait for (futex(2) has its address as first
    /// argument). Of the crashing thread, whatever a register points to: it is
    /// where the bad value came from.
    fn add_pointers(&mut self, process: &Process, thread: &Thread, worth: Worth) {
        let pc = thread.registers.get(process.arch.pc);
        for address in pc.into_iter().chain(thread.tls) {
            self.add_around(worth, address);
        }
        let argument = process.arch.first_argument();
        if let Some(lock) = thread.registers.get(argument).filter(|_| worth != Worth::Crash) {
            self.add_memory(Worth::Data, lock, lock.saturating_sub(LOCK)..lock.saturating_add(LOCK));
        }
        if worth == Worth::Crash {
            for (number, _) in process.arch.register_names {
                if let Some(address) = thread.registers.get(*number) {
                    self.add_around(Worth::Data, address);
                }
            }
        }
    }

    /// Memory, by what it is: of files, small, large.
    fn segments(&mut self, process: &Process) {
        let is_file = |segment: &Segment| {
            let after = process.mappings.partition_point(|mapping| mapping.start <= segment.address);
            let before = after.checked_sub(1).and_then(|last| process.mappings.get(last));
            before.is_some_and(|mapping| segment.address < mapping.end)
        };
        let mut behind_file = None;
        for segment in self.core.parts() {
            let whole = segment.address..segment.end();
            // What lies right behind a file's data is its zero-initialized data (`.bss`).
            let of_file = is_file(segment);
            let data = of_file || (behind_file == Some(segment.address) && segment.write);
            behind_file = data.then(|| segment.end());
            let Some(held) = in_file(segment, whole) else { continue };
            let size = held.end - held.start;
            let records = data && (segment.write && size <= LARGEST_RECORDS || size <= PAGE as u64);
            let worth = match (data, records) {
                (_, true) => Worth::Records,
                (true, _) => Worth::Data,
                (false, _) if size <= LARGEST_NOTE => Worth::Data,
                (false, _) => Worth::Small,
            };
            let largest = if of_file { LARGEST_DATA } else { LARGEST_SMALL };
            if of_file && segment.execute {
                self.add(Worth::Records, held.start..held.start.saturating_add(PAGE as u64));
            } else if size <= largest {
                self.add(worth, held);
            } else {
                self.add(Worth::Edge, held.start..held.start.saturating_add(HEAD).min(held.end));
                self.add(Worth::Edge, held.end.saturating_sub(TAIL)..held.end);
            }
        }
    }
}

/// Returns where the bytes of a range of addresses are in the file, as far as a segment holds them.
fn in_file(segment: &Segment, range: Range<u64>) -> Option<Range<u64>> {
    let place = |address: u64| {
        let within = address.saturating_sub(segment.address).min(segment.file_size);
        segment.offset.saturating_add(within)
    };
    let held = place(range.start)..place(range.end);
    (held.start < held.end).then_some(held)
}

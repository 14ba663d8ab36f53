//! The address space: what was mapped where, and what it held.

use std::collections::BTreeMap;

use epitaph_elf::{FileMapping, LoadedModules, Memory, Process, Segment};
use epitaph_summary::{Access, Hex, Region, RegionKind};

/// Farthest that the kernel puts the `brk` heap behind the program (`arch_randomize_brk`: 32 MiB on x86, 1 GiB on others).
const FARTHEST_HEAP: u64 = 1 << 30;

/// No system maps its first 64 KiB by default (`vm.mmap_min_addr`).
pub(crate) const NULL_END: u64 = 0x1_0000;
/// Where x86-64 kernels put the page of old system calls (Documentation/arch/x86/x86_64/mm.rst).
const VSYSCALL: u64 = 0xffff_ffff_ff60_0000;

/// What was mapped where.
#[derive(Clone)]
pub(crate) struct Space<'a> {
    process: &'a Process,
    segments: &'a [Segment],
    /// Where the main program ends.
    program_end: Option<u64>,
    /// Of each thread, its stack pointer and id; by stack pointer.
    stack_pointers: Vec<(u64, u32)>,
}

impl<'a> Space<'a> {
    pub(crate) fn new(process: &'a Process, memory: &'a dyn Memory, loaded: &LoadedModules<'_>) -> Space<'a> {
        let segments = memory.regions();
        let sp = |thread: &epitaph_elf::Thread| {
            Some((on_stack(segments, thread.registers.get(process.arch.sp)?), thread.tid))
        };
        let mut stack_pointers: Vec<(u64, u32)> = process.threads.iter().filter_map(sp).collect();
        stack_pointers.sort_unstable();
        let main = loaded.modules().iter().find(|loaded| loaded.module.main);
        Space { process, segments, program_end: main.map(|main| main.module.end), stack_pointers }
    }

    /// Tells whether it is known at all.
    pub(crate) fn is_known(&self) -> bool {
        !self.segments.is_empty()
    }

    /// Returns the index of what is mapped at an address.
    pub(crate) fn find(&self, address: u64) -> Option<usize> {
        let after = self.segments.partition_point(|segment| segment.address <= address);
        let index = after.checked_sub(1)?;
        self.segments.get(index).filter(|segment| segment.contains(address)).map(|_| index)
    }

    /// Returns what is mapped at an address.
    pub(crate) fn at(&self, address: u64) -> Option<&'a Segment> {
        self.find(address).and_then(|index| self.segments.get(index))
    }

    /// Returns the last one that ends before an address, or at it.
    pub(crate) fn before(&self, address: u64) -> Option<usize> {
        let after = self.segments.partition_point(|segment| segment.end() <= address);
        after.checked_sub(1)
    }

    /// Returns the first one that starts after an address.
    pub(crate) fn after(&self, address: u64) -> Option<usize> {
        let index = self.segments.partition_point(|segment| segment.address <= address);
        (index < self.segments.len()).then_some(index)
    }

    /// Returns the one of an index.
    pub(crate) fn segment(&self, index: usize) -> Option<&'a Segment> {
        self.segments.get(index)
    }

    /// Returns the nearest one to an address that is in none, and bytes from it to the address: negative before its
    /// start, 0 at its end.
    pub(crate) fn nearest(&self, address: u64) -> Option<(usize, i64)> {
        let below = self.before(address).and_then(|index| {
            let distance = address.checked_sub(self.segments.get(index)?.end())?;
            Some((index, distance, i64::try_from(distance).ok()?))
        });
        let above = self.after(address).and_then(|index| {
            let distance = self.segments.get(index)?.address.checked_sub(address)?;
            Some((index, distance, i64::try_from(distance).ok()?.checked_neg()?))
        });
        let nearest = [below, above].into_iter().flatten().min_by_key(|(_, distance, _)| *distance)?;
        Some((nearest.0, nearest.2))
    }

    /// Tells whether an access is forbidden to who knows the map: nothing is mapped there, or its protection is against it.
    pub(crate) fn forbids(&self, address: u64, write: bool) -> bool {
        self.is_known()
            && !self.at(address).is_some_and(|segment| if write { segment.write } else { segment.read })
    }

    /// Returns the file that is mapped at an address.
    pub(crate) fn file(&self, address: u64) -> Option<&'a FileMapping> {
        let mappings = &self.process.mappings;
        let after = mappings.partition_point(|mapping| mapping.start <= address);
        after.checked_sub(1).and_then(|index| mappings.get(index)).filter(|mapping| address < mapping.end)
    }

    /// Returns the stack of the main thread: the kernel put the program's name and random bytes on top of it.
    pub(crate) fn main_stack(&self) -> Option<&'a Segment> {
        let auxv = &self.process.auxv;
        [auxv.executable_name(), auxv.random()].into_iter().flatten().find_map(|address| self.at(address))
    }

    /// Returns the thread whose stack pointer is in a range.
    fn stack_of(&self, segment: &Segment) -> Option<u32> {
        let first = self.stack_pointers.partition_point(|(sp, _)| *sp < segment.address);
        self.stack_pointers.get(first).filter(|(sp, _)| *sp < segment.end()).map(|(_, tid)| *tid)
    }

    /// Tells what a range holds, and whose it is.
    pub(crate) fn kind(&self, segment: &Segment) -> (RegionKind, Option<String>) {
        if !(segment.read || segment.write || segment.execute) {
            return (RegionKind::Guard, None);
        }
        if let Some(file) = self.file(segment.address) {
            return (RegionKind::File, Some(file.path.to_string_lossy().into_owned()));
        }
        let vdso = self.process.auxv.vdso().is_some_and(|vdso| segment.contains(vdso));
        if vdso || segment.address == VSYSCALL {
            return (RegionKind::Vdso, None);
        }
        let of_thread = |tid: u32| Some(format!("thread {tid}"));
        if self.main_stack() == Some(segment) {
            return (RegionKind::Stack, self.process.info.as_ref().and_then(|info| of_thread(info.pid)));
        }
        if let Some(tid) = self.stack_of(segment).filter(|_| segment.write) {
            return (RegionKind::Stack, of_thread(tid));
        }
        if self.is_heap(segment) { (RegionKind::Heap, None) } else { (RegionKind::Anonymous, None) }
    }

    /// The `brk` heap isn't named in a core: it is the first writable memory of no file behind the program.
    fn is_heap(&self, segment: &Segment) -> bool {
        let Some(end) = self.program_end else { return false };
        let first = self.segments.partition_point(|segment| segment.address < end);
        let next = self.segments.get(first..).unwrap_or_default().iter().find(|next| next.write);
        segment.address - end.min(segment.address) <= FARTHEST_HEAP
            && next.is_some_and(|next| next.address == segment.address)
    }

    /// Returns what glibc's malloc may have given a piece of: the heap, or other writable memory of no file.
    pub(crate) fn may_be_heap(&self, address: u64) -> bool {
        let Some(segment) = self.at(address) else { return false };
        segment.write && matches!(self.kind(segment).0, RegionKind::Heap | RegionKind::Anonymous)
    }

    /// Says in words what a range is: `the heap`, `the stack of thread 4711`, `/usr/lib/libc.so.6`.
    pub(crate) fn words(&self, index: usize) -> String {
        let Some(segment) = self.segments.get(index) else { return "a mapping".to_owned() };
        match self.kind(segment) {
            (RegionKind::Heap, _) => "the heap".to_owned(),
            (RegionKind::Stack, Some(name)) => format!("the stack of {name}"),
            (RegionKind::Stack, None) => "a stack".to_owned(),
            (RegionKind::Guard, _) => "inaccessible memory".to_owned(),
            (RegionKind::File, Some(path)) => shortened(&path),
            (RegionKind::Vdso, _) => "the vDSO".to_owned(),
            _ => "anonymous memory".to_owned(),
        }
    }

    fn region(&self, segment: &Segment) -> Region {
        let (kind, name) = self.kind(segment);
        let letter = |allowed: bool, letter: char| if allowed { letter } else { '-' };
        let permissions =
            [letter(segment.read, 'r'), letter(segment.write, 'w'), letter(segment.execute, 'x')];
        let file = self.file(segment.address);
        Region {
            start: Some(Hex(segment.address)),
            end: Some(Hex(segment.end())),
            permissions: Some(permissions.into_iter().collect()),
            kind: Some(kind),
            name,
            file_offset: file.map(|file| Hex(file.offset.saturating_add(segment.address - file.start))),
            in_core: Some(segment.file_size > 0),
        }
    }

    /// Describes what surrounds these addresses, by address, and tells each access where among that it was.
    pub(crate) fn place<'c>(
        &self,
        addresses: impl IntoIterator<Item = u64>,
        accesses: impl IntoIterator<Item = &'c mut Access>,
    ) -> Vec<Region> {
        let accesses: Vec<&mut Access> = accesses.into_iter().collect();
        let mut chosen: BTreeMap<usize, u32> = BTreeMap::new();
        let of_accesses = accesses.iter().filter_map(|access| access.address.map(|address| address.0));
        for address in addresses.into_iter().chain(of_accesses) {
            let around = [self.find(address), self.before(address), self.after(address)];
            chosen.extend(around.into_iter().flatten().map(|index| (index, 0)));
        }
        for (place, number) in chosen.values_mut().zip(0..) {
            *place = number;
        }
        for access in accesses {
            let Some(address) = access.address.map(|address| address.0) else { continue };
            access.region = self.find(address).and_then(|index| chosen.get(&index).copied());
            // What is nearest to null says nothing.
            if access.region.is_none()
                && address >= NULL_END
                && let Some((index, distance)) = self.nearest(address)
            {
                access.nearest_region = chosen.get(&index).copied();
                access.distance = Some(distance);
            }
        }
        chosen.keys().filter_map(|index| Some(self.region(self.segments.get(*index)?))).collect()
    }
}

/// Returns a stack pointer, or the start of the stack that it has just left: what is above the guard that it is in.
fn on_stack(segments: &[Segment], sp: u64) -> u64 {
    /// As far as a stack pointer goes beyond its stack's end in one step, usually.
    const STEP: u64 = 64 << 10;
    let next = segments.partition_point(|segment| segment.end() <= sp);
    let above = segments.get(next..).unwrap_or_default().iter().find(|segment| segment.write);
    above.map(|above| above.address).filter(|start| *start > sp && start - sp <= STEP).unwrap_or(sp)
}

/// Cuts a path to what a sentence has room for: its end.
fn shortened(path: &str) -> String {
    const LONGEST: usize = 60;
    let count = path.chars().count();
    match count.checked_sub(LONGEST) {
        None | Some(0) => path.to_owned(),
        Some(more) => format!("…{}", path.chars().skip(more + 1).collect::<String>()),
    }
}

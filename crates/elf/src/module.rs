//! Modules: the ELF files that were mapped, found in the core alone.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::build_id::BuildId;
use crate::bytes::Bytes;
use crate::fit::{code_at, fits};
use crate::image::{ImageHeader, ceil, first_page, floor};
use crate::memory::{Memory, MemoryError, read_vec};
use crate::object::Object;
use crate::process::{Defect, FileMapping, Process};
use crate::segment::Segment;
use crate::traces::Traces;
use crate::unlisted;

/// Most mappings of a module that are asked for its load bias: a real one has a handful.
const MOST_VOTERS: usize = 256;
/// Most modules whose first pages are kept: a core may name tens of thousands.
const MOST_FIRST_PAGES: usize = 1 << 11;
/// Largest vDSO that is believed.
const LARGEST_VDSO: u64 = 1 << 20;

/// An ELF file that the process had mapped.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its path as the process saw it, without ` (deleted)`.
    pub path: PathBuf,
    /// Whether the file had been deleted by then.
    pub deleted: bool,
    /// First mapped address.
    pub start: u64,
    /// First address after the last mapped one, `.bss` included.
    pub end: u64,
    /// What is added to the file's addresses; unknown where the core holds nothing of its header.
    pub bias: Option<u64>,
    /// Its build ID, as the core has it.
    pub build_id: Option<BuildId>,
    /// Whether it is the main executable.
    pub main: bool,
    /// The first page of a file without a build ID, as the core has it; empty where it was not dumped.
    pub first_page: Vec<u8>,
    /// The whole image, where the core has it (the vDSO).
    pub image: Option<Bytes>,
    /// The ranges that it was mapped to. Of which part of the file is known only where the core lists its files.
    pub(crate) mappings: Vec<Mapped>,
    /// Whether `mappings` are all ranges that it was mapped to; without a core, only one of them is known.
    pub(crate) all_mappings: bool,
    /// What a module that no list named left in memory.
    pub(crate) traces: Option<Traces>,
}

/// A mapped range of the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapped {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) offset: u64,
    pub(crate) execute: bool,
}

impl Module {
    /// Finds the modules of a process, by address.
    pub fn all(process: &Process, memory: &dyn Memory) -> Vec<Module> {
        let mut by_path: HashMap<&OsStr, Vec<&FileMapping>> = HashMap::new();
        for mapping in &process.mappings {
            by_path.entry(&mapping.path).or_default().push(mapping);
        }
        let mut modules: Vec<Module> = by_path
            .into_iter()
            .flat_map(|(path, mappings)| modules_of(process, memory, path, &mappings))
            .collect();
        // Only a file without a build ID is told by its first page.
        modules.sort_by_key(|module| module.start);
        let untold = modules.iter_mut().filter(|module| {
            module.build_id.is_none() && module.mappings.first().is_some_and(|first| first.offset == 0)
        });
        for module in untold.take(MOST_FIRST_PAGES) {
            module.first_page = first_page(memory, module.start);
        }
        modules.extend(vdso(process, memory));
        if process.mappings.is_empty() {
            modules.extend(unlisted::modules(process, memory));
        }
        modules.sort_by(|a, b| a.start.cmp(&b.start).then_with(|| a.path.cmp(&b.path)));
        let marks = [process.auxv.program_headers(), process.auxv.entry()];
        let main = marks.into_iter().flatten().find_map(|mark| {
            modules.iter().position(|module| module.image.is_none() && module.contains(mark))
        });
        if let Some(module) = main.and_then(|main| modules.get_mut(main)) {
            module.main = true;
        }
        modules
    }

    /// Returns the file's name without folders.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    /// Tells whether `address` is in it.
    pub fn contains(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }

    /// Tells whether `address` is in a range of the file that was mapped executable.
    pub fn is_code(&self, address: u64) -> bool {
        self.mappings.iter().any(|mapped| mapped.execute && mapped.start <= address && address < mapped.end)
    }

    /// Works out the load bias from the file itself, for a module whose header the core lacks.
    pub fn bias_by(&self, object: &Object) -> Option<u64> {
        self.bias.or_else(|| match &self.traces {
            Some(traces) => traces.bias(object),
            None => vote(&self.mappings, object.segments()),
        })
    }

    /// Tells whether `object` may be the file that was mapped, where the core holds nothing of the file itself: its
    /// segments lie where it was mapped or, in a core that lists no files, it left the traces that memory has.
    pub fn fits(&self, object: &Object) -> bool {
        let Some(bias) = self.bias_by(object) else { return false };
        match &self.traces {
            Some(traces) => traces.fit(object, bias, &self.mappings),
            None if self.all_mappings => fits(&self.mappings, object.segments(), bias),
            None => self.mappings.iter().all(|mapped| {
                code_at(object.segments(), mapped.start..mapped.end, Some(mapped.offset)).is_some()
            }),
        }
    }
}

/// Splits the mappings of one path into the modules that they belong to: the same file may be mapped twice, or
/// once more as data.
fn modules_of(
    process: &Process,
    memory: &dyn Memory,
    path: &OsStr,
    mappings: &[&FileMapping],
) -> Vec<Module> {
    let mut modules = Vec::new();
    let mut rest = mappings;
    while let Some((first, after)) = rest.split_first() {
        let image = if first.offset == 0 { ImageHeader::read(process, memory, first.start) } else { None };
        let (bias, span_end) = match &image {
            Some(image) => image.place(first.start),
            None => (None, next_start_of_file(first, after)),
        };
        let count = 1 + after.iter().take_while(|mapping| mapping.start < span_end).count();
        let (own, others) = rest.split_at(count.min(rest.len()));
        rest = others;
        let mapped: Vec<Mapped> = own
            .iter()
            .map(|mapping| Mapped {
                start: mapping.start,
                end: mapping.end,
                offset: mapping.offset,
                execute: is_executable(memory, mapping.start, image.as_ref(), bias),
            })
            .collect();
        // What has no executable mapping was mapped to be looked at (a locale, a symbolizer's own image).
        if !mapped.iter().any(|mapped| mapped.execute) {
            continue;
        }
        let bytes = path.as_bytes();
        let (name, deleted) = match bytes.strip_suffix(b" (deleted)") {
            Some(name) => (name, true),
            None => (bytes, false),
        };
        let last = own.last().map_or(first.end, |last| last.end);
        modules.push(Module {
            path: PathBuf::from(std::ffi::OsString::from_vec(name.to_vec())),
            deleted,
            start: first.start,
            end: if bias.is_some() { span_end.max(last) } else { last },
            bias: bias.or_else(|| image.as_ref().and_then(|image| vote(&mapped, &image.segments))),
            build_id: image.as_ref().and_then(|image| image.build_id(memory, bias?)),
            main: false,
            first_page: Vec::new(),
            image: None,
            mappings: mapped,
            all_mappings: !process.defects.contains(&Defect::NoCore),
            traces: None,
        });
    }
    modules
}

/// Returns where the file is mapped once more, without any header to tell: where it starts anew behind a gap. Without
/// a gap, it is a small file of which several segments lie in the first page.
fn next_start_of_file(first: &FileMapping, after: &[&FileMapping]) -> u64 {
    let mut end = first.end;
    for next in after {
        if next.offset == 0 && next.start != end {
            return next.start;
        }
        end = next.end;
    }
    u64::MAX
}

/// Tells whether a mapping is executable: by its segment, or by the file's own header where whoever wrote the core
/// left even the segment out (gcore does so with unchanged code).
fn is_executable(memory: &dyn Memory, start: u64, image: Option<&ImageHeader>, bias: Option<u64>) -> bool {
    match memory.read(start, &mut [0]) {
        Err(MemoryError::Unmapped { .. }) => image.zip(bias).is_some_and(|(image, bias)| {
            image.segments.iter().any(|segment| {
                let first = floor(segment.address).wrapping_add(bias);
                segment.execute && first <= start && start < segment.end().wrapping_add(bias)
            })
        }),
        _ => memory.is_executable(start),
    }
}

/// The vDSO: the kernel maps it without a file, and dumps it whole (vdso(7)).
fn vdso(process: &Process, memory: &dyn Memory) -> Option<Module> {
    let start = process.auxv.vdso()?;
    let header = ImageHeader::read(process, memory, start)?;
    let size = ceil(header.size()).min(LARGEST_VDSO);
    let image = Bytes::from(read_vec(memory, start, size as usize).ok()?);
    let object = Object::parse(image.clone()).ok()?;
    let first = object.segments().iter().min_by_key(|segment| segment.address)?;
    Some(Module {
        path: Path::new("[vdso]").to_owned(),
        deleted: false,
        start,
        end: start.checked_add(size)?,
        bias: Some(start.wrapping_sub(floor(first.address))),
        build_id: object.build_id().cloned(),
        main: false,
        first_page: Vec::new(),
        image: Some(image),
        mappings: Vec::new(),
        all_mappings: true,
        traces: None,
    })
}

/// Returns the bias that most (mapping, segment) pairs agree on: a mapping is a segment, or a later part of one
/// where the loader has changed the protection of the part before it. Executable pairs count most, because linkers
/// may pack several segments into one page of the file.
fn vote(mappings: &[Mapped], segments: &[Segment]) -> Option<u64> {
    let mut votes: HashMap<u64, u32> = HashMap::new();
    for mapped in mappings.iter().take(MOST_VOTERS) {
        for segment in segments {
            let (first, last) = (floor(segment.offset), segment.offset.saturating_add(segment.file_size));
            if !(first..last).contains(&mapped.offset) {
                continue;
            }
            let address = floor(segment.address).wrapping_add(mapped.offset - first);
            let bias = mapped.start.wrapping_sub(address);
            let weight = if mapped.execute && segment.execute { 3 } else { 1 };
            *votes.entry(bias).or_default() += weight;
        }
    }
    votes.into_iter().max_by_key(|(bias, count)| (*count, std::cmp::Reverse(*bias))).map(|(bias, _)| bias)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(address: u64, offset: u64, size: u64, execute: bool) -> Segment {
        Segment { address, memory_size: size, offset, file_size: size, read: true, write: false, execute }
    }

    fn mapped(start: u64, offset: u64, execute: bool) -> Mapped {
        Mapped { start, end: start + 0x1000, offset, execute }
    }

    #[test]
    fn segments_packed_into_one_page_of_the_file_are_told_apart() {
        // As lld lays out a small program: all segments in the file's first page.
        let segments = [
            segment(0, 0, 0x660, false),
            segment(0x1660, 0x660, 0x180, true),
            segment(0x27e0, 0x7e0, 0x1d8, false),
            segment(0x39b8, 0x9b8, 0x30, false),
        ];
        let base = 0x5555_0000_0000;
        let mappings: Vec<Mapped> = (0..4).map(|page| mapped(base + page * 0x1000, 0, page == 1)).collect();
        assert_eq!(vote(&mappings, &segments), Some(base));
    }

    #[test]
    fn a_segment_split_by_relro_agrees_with_itself() {
        let segments = [segment(0, 0, 0x1000, true), segment(0x3d00, 0x2d00, 0x2400, false)];
        let mappings =
            [mapped(0x40_0000, 0, true), mapped(0x40_3000, 0x2000, false), mapped(0x40_4000, 0x3000, false)];
        assert_eq!(vote(&mappings, &segments), Some(0x40_0000));
    }
}

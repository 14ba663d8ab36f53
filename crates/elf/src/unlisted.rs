//! Modules of a process whose core lists no files: what qemu-user, old kernels and some embedded collectors write.
//!
//! The main program is where the auxiliary vector says, the libraries are where the dynamic linker's list says, and
//! what neither names but begins as an ELF file does is a module with the name that it gives itself (`DT_SONAME`), if
//! that was dumped. Nothing is taken from anywhere but the core.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use crate::image::{ImageHeader, first_page};
use crate::link_map::{self, LONGEST_PATH, dynamic_entries};
use crate::memory::{Memory, read_string};
use crate::module::{Mapped, Module};
use crate::process::Process;
use crate::segment::Segment;
use crate::traces::Traces;

/// Most regions that are looked at for an ELF header.
const MOST_LOOKED_AT: usize = 1 << 12;
/// Longest `DT_SONAME` that is read.
const LONGEST_NAME: usize = 255;

const DT_STRTAB: u64 = 5;
const DT_SONAME: u64 = 14;

/// A file of which something is known.
struct Seed {
    path: Vec<u8>,
    /// Index of its first region.
    first: usize,
    bias: Option<u64>,
    /// Where its dynamic section is.
    dynamic: Option<u64>,
    main: bool,
}

/// Finds the modules.
pub(crate) fn modules(process: &Process, memory: &dyn Memory) -> Vec<Module> {
    let finder = Finder { process, memory, regions: memory.regions() };
    let mut seeds = finder.named();
    seeds.sort_by_key(|seed| seed.first);
    seeds.dedup_by_key(|seed| seed.first);
    let firsts: Vec<usize> = seeds.iter().map(|seed| seed.first).collect();
    let mut modules: Vec<Module> = seeds
        .into_iter()
        .enumerate()
        .filter_map(|(index, seed)| finder.module(&seed, firsts.get(index + 1).copied()))
        .collect();
    let nameless = finder.nameless(&modules);
    modules.extend(nameless);
    modules
}

struct Finder<'a> {
    process: &'a Process,
    memory: &'a dyn Memory,
    regions: &'a [Segment],
}

impl Finder<'_> {
    fn region_at(&self, address: u64) -> Option<usize> {
        let index = self.regions.partition_point(|region| region.address <= address).checked_sub(1)?;
        self.regions.get(index)?.contains(address).then_some(index)
    }

    /// The main program, and what the dynamic linker lists.
    fn named(&self) -> Vec<Seed> {
        let auxv = &self.process.auxv;
        let mut linked = link_map::read(self.process, self.memory).into_iter();
        let main = linked.next();
        let marks = [auxv.program_headers(), auxv.entry()];
        let main = marks.into_iter().flatten().find_map(|mark| self.region_at(mark)).map(|first| Seed {
            path: self.main_path(),
            first,
            bias: main.as_ref().map(|main| main.bias),
            dynamic: main.as_ref().map(|main| main.dynamic),
            main: true,
        });
        let vdso = auxv.vdso().and_then(|address| self.region_at(address));
        let libraries = linked.filter_map(|file| {
            let first = self.first_region(file.bias, file.dynamic)?;
            Some(Seed {
                first,
                path: if file.name.is_empty() { self.placeholder(first) } else { file.name },
                bias: Some(file.bias),
                dynamic: Some(file.dynamic),
                main: false,
            })
        });
        main.into_iter().chain(libraries.filter(|seed| Some(seed.first) != vdso)).collect()
    }

    /// The path that the program was started by: as the kernel says, else the command line's first word, where it is
    /// one that leads to the process's name; else that name, which is no path.
    fn main_path(&self) -> Vec<u8> {
        let started_as = self.process.auxv.executable_name();
        let path = started_as.map(|at| read_string(self.memory, at, LONGEST_PATH)).unwrap_or_default();
        if !path.is_empty() {
            return path;
        }
        let Some(info) = &self.process.info else { return Vec::new() };
        let first = info.args.as_bytes().split(|byte| *byte == b' ').next().unwrap_or_default();
        let file = first.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let name = info.name.as_bytes();
        if !name.is_empty() && file.starts_with(name) { first.to_vec() } else { name.to_vec() }
    }

    /// What a file is called whose name was not dumped.
    fn placeholder(&self, first: usize) -> Vec<u8> {
        let start = self.regions.get(first).map_or(0, |region| region.address);
        match self.process.auxv.interpreter() {
            Some(base) if base == start => b"[dynamic linker]".to_vec(),
            _ => format!("[elf at {start:#x}]").into_bytes(),
        }
    }

    /// Finds the first region of a library: where its addresses start, or (where they don't start at 0) the first one
    /// of those that hang together with its dynamic section's.
    fn first_region(&self, bias: u64, dynamic: u64) -> Option<usize> {
        if let Some(first) = self.region_at(bias).filter(|_| bias != 0 && bias <= dynamic) {
            return Some(first);
        }
        let mut first = self.region_at(dynamic)?;
        while let Some(before) = first.checked_sub(1)
            && let Some((below, above)) = self.regions.get(before).zip(self.regions.get(first))
            && below.end() == above.address
        {
            first = before;
        }
        Some(first)
    }

    /// Makes a module of the regions from a seed's on that belong to it; another module starts at region `next`.
    fn module(&self, seed: &Seed, next: Option<usize>) -> Option<Module> {
        let start = self.regions.get(seed.first)?.address;
        let image = ImageHeader::read(self.process, self.memory, start);
        let (bias, end) = image.as_ref().map_or((None, u64::MAX), |image| image.place(start));
        let bias = seed.bias.or(bias);
        let own = self.own_regions(seed, next.unwrap_or(self.regions.len()), end);
        let last = own.last()?.end();
        let mappings: Vec<Mapped> = own
            .iter()
            .map(|region| Mapped {
                start: region.address,
                end: region.end(),
                offset: 0,
                execute: region.execute,
            })
            .collect();
        if !mappings.iter().any(|mapped| mapped.execute) {
            return None;
        }
        let auxv = &self.process.auxv;
        let dynamic = seed.dynamic.map(|at| dynamic_entries(self.process.arch, self.memory, at));
        let traces = Traces {
            entry: auxv.entry().filter(|_| seed.main),
            program_headers: auxv.program_headers().zip(auxv.program_header_count()).filter(|_| seed.main),
            dynamic: dynamic.unwrap_or_default(),
        };
        let build_id = image.as_ref().and_then(|image| image.build_id(self.memory, bias?));
        let compared = image.is_some() && build_id.is_none();
        Some(Module {
            path: PathBuf::from(OsString::from_vec(seed.path.clone())),
            deleted: false,
            start,
            end: if end == u64::MAX { last } else { end },
            bias,
            build_id,
            main: seed.main,
            first_page: if compared { first_page(self.memory, start) } else { Vec::new() },
            image: None,
            mappings,
            all_mappings: true,
            traces: Some(traces),
        })
    }

    /// Returns the regions from a seed's on that hang together, as far as the next module, or as far as the header
    /// says. Without a header, what comes after a place that is known to be the module's is data, first what can only
    /// be read and then what can be written, and the module ends where anything else begins.
    fn own_regions(&self, seed: &Seed, next: usize, end: u64) -> &[Segment] {
        let rest = self.regions.get(seed.first..next).unwrap_or_default();
        if end != u64::MAX {
            return rest.get(..rest.partition_point(|region| region.address < end)).unwrap_or_default();
        }
        let known = seed.dynamic.or(self.process.auxv.entry().filter(|_| seed.main)).unwrap_or(0);
        let mut at = rest.first().map_or(0, |first| first.address);
        let mut writable = false;
        let count = rest
            .iter()
            .take_while(|region| {
                let hangs_together = region.address == at;
                at = region.end();
                if region.address <= known {
                    return hangs_together;
                }
                let data = !region.execute && (region.write || !writable);
                writable |= region.write;
                hangs_together && data
            })
            .count();
        rest.get(..count).unwrap_or_default()
    }

    /// Finds ELF images that nothing has named.
    fn nameless(&self, known: &[Module]) -> Vec<Module> {
        let vdso = self.process.auxv.vdso();
        let unknown = self.regions.iter().enumerate().filter(|(_, region)| {
            region.file_size > 0
                && !vdso.is_some_and(|vdso| region.contains(vdso))
                && !known.iter().any(|module| module.contains(region.address))
        });
        let mut found: Vec<Module> = Vec::new();
        for (first, region) in unknown.take(MOST_LOOKED_AT) {
            if found.last().is_some_and(|module| module.contains(region.address)) {
                continue;
            }
            let Some(image) = ImageHeader::read(self.process, self.memory, region.address) else { continue };
            let (Some(bias), _) = image.place(region.address) else { continue };
            let dynamic = image.dynamic.map(|address| self.process.arch.wrap(address.wrapping_add(bias)));
            let name = dynamic.and_then(|dynamic| self.soname(dynamic, bias));
            let path = name.unwrap_or_else(|| self.placeholder(first));
            let seed = Seed { path, first, bias: Some(bias), dynamic, main: false };
            let next = known.iter().map(|module| module.start).filter(|start| *start > region.address).min();
            found.extend(self.module(&seed, next.and_then(|next| self.region_at(next))));
        }
        found
    }

    /// Reads the name that a library gives itself.
    fn soname(&self, dynamic: u64, bias: u64) -> Option<Vec<u8>> {
        let entries = dynamic_entries(self.process.arch, self.memory, dynamic);
        let value = |wanted| entries.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value);
        let (names, offset) = (value(DT_STRTAB)?, value(DT_SONAME)?);
        // Some dynamic linkers have added the bias, others have not.
        let at = [names, self.process.arch.wrap(names.wrapping_add(bias))].into_iter();
        at.map(|names| read_string(self.memory, names.saturating_add(offset), LONGEST_NAME))
            .find(|name| !name.is_empty())
    }
}

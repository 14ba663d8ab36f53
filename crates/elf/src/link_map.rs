//! The dynamic linker's own list of what it loaded, in the process's memory: `struct r_debug` and `struct link_map`
//! (link.h of the C library; System V gABI, chapter 5, "Dynamic Section", `DT_DEBUG`). Debuggers of live processes
//! go by it, and so does a reader of a core that lists no files.

use std::collections::HashSet;

use crate::arch::Arch;
use crate::image::ImageHeader;
use crate::memory::{Memory, read_string, read_vec};
use crate::process::Process;

/// Most files of a process that are listed.
const MOST_FILES: usize = 1 << 12;
/// Most namespaces (dlmopen(3)) that are followed; glibc has 16.
const MOST_NAMESPACES: usize = 16;
/// Most entries of a dynamic section that are read; linkers write about 30.
pub(crate) const MOST_DYNAMIC: usize = 512;
/// Most bytes of memory that are searched for a dynamic section whose place isn't known.
const MOST_SEARCHED: usize = 1 << 20;
/// Longest path that Linux has (PATH_MAX).
pub(crate) const LONGEST_PATH: usize = 4096;

/// `DT_NULL`: the end of a dynamic section.
const DT_NULL: u64 = 0;
/// `DT_DEBUG`: the dynamic linker writes the address of its `r_debug` there.
pub(crate) const DT_DEBUG: u64 = 21;

/// A file that the dynamic linker loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Linked {
    /// Where its entry in the list is (`struct link_map`).
    pub(crate) entry: u64,
    /// `l_addr`: what is added to the file's addresses.
    pub(crate) bias: u64,
    /// `l_name`: its path; empty for the main program.
    pub(crate) name: Vec<u8>,
    /// `l_ld`: where its dynamic section is.
    pub(crate) dynamic: u64,
}

/// Reads the list, the main program first; empty if there is none, or it isn't whole enough to be believed.
pub(crate) fn read(process: &Process, memory: &dyn Memory) -> Vec<Linked> {
    let reader = Reader { arch: process.arch, memory, interpreter: process.auxv.interpreter() };
    let Some(program_headers) = process.auxv.program_headers() else { return Vec::new() };
    let Some(region) = memory.regions().iter().find(|region| region.contains(program_headers)) else {
        return Vec::new();
    };
    let debug = match dynamic_by_header(process, memory, region.address) {
        Some(dynamic) => reader.debug_of(dynamic),
        // The header was not dumped: qemu leaves out what is executable and begins as an ELF file does.
        None => reader.search(region.address),
    };
    debug.map_or_else(Vec::new, |debug| reader.list(debug))
}

/// Reads entries (tag and value) of a dynamic section, up to its end or as far as they can be read.
pub(crate) fn dynamic_entries(arch: &Arch, memory: &dyn Memory, address: u64) -> Vec<(u64, u64)> {
    let word = u64::from(arch.bits() / 8);
    (0..MOST_DYNAMIC as u64)
        .map_while(|index| {
            let at = address.checked_add(2 * word * index)?;
            let tag = arch.read_word(memory, at).ok().filter(|tag| *tag != DT_NULL)?;
            Some((tag, arch.read_word(memory, at.checked_add(word)?).ok()?))
        })
        .collect()
}

/// Where the dynamic section is of the program whose first page is at `start`.
fn dynamic_by_header(process: &Process, memory: &dyn Memory, start: u64) -> Option<u64> {
    let image = ImageHeader::read(process, memory, start)?;
    Some(process.arch.wrap(image.dynamic?.wrapping_add(image.place(start).0?)))
}

struct Reader<'a> {
    arch: &'static Arch,
    memory: &'a dyn Memory,
    interpreter: Option<u64>,
}

impl Reader<'_> {
    fn word(&self, address: u64, index: u64) -> Option<u64> {
        let word = u64::from(self.arch.bits() / 8);
        self.arch.read_word(self.memory, address.checked_add(index * word)?).ok()
    }

    /// Returns the `r_debug` that the dynamic section at an address names.
    fn debug_of(&self, dynamic: u64) -> Option<u64> {
        let entries = dynamic_entries(self.arch, self.memory, dynamic);
        let (_, debug) = entries.into_iter().find(|(tag, _)| *tag == DT_DEBUG)?;
        self.is_debug(debug).then_some(debug)
    }

    /// Searches the data of the program that starts at `start` for its dynamic section. A word that says `DT_DEBUG`
    /// is believed only where everything agrees: what it leads to names the dynamic linker's address as the kernel
    /// does, and the list that begins there has this very dynamic section first.
    fn search(&self, start: u64) -> Option<u64> {
        let word = usize::from(self.arch.bits() / 8);
        let mut next = start;
        let mut left = MOST_SEARCHED;
        for region in self.memory.regions().iter().skip_while(|region| region.address < start) {
            if region.address != next {
                break;
            }
            next = region.end();
            let size = usize::try_from(region.file_size).unwrap_or(usize::MAX).min(left);
            left -= size;
            let Ok(bytes) = read_vec(self.memory, region.address, size) else { continue };
            let at = |offset| self.arch.endian().word_at(self.arch.class, &bytes, offset);
            for offset in (0..bytes.len()).step_by(word).filter(|offset| at(*offset) == Some(DT_DEBUG)) {
                let here = region.address.saturating_add(offset as u64);
                let Some(debug) = at(offset + word).filter(|debug| self.is_debug(*debug)) else { continue };
                let first = self.word(debug, 1).and_then(|map| self.word(map, 2));
                let reach = 2 * (word * MOST_DYNAMIC) as u64;
                if first.is_some_and(|first| here.checked_sub(first).is_some_and(|within| within < reach)) {
                    return Some(debug);
                }
            }
        }
        None
    }

    /// Tells whether a `r_debug` is at an address: version, `r_map`, `r_brk`, `r_state`, and `r_ldbase`, which must be
    /// what the kernel says.
    fn is_debug(&self, address: u64) -> bool {
        let version = self.arch.read_number(self.memory, address, 4);
        version.is_ok_and(|version| (1..=2).contains(&version))
            && self.word(address, 1).is_some_and(|map| map != 0)
            && self.word(address, 4).is_some_and(|base| self.interpreter.is_none_or(|known| known == base))
    }

    /// Walks the lists of all namespaces.
    fn list(&self, debug: u64) -> Vec<Linked> {
        let mut files = Vec::new();
        let mut seen = HashSet::new();
        let mut namespace = Some(debug);
        for _ in 0..MOST_NAMESPACES {
            let Some(debug) = namespace.filter(|debug| *debug != 0) else { break };
            let mut map = self.word(debug, 1).unwrap_or(0);
            while map != 0 && seen.insert(map) && files.len() < MOST_FILES {
                let (Some(bias), Some(name), Some(dynamic)) =
                    (self.word(map, 0), self.word(map, 1), self.word(map, 2))
                else {
                    break;
                };
                // 32-bit files may be loaded below their own addresses.
                let bias = if bias > dynamic { bias | !self.arch.wrap(u64::MAX) } else { bias };
                files.push(Linked {
                    entry: map,
                    bias,
                    name: read_string(self.memory, name, LONGEST_PATH),
                    dynamic,
                });
                map = self.word(map, 3).unwrap_or(0);
            }
            // `struct r_debug_extended`, from version 2 on.
            let extended = self.arch.read_number(self.memory, debug, 4).is_ok_and(|version| version >= 2);
            namespace = self.word(debug, 5).filter(|_| extended);
        }
        files
    }
}

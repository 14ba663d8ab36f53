//! What the kernel dumps of a mapping: linux/fs/coredump.c (`vma_dump_size`), and core(5) on `coredump_filter`.

use super::maps::Mapping;

/// The filter where the kernel doesn't say: the default of core(5).
pub(super) const DEFAULT_FILTER: u32 = 0x33;

const PRIVATE: u32 = 1;
const SHARED: u32 = 1 << 1;
const FILE_PRIVATE: u32 = 1 << 2;
const FILE_SHARED: u32 = 1 << 3;
const ELF_HEADERS: u32 = 1 << 4;
const HUGE_PRIVATE: u32 = 1 << 5;
const HUGE_SHARED: u32 = 1 << 6;

/// How much of a mapping is dumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dumped {
    Whole,
    /// Its first page, if an ELF file begins there.
    IfElf,
    Nothing,
}

/// Decides how much of a mapping is dumped, given `coredump_filter`.
pub(super) fn dumped(mapping: &Mapping, filter: u32) -> Dumped {
    let whole_if = |bit: u32| if filter & bit == 0 { Dumped::Nothing } else { Dumped::Whole };
    if mapping.name == b"[vdso]" {
        return Dumped::Whole;
    }
    // The kernel's own variables ([vvar], [vvar_vclock]) and [vsyscall] can't be read from outside: a core of the
    // kernel's holds zeros for them.
    if mapping.name.starts_with(b"[v") || mapping.not_dumped {
        return Dumped::Nothing;
    }
    if mapping.huge {
        return whole_if(if mapping.shared { HUGE_SHARED } else { HUGE_PRIVATE });
    }
    if mapping.device {
        return Dumped::Nothing;
    }
    if mapping.shared {
        let unlinked = mapping.name.ends_with(b" (deleted)") || !mapping.is_file();
        return whole_if(if unlinked { SHARED } else { FILE_SHARED });
    }
    if mapping.written && filter & PRIVATE != 0 {
        return Dumped::Whole;
    }
    if !mapping.is_file() {
        return Dumped::Nothing;
    }
    if filter & FILE_PRIVATE != 0 {
        return Dumped::Whole;
    }
    let may_begin = filter & ELF_HEADERS != 0 && mapping.offset == 0 && mapping.read;
    if may_begin { Dumped::IfElf } else { Dumped::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(name: &str) -> Mapping {
        Mapping { range: 0x1000..0x3000, read: true, name: name.into(), ..Mapping::default() }
    }

    #[test]
    fn the_filter_decides_by_kind() {
        let written = |name: &str| Mapping { written: true, ..mapping(name) };
        let shared = |name: &str| Mapping { shared: true, ..mapping(name) };
        let huge = |shared| Mapping { huge: true, shared, ..mapping("/dev/hugepages/x") };
        for (case, filter, expected) in [
            (written(""), PRIVATE, Dumped::Whole),
            (written(""), !PRIVATE, Dumped::Nothing),
            (mapping("[heap]"), PRIVATE, Dumped::Nothing),
            (written("/lib/x.so"), PRIVATE, Dumped::Whole),
            (mapping("/lib/x.so"), DEFAULT_FILTER, Dumped::IfElf),
            (Mapping { offset: 4096, ..mapping("/lib/x.so") }, DEFAULT_FILTER, Dumped::Nothing),
            (Mapping { read: false, ..mapping("/lib/x.so") }, DEFAULT_FILTER, Dumped::Nothing),
            (mapping("/lib/x.so"), !ELF_HEADERS, Dumped::Whole),
            (mapping("/lib/x.so"), PRIVATE, Dumped::Nothing),
            (shared("/dev/zero (deleted)"), SHARED, Dumped::Whole),
            (shared("/data"), SHARED, Dumped::Nothing),
            (shared("/data"), FILE_SHARED, Dumped::Whole),
            (huge(true), HUGE_SHARED, Dumped::Whole),
            (huge(false), HUGE_SHARED, Dumped::Nothing),
            (huge(false), HUGE_PRIVATE, Dumped::Whole),
            (Mapping { not_dumped: true, ..written("") }, u32::MAX, Dumped::Nothing),
            (Mapping { device: true, ..written("") }, u32::MAX, Dumped::Nothing),
            (mapping("[vdso]"), 0, Dumped::Whole),
            (mapping("[vvar]"), u32::MAX, Dumped::Nothing),
        ] {
            assert_eq!(dumped(&case, filter), expected, "{case:?} {filter:#x}");
        }
    }
}

//! The auxiliary vector: what the kernel told the program at its start (getauxval(3), linux/auxvec.h).

use crate::header::{Class, Endian};

/// The auxiliary vector, as pairs of type and value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuxVector(Vec<(u64, u64)>);

const AT_NULL: u64 = 0;
const AT_PHDR: u64 = 3;
const AT_PHNUM: u64 = 5;
const AT_PAGESZ: u64 = 6;
const AT_BASE: u64 = 7;
const AT_ENTRY: u64 = 9;
const AT_RANDOM: u64 = 25;
const AT_EXECFN: u64 = 31;
const AT_SYSINFO_EHDR: u64 = 33;

/// No kernel writes more than a few dozen entries.
const MOST_ENTRIES: usize = 256;

impl AuxVector {
    /// Parses the descriptor of a `NT_AUXV` note.
    pub(crate) fn parse(desc: &[u8], class: Class, endian: Endian) -> AuxVector {
        let word = usize::from(class.word());
        let pairs = desc.chunks_exact(word * 2).take(MOST_ENTRIES).map_while(|pair| {
            let kind = endian.word_at(class, pair, 0)?;
            (kind != AT_NULL).then_some((kind, endian.word_at(class, pair, word)?))
        });
        AuxVector(pairs.collect())
    }

    fn get(&self, kind: u64) -> Option<u64> {
        self.0.iter().find(|(found, _)| *found == kind).map(|(_, value)| *value)
    }

    /// Address of the main program's program headers.
    pub fn program_headers(&self) -> Option<u64> {
        self.get(AT_PHDR)
    }

    /// How many program headers the main program has.
    pub fn program_header_count(&self) -> Option<u64> {
        self.get(AT_PHNUM)
    }

    /// Where the dynamic linker was loaded, if the kernel loaded one.
    pub fn interpreter(&self) -> Option<u64> {
        self.get(AT_BASE).filter(|address| *address != 0)
    }

    /// Page size in bytes.
    pub fn page_size(&self) -> Option<u64> {
        self.get(AT_PAGESZ).filter(|size| size.is_power_of_two())
    }

    /// Address of the main program's entry point.
    pub fn entry(&self) -> Option<u64> {
        self.get(AT_ENTRY)
    }

    /// Address of the path that the program was started by (a C string on its stack).
    pub fn executable_name(&self) -> Option<u64> {
        self.get(AT_EXECFN)
    }

    /// Address of the 16 random bytes that the kernel gave the program, below the strings on its stack.
    pub fn random(&self) -> Option<u64> {
        self.get(AT_RANDOM).filter(|address| *address != 0)
    }

    /// Returns all entries, type and value, in the order in which they are on the program's stack; without the last
    /// one there, `AT_NULL`.
    pub fn entries(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// Address of the vDSO's ELF image.
    pub fn vdso(&self) -> Option<u64> {
        self.get(AT_SYSINFO_EHDR).filter(|address| *address != 0)
    }
}

//! A process of which there is no core: what a line of the kernel's log says of its death.

use std::ffi::OsString;
use std::ops::Range;

use crate::arch::Arch;
use crate::auxv::AuxVector;
use crate::fit::code_at;
use crate::memory::{Memory, MemoryError};
use crate::object::Object;
use crate::process::{Defect, FileMapping, Process, SignalInfo, Thread};
use crate::registers::Registers;
use crate::system_call::KeptCall;

/// What is known of a dead process without a core.
#[derive(Clone, Debug)]
pub struct Remains {
    /// Its architecture.
    pub arch: &'static Arch,
    /// The thread that died.
    pub tid: u32,
    /// The signal that ended it.
    pub signal: SignalInfo,
    /// Registers by DWARF number: the program counter, perhaps the stack pointer, perhaps more.
    pub registers: Vec<(u16, u64)>,
    /// The mapping that the program counter was in, where it was that of a file.
    pub code: Option<MappedCode>,
    /// Bytes of memory, and the address of the first: the code around the program counter.
    pub bytes: Option<(u64, Vec<u8>)>,
}

/// An executable mapping of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedCode {
    /// The file: the kernel logs its name, without its folders.
    pub file: OsString,
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Offset in the file, in bytes; older kernels don't log it.
    pub offset: Option<u64>,
}

impl Remains {
    /// Returns where in the file its code was mapped from, if `object` can be that file: one of its segments of code takes
    /// exactly the pages of the mapping, and has the bytes there that the log has.
    pub fn offset_in(&self, object: &Object) -> Option<u64> {
        let code = self.code.as_ref()?;
        if object.arch() != Some(self.arch) {
            return None;
        }
        let (segment, page) = code_at(object.segments(), code.start..code.end, code.offset)?;
        let bias = code.start.wrapping_sub(segment.address & !(page - 1));
        if let Some((address, bytes)) = &self.bytes {
            let inside =
                bytes.len().min(usize::try_from(code.end.checked_sub(*address)?).unwrap_or(usize::MAX));
            let logged = bytes.get(..inside)?;
            // What lies before the mapping is not the file's.
            let logged_at = address.max(&code.start);
            let logged = logged.get(usize::try_from(logged_at - address).ok()?..)?;
            if object.data_at(logged_at.wrapping_sub(bias), logged.len())? != logged {
                return None;
            }
        }
        Some(segment.offset & !(page - 1))
    }

    /// Returns the process: one thread, one mapping, and [`Defect::NoCore`].
    pub fn process(&self) -> Process {
        let mut registers = Registers::with_code_mask(self.arch.code_mask);
        for (number, value) in &self.registers {
            registers.set(*number, Some(*value));
        }
        let mapping = |code: &MappedCode| {
            let (start, end) = (code.start, code.end);
            Some(FileMapping { start, end, offset: code.offset?, path: code.file.clone() })
        };
        let signal = u16::try_from(self.signal.number).unwrap_or_default();
        Process {
            arch: self.arch,
            threads: vec![Thread {
                tid: self.tid,
                name: None,
                signal,
                registers,
                tls: None,
                call: KeptCall::default(),
            }],
            mappings: self.code.iter().filter_map(mapping).collect(),
            auxv: AuxVector::default(),
            signal: Some(self.signal.clone()),
            info: None,
            producer: None,
            slim: None,
            defects: vec![Defect::NoCore],
        }
    }

    fn is_logged(&self, wanted: &Range<u64>) -> Option<&[u8]> {
        let (address, bytes) = self.bytes.as_ref()?;
        let from = usize::try_from(wanted.start.checked_sub(*address)?).ok()?;
        let to = usize::try_from(wanted.end.checked_sub(*address)?).ok()?;
        bytes.get(from..to)
    }
}

/// Memory of which next to nothing is known: what was mapped nobody knows, so that nothing counts as unmapped.
impl Memory for Remains {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let end = address.checked_add(buf.len() as u64).ok_or(MemoryError::NotDumped { address })?;
        let logged = self.is_logged(&(address..end)).ok_or(MemoryError::NotDumped { address })?;
        buf.copy_from_slice(logged);
        Ok(())
    }

    fn is_executable(&self, address: u64) -> bool {
        self.code.as_ref().is_some_and(|code| (code.start..code.end).contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::X86_64;

    fn remains() -> Remains {
        Remains {
            arch: &X86_64,
            tid: 7,
            signal: SignalInfo::of_number(11),
            registers: vec![(X86_64.pc, 0x40_1010)],
            code: Some(MappedCode {
                file: "a".into(),
                start: 0x40_1000,
                end: 0x40_2000,
                offset: Some(0x1000),
            }),
            bytes: Some((0x40_1008, vec![1, 2, 3, 4])),
        }
    }

    #[test]
    fn a_process_has_what_is_known_and_nothing_else() {
        let process = remains().process();
        assert_eq!(process.defects, [Defect::NoCore]);
        let registers = process.threads[0].registers;
        assert_eq!((registers.get(X86_64.pc), registers.get(X86_64.sp)), (Some(0x40_1010), None));
        assert_eq!((process.threads[0].tid, process.threads[0].signal), (7, 11));
        assert_eq!((process.mappings[0].start, process.mappings[0].offset), (0x40_1000, 0x1000));
        let code = remains().code.map(|code| MappedCode { offset: None, ..code });
        assert_eq!(Remains { code, ..remains() }.process().mappings, []);
    }

    #[test]
    fn memory_is_unknown_but_for_what_was_logged() {
        let remains = remains();
        let mut buf = [0; 2];
        assert_eq!(remains.read(0x40_1009, &mut buf), Ok(()));
        assert_eq!(buf, [2, 3]);
        for address in [0x40_1007, 0x40_100b, 0, u64::MAX] {
            assert_eq!(remains.read(address, &mut buf), Err(MemoryError::NotDumped { address }));
        }
        assert!(remains.is_executable(0x40_1000) && !remains.is_executable(0x40_2000));
    }
}

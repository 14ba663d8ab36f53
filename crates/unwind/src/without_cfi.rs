//! A step outwards where there is no CFI: the surest way that leads on.

use std::num::NonZero;
use std::ops::Range;
use std::rc::Rc;

use epitaph_elf::{Arch, FrameRule, FromEntry, Memory, Registers};

use crate::address::CodeAddress;
use crate::code::Code;
use crate::fallback;
use crate::frame::{Frame, Stop, Trust};
use crate::machine::{Known, Machine, leave};
use crate::scan::{Allowance, Candidate, Evidence, MOST_ENTRIES, Scan};
use crate::tail::{Layout, TailCalls};

/// A way to a caller.
pub(crate) struct Way {
    pub(crate) registers: Registers,
    pub(crate) trust: Trust,
    /// The function that is left, where its bounds are known for sure.
    pub(crate) function: Option<Range<u64>>,
}

impl Way {
    fn new(registers: &Registers, trust: Trust) -> Way {
        Way { registers: *registers, trust, function: None }
    }
}

/// Finds ways without CFI. What is found out about code is kept from frame to frame.
#[derive(Debug)]
pub(crate) struct WithoutCfi {
    arch: &'static Arch,
    machine: Machine,
    scans: Allowance,
}

impl WithoutCfi {
    /// Makes one of several that share what is looked for in a process.
    pub(crate) fn new(arch: &'static Arch, shared_by: NonZero<u32>) -> WithoutCfi {
        WithoutCfi { arch, machine: Machine::new(arch, shared_by), scans: Allowance::new(shared_by) }
    }

    pub(crate) fn step(
        &mut self,
        registers: &Registers,
        frame: &Frame,
        code: &mut Code<'_>,
        tails: &mut TailCalls,
        memory: &dyn Memory,
    ) -> Result<Way, Stop> {
        let (arch, address, pc) = (self.arch, frame.address, frame.address.pc());
        let in_code = memory.is_executable(pc);
        if address.is_interrupted() && (!in_code || code.is_plt(pc)) {
            // Nothing has been pushed yet.
            if let Some(caller) = fallback::after_call(arch, registers, memory) {
                return Ok(Way::new(&caller, Trust::CallTarget));
            }
            if !in_code && fallback::returned_to(arch, registers, pc, memory) {
                return Err(Stop::BadReturnAddress { found: pc });
            }
        }
        let known = self.machine.at(address, code, memory);
        if let Some(way) = self.by_machine_code(&known, registers, memory)? {
            return Ok(way);
        }
        let by_frame_pointer = fallback::frame_pointer(arch, registers, memory)
            .map(|caller| Way::new(&caller, Trust::FramePointer));
        let mut scan = Scan {
            arch,
            memory,
            registers,
            address,
            known: &known,
            code,
            tails,
            machine: &self.machine,
            allowance: &mut self.scans,
            entries_left: MOST_ENTRIES,
        };
        if let Some((caller, evidence)) = scan.by_link_register() {
            return Ok(self.first_of_link_and_frame_pointer(&known, &caller, evidence, by_frame_pointer));
        }
        let found = scan.find();
        self.choose(registers, frame, by_frame_pointer, found, memory).ok_or(Stop::NoCfi { pc })
    }

    /// Returns the caller's registers as the code from the function's entry on has them, where that is sure.
    pub(crate) fn by_entry(
        &mut self,
        registers: &Registers,
        address: CodeAddress,
        code: &mut Code<'_>,
        memory: &dyn Memory,
    ) -> Option<Registers> {
        let known = self.machine.at(address, code, memory);
        match &known.from_entry {
            Some(FromEntry::Rule(rule)) if known.sure => {
                leave(self.arch, rule, registers, memory).ok().flatten()
            }
            _ => None,
        }
    }

    /// Leaves the frame as its code does.
    fn by_machine_code(
        &self,
        known: &Rc<Known>,
        registers: &Registers,
        memory: &dyn Memory,
    ) -> Result<Option<Way>, Stop> {
        let arch = self.arch;
        let way = |caller| Way { function: known.function.clone(), ..Way::new(&caller, Trust::Prologue) };
        match &known.from_entry {
            Some(FromEntry::First) if registers.get(arch.fp).map_or(known.sure, |fp| fp == 0) => {
                return Err(Stop::End);
            }
            // As with CFI, what stands where the return address must be is believed, and said if it leads nowhere.
            Some(FromEntry::Rule(rule)) if known.sure => {
                return leave(arch, rule, registers, memory)
                    .map(|caller| caller.map(way))
                    .map_err(Stop::Memory);
            }
            _ => {}
        }
        let from_entry = known.from_entry.iter().filter_map(|found| match found {
            FromEntry::Rule(rule) => Some(rule),
            FromEntry::First => None,
        });
        let mut callers = from_entry.chain(&known.to_return).filter_map(|rule: &FrameRule| {
            let caller = leave(arch, rule, registers, memory).ok().flatten()?;
            let may_return = |to| fallback::is_return_address(arch, to, memory);
            caller.get(arch.pc).is_some_and(may_return).then_some(caller)
        });
        Ok(callers.next().map(way))
    }

    /// Chooses between the link register and the frame pointer: the latter knows the caller's stack pointer as well, but
    /// it is the caller's own where the function has no frame, and leads past the caller.
    fn first_of_link_and_frame_pointer(
        &self,
        known: &Known,
        caller: &Registers,
        evidence: Evidence,
        by_frame_pointer: Option<Way>,
    ) -> Way {
        let pc = self.arch.pc;
        let same = by_frame_pointer.filter(|way| way.registers.get(pc) == caller.get(pc));
        let function = known.function.clone().filter(|_| evidence == Evidence::Called);
        same.unwrap_or_else(|| Way { function, ..Way::new(caller, trust_in(evidence)) })
    }

    /// Chooses between the frame pointer and a word on the stack: the one further in, for the other may be a frame or
    /// more too far out.
    fn choose(
        &self,
        registers: &Registers,
        frame: &Frame,
        by_frame_pointer: Option<Way>,
        found: Option<Candidate>,
        memory: &dyn Memory,
    ) -> Option<Way> {
        let arch = self.arch;
        let word = u64::from(arch.bits() / 8);
        let Some(found) = found else { return by_frame_pointer };
        let cfa = found.slot.wrapping_add(word);
        if let Some(way) = by_frame_pointer {
            let further_in = way.registers.get(arch.sp).is_some_and(|sp| sp <= cfa);
            if further_in || found.evidence == Evidence::InCode {
                return Some(way);
            }
        }
        // One guess upon another leads anywhere.
        if found.evidence == Evidence::InCode && frame.trust >= Trust::FramePointer {
            return None;
        }
        let trust = trust_in(found.evidence);
        if let Some(rule) = &found.rule {
            return Some(Way::new(&leave(arch, rule, registers, memory).ok()??, trust));
        }
        let mut caller = Registers::default();
        caller.set(arch.pc, arch.read_word(memory, found.slot).ok());
        caller.set(arch.sp, Some(cfa));
        Some(Way::new(&caller, trust))
    }
}

fn trust_in(evidence: Evidence) -> Trust {
    match evidence {
        Evidence::Called => Trust::CallTarget,
        Evidence::ModuleCalled | Evidence::MayBeCalled => Trust::CallScan,
        Evidence::InCode => Trust::Scan,
    }
}

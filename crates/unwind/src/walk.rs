//! The walk: from the innermost frame to the first one.

use std::num::NonZero;

use epitaph_elf::{Arch, LoadedModules, Memory, Registers, SignalReturn};

use crate::address::CodeAddress;
use crate::by_address::ByAddress;
use crate::code::Code;
use crate::frame::{Frame, Stop, Trust, Unwound};
use crate::kept::{Keep, Kept};
use crate::step::{Callee, Step};
use crate::tail::TailCalls;
use crate::without_cfi::WithoutCfi;

/// Most signals and changes of the stack that are unwound through. Real handlers interrupt each other a few times; a
/// frame of a signal may lead to any address, so that nothing else ends a stack on which one leads back to itself.
const MOST_SWITCHES: usize = 128;

/// Bounds of a walk.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most frames of one thread. 8 MiB of stack, the usual limit, hold at most half a million.
    pub frames: usize,
    /// How many of them are kept; all where it isn't said.
    pub keep: Option<Keep>,
    /// How many unwinders share what is looked for in all in a process where there is no CFI.
    pub shared_by: NonZero<u32>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { frames: 1 << 20, keep: None, shared_by: NonZero::<u32>::MIN }
    }
}

/// What memory says of an address in code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    executable: bool,
    pub(crate) signal_return: Option<&'static SignalReturn>,
}

/// Walks the stacks of one process. What is found out about its code is kept from thread to thread.
pub struct Unwinder<'a> {
    pub(crate) arch: &'static Arch,
    pub(crate) memory: &'a dyn Memory,
    limits: Limits,
    pub(crate) code: Code<'a>,
    pub(crate) tail_calls: TailCalls,
    pub(crate) places: ByAddress<Place>,
    pub(crate) without_cfi: WithoutCfi,
}

impl std::fmt::Debug for Unwinder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unwinder").field("rows", &self.code.rows_kept()).finish_non_exhaustive()
    }
}

impl<'a> Unwinder<'a> {
    /// Makes an unwinder for a process of these modules and this memory.
    pub fn new(
        arch: &'static Arch,
        modules: &'a LoadedModules<'a>,
        memory: &'a dyn Memory,
        limits: Limits,
    ) -> Unwinder<'a> {
        Unwinder {
            arch,
            memory,
            limits,
            code: Code::new(arch, modules),
            tail_calls: TailCalls::new(arch, limits.shared_by),
            places: ByAddress::new(),
            without_cfi: WithoutCfi::new(arch, limits.shared_by),
        }
    }

    /// Walks a thread's stack.
    pub fn walk(&mut self, registers: &Registers) -> Unwound {
        self.walk_with(registers, |_, _| {})
    }

    /// Walks a thread's stack, and shows each frame with its registers as they were when it was left (those that
    /// can be known) to `visit`.
    pub fn walk_with(&mut self, registers: &Registers, visit: impl FnMut(&Frame, &Registers)) -> Unwound {
        let address = registers.get(self.arch.pc).map(CodeAddress::Exact);
        self.walk_from(address, registers, visit)
    }

    /// Walks the stack of a thread that was stopped by a breakpoint in its code (`SIGTRAP` with `SI_KERNEL`).
    pub fn walk_trapped(&mut self, registers: &Registers) -> Unwound {
        self.walk_trapped_with(registers, |_, _| {})
    }

    /// Walks such a thread's stack, and shows its frames as [`Unwinder::walk_with`] does.
    pub fn walk_trapped_with(
        &mut self,
        registers: &Registers,
        visit: impl FnMut(&Frame, &Registers),
    ) -> Unwound {
        let address = registers.get(self.arch.pc).map(|pc| {
            let is_behind = self.arch.follows_breakpoint(pc, self.memory);
            if is_behind { CodeAddress::Trap(pc) } else { CodeAddress::Exact(pc) }
        });
        self.walk_from(address, registers, visit)
    }

    /// Walks the stack of what isn't running: it goes on behind a call, or at the first byte of a function that it
    /// has yet to enter.
    pub fn walk_suspended(&mut self, registers: &Registers) -> Unwound {
        let address = registers.get(self.arch.pc).map(|pc| match self.code.row(pc) {
            Some(row) if row.function.start == pc => CodeAddress::Exact(pc),
            _ => CodeAddress::Return(pc),
        });
        self.walk_from(address, registers, |_, _| {})
    }

    fn walk_from(
        &mut self,
        address: Option<CodeAddress>,
        registers: &Registers,
        mut visit: impl FnMut(&Frame, &Registers),
    ) -> Unwound {
        let Some(address) = address else { return Unwound::without_frames(Stop::NoRegisters) };
        let mut kept = Kept::new(self.limits.keep);
        let mut changes = 0;
        let mut registers = *registers;
        let mut frame = Frame { address, cfa: None, trust: Trust::Context, signal_trampoline: false };
        let stop = loop {
            let step = self.step(&registers, &frame);
            if let Ok(step) = &step {
                frame.cfa = step.cfa;
                frame.signal_trampoline = step.signal;
            }
            visit(&frame, &registers);
            let function = step.as_ref().ok().and_then(Step::function);
            kept.push(frame, function.unwrap_or(frame.address.pc()));
            let step = match &step {
                Ok(step) => step,
                Err(stop) => break *stop,
            };
            let next = match self.accept(&registers, step, frame.address) {
                Ok(next) => next,
                Err(stop) => break stop,
            };
            let (arch, room) = (self.arch, self.limits.frames.saturating_sub(kept.total()));
            for jump_end in self.left_out(step, &next).iter().take(room) {
                let (frame, registers) = step.jumped(arch, *jump_end);
                visit(&frame, &registers);
                kept.push(frame, *jump_end);
            }
            if kept.total() >= self.limits.frames {
                break Stop::Limit;
            }
            changes += usize::from(step.signal || step.other_stack);
            if changes > MOST_SWITCHES {
                break Stop::Loop { pc: frame.address.pc() };
            }
            frame = next;
            registers = step.registers;
        };
        kept.finish(stop)
    }

    /// Checks that a step leads to a frame further out.
    fn accept(&mut self, registers: &Registers, step: &Step, from: CodeAddress) -> Result<Frame, Stop> {
        let pc = step.registers.get(self.arch.pc).ok_or(Stop::NoCfi { pc: from.pc() })?;
        let frame = |address| Frame { address, cfa: None, trust: step.trust, signal_trampoline: false };
        if step.signal {
            // A signal interrupts anything, even a jump to nowhere, and its handler may run on another stack.
            return Ok(frame(CodeAddress::Exact(pc)));
        }
        if pc == 0 {
            return Err(Stop::End);
        }
        if !self.place(pc).executable {
            return Err(Stop::BadReturnAddress { found: pc });
        }
        let (sp, caller_sp) = (registers.get(self.arch.sp), step.registers.get(self.arch.sp));
        // Where a call leaves its return address in a register, a function that calls nothing needs no stack.
        let may_need_none = self.arch.link.is_some() && from.is_interrupted() && pc != from.pc();
        if !step.other_stack && (caller_sp < sp || (caller_sp == sp && !may_need_none)) {
            return Err(Stop::Loop { pc: from.pc() });
        }
        Ok(frame(if step.injected { CodeAddress::Exact(pc) } else { CodeAddress::Return(pc) }))
    }

    pub(crate) fn place(&mut self, pc: u64) -> Place {
        if let Some(place) = self.places.get(pc) {
            return place;
        }
        let place = Place {
            executable: self.memory.is_executable(pc),
            signal_return: self.arch.signal_return(pc, self.memory),
        };
        self.places.insert(pc, place);
        place
    }

    /// Finds the jumps between a frame and its caller that left no frame, the last one first.
    fn left_out(&mut self, step: &Step, caller: &Frame) -> &[u64] {
        let CodeAddress::Return(address) = caller.address else { return &[] };
        let row = match &step.left {
            None => return &[],
            Some(Callee::Function(function)) => {
                return self.tail_calls.between(address, function, &mut self.code, self.memory);
            }
            Some(Callee::Row(row)) if row.complete_to.get() == Some(address) => return &[],
            Some(Callee::Row(row)) => row,
        };
        let jumps = self.tail_calls.between(address, &row.function, &mut self.code, self.memory);
        row.complete_to.set(jumps.is_empty().then_some(address));
        jumps
    }
}

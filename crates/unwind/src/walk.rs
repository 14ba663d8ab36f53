//! The walk: from the innermost frame to the first one.

use std::collections::HashMap;
use std::rc::Rc;

use epitaph_elf::{Arch, LoadedModules, Memory, Registers, SignalReturn};

use crate::address::CodeAddress;
use crate::code::Code;
use crate::fallback;
use crate::frame::{Frame, Stop, Trust, Unwound};
use crate::go::{Left, Runtime, leave, take_back_injected};
use crate::row::{Applied, Row};
use crate::tail::{Layout, TailCalls};

/// Most signals and changes of the stack that are unwound through. Real handlers interrupt each other a few times; a
/// frame of a signal may lead to any address, so that nothing else ends a stack on which one leads back to itself.
const MOST_SWITCHES: usize = 128;

/// Bounds of a walk.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most frames of one thread. 8 MiB of stack, the usual limit, hold at most half a million.
    pub frames: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { frames: 1 << 20 }
    }
}

/// Walks the stacks of one process. What is found out about its code is kept from thread to thread.
pub struct Unwinder<'a> {
    arch: &'static Arch,
    memory: &'a dyn Memory,
    limits: Limits,
    code: Code<'a>,
    tail_calls: TailCalls,
    signal_returns: HashMap<u64, Option<&'static SignalReturn>>,
}

impl std::fmt::Debug for Unwinder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unwinder").field("rows", &self.code.rows_kept()).finish_non_exhaustive()
    }
}

/// A step outwards.
struct Step {
    registers: Registers,
    cfa: Option<u64>,
    trust: Trust,
    /// Whether the step led through a signal trampoline, so that the caller was interrupted and called nothing.
    signal: bool,
    /// Whether the caller was interrupted without a trampoline.
    injected: bool,
    /// Whether the caller's frame is on another stack.
    other_stack: bool,
    /// The row that led to a caller.
    row: Option<Rc<Row>>,
}

impl Step {
    /// A step to a caller on the same stack.
    fn to(registers: &Registers, cfa: Option<u64>, trust: Trust) -> Step {
        Step {
            registers: *registers,
            cfa,
            trust,
            signal: false,
            injected: false,
            other_stack: false,
            row: None,
        }
    }

    /// Makes the frame of a function that jumped to the one that was left, with its registers as they were at the
    /// jump: it had already given its caller's back.
    fn jumped(&self, arch: &Arch, jump_end: u64) -> (Frame, Registers) {
        let mut registers = self.registers;
        registers.set(arch.pc, Some(jump_end));
        registers.set(arch.sp, self.cfa.and_then(|cfa| cfa.checked_sub(arch.sp_to_cfa_at_entry.into())));
        let frame = Frame {
            address: CodeAddress::Return(jump_end),
            cfa: self.cfa,
            trust: Trust::TailCall,
            signal_trampoline: false,
        };
        (frame, registers)
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
            tail_calls: TailCalls::new(arch),
            signal_returns: HashMap::new(),
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
        let mut frames = Vec::new();
        let mut changes = 0;
        let mut registers = *registers;
        let Some(address) = address else {
            return Unwound { frames, stop: Stop::NoRegisters };
        };
        let mut frame = Frame { address, cfa: None, trust: Trust::Context, signal_trampoline: false };
        let stop = loop {
            let step = self.step(&registers, &frame);
            if let Ok(step) = &step {
                frame.cfa = step.cfa;
                frame.signal_trampoline = step.signal;
            }
            visit(&frame, &registers);
            frames.push(frame);
            let step = match step {
                Ok(step) => step,
                Err(stop) => break stop,
            };
            let next = match self.accept(&registers, &step, frame.address) {
                Ok(next) => next,
                Err(stop) => break stop,
            };
            let (arch, room) = (self.arch, self.limits.frames.saturating_sub(frames.len()));
            for jump_end in self.left_out(&step, &next).iter().take(room) {
                let (frame, registers) = step.jumped(arch, *jump_end);
                visit(&frame, &registers);
                frames.push(frame);
            }
            if frames.len() >= self.limits.frames {
                break Stop::Limit;
            }
            changes += usize::from(step.signal || step.other_stack);
            if changes > MOST_SWITCHES {
                break Stop::Loop { pc: frame.address.pc() };
            }
            frame = next;
            registers = step.registers;
        };
        Unwound { frames, stop }
    }

    /// Checks that a step leads to a frame further out.
    fn accept(&self, registers: &Registers, step: &Step, from: CodeAddress) -> Result<Frame, Stop> {
        let pc = step.registers.get(self.arch.pc).ok_or(Stop::NoCfi { pc: from.pc() })?;
        let frame = |address| Frame { address, cfa: None, trust: step.trust, signal_trampoline: false };
        if step.signal {
            // A signal interrupts anything, even a jump to nowhere, and its handler may run on another stack.
            return Ok(frame(CodeAddress::Exact(pc)));
        }
        if pc == 0 {
            return Err(Stop::End);
        }
        if !self.memory.is_executable(pc) {
            return Err(Stop::BadReturnAddress { found: pc });
        }
        let (sp, caller_sp) = (registers.get(self.arch.sp), step.registers.get(self.arch.sp));
        // Where a call leaves its return address in a register, a function that calls nothing needs no stack.
        let may_need_none =
            self.arch.link.is_some() && matches!(from, CodeAddress::Exact(_)) && pc != from.pc();
        if !step.other_stack && (caller_sp < sp || (caller_sp == sp && !may_need_none)) {
            return Err(Stop::Loop { pc: from.pc() });
        }
        Ok(frame(if step.injected { CodeAddress::Exact(pc) } else { CodeAddress::Return(pc) }))
    }

    /// Finds the jumps between a frame and its caller that left no frame, the last one first.
    fn left_out(&mut self, step: &Step, caller: &Frame) -> &[u64] {
        let (Some(row), CodeAddress::Return(address)) = (&step.row, caller.address) else { return &[] };
        if row.complete_to.get() == Some(address) {
            return &[];
        }
        let jumps = self.tail_calls.between(address, &row.function, &mut self.code, self.memory);
        row.complete_to.set(jumps.is_empty().then_some(address));
        jumps
    }

    /// Recovers the registers of a frame's caller.
    fn step(&mut self, registers: &Registers, frame: &Frame) -> Result<Step, Stop> {
        let pc = frame.address.pc();
        if let Some(signal_return) = self.signal_return(pc) {
            let caller = (signal_return.interrupted)(registers, self.memory).ok_or(Stop::BadCfi { pc })?;
            return Ok(Step { signal: true, ..Step::to(&caller, None, Trust::Signal) });
        }
        let Some(row) = self.code.row(frame.address.lookup()) else {
            return self.step_without_cfi(registers, frame);
        };
        let mut step = match row.runtime {
            Some(runtime) => self.step_in_runtime(runtime, &row, registers, frame)?,
            None => self.step_by(&row, registers, pc)?,
        };
        if row.signal {
            (step.signal, step.trust) = (true, Trust::Signal);
        } else if !step.other_stack {
            step.row = Some(row);
        }
        Ok(step)
    }

    /// Follows the rules of a row.
    fn step_by(&self, row: &Row, registers: &Registers, pc: u64) -> Result<Step, Stop> {
        match row.apply(self.arch, registers, self.code.section(row), self.memory) {
            Applied::Caller(caller, cfa) => Ok(Step::to(&caller, Some(cfa), Trust::Cfi)),
            Applied::First => Err(Stop::End),
            Applied::Unusable => Err(Stop::BadCfi { pc }),
            Applied::Memory(error) => Err(Stop::Memory(error)),
        }
    }

    /// Leaves a function of Go's runtime.
    fn step_in_runtime(
        &self,
        runtime: Runtime,
        row: &Row,
        registers: &Registers,
        frame: &Frame,
    ) -> Result<Step, Stop> {
        let pc = frame.address.pc();
        let injected = runtime == Runtime::Injected;
        if injected {
            let mut step = Step { injected, ..self.step_by(row, registers, pc)? };
            take_back_injected(self.arch, &mut step.registers, self.memory);
            return Ok(step);
        }
        if let CodeAddress::Exact(_) = frame.address {
            return self.step_by(row, registers, pc);
        }
        match leave(runtime, row, self.arch, registers, self.memory) {
            Left::First => Err(Stop::End),
            Left::Unknown => Err(Stop::NoCfi { pc }),
            Left::For(caller) => Ok(Step { other_stack: true, ..Step::to(&caller, None, Trust::Cfi) }),
            Left::OnOtherStack(registers) => {
                Ok(Step { other_stack: true, ..self.step_by(row, &registers, pc)? })
            }
            Left::OnSameStack => {
                // What called C has saved that it goes on at the first byte of a function that it didn't call.
                let injected = runtime == Runtime::CalledByC;
                Ok(Step { injected, ..self.step_by(row, registers, pc)? })
            }
        }
    }

    fn step_without_cfi(&self, registers: &Registers, frame: &Frame) -> Result<Step, Stop> {
        let (arch, memory, pc) = (self.arch, self.memory, frame.address.pc());
        let step = |caller: Registers, trust| {
            let cfa = caller.get(arch.sp);
            Step::to(&caller, cfa, trust)
        };
        let nothing_pushed_yet = matches!(frame.address, CodeAddress::Exact(_))
            && (!memory.is_executable(pc) || self.code.is_plt(pc));
        if nothing_pushed_yet && let Some(caller) = fallback::after_call(arch, registers, memory) {
            return Ok(step(caller, Trust::CallTarget));
        }
        if let Some(caller) = fallback::frame_pointer(arch, registers, memory) {
            return Ok(step(caller, Trust::FramePointer));
        }
        Err(Stop::NoCfi { pc })
    }

    fn signal_return(&mut self, pc: u64) -> Option<&'static SignalReturn> {
        let (arch, memory) = (self.arch, self.memory);
        *self.signal_returns.entry(pc).or_insert_with(|| fallback::signal_return(arch, pc, memory))
    }
}

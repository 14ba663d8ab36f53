//! The walk: from the innermost frame to the first one.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use epitaph_elf::{Arch, LoadedModules, Memory, Registers, SignalReturn};

use crate::address::CodeAddress;
use crate::code::Code;
use crate::exidx::{self, Failure, Unwinding};
use crate::fallback;
use crate::frame::{Frame, Stop, Trust, Unwound};
use crate::row::{Applied, Row};
use crate::tail::TailCalls;
use crate::without_cfi::WithoutCfi;

/// Most signals that are unwound through. Real handlers interrupt each other a few times; a frame of a signal may
/// lead to any address, so that nothing else ends a stack on which one leads back to itself.
const MOST_SIGNALS: usize = 128;

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
    without_cfi: WithoutCfi,
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
    /// The function that was left, where a call is known to have led to it.
    left: Option<Left>,
}

/// How the bounds of a function that was left are known.
enum Left {
    /// By the row of CFI that led to its caller.
    Row(Rc<Row>),
    /// By its symbol.
    Function(Range<u64>),
}

impl Step {
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
            without_cfi: WithoutCfi::new(arch),
        }
    }

    /// Walks a thread's stack.
    pub fn walk(&mut self, registers: &Registers) -> Unwound {
        self.walk_with(registers, |_, _| {})
    }

    /// Walks a thread's stack, and shows each frame with its registers as they were when it was left (those that
    /// can be known) to `visit`.
    pub fn walk_with(&mut self, registers: &Registers, mut visit: impl FnMut(&Frame, &Registers)) -> Unwound {
        let mut frames = Vec::new();
        let mut signals = 0;
        let mut registers = *registers;
        let Some(pc) = registers.get(self.arch.pc) else {
            return Unwound { frames, stop: Stop::NoRegisters };
        };
        let mut frame = Frame {
            address: CodeAddress::Exact(pc),
            cfa: None,
            trust: Trust::Context,
            signal_trampoline: false,
        };
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
            signals += usize::from(step.signal);
            if signals > MOST_SIGNALS {
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
        if caller_sp < sp || (caller_sp == sp && !may_need_none) {
            return Err(Stop::Loop { pc: from.pc() });
        }
        Ok(frame(CodeAddress::Return(pc)))
    }

    /// Finds the jumps between a frame and its caller that left no frame, the last one first.
    fn left_out(&mut self, step: &Step, caller: &Frame) -> &[u64] {
        let CodeAddress::Return(address) = caller.address else { return &[] };
        let row = match &step.left {
            None => return &[],
            Some(Left::Function(function)) => {
                return self.tail_calls.between(address, function, &mut self.code, self.memory);
            }
            Some(Left::Row(row)) if row.complete_to.get() == Some(address) => return &[],
            Some(Left::Row(row)) => row,
        };
        let jumps = self.tail_calls.between(address, &row.function, &mut self.code, self.memory);
        row.complete_to.set(jumps.is_empty().then_some(address));
        jumps
    }

    /// Recovers the registers of a frame's caller.
    fn step(&mut self, registers: &Registers, frame: &Frame) -> Result<Step, Stop> {
        let pc = frame.address.pc();
        if let Some(signal_return) = self.signal_return(pc) {
            let caller = (signal_return.interrupted)(registers, self.memory).ok_or(Stop::BadCfi { pc })?;
            return Ok(Step { registers: caller, cfa: None, trust: Trust::Signal, signal: true, left: None });
        }
        let Some(row) = self.code.row(frame.address.lookup()) else {
            if let Some(by_tables) = self.step_by_exception_tables(registers, frame) {
                return by_tables;
            }
            if matches!(frame.address, CodeAddress::Return(_))
                && (self.code.is_entry(frame.address.lookup())
                    || fallback::is_first(self.arch, registers, self.memory))
            {
                return Err(Stop::End);
            }
            return self.step_without_cfi(registers, frame);
        };
        let section = self.code.section(&row).ok_or(Stop::BadCfi { pc })?;
        match row.apply(self.arch, registers, section, self.memory) {
            Applied::Caller(caller, cfa) => {
                let doubtful = matches!(frame.address, CodeAddress::Exact(_)) && row.saves_by_expression();
                let registers = if doubtful && !row.signal {
                    self.by_code_if_same(registers, frame, &caller)
                } else {
                    caller
                };
                Ok(Step {
                    registers,
                    cfa: Some(cfa),
                    trust: if row.signal { Trust::Signal } else { Trust::Cfi },
                    signal: row.signal,
                    left: (!row.signal).then_some(Left::Row(row)),
                })
            }
            Applied::First => Err(Stop::End),
            // After a step that lost registers, CFI may need one of them where the code shows another way.
            Applied::Unusable => self.step_without_cfi(registers, frame).map_err(|_| Stop::BadCfi { pc }),
            Applied::Memory(error) => Err(Stop::Memory(error)),
        }
    }

    /// Recovers the registers of a frame's caller by 32-bit ARM's exception tables; `None` where they don't lead on.
    ///
    /// They tell how the stack is at a function's calls. One that was interrupted may be in its prologue or epilogue: what
    /// they lead to is only believed if it is a return address, and else the link register may still hold one.
    fn step_by_exception_tables(&self, registers: &Registers, frame: &Frame) -> Option<Result<Step, Stop>> {
        let (arch, memory, pc) = (self.arch, self.memory, frame.address.pc());
        let Unwinding::Instructions(instructions) =
            self.code.exception_entry(frame.address.lookup())?.unwinding
        else {
            return None;
        };
        let read = |address: u32| arch.read_word(memory, address.into()).map(|word| word as u32);
        let mut caller = match exidx::unwind(&instructions, registers, read) {
            Ok(caller) => caller,
            Err(Failure::Refused) => return None,
            Err(Failure::Unusable) => return Some(Err(Stop::BadCfi { pc })),
            Err(Failure::Memory(error)) => return Some(Err(Stop::Memory(error))),
        };
        let back = registers.code_address(caller.get(arch.pc)?);
        caller.set(arch.pc, Some(back));
        let mut trust = Trust::Cfi;
        let interrupted = matches!(frame.address, CodeAddress::Exact(_));
        if interrupted && !fallback::is_return_address(arch, back, memory) {
            caller = fallback::after_call(arch, registers, memory)?;
            trust = Trust::CallTarget;
        }
        Some(Ok(Step { registers: caller, cfa: caller.get(arch.sp), trust, signal: false, left: None }))
    }

    /// Returns the caller's registers as the code has them, if it finds the same caller as CFI.
    fn by_code_if_same(&mut self, registers: &Registers, frame: &Frame, caller: &Registers) -> Registers {
        let Unwinder { without_cfi, code, memory, .. } = self;
        let by_code = without_cfi.by_entry(registers, frame.address, code, *memory);
        let same = |other: &Registers| {
            [self.arch.pc, self.arch.sp]
                .into_iter()
                .all(|register| other.get(register) == caller.get(register))
        };
        by_code.filter(same).unwrap_or(*caller)
    }

    fn step_without_cfi(&mut self, registers: &Registers, frame: &Frame) -> Result<Step, Stop> {
        let Unwinder { without_cfi, code, tail_calls, memory, .. } = self;
        let way = without_cfi.step(registers, frame, code, tail_calls, *memory)?;
        Ok(Step {
            registers: way.registers,
            cfa: way.registers.get(self.arch.sp),
            trust: way.trust,
            signal: false,
            left: way.function.map(Left::Function),
        })
    }

    fn signal_return(&mut self, pc: u64) -> Option<&'static SignalReturn> {
        let (arch, memory) = (self.arch, self.memory);
        *self.signal_returns.entry(pc).or_insert_with(|| fallback::signal_return(arch, pc, memory))
    }
}

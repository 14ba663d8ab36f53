//! The walk: from the innermost frame to the first one.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;

use epitaph_elf::{Arch, LoadedModules, Memory, Registers};
use gimli::UnwindContext;

use crate::address::CodeAddress;
use crate::cfi::ModuleCfi;
use crate::fallback;
use crate::frame::{Frame, Stop, Trust, Unwound};
use crate::row::{Applied, Row};

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

/// Walks the stacks of one process. Rows of CFI are kept from thread to thread: stacks of a process go through the
/// same code.
pub struct Unwinder<'a> {
    arch: &'static Arch,
    modules: &'a LoadedModules<'a>,
    memory: &'a dyn Memory,
    limits: Limits,
    cfi: Vec<OnceCell<ModuleCfi<'a>>>,
    rows: HashMap<u64, Option<Rc<Row>>>,
    sigreturns: HashMap<u64, bool>,
    context: UnwindContext<usize>,
}

impl std::fmt::Debug for Unwinder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unwinder").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

/// A step outwards.
struct Step {
    registers: Registers,
    cfa: Option<u64>,
    trust: Trust,
    /// Whether the step led through a signal trampoline, so that the caller was interrupted and called nothing.
    signal: bool,
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
            modules,
            memory,
            limits,
            cfi: modules.modules().iter().map(|_| OnceCell::new()).collect(),
            rows: HashMap::new(),
            sigreturns: HashMap::new(),
            context: UnwindContext::new(),
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
            if frames.len() >= self.limits.frames {
                break Stop::Limit;
            }
            match self.accept(&registers, &step, frame.address.pc()) {
                Ok(next) => {
                    frame = next;
                    registers = step.registers;
                }
                Err(stop) => break stop,
            }
        };
        Unwound { frames, stop }
    }

    /// Checks that a step leads to a frame further out.
    fn accept(&self, registers: &Registers, step: &Step, from: u64) -> Result<Frame, Stop> {
        let pc = step.registers.get(self.arch.pc).ok_or(Stop::NoCfi { pc: from })?;
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
        if step.registers.get(self.arch.sp) <= registers.get(self.arch.sp) {
            return Err(Stop::Loop { pc: from });
        }
        Ok(frame(CodeAddress::Return(pc)))
    }

    /// Recovers the registers of a frame's caller.
    fn step(&mut self, registers: &Registers, frame: &Frame) -> Result<Step, Stop> {
        let pc = frame.address.pc();
        if self.is_sigreturn(pc) {
            let caller = (self.arch.after_sigreturn)(registers, self.memory).ok_or(Stop::BadCfi { pc })?;
            return Ok(Step { registers: caller, cfa: None, trust: Trust::Signal, signal: true });
        }
        let Some(row) = self.row(frame.address.lookup()) else {
            return self.step_without_cfi(registers, frame);
        };
        let section = self
            .cfi
            .get(row.module)
            .and_then(OnceCell::get)
            .and_then(|cfi| cfi.section(row.section))
            .ok_or(Stop::BadCfi { pc })?;
        match row.apply(self.arch, registers, section, self.memory) {
            Applied::Caller(caller, cfa) => Ok(Step {
                registers: caller,
                cfa: Some(cfa),
                trust: if row.signal { Trust::Signal } else { Trust::Cfi },
                signal: row.signal,
            }),
            Applied::First => Err(Stop::End),
            Applied::Unusable => Err(Stop::BadCfi { pc }),
            Applied::Memory(error) => Err(Stop::Memory(error)),
        }
    }

    fn step_without_cfi(&self, registers: &Registers, frame: &Frame) -> Result<Step, Stop> {
        let (arch, memory, pc) = (self.arch, self.memory, frame.address.pc());
        let step = |caller: Registers, trust| {
            let cfa = caller.get(arch.sp);
            Step { registers: caller, cfa, trust, signal: false }
        };
        let nothing_pushed_yet =
            matches!(frame.address, CodeAddress::Exact(_)) && (!memory.is_executable(pc) || self.is_plt(pc));
        if nothing_pushed_yet && let Some(caller) = fallback::after_call(arch, registers, memory) {
            return Ok(step(caller, Trust::CallTarget));
        }
        if let Some(caller) = fallback::frame_pointer(arch, registers, memory) {
            return Ok(step(caller, Trust::FramePointer));
        }
        Err(Stop::NoCfi { pc })
    }

    fn is_plt(&self, pc: u64) -> bool {
        let found = self.modules.find(pc).and_then(|module| {
            let address = pc.wrapping_sub(self.modules.bias(module)?);
            Some(self.modules.object(module)?.is_plt(address))
        });
        found.unwrap_or(false)
    }

    fn is_sigreturn(&mut self, pc: u64) -> bool {
        let (arch, memory) = (self.arch, self.memory);
        *self.sigreturns.entry(pc).or_insert_with(|| fallback::is_sigreturn(arch, pc, memory))
    }

    fn row(&mut self, lookup: u64) -> Option<Rc<Row>> {
        if let Some(row) = self.rows.get(&lookup) {
            return row.clone();
        }
        let row = self.read_row(lookup).map(Rc::new);
        self.rows.insert(lookup, row.clone());
        row
    }

    fn read_row(&mut self, lookup: u64) -> Option<Row> {
        let module = self.modules.find(lookup)?;
        let cfi = self.cfi.get(module)?.get_or_init(|| ModuleCfi::new(self.modules, module));
        let address = lookup.wrapping_sub(self.modules.bias(module)?);
        cfi.row(self.modules, module, address, &mut self.context)
    }
}

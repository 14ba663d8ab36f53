//! One step: from a frame to its caller, by whatever leads there.

use std::ops::Range;
use std::rc::Rc;

use epitaph_elf::{Arch, Registers};

use crate::address::CodeAddress;
use crate::exidx::{self, Failure, Unwinding};
use crate::fallback;
use crate::frame::{Frame, Stop, Trust};
use crate::go::{self, Runtime};
use crate::row::{NoCaller, Row};
use crate::tail::Layout;
use crate::walk::Unwinder;

/// A step outwards.
pub(crate) struct Step {
    pub(crate) registers: Registers,
    pub(crate) cfa: Option<u64>,
    pub(crate) trust: Trust,
    /// Whether the step led through a signal trampoline, so that the caller was interrupted and called nothing.
    pub(crate) signal: bool,
    /// Whether the caller was interrupted without a trampoline.
    pub(crate) injected: bool,
    /// Whether the caller's frame is on another stack.
    pub(crate) other_stack: bool,
    /// The function that was left, where a call is known to have led to it.
    pub(crate) left: Option<Callee>,
}

/// How the bounds of a function that was left are known.
pub(crate) enum Callee {
    /// By the row of CFI that led to its caller.
    Row(Rc<Row>),
    /// By its symbol.
    Function(Range<u64>),
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
            left: None,
        }
    }

    /// Returns the first address of the function that was left, as far as it is known.
    pub(crate) fn function(&self) -> Option<u64> {
        Some(match self.left.as_ref()? {
            Callee::Row(row) => row.function.start,
            Callee::Function(function) => function.start,
        })
    }

    /// Makes the frame of a function that jumped to the one that was left, with its registers as they were at the
    /// jump: it had already given its caller's back.
    pub(crate) fn jumped(&self, arch: &Arch, jump_end: u64) -> (Frame, Registers) {
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

impl Unwinder<'_> {
    /// Recovers the registers of a frame's caller.
    pub(crate) fn step(&mut self, registers: &Registers, frame: &Frame) -> Result<Step, Stop> {
        let pc = frame.address.pc();
        if let Some(signal_return) = self.place(pc).signal_return {
            let caller = (signal_return.interrupted)(registers, self.memory).ok_or(Stop::BadCfi { pc })?;
            return Ok(Step { signal: true, ..Step::to(&caller, None, Trust::Signal) });
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
        let mut step = match row.runtime {
            Some(runtime) => self.step_in_runtime(runtime, &row, registers, frame),
            None => self.step_by(&row, registers, frame),
        };
        // Changed where it is: it is large, and made for every frame.
        if let Ok(step) = &mut step {
            if row.signal {
                (step.signal, step.trust) = (true, Trust::Signal);
            } else if step.left.is_none() && step.trust == Trust::Cfi && !step.other_stack {
                step.left = Some(Callee::Row(row));
            }
        }
        step
    }

    /// Follows the rules of a row.
    fn step_by(&mut self, row: &Row, registers: &Registers, frame: &Frame) -> Result<Step, Stop> {
        let pc = frame.address.pc();
        let mut step = Step::to(registers, None, Trust::Cfi);
        let section = self.code.section(row);
        match row.apply(self.arch, registers, section, self.memory, &mut step.registers) {
            Ok(cfa) => step.cfa = Some(cfa),
            Err(NoCaller::First) => return Err(Stop::End),
            // After a step that lost registers, CFI may need one of them where the code shows another way.
            Err(NoCaller::Unusable) => {
                return self.step_without_cfi(registers, frame).map_err(|_| Stop::BadCfi { pc });
            }
            Err(NoCaller::Memory(error)) => return Err(Stop::Memory(error)),
        }
        if frame.address.is_interrupted() && row.saves_by_expression() && !row.signal {
            self.take_code_if_same(registers, frame, &mut step.registers);
        }
        Ok(step)
    }

    /// Leaves a function of Go's runtime.
    fn step_in_runtime(
        &mut self,
        runtime: Runtime,
        row: &Row,
        registers: &Registers,
        frame: &Frame,
    ) -> Result<Step, Stop> {
        let pc = frame.address.pc();
        let injected = runtime == Runtime::Injected;
        if injected {
            let mut step = Step { injected, ..self.step_by(row, registers, frame)? };
            go::take_back_injected(self.arch, &mut step.registers, self.memory);
            return Ok(step);
        }
        if frame.address.is_interrupted() {
            return self.step_by(row, registers, frame);
        }
        match go::leave(runtime, row, self.arch, registers, self.memory) {
            go::Left::First => Err(Stop::End),
            go::Left::Unknown => Err(Stop::NoCfi { pc }),
            go::Left::For(caller) => Ok(Step { other_stack: true, ..Step::to(&caller, None, Trust::Cfi) }),
            go::Left::OnOtherStack(registers) => {
                Ok(Step { other_stack: true, ..self.step_by(row, &registers, frame)? })
            }
            go::Left::OnSameStack => {
                // What called C has saved that it goes on at the first byte of a function that it didn't call.
                let injected = runtime == Runtime::CalledByC;
                Ok(Step { injected, ..self.step_by(row, registers, frame)? })
            }
        }
    }

    /// Recovers the registers of a frame's caller by 32-bit ARM's exception tables; `None` where they don't lead on.
    ///
    /// They tell how the stack is at a function's calls. One that was interrupted may be in its prologue or epilogue: what
    /// they lead to is only believed if it is a return address, and else the link register may still hold one; at the
    /// function's first instruction it does. The tables' own start of a function may be that of another one further in
    /// front, which is unwound alike: a symbol knows better.
    fn step_by_exception_tables(
        &mut self,
        registers: &Registers,
        frame: &Frame,
    ) -> Option<Result<Step, Stop>> {
        let (arch, memory, pc) = (self.arch, self.memory, frame.address.pc());
        let entry = self.code.exception_entry(frame.address.lookup())?;
        let Unwinding::Instructions(instructions) = &entry.unwinding else { return None };
        let read = |address: u32| arch.read_word(memory, address.into()).map(|word| word as u32);
        let mut caller = match exidx::unwind(instructions, registers, read) {
            Ok(caller) => caller,
            Err(Failure::Refused) => return None,
            Err(Failure::Unusable) => return Some(Err(Stop::BadCfi { pc })),
            Err(Failure::Memory(error)) => return Some(Err(Stop::Memory(error))),
        };
        let back = registers.code_address(caller.get(arch.pc)?);
        caller.set(arch.pc, Some(back));
        let mut trust = Trust::Cfi;
        if frame.address.is_interrupted() {
            let pc = frame.address.pc();
            let function = self.code.function(pc).unwrap_or(entry.covers.clone());
            let at_entry = pc == function.start;
            if at_entry || !fallback::is_return_address(arch, back, memory) {
                caller = fallback::after_call(arch, registers, memory)?;
                // Later it may have called something that didn't give the link register back.
                trust = if at_entry { Trust::CallTarget } else { Trust::CallScan };
            } else if may_be_in_prologue(arch, registers, back, &function, instructions) {
                trust = Trust::CallScan;
            }
        }
        Some(Ok(Step::to(&caller, caller.get(arch.sp), trust)))
    }

    /// Takes the caller's registers as the code has them, if it finds the same caller as CFI.
    fn take_code_if_same(&mut self, registers: &Registers, frame: &Frame, caller: &mut Registers) {
        let Unwinder { without_cfi, code, memory, .. } = self;
        let Some(by_code) = without_cfi.by_entry(registers, frame.address, code, *memory) else { return };
        let mut both = [self.arch.pc, self.arch.sp].into_iter();
        if both.all(|register| by_code.get(register) == caller.get(register)) {
            *caller = by_code;
        }
    }

    fn step_without_cfi(&mut self, registers: &Registers, frame: &Frame) -> Result<Step, Stop> {
        let Unwinder { without_cfi, code, tail_calls, memory, .. } = self;
        let way = without_cfi.step(registers, frame, code, tail_calls, *memory)?;
        let left = way.function.map(Callee::Function);
        Ok(Step { left, ..Step::to(&way.registers, way.registers.get(self.arch.sp), way.trust) })
    }
}

/// Tells whether an interrupted function of 32-bit Arm may not have set up its frame yet, so that what its tables lead to
/// merely happens to follow a call.
fn may_be_in_prologue(
    arch: &Arch,
    registers: &Registers,
    back: u64,
    function: &Range<u64>,
    instructions: &[u8],
) -> bool {
    /// An instruction of the tables undoes one of the prologue, of at most 4 bytes; another one may come before it.
    const PER_STEP: u64 = 8;
    let link = arch.link.and_then(|link| registers.get(link)).map(|link| registers.code_address(link));
    // Until the first call the link register has the same return address. In a recursion its caller may have it, too.
    if link == Some(back) {
        return function.contains(&back);
    }
    let steps = instructions.iter().filter(|byte| **byte != exidx::FINISH).count() as u64;
    let within = registers.get(arch.pc).and_then(|pc| pc.checked_sub(function.start));
    within.is_none_or(|within| within < steps * PER_STEP)
}

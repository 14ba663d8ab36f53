//! The fault: what the processor was doing when it went wrong.

use epitaph_elf::signals::{SI_KERNEL, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
use epitaph_elf::{Arch, FaultKind, Memory, Process, RecordedFault, Registers, SignalInfo, SignalRecord};
use epitaph_summary::{CrashSummary, Frame, SignalOrigin, Thread};

use crate::instruction::{Action, Instruction, Machine, Operand};
use crate::regions::Space;

/// What a signal trampoline's frame is called.
const SIGNAL_FRAME: &str = "<signal handler called>";
/// Most handlers' frames that are looked at: who has more has a crash in its crash handler.
const MOST_HANDLERS: usize = 16;

/// What the processor was doing when it went wrong. Where a signal handler ended the process, that is what it interrupted.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The signal.
    pub signal: SignalInfo,
    /// The registers as they were.
    pub registers: Registers,
    /// Index of its frame in the crashing thread's frames.
    pub frame: usize,
    /// Where this was read.
    pub origin: SignalOrigin,
    /// Whether the access was a write, where a handler's frame tells.
    pub write: Option<bool>,
    /// Whether it may be an older fault than the one that the handler was called for.
    pub doubtful: bool,
}

impl Fault {
    /// Takes the faults of a process: the one that ended it, and those whose handlers were running then, innermost first.
    /// What ended it is none where a handler did, or somebody sent the signal: the innermost fault is what counts then.
    pub(crate) fn all(
        process: &Process,
        memory: &dyn Memory,
        space: &Space<'_>,
        summary: &CrashSummary,
    ) -> (Option<Fault>, Vec<Fault>) {
        let Some(own) = Fault::told(process) else { return (None, Vec::new()) };
        let thread = summary.crashing_thread().or(summary.threads.first());
        let handled: Vec<Fault> =
            thread.map(|thread| behind_handlers(process, memory, space, thread)).unwrap_or_default();
        let fault = match handled.first() {
            Some(behind) if !own.is_synchronous() => behind.clone(),
            _ => own,
        };
        (Some(fault), handled)
    }

    /// Takes the fault that the core itself tells of; `None` where no signal ended the process.
    fn told(process: &Process) -> Option<Fault> {
        let signal = process.signal.clone().filter(|signal| signal.number != 0)?;
        let origin = if signal.code.is_some() { SignalOrigin::Siginfo } else { SignalOrigin::Prstatus };
        let registers = process.threads.first()?.registers;
        Some(Fault { signal, registers, frame: 0, origin, write: None, doubtful: false })
    }

    /// Tells whether the processor raised it, rather than somebody sent it.
    pub(crate) fn is_synchronous(&self) -> bool {
        raised_by_processor(&self.signal)
    }

    /// Tells whether it is of a kind that a processor raises, however it came about here: a handler may have raised it
    /// again.
    pub(crate) fn may_be_synchronous(&self) -> bool {
        [SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV].contains(&self.signal.number)
    }
}

/// Tells whether the processor (or the kernel, for a system call) raised a signal.
fn raised_by_processor(signal: &SignalInfo) -> bool {
    [SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS].contains(&signal.number)
        // Only the kernel's log tells of an address without a code.
        && signal.code.map_or(signal.fault_address.is_some(), |code| code > 0)
}

/// Finds the faults whose handlers a thread was in, innermost first.
fn behind_handlers(process: &Process, memory: &dyn Memory, space: &Space<'_>, thread: &Thread) -> Vec<Fault> {
    let tls = process.threads.first().and_then(|first| first.tls);
    let is_trampoline = |frame: &Frame| frame.function.as_deref() == Some(SIGNAL_FRAME);
    let trampolines = thread.frames.iter().enumerate().filter(|(_, frame)| is_trampoline(frame));
    let fault = |(index, trampoline): (usize, &Frame)| {
        let before = index.checked_sub(1).and_then(|before| thread.frames.get(before))?;
        let next = u32::try_from(index).ok()?;
        if thread.omitted_after.is_some_and(|after| after == next || after.checked_add(1) == Some(next)) {
            return None;
        }
        let place = Place { arch: process.arch, pc: trampoline.pc?.0, sp: before.cfa?.0, tls };
        place.fault(memory, space, index + 1)
    };
    trampolines.take(MOST_HANDLERS).filter_map(fault).collect()
}

/// A signal trampoline's frame.
struct Place {
    arch: &'static Arch,
    pc: u64,
    sp: u64,
    tls: Option<u64>,
}

impl Place {
    /// Reads the fault that the handler was called for, if it was for one; `frame` is the interrupted one's index.
    fn fault(&self, memory: &dyn Memory, space: &Space<'_>, frame: usize) -> Option<Fault> {
        let signal_return = self.arch.signal_return(self.pc, memory)?;
        let mut at = Registers::default();
        at.set(self.arch.sp, Some(self.sp));
        at.set(self.arch.pc, Some(self.pc));
        let registers = (signal_return.interrupted)(&at, memory)?;
        let record = (signal_return.record)(&at, memory)?;
        let machine = Machine { arch: self.arch, registers: &registers, tls: self.tls, memory };
        let (signal, doubtful) = judge(&record, machine, space)?;
        let write = record.last_fault.and_then(|last| last.write);
        Some(Fault { signal, registers, frame, origin: SignalOrigin::Sigframe, write, doubtful })
    }
}

/// Tells which fault a handler was called for, and whether that is in doubt. The kernel's note may be of an older fault,
/// and what stands in the signal's description of an older signal: one must bear the other out, or the instruction that
/// was interrupted must.
fn judge(record: &SignalRecord, machine: Machine<'_>, space: &Space<'_>) -> Option<(SignalInfo, bool)> {
    let told = record.info.as_ref().filter(|info| raised_by_processor(info));
    let last = record.last_fault.as_ref();
    if let (Some(told), Some(last)) = (told, last)
        && last.kind.raises(told.number)
        && (last.kind != FaultKind::Access || last.address == told.fault_address)
    {
        return Some((told.clone(), false));
    }
    let last = last?;
    let Some(instruction) = Instruction::decode(machine) else {
        // Without its code there is only this; a divide error is also what a thread has that had no fault.
        return (last.kind == FaultKind::Access).then(|| (signal_of(last, told, space), true));
    };
    bears_out(last, &instruction, machine).then(|| (signal_of(last, told, space), false))
}

/// Makes the signal of a recorded fault; `told` may be another's.
fn signal_of(fault: &RecordedFault, told: Option<&SignalInfo>, space: &Space<'_>) -> SignalInfo {
    if let Some(told) = told.filter(|told| fault.kind.raises(told.number)) {
        return SignalInfo { fault_address: fault.address.or(told.fault_address), ..told.clone() };
    }
    // Where the map allows an access, its file had nothing there.
    let allowed = |address| space.is_known() && !space.forbids(address, fault.write.unwrap_or(false));
    let number = match fault.kind {
        FaultKind::Access if fault.address.is_some_and(allowed) => SIGBUS,
        FaultKind::Access | FaultKind::Protection => SIGSEGV,
        FaultKind::Alignment => SIGBUS,
        FaultKind::Division | FaultKind::FloatingPoint => SIGFPE,
        FaultKind::Instruction => SIGILL,
        FaultKind::Trap => SIGTRAP,
    };
    // Of this kind the kernel says nothing else (`exc_general_protection`, linux/arch/x86/kernel/traps.c).
    let code = (fault.kind == FaultKind::Protection).then_some(SI_KERNEL);
    SignalInfo { code, fault_address: fault.address, ..SignalInfo::of_number(number) }
}

/// Tells whether an instruction, with the registers as they were, would have had such a fault.
fn bears_out(fault: &RecordedFault, instruction: &Instruction, machine: Machine<'_>) -> bool {
    let pc = machine.registers.get(machine.arch.pc);
    match fault.kind {
        FaultKind::Access => fault.address.is_some_and(|address| {
            Some(address) == pc || instruction.operands.iter().any(|operand| operand.reaches(address))
        }),
        FaultKind::Protection => {
            let not_canonical = |address: Option<u64>| address.is_some_and(|address| !is_canonical(address));
            instruction.action == Action::Privileged
                || instruction.operands.iter().any(|operand| not_canonical(operand.address))
                || instruction.operands.iter().any(Operand::is_misaligned)
                || matches!(instruction.action, Action::Jump(to) | Action::Return(to) if not_canonical(to))
        }
        FaultKind::Division => matches!(instruction.action, Action::Divide(Some(_))),
        FaultKind::Instruction => matches!(instruction.action, Action::Trap(_) | Action::Invalid),
        FaultKind::Trap => matches!(instruction.action, Action::Trap(_)) || after_breakpoint(machine),
        FaultKind::Alignment | FaultKind::FloatingPoint => false,
    }
}

/// Tells whether the instruction before the program counter is a breakpoint.
pub(crate) fn after_breakpoint(machine: Machine<'_>) -> bool {
    let pc = machine.registers.get(machine.arch.pc);
    pc.is_some_and(|pc| machine.arch.follows_breakpoint(pc, machine.memory))
}

/// Tells whether x86-64 lets an address be used at all: bits 47 to 63 are alike (Intel SDM volume 1, 3.3.7.1).
pub(crate) fn is_canonical(address: u64) -> bool {
    matches!(address >> 47, 0 | 0x1_ffff)
}

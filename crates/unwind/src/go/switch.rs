//! The way back from a thread's stack to its goroutine's, and from there to the C code that called it.
//!
//! What `asmcgocall` and `cgocallback` leave on the stack is in `runtime/asm_amd64.s`. Each pointer is checked by one
//! that leads back before it is believed.

use std::ops::Range;

use epitaph_elf::{Arch, Memory, Registers};

use super::layout::{G_PC, G_SP, G_STACK, G_THREAD, M_G0, WORD};
use super::runtime::Runtime;
use crate::fallback::is_return_address;
use crate::row::Row;

/// Words of an `m` among which `curg` is looked for, the goroutine that runs on the thread: what comes before it has
/// changed its size often.
const M_WORDS: u64 = 64;
/// Most bytes between a thread's saved stack pointer and the one that its runtime starts from.
const AT_START: u64 = 64;
/// Where `asmcgocall` keeps the goroutine and how deep its stack was, from the stack pointer on: on x86-64 from Go 1.20 on,
/// and before, and on aarch64.
const SAVED_FOR_C: [(u64, u64); 3] = [(WORD, 0), (6 * WORD, 5 * WORD), (0, WORD)];

/// How a function was left that changes the stack.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Left {
    /// By the rules for its frame, with these registers.
    OnOtherStack(Registers),
    /// It had not changed the stack.
    OnSameStack,
    /// For a function that stands in these registers.
    For(Registers),
    /// Nothing called it.
    First,
    /// It isn't known how.
    Unknown,
}

/// Tells how a function of the runtime was left that has called another, given its registers then. `row` are the
/// rules for its frame.
pub(crate) fn leave(
    runtime: Runtime,
    row: &Row,
    arch: &Arch,
    registers: &Registers,
    memory: &dyn Memory,
) -> Left {
    let state = State { arch, registers, memory };
    let left = match runtime {
        Runtime::First => Some(Left::First),
        Runtime::FromC | Runtime::Injected => Some(Left::OnSameStack),
        Runtime::SystemStack => state.running().and_then(|running| match running {
            Running::Goroutine => Some(Left::OnSameStack),
            Running::Thread { goroutine } => {
                state.saved_sp(goroutine?).and_then(|sp| state.on_other_stack(sp, row))
            }
        }),
        Runtime::MoreStack => state.running().and_then(|running| match running {
            Running::Goroutine => None,
            // Its goroutine may have been put aside, and the thread looks for another.
            Running::Thread { goroutine: None } => Some(Left::First),
            Running::Thread { goroutine: Some(goroutine) } => state.suspended(goroutine).map(Left::For),
        }),
        Runtime::CallsC => {
            let mut pointers = SAVED_FOR_C.into_iter().filter_map(|saved| state.before_c(saved));
            pointers.find_map(|sp| state.on_other_stack(sp, row))
        }
        Runtime::CalledByC => {
            // Without it, the goroutine's own frames follow: the function that had called C.
            let thread = state.before_go(row).and_then(|sp| state.on_other_stack(sp, row));
            Some(thread.unwrap_or(Left::OnSameStack))
        }
    };
    left.unwrap_or(Left::Unknown)
}

/// Takes back what the runtime pushed in order to make it look as if an interrupted function had called another: where a
/// call leaves its return address in a register, that register's value (`runtime/signal_*.go`, `preparePanic`).
pub(crate) fn take_back_injected(arch: &Arch, registers: &mut Registers, memory: &dyn Memory) -> Option<()> {
    let link = arch.link?;
    let sp = registers.get(arch.sp)?;
    // The least frame there, aligned as the stack is.
    let size = match arch.name {
        "aarch64" => 2 * WORD,
        "ppc64le" => 4 * WORD,
        _ => WORD,
    };
    registers.set(link, arch.read_word(memory, sp).ok());
    registers.set(arch.sp, sp.checked_add(size));
    Some(())
}

/// What runs, by the register that Go keeps it in.
enum Running {
    /// A goroutine, on its stack.
    Goroutine,
    /// A thread, on its own stack, for this goroutine if there is one.
    Thread { goroutine: Option<u64> },
}

/// A frame's registers, and the memory that they point into.
struct State<'s> {
    arch: &'s Arch,
    registers: &'s Registers,
    memory: &'s dyn Memory,
}

impl State<'_> {
    /// Tells what runs; `None` if the register doesn't hold it, or the stack pointer doesn't fit.
    fn running(&self) -> Option<Running> {
        let g = self.registers.get(self.arch.goroutine?)?;
        let sp = self.registers.get(self.arch.sp)?;
        let thread = self.word(g.checked_add(G_THREAD)?)?;
        let g0 = self.word(thread.checked_add(M_G0)?)?;
        if self.word(g0.checked_add(G_THREAD)?)? != thread {
            return None;
        }
        if g != g0 {
            return self.stack(g)?.contains(&sp).then_some(Running::Goroutine);
        }
        let start = self.saved_sp(g0)?;
        if start.checked_sub(sp)? > AT_START {
            return None;
        }
        let goroutine = (1..M_WORDS)
            .filter_map(|index| self.word(thread.checked_add(index * WORD)?))
            .filter(|candidate| *candidate != g0 && *candidate != 0)
            .find(|candidate| self.is_suspended_on(*candidate, thread));
        Some(Running::Thread { goroutine })
    }

    /// Tells whether a goroutine of this thread is at an address, and has its stack pointer saved.
    fn is_suspended_on(&self, goroutine: u64, thread: u64) -> bool {
        let owner = goroutine.checked_add(G_THREAD).and_then(|field| self.word(field));
        owner == Some(thread)
            && self
                .stack(goroutine)
                .zip(self.saved_sp(goroutine))
                .is_some_and(|(stack, sp)| stack.contains(&sp))
    }

    /// Returns the registers that a goroutine goes on with.
    fn suspended(&self, goroutine: u64) -> Option<Registers> {
        let mut registers = Registers::default();
        registers.set(self.arch.sp, Some(self.saved_sp(goroutine)?));
        registers.set(self.arch.pc, Some(self.word(goroutine.checked_add(G_PC)?)?));
        registers.set(self.arch.goroutine?, Some(goroutine));
        Some(registers)
    }

    /// Returns the stack pointer that a goroutine goes on with.
    fn saved_sp(&self, goroutine: u64) -> Option<u64> {
        self.word(goroutine.checked_add(G_SP)?)
    }

    /// Returns the goroutine's stack pointer when it called C, if it was saved at these offsets.
    fn before_c(&self, (goroutine, depth): (u64, u64)) -> Option<u64> {
        let sp = self.registers.get(self.arch.sp)?;
        let goroutine = self.word(sp.checked_add(goroutine)?)?;
        let depth = self.word(sp.checked_add(depth)?)?;
        if goroutine == 0 {
            // It was on the thread's stack already, and kept the stack pointer itself.
            return (sp < depth && depth - sp <= 2 * AT_START).then_some(depth);
        }
        let stack = self.stack(goroutine)?;
        stack.end.checked_sub(depth).filter(|sp| stack.contains(sp))
    }

    /// Returns the thread's stack pointer when C code had called Go: what runs on the goroutine's stack still has the
    /// frame pointer of the thread's, which points below the return address.
    fn before_go(&self, row: &Row) -> Option<u64> {
        let cfa = self.registers.get(self.arch.fp)?.checked_add(2 * WORD)?;
        cfa.checked_add_signed(row.cfa_from_sp(self.arch)?.checked_neg()?)
    }

    /// Takes the frame to be at another stack pointer, if a return address is there.
    fn on_other_stack(&self, sp: u64, row: &Row) -> Option<Left> {
        let mut registers = *self.registers;
        registers.set(self.arch.sp, Some(sp));
        let mut caller = registers;
        row.apply(self.arch, &registers, None, self.memory, &mut caller).ok()?;
        is_return_address(self.arch, caller.get(self.arch.pc)?, self.memory)
            .then_some(Left::OnOtherStack(registers))
    }

    /// Returns the addresses of a goroutine's stack.
    fn stack(&self, goroutine: u64) -> Option<Range<u64>> {
        let [low, high] = G_STACK.map(|offset| self.word(goroutine.checked_add(offset)?));
        Some(low?..high?).filter(|stack| !stack.is_empty())
    }

    fn word(&self, address: u64) -> Option<u64> {
        self.arch.read_word(self.memory, address).ok()
    }
}

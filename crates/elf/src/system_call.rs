//! The system call that a thread was in.
//!
//! A core is written while every thread stands in the kernel. One that was waiting there was interrupted: its call's
//! result is an error that only the kernel sees (linux/include/linux/errno.h: `ERESTARTSYS` and its like), or `EINTR`.
//! x86 keeps the call's number for as long as it is handled (`orig_ax`: all ones for anything else than a call). The
//! other architectures keep it where the program put it, and what tells is the instruction that the program counter is
//! at or behind: some kernels have put it back to the call by then, which is to be made anew (arm, aarch64, riscv:
//! `do_signal` in arch/*/kernel/signal.c).

use crate::arch::Arch;
use crate::memory::{Memory, read_vec};
use crate::process::Thread;

/// How programs call the kernel on an architecture: linux/man-pages, syscall(2).
pub(crate) struct CallAbi {
    pub(crate) number: Number,
    /// DWARF numbers of the arguments' registers.
    pub(crate) arguments: [u16; 6],
    /// DWARF number of the result's register.
    pub(crate) result: u16,
    /// Index in `pr_reg` of the first argument, where its register gets the result and the kernel keeps it.
    pub(crate) kept_argument: Option<usize>,
    /// Index in `pr_reg` of the result, where its register may get a positive number for an error (Power).
    pub(crate) kept_result: Option<usize>,
}

/// Where the number of a call is.
pub(crate) enum Number {
    /// In the word of `pr_reg` that has this index, where the kernel keeps it.
    Kept(usize),
    /// In the register of this DWARF number, when one of these instructions is executed.
    Register(u16, &'static [&'static [u8]]),
    /// In the second byte of the instruction that begins with this byte; where that is 0, in the register of this DWARF
    /// number.
    Immediate(u8, u16),
}

/// What a thread's `NT_PRSTATUS` says of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeptCall {
    /// Its number; absent where the kernel handled none, or doesn't keep it.
    pub(crate) number: Option<u64>,
    pub(crate) first_argument: Option<u64>,
    pub(crate) result: Option<u64>,
}

/// A system call that a thread had made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemCall {
    /// Its number on the thread's architecture.
    pub number: u64,
    /// Its arguments' registers, whether or not it has so many; absent where the result has overwritten one.
    pub arguments: [Option<u64>; 6],
    /// Whether it was interrupted: the thread waited in it. Otherwise it had come to its end.
    pub interrupted: bool,
}

impl SystemCall {
    /// Finds the call that a thread was in, or had just made; `None` where it ran code of its own.
    ///
    /// On some architectures, a thread that ran the instruction behind a call looks as if it had just made it.
    pub fn of(arch: &Arch, thread: &Thread, memory: &dyn Memory) -> Option<SystemCall> {
        let abi = &arch.calls;
        let (number, again) = match abi.number {
            Number::Kept(_) => (thread.call.number?, false),
            Number::Register(register, instructions) => {
                let pc = thread.registers.get(arch.pc)?;
                let is_at = |address: u64, code: &[u8]| {
                    read_vec(memory, address, code.len()).is_ok_and(|bytes| bytes == code)
                };
                let at = instructions.iter().any(|code| is_at(pc, code));
                let behind =
                    || instructions.iter().any(|code| is_at(pc.wrapping_sub(code.len() as u64), code));
                if !at && !behind() {
                    return None;
                }
                (thread.registers.get(register)?, at)
            }
            Number::Immediate(opcode, register) => {
                let before = thread.registers.get(arch.pc)?.wrapping_sub(2);
                match read_vec(memory, before, 2).ok()?.as_slice() {
                    [first, 0] if *first == opcode => (thread.registers.get(register)?, false),
                    [first, number] if *first == opcode => (u64::from(*number), false),
                    _ => return None,
                }
            }
        };
        let mut arguments = abi.arguments.map(|register| thread.registers.get(register));
        if let [first, ..] = &mut arguments
            && !again
            && arch.first_argument() == abi.result
        {
            *first = thread.call.first_argument;
        }
        let result =
            thread.call.result.or_else(|| thread.registers.get(abi.result)).map(|result| arch.signed(result));
        Some(SystemCall { number, arguments, interrupted: again || result.is_some_and(is_interruption) })
    }
}

/// Tells whether a result says that the call was interrupted.
fn is_interruption(result: i64) -> bool {
    const EINTR: i64 = 4;
    const ERESTARTSYS: i64 = 512;
    const ERESTARTNOINTR: i64 = 513;
    const ERESTARTNOHAND: i64 = 514;
    const ERESTART_RESTARTBLOCK: i64 = 516;
    [EINTR, ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK]
        .contains(&result.saturating_neg())
}

//! Futex calls that threads wait in: futex(2), linux/include/uapi/linux/futex.h.

use epitaph_elf::SystemCall;

const FUTEX_WAIT: u64 = 0;
const FUTEX_LOCK_PI: u64 = 6;
const FUTEX_WAIT_BITSET: u64 = 9;
const FUTEX_WAIT_REQUEUE_PI: u64 = 11;
const FUTEX_LOCK_PI2: u64 = 13;
const PRIVATE: u64 = 128;
const CLOCK_REALTIME: u64 = 256;

/// A futex that a thread waits on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Futex {
    /// Where its word lies.
    pub(super) address: u64,
    pub(super) operation: Operation,
    /// Whether only this process's threads can wake the thread.
    pub(super) private: bool,
    /// Whether the clock of a timeout is the real time's: glibc says so of waits without a timeout as well.
    pub(super) real_time: bool,
    /// What the word held when the thread began to wait. Nothing that is meant for a lock with priority inheritance.
    pub(super) expected: u32,
    /// Whether the wait ends by itself.
    pub(super) timed: bool,
}

/// How a thread waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// `FUTEX_WAIT`.
    Wait,
    /// `FUTEX_WAIT_BITSET`: glibc's waits that can have a timeout of a clock's time, and Rust's.
    WaitBitset,
    /// `FUTEX_LOCK_PI`: the word holds the owner's thread id, by the kernel's own rule.
    Lock,
    /// `FUTEX_WAIT_REQUEUE_PI`: a condition variable with a mutex that has priority inheritance.
    Requeue,
}

impl Futex {
    /// Takes the futex out of a call of `futex`, if a thread waits in it.
    pub(super) fn of(call: &SystemCall) -> Option<Futex> {
        let [address, operation, expected, timeout, ..] = call.arguments;
        let flags = operation?;
        let operation = match flags & !(PRIVATE | CLOCK_REALTIME) {
            FUTEX_WAIT => Operation::Wait,
            FUTEX_WAIT_BITSET => Operation::WaitBitset,
            FUTEX_LOCK_PI | FUTEX_LOCK_PI2 => Operation::Lock,
            FUTEX_WAIT_REQUEUE_PI => Operation::Requeue,
            _ => return None,
        };
        call.interrupted.then_some(Futex {
            address: address?,
            operation,
            private: flags & PRIVATE != 0,
            real_time: flags & CLOCK_REALTIME != 0,
            expected: expected? as u32,
            timed: timeout != Some(0),
        })
    }

    /// Tells whether glibc calls it so where it waits for something without a timeout or by a clock.
    pub(super) fn is_abstimed(&self) -> bool {
        self.operation == Operation::WaitBitset && (self.real_time || self.timed)
    }
}

//! Records of Go's runtime, as far as they are read: `runtime/runtime2.go`, `g`, `gobuf` and `m`.
//!
//! Their first fields are known to the compiler, the linker and debuggers, and are the same from Go 1.10 to 1.27.

/// Bytes of an address: 64-bit processes are read.
pub(super) const WORD: u64 = 8;
/// `g.stack`: lowest address, and the one after the highest.
pub(super) const G_STACK: [u64; 2] = [0, WORD];
/// `g.m`: the thread that it runs on.
pub(super) const G_THREAD: u64 = 6 * WORD;
/// `g.sched.sp`: where it goes on when it runs again.
pub(super) const G_SP: u64 = 7 * WORD;
/// `g.sched.pc`
pub(super) const G_PC: u64 = 8 * WORD;
/// `g.atomicstatus`, and the same in Go 1.23 and 1.24, which have a word more before it.
pub(super) const G_STATUS: [u64; 2] = [18 * WORD, 19 * WORD];
/// Bytes from `g.atomicstatus` to `g.goid`.
pub(super) const STATUS_TO_ID: u64 = WORD;
/// Bytes from `g.atomicstatus` to `g.waitreason`.
pub(super) const STATUS_TO_REASON: u64 = 4 * WORD;
/// `m.g0`: the goroutine that stands for the thread's own stack.
pub(super) const M_G0: u64 = 0;

//! Linux's numbers of signals and of their codes, the same on every architecture that epitaph reads
//! (linux/include/uapi/asm-generic/signal.h and siginfo.h).

/// A key of the terminal that asks for a core.
pub const SIGQUIT: i32 = 3;
/// An instruction that there isn't.
pub const SIGILL: i32 = 4;
/// A breakpoint or a single step.
pub const SIGTRAP: i32 = 5;
/// `abort`.
pub const SIGABRT: i32 = 6;
/// An access that a mapping can't serve, or that must be aligned.
pub const SIGBUS: i32 = 7;
/// A division or an arithmetic error.
pub const SIGFPE: i32 = 8;
/// The end, by whatever means.
pub const SIGKILL: i32 = 9;
/// An access that isn't allowed.
pub const SIGSEGV: i32 = 11;
/// `alarm`.
pub const SIGALRM: i32 = 14;
/// Stop, by whatever means.
pub const SIGSTOP: i32 = 19;
/// A write to the terminal from the background; the last of the signals that stop.
pub const SIGTTOU: i32 = 22;
/// The limit on processor time.
pub const SIGXCPU: i32 = 24;
/// The limit on a file's size.
pub const SIGXFSZ: i32 = 25;
/// A timer of the process's own time.
pub const SIGVTALRM: i32 = 26;
/// A timer of the process's and the system's time.
pub const SIGPROF: i32 = 27;
/// A system call that isn't allowed, or that there isn't.
pub const SIGSYS: i32 = 31;

/// `si_code` of what the kernel itself sends. Of a fault it says that there is no address; x86 sends it for `int3` too
/// (linux/arch/x86/kernel/traps.c).
pub const SI_KERNEL: i32 = 0x80;
/// `si_code` of a signal of a POSIX timer.
pub const SI_TIMER: i32 = -2;
/// `si_code` of a signal that a thread sent by `tgkill`.
pub const SI_TKILL: i32 = -6;
/// `si_code` of a system call that a filter refused.
pub const SYS_SECCOMP: i32 = 1;

//! Signals: names, and a sentence for people. Numbers and codes: linux/include/uapi/asm-generic/{signal,siginfo}.h,
//! the same on every architecture that epitaph reads.

use epitaph_elf::signals::{SI_KERNEL, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
use epitaph_elf::{Arch, Process, SignalInfo};
use epitaph_explain::{Fault, syscalls};
use epitaph_summary::{Hex, Signal, Syscall};

/// Addresses below this are a null pointer with an offset: no system maps its first 64 KiB by default
/// (`vm.mmap_min_addr`).
const NEAR_NULL: u64 = 0x1_0000;

/// Tells whether a signal is a breakpoint's, in the program's own code.
pub(crate) fn is_breakpoint(signal: &SignalInfo) -> bool {
    (signal.number, signal.code) == (SIGTRAP, Some(SI_KERNEL))
}

/// Returns a signal's name, e.g. `SIGSEGV`.
pub fn signal_name(number: i32) -> Option<&'static str> {
    const NAMES: [&str; 32] = [
        "",
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    NAMES.get(usize::try_from(number).ok()?).copied().filter(|name| !name.is_empty())
}

fn code_name(signal: i32, code: i32) -> Option<&'static str> {
    Some(match (signal, code) {
        (_, 0) => "SI_USER",
        (_, 0x80) => "SI_KERNEL",
        (_, -1) => "SI_QUEUE",
        (_, -2) => "SI_TIMER",
        (_, -6) => "SI_TKILL",
        (SIGILL, 1) => "ILL_ILLOPC",
        (SIGILL, 2) => "ILL_ILLOPN",
        (SIGILL, 3) => "ILL_ILLADR",
        (SIGILL, 4) => "ILL_ILLTRP",
        (SIGILL, 5) => "ILL_PRVOPC",
        (SIGILL, 8) => "ILL_BADSTK",
        (SIGFPE, 1) => "FPE_INTDIV",
        (SIGFPE, 2) => "FPE_INTOVF",
        (SIGFPE, 3) => "FPE_FLTDIV",
        (SIGFPE, 4) => "FPE_FLTOVF",
        (SIGFPE, 5) => "FPE_FLTUND",
        (SIGFPE, 6) => "FPE_FLTRES",
        (SIGFPE, 7) => "FPE_FLTINV",
        (SIGSEGV, 1) => "SEGV_MAPERR",
        (SIGSEGV, 2) => "SEGV_ACCERR",
        (SIGSEGV, 3) => "SEGV_BNDERR",
        (SIGSEGV, 4) => "SEGV_PKUERR",
        (SIGSEGV, 5) => "SEGV_ACCADI",
        (SIGSEGV, 6) => "SEGV_ADIDERR",
        (SIGSEGV, 7) => "SEGV_ADIPERR",
        (SIGSEGV, 8) => "SEGV_MTEAERR",
        (SIGSEGV, 9) => "SEGV_MTESERR",
        (SIGSEGV, 10) => "SEGV_CPERR",
        (SIGBUS, 1) => "BUS_ADRALN",
        (SIGBUS, 2) => "BUS_ADRERR",
        (SIGBUS, 3) => "BUS_OBJERR",
        (SIGBUS, 4) => "BUS_MCEERR_AR",
        (SIGBUS, 5) => "BUS_MCEERR_AO",
        (SIGTRAP, 1) => "TRAP_BRKPT",
        (SIGTRAP, 2) => "TRAP_TRACE",
        (SIGSYS, 1) => "SYS_SECCOMP",
        _ => return None,
    })
}

/// Describes the signal that ended a process.
pub(crate) fn describe(signal: &SignalInfo, process: &Process) -> Signal {
    Signal {
        number: Some(signal.number),
        name: signal_name(signal.number).map(str::to_owned),
        code: signal.code,
        code_name: signal.code.and_then(|code| code_name(signal.number, code)).map(str::to_owned),
        fault_address: signal.fault_address.map(Hex),
        sender_pid: signal.sender.map(|(pid, _)| pid),
        sender_uid: signal.sender.map(|(_, uid)| uid),
        description: sentence(signal, process),
        syscall: signal.refused.map(|call| Syscall {
            number: Some(call.number.into()),
            name: Arch::audited(call.audit)
                .and_then(|arch| syscalls::name(arch, call.number.into()))
                .map(str::to_owned),
        }),
        ..Signal::default()
    }
}

/// Describes the faults before the signal that ended a process, innermost first: each came after the next.
pub(crate) fn before(handled: &[Fault], process: &Process) -> Option<Box<Signal>> {
    let outermost_first = handled.iter().rev();
    outermost_first.fold(None, |after, fault| {
        let signal = describe(&fault.signal, process);
        Some(Box::new(Signal { origin: Some(fault.origin), after, ..signal }))
    })
}

fn sentence(signal: &SignalInfo, process: &Process) -> Option<String> {
    let own = process.info.as_ref().map(|info| info.pid);
    if let Some((pid, uid)) = signal.sender {
        return Some(match (signal.number, Some(pid) == own) {
            (SIGABRT, true) => "the process aborted itself".to_owned(),
            (_, true) => "the process sent the signal to itself".to_owned(),
            // 0 is a sender in a parent's PID namespace, or the kernel itself.
            _ if pid == 0 => "sent from outside of the process's PID namespace".to_owned(),
            _ => format!("sent by process {pid} (user {uid})"),
        });
    }
    let Some(address) = signal.fault_address else { return kernel_fault(signal) };
    let at = format!("{address:#x}");
    Some(match (signal.number, signal.code?) {
        (SIGSEGV, 1) if address < NEAR_NULL => format!("access to unmapped address {at}: a null pointer"),
        (SIGSEGV, 1) => format!("access to unmapped address {at}"),
        (SIGSEGV, 2) => format!("access to address {at} that its protection forbids"),
        (SIGSEGV, 4) => format!("access to address {at} that its protection key forbids"),
        (SIGBUS, 1) => format!("misaligned access to address {at}"),
        (SIGBUS, 2) => format!("access to address {at}, beyond the end of the file that is mapped there"),
        (SIGBUS, 4 | 5) => format!("hardware memory error at address {at}"),
        (SIGFPE, 1) => format!("integer division by zero at {at}"),
        (SIGFPE, 2) => format!("integer overflow at {at}"),
        (SIGFPE, _) => format!("arithmetic error at {at}"),
        (SIGILL, _) => format!("illegal instruction at {at}"),
        (SIGTRAP, _) => format!("breakpoint or trap at {at}"),
        _ => return None,
    })
}

/// A fault that the kernel reports without an address.
fn kernel_fault(signal: &SignalInfo) -> Option<String> {
    (signal.number == SIGSEGV && signal.code == Some(0x80))
        .then(|| "access to a non-canonical address, or another fault without an address".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_signal_7() {
        for (number, name) in [(1, "SIGHUP"), (6, "SIGABRT"), (11, "SIGSEGV"), (31, "SIGSYS")] {
            assert_eq!(signal_name(number), Some(name));
        }
        for none in [-1, 0, 32, 64] {
            assert_eq!(signal_name(none), None);
        }
    }
}

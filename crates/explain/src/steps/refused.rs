//! What the kernel ends a program for that did nothing wrong with its memory: system calls that a filter refuses, and limits.

use epitaph_elf::Arch;
use epitaph_elf::signals::{SI_KERNEL, SIGSYS, SIGXCPU, SIGXFSZ};
use epitaph_summary::{Cause, Confidence};

use crate::scene::Scene;
use crate::syscalls;

/// Recognizes what the kernel refuses.
pub(super) fn find(scene: &Scene<'_>, _: &[Cause]) -> Option<Cause> {
    let fault = scene.fault.as_ref()?;
    let own = scene.process.info.as_ref().map(|info| info.pid);
    // The kernel sends this one as if the process itself had (`send_sig`, linux/kernel/signal.c).
    let by_itself = fault.signal.sender.is_some_and(|(pid, _)| Some(pid) == own);
    match scene.signal()? {
        (SIGSYS, Some(1)) => Some(filtered(scene)),
        (SIGXCPU, Some(SI_KERNEL)) => {
            let mut cause = Cause::new("resource_limit", Confidence::High, "its CPU time was used up");
            cause.evidence.push("the kernel sent SIGXCPU: RLIMIT_CPU (`ulimit -t`) was reached".to_owned());
            Some(cause)
        }
        (SIGXFSZ, code) if code == Some(SI_KERNEL) || by_itself => {
            let summary = "it wrote to a file beyond the largest size that it may have";
            let mut cause = Cause::new("resource_limit", Confidence::High, summary);
            cause.evidence.push("SIGXFSZ: RLIMIT_FSIZE (`ulimit -f`) was reached".to_owned());
            Some(cause)
        }
        _ => None,
    }
}

fn filtered(scene: &Scene<'_>) -> Cause {
    let refused = scene.fault.as_ref().and_then(|fault| fault.signal.refused);
    let Some(call) = refused else {
        return Cause::new("seccomp", Confidence::High, "seccomp refused a system call");
    };
    let arch = Arch::audited(call.audit);
    let name = arch.and_then(|arch| syscalls::name(arch, call.number.into()));
    let summary = match name {
        Some(name) => format!("seccomp refused the system call {name} ({})", call.number),
        None => format!("seccomp refused the system call {}", call.number),
    };
    let mut cause = Cause::new("seccomp", Confidence::High, summary);
    let of = arch.map_or_else(|| format!("architecture {:#x}", call.audit), |arch| arch.name.to_owned());
    cause.evidence.push(format!("si_syscall is {}, of {of}", call.number));
    cause
}

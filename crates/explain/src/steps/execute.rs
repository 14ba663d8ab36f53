//! Code that isn't there: calls of null and wild pointers, returns to overwritten addresses, memory that may not be executed.

use epitaph_elf::Arch;
use epitaph_summary::{Cause, Confidence};

use super::told;
use crate::failure::Failure;
use crate::fault::is_canonical;
use crate::instruction::Action;
use crate::scene::Scene;
use crate::words;

/// No code is below: the first page is never mapped.
const FIRST_PAGE: u64 = 4096;

/// How the processor came to where there is no code.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By a call.
    Call,
    /// By a return.
    Return,
    /// Nobody knows.
    Unknown,
}

/// Recognizes where no code is.
pub(super) fn find(scene: &Scene<'_>, found: &[Cause]) -> Option<Cause> {
    let failure = scene.failure.as_ref().filter(|_| !told(found))?;
    if !failure.is_execution() {
        return refused_target(failure);
    }
    let pc = failure.pc;
    let way = way(scene, failure);
    let at = scene.space.find(pc);
    let (class, confidence, summary) = match (way, at) {
        (Way::Return, _) => {
            let place = at.map(|at| format!(", in {}", scene.space.words(at))).unwrap_or_default();
            let summary = format!("return to {pc:#x}{place}: the return address was overwritten");
            ("return_corrupt", Confidence::High, summary)
        }
        (_, None) if pc == 0 => ("exec_null", Confidence::High, "call of a null function pointer".to_owned()),
        (_, None) if pc < FIRST_PAGE => (
            "exec_null",
            Confidence::High,
            format!("call of a function at {pc:#x}: a null pointer and an offset"),
        ),
        (_, Some(at)) => {
            let summary =
                format!("execution of {}, at {pc:#x}, which is not executable", scene.space.words(at));
            ("exec_nonexec", Confidence::High, summary)
        }
        (way, None) => {
            let verb = if way == Way::Call { "call of" } else { "jump to" };
            ("exec_wild", Confidence::High, format!("{verb} {pc:#x}, where nothing is mapped"))
        }
    };
    let mut cause = failure.cause(class, confidence, summary);
    cause.evidence.extend(match way {
        Way::Call => Some(match failure.arch.link {
            None => "a return address is at the top of the stack: it was called".to_owned(),
            Some(_) => "a return address is in the link register: it was called".to_owned(),
        }),
        Way::Return => Some(match failure.arch.link {
            None => format!("the word below the stack pointer is {pc:#x}: a return took it from there"),
            Some(_) => format!("the link register holds {pc:#x}: a return took it from there"),
        }),
        Way::Unknown => None,
    });
    cause.evidence.extend(pattern(pc, failure.arch));
    Some(cause)
}

/// x86-64 refuses to jump to an address that isn't canonical: the program counter is still at the jump.
fn refused_target(failure: &Failure) -> Option<Cause> {
    let wild = |target: Option<u64>| target.filter(|target| !is_canonical(*target));
    if failure.address.is_some_and(|_| failure.operand.is_none()) {
        return None;
    }
    let (class, target, summary) = match failure.action()? {
        Action::Jump(target) => {
            let target = wild(target)?;
            ("exec_wild", target, format!("call of or jump to {target:#x}, which is no address at all"))
        }
        Action::Return(target) => {
            let target = wild(target)?;
            ("return_corrupt", target, format!("return to {target:#x}: the return address was overwritten"))
        }
        _ => return None,
    };
    if failure.arch.bits() != 64 || failure.arch.link.is_some() || failure.operand.is_some() {
        return None;
    }
    let mut cause = failure.cause_without_access(class, Confidence::High, summary);
    cause.evidence.push(format!("it leads to {target:#x}, which is not canonical"));
    cause.evidence.extend(pattern(target, failure.arch));
    Some(cause)
}

fn pattern(value: u64, arch: &Arch) -> Option<String> {
    words::looks_like(value, arch.bits()).map(|looks| format!("that address looks like {looks}"))
}

/// Finds out how the processor came there: a call has left the address after itself at the top of the stack or in the link
/// register; a return has taken its target from just below the stack pointer, or from the link register.
fn way(scene: &Scene<'_>, failure: &Failure) -> Way {
    let (arch, memory) = (failure.arch, scene.memory);
    let Some(fault) = &scene.fault else { return Way::Unknown };
    let follows_call = |address: u64| {
        let before = address.checked_sub(8).and_then(|start| epitaph_elf::read_vec(memory, start, 8).ok());
        memory.is_executable(address) && before.is_some_and(|before| (arch.follows_call)(&before))
    };
    let caller = (arch.after_call)(&fault.registers, memory).and_then(|caller| caller.get(arch.pc));
    if caller.is_some_and(follows_call) {
        return Way::Call;
    }
    let taken = match arch.link {
        Some(link) if arch.returns_by_link => {
            fault.registers.get(link).map(|link| fault.registers.code_address(link))
        }
        Some(_) => None,
        None => {
            let word = u64::from(arch.bits() / 8);
            failure.sp.and_then(|sp| arch.read_word(memory, sp.checked_sub(word)?).ok())
        }
    };
    if taken == Some(failure.pc) { Way::Return } else { Way::Unknown }
}

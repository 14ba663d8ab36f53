//! Instructions that end a program: those that are there to fail, breakpoints, and those that there aren't.

use epitaph_elf::signals::{SI_KERNEL, SIGILL, SIGSEGV, SIGTRAP};
use epitaph_summary::{Cause, Confidence};

use crate::failure::Failure;
use crate::fault::after_breakpoint;
use crate::instruction::{Action, Machine};
use crate::scene::Scene;

/// Recognizes traps.
pub(super) fn find(scene: &Scene<'_>, _: &[Cause]) -> Option<Cause> {
    let failure = scene.failure.as_ref()?;
    match scene.signal()? {
        (SIGILL, _) => Some(illegal(failure)),
        (SIGTRAP, code) => Some(trapped(scene, failure, code)),
        (SIGSEGV, Some(SI_KERNEL)) => privileged(failure),
        _ => None,
    }
}

fn illegal(failure: &Failure) -> Cause {
    match failure.action() {
        Some(Action::Trap(tells)) => trap(failure, tells),
        Some(Action::Invalid) => {
            let summary = "the bytes there are no instruction";
            failure.cause_without_access("bad_opcode", Confidence::High, summary)
        }
        Some(_) => {
            let summary = "an instruction that this processor doesn't have";
            failure.cause_without_access("bad_opcode", Confidence::Medium, summary)
        }
        None => failure.cause_without_access("bad_opcode", Confidence::Low, "an illegal instruction"),
    }
}

/// The program came to where its compiler put an instruction that is there to fail.
fn trap(failure: &Failure, tells: Option<u32>) -> Cause {
    let check = tells.and_then(|tells| check(failure, tells));
    let summary = match check {
        Some(check) => format!("the compiler's check of undefined behaviour found: {check}"),
        None => "the program stopped itself by an instruction that is there to fail".to_owned(),
    };
    let mut cause = failure.cause_without_access("trap", Confidence::High, summary);
    if check.is_none() {
        let reasons = "compilers put it where a program must not come: __builtin_trap, unreachable code, a failed check";
        cause.evidence.push(reasons.to_owned());
    }
    cause
}

/// What clang's `-fsanitize-trap` checks, by the number that the instruction carries (clang/lib/CodeGen/CodeGenFunction.h,
/// `LIST_SANITIZER_CHECKS`): x86's `ud1` in its operand, aarch64's `brk` in its lower byte, with 0x55 above.
fn check(failure: &Failure, tells: u32) -> Option<&'static str> {
    const BRK: u32 = 0x5500;
    const CHECKS: [&str; 25] = [
        "an addition that overflows",
        "unreachable code was reached",
        "a call through a pointer of another type",
        "a division that overflows, or by zero",
        "an object of another type",
        "a floating-point number that doesn't fit its new type",
        "a call of a function of another type",
        "a conversion that changes a value",
        "a builtin's argument that it doesn't take",
        "a cast to another class",
        "a value that its type doesn't have",
        "a function that ends without its result",
        "a multiplication that overflows",
        "a negation that overflows",
        "null for an argument that must not be null",
        "null for a result that must not be null",
        "null for an argument that must not be null",
        "null for a result that must not be null",
        "an index out of bounds",
        "a pointer that overflows",
        "a shift by too many bits",
        "a subtraction that overflows",
        "a null, misaligned or too small object",
        "an alignment that was assumed",
        "an array of no or negative size",
    ];
    let number = match failure.arch.link {
        None => tells,
        Some(_) => tells.checked_sub(BRK)?,
    };
    CHECKS.get(usize::try_from(number).ok()?).copied()
}

fn trapped(scene: &Scene<'_>, failure: &Failure, code: Option<i32>) -> Cause {
    if let Some(Action::Trap(tells)) = failure.action() {
        return trap(failure, tells);
    }
    let breakpoint = scene.fault.as_ref().is_some_and(|fault| {
        let machine =
            Machine { arch: failure.arch, registers: &fault.registers, tls: None, memory: scene.memory };
        after_breakpoint(machine)
    });
    if breakpoint {
        let summary = "a breakpoint instruction, and no debugger";
        let mut cause = failure.cause_without_access("trap", Confidence::High, summary);
        cause.evidence.push("the byte before the program counter is int3 (0xcc)".to_owned());
        return cause;
    }
    let confidence = if code.is_some_and(|code| code > 0) { Confidence::Medium } else { Confidence::Low };
    failure.cause_without_access("trap", confidence, "a breakpoint or a single step, and no debugger")
}

/// What only the kernel may do. musl's `a_crash` is `hlt`.
fn privileged(failure: &Failure) -> Option<Cause> {
    const HLT: [u8; 1] = [0xf4];
    let instruction = failure.instruction.as_ref()?;
    if instruction.action != Action::Privileged {
        return None;
    }
    let (class, summary) = if instruction.bytes == HLT {
        ("trap", "the program stopped itself by `hlt`")
    } else {
        ("bad_opcode", "an instruction that only the kernel may use")
    };
    Some(failure.cause_without_access(class, Confidence::High, summary))
}

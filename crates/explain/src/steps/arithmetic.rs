//! SIGFPE: arithmetic that has no result.

use epitaph_elf::signals::SIGFPE;
use epitaph_summary::{Cause, Confidence};

use crate::failure::Failure;
use crate::instruction::Action;
use crate::scene::Scene;

const FPE_INTDIV: i32 = 1;
const FPE_INTOVF: i32 = 2;

/// Recognizes what can't be calculated.
pub(super) fn find(scene: &Scene<'_>, _: &[Cause]) -> Option<Cause> {
    let failure = scene.failure.as_ref()?;
    let (SIGFPE, code) = scene.signal()? else { return None };
    let by_code = |class: &str, summary: &str| {
        let confidence = if code.is_some_and(|code| code > 0) { Confidence::High } else { Confidence::Low };
        Some(failure.cause_without_access(class, confidence, summary))
    };
    // x86 has one exception for both that a division can fail by.
    if let Some(Action::Divide(divisor)) = failure.action() {
        return Some(division(failure, divisor));
    }
    match code {
        Some(FPE_INTDIV) => {
            let summary = "integer division by zero";
            let medium = if failure.arch.link.is_none() { Confidence::Medium } else { Confidence::High };
            Some(failure.cause_without_access("int_div_zero", medium, summary))
        }
        Some(FPE_INTOVF) => by_code("int_overflow", "integer overflow"),
        Some(3) => by_code("float_div_zero", "floating-point division by zero"),
        Some(4) => by_code("float_overflow", "floating-point overflow"),
        Some(5) => by_code("float_underflow", "floating-point underflow"),
        Some(6) => by_code("float_inexact", "floating-point result that isn't exact"),
        Some(7) => by_code("float_invalid", "floating-point operation that has no result"),
        _ => None,
    }
}

fn division(failure: &Failure, divisor: Option<u64>) -> Cause {
    match divisor {
        Some(0) => {
            let mut cause =
                failure.cause_without_access("int_div_zero", Confidence::High, "integer division by zero");
            cause.evidence.push("its divisor is 0".to_owned());
            cause
        }
        Some(divisor) => {
            let summary = "integer division whose result is too large";
            let mut cause = failure.cause_without_access("int_overflow_div", Confidence::High, summary);
            cause.evidence.push(format!("its divisor is {divisor:#x}"));
            cause
        }
        None => failure.cause_without_access("int_div_zero", Confidence::Medium, "integer division by zero"),
    }
}

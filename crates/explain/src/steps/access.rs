//! Accesses through pointers that are none: null, almost null, or no address at all.

use epitaph_summary::{AccessKind, Cause, Confidence};

use super::told;
use crate::failure::{Basis, Failure};
use crate::fault::is_canonical;
use crate::instruction::Operand;
use crate::regions::NULL_END;
use crate::scene::Scene;
use crate::words;

const SIGBUS: i32 = 7;
const SIGSEGV: i32 = 11;
/// Where the instruction isn't known, an address in the first page is a null pointer's.
const FIRST_PAGE: u64 = 4096;

/// Recognizes accesses through pointers that are none.
pub(super) fn find(scene: &Scene<'_>, found: &[Cause]) -> Option<Cause> {
    let failure = scene.failure.as_ref().filter(|_| !told(found))?;
    let (signal, _) = scene.signal()?;
    if ![SIGSEGV, SIGBUS].contains(&signal) || failure.is_execution() {
        return None;
    }
    let address = failure.start()?;
    // Something may be mapped there after all.
    if scene.space.find(address).is_some() {
        return None;
    }
    match &failure.operand {
        Some(operand) if address < NULL_END => Some(null(failure, operand, address)),
        Some(operand) if is_null(operand) && signal == SIGSEGV => Some(null_and_far(failure, operand)),
        None if address < NULL_END => Some(somewhere_near_null(failure, address)),
        Some(operand) if !is_canonical(address) && failure.arch.bits() == 64 => {
            Some(not_canonical(failure, operand, address))
        }
        _ => None,
    }
}

/// `read` or `write`, as the class and the sentence have it; nothing where it isn't known.
fn kind(failure: &Failure) -> Option<&'static str> {
    match failure.kind? {
        AccessKind::Write => Some("write"),
        AccessKind::Read => Some("read"),
        _ => None,
    }
}

fn null_class(failure: &Failure) -> String {
    kind(failure).map_or_else(|| "null_deref".to_owned(), |kind| format!("null_deref:{kind}"))
}

/// Tells whether the register that the address is counted from holds null. Where two are added, either may be the pointer.
fn is_null(operand: &Operand) -> bool {
    let zero = |held: &crate::instruction::Held| held.value == Some(0);
    let plain_index = operand.index.as_ref().filter(|(_, scale)| *scale == 1);
    operand.base.as_ref().is_some_and(zero) || plain_index.is_some_and(|(index, _)| zero(index))
}

fn null(failure: &Failure, operand: &Operand, address: u64) -> Cause {
    let kind = kind(failure).unwrap_or("access");
    let constant = operand.base.is_none() && operand.index.is_none();
    if is_null(operand) || constant {
        let summary = match (address, &operand.index) {
            (0, _) => format!("null pointer {kind}"),
            (_, None) => format!("null pointer {kind} of the field at +{address:#x}"),
            (_, Some(_)) => format!("null pointer {kind} of an element at +{address:#x}"),
        };
        return failure.cause(&null_class(failure), Confidence::High, summary);
    }
    // The offset may have been added before: compilers do that or not, at different levels of optimization.
    let aligned = operand.size.is_some_and(|size| size > 0 && address.is_multiple_of(size.min(8).into()));
    if address < FIRST_PAGE && aligned {
        let summary = format!("null pointer {kind} at +{address:#x}");
        let mut cause = failure.cause(&null_class(failure), Confidence::Medium, summary);
        cause
            .evidence
            .push("the offset was added before: a small number used as a pointer is the same".to_owned());
        return cause;
    }
    let summary =
        format!("{kind} at {address:#x}: a small number used as a pointer, or a null pointer and an offset");
    failure.cause("near_null", Confidence::Medium, summary)
}

/// A null pointer and an index that leads far away.
fn null_and_far(failure: &Failure, operand: &Operand) -> Cause {
    let offset = operand.offset().map(words::signed).unwrap_or_default();
    let kind = kind(failure).unwrap_or("access");
    let summary = format!("null pointer {kind} at {offset}");
    failure.cause(&null_class(failure), Confidence::Medium, summary)
}

/// An address near null, and no instruction, or one that doesn't fit.
fn somewhere_near_null(failure: &Failure, address: u64) -> Cause {
    let kind = kind(failure).unwrap_or("access");
    if address < FIRST_PAGE && failure.basis == Basis::AddressAlone {
        let summary = match address {
            0 => format!("null pointer {kind}"),
            _ => format!("null pointer {kind} at +{address:#x}"),
        };
        return failure.cause(&null_class(failure), Confidence::Medium, summary);
    }
    let summary = format!("{kind} at {address:#x}, near the null pointer");
    failure.cause("near_null", Confidence::Medium, summary)
}

fn not_canonical(failure: &Failure, operand: &Operand, address: u64) -> Cause {
    let kind = kind(failure).unwrap_or("access");
    let summary = format!("{kind} through {address:#x}, which is no address at all");
    let mut cause = failure.cause("non_canonical", Confidence::High, summary);
    let held = operand.base.iter().chain(operand.index.iter().map(|(index, _)| index));
    for held in held {
        let looks = held.value.and_then(|value| words::looks_like(value, failure.arch.bits()));
        cause.evidence.extend(looks.map(|looks| format!("{} looks like {looks}", held.register)));
    }
    cause
}

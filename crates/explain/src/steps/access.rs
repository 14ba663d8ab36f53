//! Accesses through pointers that are none: null, almost null, or no address at all.

use epitaph_elf::signals::{SIGBUS, SIGSEGV};
use epitaph_summary::{AccessKind, Cause, Confidence};

use super::told;
use crate::failure::{Basis, Failure};
use crate::fault::is_canonical;
use crate::instruction::{Held, Operand};
use crate::regions::NULL_END;
use crate::scene::Scene;
use crate::words;

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
        Some(operand) if signal == SIGSEGV && Null::of(operand) == Some(Null::Base) => {
            Some(null_and_far(failure, operand))
        }
        None if address < NULL_END => Some(somewhere_near_null(failure, address)),
        Some(operand) if !is_canonical(address) && failure.arch.bits() == 64 => {
            Some(not_canonical(scene, failure, operand, address))
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

/// How an access is counted from null.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Null {
    /// The register that it is counted from holds null.
    Base,
    /// Two registers are added, and one of them holds null: nobody knows which is the pointer.
    OneOfTwo,
    /// There is no register: the program's own constant.
    Constant,
}

impl Null {
    fn of(operand: &Operand) -> Option<Null> {
        let zero = |held: &Held| held.value == Some(0);
        let base = operand.base.as_ref();
        match &operand.index {
            None => base.map_or(Some(Null::Constant), |base| zero(base).then_some(Null::Base)),
            Some((index, 1)) => {
                let zeros = [base.is_some_and(zero), zero(index)];
                match zeros {
                    [true, true] => Some(Null::Base),
                    [false, false] => None,
                    _ => Some(Null::OneOfTwo),
                }
            }
            Some(_) => base.is_some_and(zero).then_some(Null::Base),
        }
    }
}

fn null(failure: &Failure, operand: &Operand, address: u64) -> Cause {
    let kind = kind(failure).unwrap_or("access");
    if let Some(null) = Null::of(operand) {
        let summary = match (address, &operand.index) {
            (0, _) => format!("null pointer {kind}"),
            (_, None) => format!("null pointer {kind} of the field at +{address:#x}"),
            (_, Some(_)) => format!("null pointer {kind} of an element at +{address:#x}"),
        };
        let confidence = if null == Null::OneOfTwo { Confidence::Medium } else { Confidence::High };
        return failure.cause(&null_class(failure), confidence, summary);
    }
    // The offset may have been added before: compilers do that or not, at different levels of optimization.
    let aligned = operand.size.is_some_and(|size| size > 0 && address.is_multiple_of(size.min(8).into()));
    if address < FIRST_PAGE && aligned {
        let summary = format!("null pointer {kind} at +{address:#x}");
        let mut cause = failure.cause(&null_class(failure), Confidence::Medium, summary);
        let doubt = "the offset was added before: a small number used as a pointer looks the same";
        cause.evidence.push(doubt.to_owned());
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

fn not_canonical(scene: &Scene<'_>, failure: &Failure, operand: &Operand, address: u64) -> Cause {
    let kind = kind(failure).unwrap_or("access");
    let summary = format!("{kind} through {address:#x}, which is no address at all");
    let mut cause = failure.cause("non_canonical", Confidence::High, summary);
    cause.evidence.extend(failure.looks(operand));
    cause.evidence.extend(one_bit_off(scene, address));
    cause
}

/// Tells what an address would be without one of the bits that addresses don't have.
fn one_bit_off(scene: &Scene<'_>, address: u64) -> Option<String> {
    const UNUSED: std::ops::Range<u32> = 47..64;
    let flipped = UNUSED.map(|bit| (bit, address ^ 1 << bit)).find(|(_, flipped)| is_canonical(*flipped));
    let (bit, flipped) = flipped?;
    let index = scene.space.find(flipped)?;
    let place = scene.space.words(index);
    Some(format!(
        "but for its bit {bit} it is {flipped:#x}, in {place}: a tag that was left, or a flipped bit"
    ))
}

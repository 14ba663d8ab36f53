//! Accesses that memory's protection forbids, and those of addresses where nothing is mapped.

use epitaph_elf::signals::SIGSEGV;
use epitaph_summary::{AccessKind, Cause, Confidence, RegionKind};

use super::told;
use crate::failure::Failure;
use crate::scene::Scene;
use crate::words;

const SEGV_PKUERR: i32 = 4;
const SEGV_MTEAERR: i32 = 8;
const SEGV_MTESERR: i32 = 9;
const SEGV_CPERR: i32 = 10;

/// Recognizes what the map of the address space forbids, and what remains.
pub(super) fn find(scene: &Scene<'_>, found: &[Cause]) -> Option<Cause> {
    let failure = scene.failure.as_ref().filter(|_| !told(found))?;
    let (signal, code) = scene.signal()?;
    if signal != SIGSEGV || failure.is_execution() {
        return None;
    }
    if let Some(cause) = code.and_then(|code| by_code(failure, code)) {
        return Some(cause);
    }
    let address = failure.address?;
    match scene.space.find(address) {
        Some(index) => Some(protected(scene, failure, address, index)),
        None => Some(wild(scene, failure, address)),
    }
}

/// What the kernel tells by the signal's code alone.
fn by_code(failure: &Failure, code: i32) -> Option<Cause> {
    let (class, summary) = match code {
        SEGV_PKUERR => ("protection_key", "access to memory that its protection key forbids"),
        SEGV_MTESERR => ("memory_tag", "access through a pointer whose tag isn't its memory's"),
        SEGV_MTEAERR => {
            ("memory_tag", "an access, a little earlier, through a pointer whose tag isn't its memory's")
        }
        SEGV_CPERR => ("return_corrupt", "return to another address than the call's, says the shadow stack"),
        _ => return None,
    };
    Some(failure.cause_without_access(class, Confidence::High, summary))
}

/// An access to what is mapped.
fn protected(scene: &Scene<'_>, failure: &Failure, address: u64, index: usize) -> Cause {
    let place = scene.space.words(index);
    let verb = verb(failure);
    let segment = scene.space.segment(index).copied();
    let readable = segment.is_some_and(|segment| segment.read && !segment.write);
    match (segment, failure.kind) {
        (Some(segment), _) if scene.space.kind(&segment).0 == RegionKind::Guard => {
            let size = words::bytes(segment.memory_size);
            let summary = format!("{verb} at {address:#x}, in {size} that are there to fail accesses");
            let mut cause = failure.cause("guard_page", Confidence::High, summary);
            cause.evidence.extend(beside(scene, &segment));
            cause
        }
        (_, Some(AccessKind::Write)) if readable => {
            let summary = format!("write to {place}, at {address:#x}, which is read-only");
            failure.cause("write_readonly", Confidence::High, summary)
        }
        (_, None) if readable => {
            let summary = format!("access to {place}, at {address:#x}, which is read-only");
            failure.cause("write_readonly", Confidence::Medium, summary)
        }
        _ => {
            let summary = format!("{verb} at {address:#x}, in {place}, which was forbidden then");
            let mut cause = failure.cause("wild_pointer", Confidence::Low, summary);
            cause.evidence.push("the core has it as memory that may be accessed so".to_owned());
            cause
        }
    }
}

/// Says what lies on both sides of a guard.
fn beside(scene: &Scene<'_>, guard: &epitaph_elf::Segment) -> Option<String> {
    let space = &scene.space;
    let touches = |index: &usize| {
        space
            .segment(*index)
            .is_some_and(|other| other.end() == guard.address || other.address == guard.end())
    };
    let name = |index: Option<usize>| index.filter(touches).map(|index| space.words(index));
    match (name(space.before(guard.address)), name(space.after(guard.address))) {
        (Some(below), Some(above)) => Some(format!("it is between {below} and {above}")),
        (Some(below), None) => Some(format!("it follows {below}")),
        (None, Some(above)) => Some(format!("{above} follows it")),
        (None, None) => None,
    }
}

fn verb(failure: &Failure) -> &'static str {
    match failure.kind {
        Some(AccessKind::Write) => "write",
        Some(AccessKind::Read) => "read",
        _ => "access",
    }
}

/// An access to what isn't mapped, or not known to be.
fn wild(scene: &Scene<'_>, failure: &Failure, address: u64) -> Cause {
    /// Memory so near to other memory may have been mapped until it was freed.
    const NEAR: u64 = 64 << 20;
    /// As far as one goes who runs off an end.
    const OVERRUN: i64 = 4096;
    /// What is read or written in order fails at the first bytes behind the end; a large block of malloc's that was unmapped
    /// had its own notes there.
    const FIRST: i64 = 16;
    let verb = verb(failure);
    let nearest = scene.space.nearest(address);
    let place = |index: usize| scene.space.words(index);
    let (summary, confidence) = match nearest {
        Some((index, distance)) if (0..OVERRUN).contains(&distance) => {
            let past = if distance == 0 { "just".to_owned() } else { words::bytes(distance.unsigned_abs()) };
            let confidence = if distance < FIRST { Confidence::High } else { Confidence::Medium };
            (format!("{verb} at {address:#x}, {past} past the end of {}", place(index)), confidence)
        }
        Some((_, distance)) if distance.unsigned_abs() <= NEAR => {
            (format!("{verb} at {address:#x}, where nothing is mapped"), Confidence::Medium)
        }
        _ => (format!("{verb} at {address:#x}, where nothing is mapped"), Confidence::High),
    };
    let confidence = if scene.space.is_known() { confidence } else { Confidence::Medium };
    let mut cause = failure.cause("wild_pointer", confidence, summary);
    cause.evidence.extend(nearest.map(|(index, distance)| {
        let size = words::bytes(distance.unsigned_abs());
        let side = if distance < 0 { "before" } else { "after" };
        format!("the nearest memory is {}: the address is {size} {side} it", place(index))
    }));
    if confidence == Confidence::Medium {
        cause.evidence.push("it may be memory that was unmapped when it was freed".to_owned());
    }
    cause.evidence.extend(failure.operand.iter().flat_map(|operand| failure.looks(operand)));
    cause
}

//! Ends that Rust's runtime brings about: panics, allocations that failed, `process::abort`.

use epitaph_summary::{Cause, Confidence, MessageSource, Panic};

use super::{abort, rust_kind};
use crate::hunt::hunt;
use crate::names::Names;
use crate::peek::Peek;
use crate::remnant::Remnant;
use crate::runtime::rust_panic::{self, Location};
use crate::scene::Scene;
use crate::sentence::sentence;

/// Where a panic arrives in the standard library, by any of its names.
const HANDLER: [&str; 8] = [
    "std::panicking::panic_handler*",
    "std::panicking::begin_panic_handler*",
    "std::panicking::begin_panic*",
    "std::panicking::rust_panic_with_hook",
    "std::panicking::panic_with_hook",
    "rust_begin_unwind",
    "__rustc::rust_begin_unwind",
    "rust_panic",
];
/// What runs the hook, and what calls it holds the payload.
const HOOK: [&str; 2] = ["std::panicking::panic_with_hook", "std::panicking::rust_panic_with_hook"];
/// The functions of `core` and `std` that a panic is raised by: the last of them was called where it happened.
const RAISED: [&str; 10] = [
    "core::panicking::*",
    "core::option::unwrap_failed",
    "core::option::expect_failed",
    "core::result::unwrap_failed",
    "core::slice::index::*_fail",
    "core::str::slice_error_fail*",
    "core::cell::panic_already_*",
    "std::panicking::begin_panic*",
    "std::panicking::panic_handler*",
    "rust_begin_unwind",
];
/// What raises a panic because another one is under way.
const SECOND: [&str; 2] = ["core::panicking::panic_cannot_unwind", "core::panicking::panic_in_cleanup"];
const OUT_OF_MEMORY: [&str; 7] = [
    "std::alloc::rust_oom*",
    "__rustc::__rust_alloc_error_handler",
    "__rust_alloc_error_handler",
    "alloc::alloc::handle_alloc_error*",
    "__rust_oom",
    "__rdl_oom",
    "rust_oom",
];
const ABORT: [&str; 2] = ["std::process::abort", "std::sys::pal::unix::abort_internal"];
const STACK_END: [&str; 1] = ["std::sys::*::signal_handler"];
/// Bytes of a stack, below what is in use, that a panic that unwound may have left its traces in.
const UNWOUND: u64 = 16 << 10;
/// Bytes of memory that are searched for the exception of a panic that unwound.
const HUNTED: u64 = 64 << 20;
/// Most exceptions that are looked at.
const MOST_EXCEPTIONS: usize = 64;
/// Most machine frames without names in which a panic is looked for.
const NAMELESS: usize = 24;

/// Recognizes them by the functions on the stack; what a panic said, and where, is looked for between them.
pub(super) fn find(scene: &Scene<'_>, _: &[Cause]) -> Option<Cause> {
    if !abort::is_own(scene) {
        return None;
    }
    let names = Names::new(scene.frames());
    let handler = names.find_last(&HANDLER);
    if names.has(&OUT_OF_MEMORY) && handler.is_none() {
        return Some(Cause::new("rust_oom", Confidence::High, "out of memory: Rust could not allocate"));
    }
    let sp = scene.fault.as_ref()?.registers.get(scene.process.arch.sp);
    let place = Place { scene, names, peek: Peek::new(scene), sp: sp? };
    match handler {
        Some(handler) => Some(panic(&place, handler)),
        // Rust's own handler of SIGSEGV has found the end of a stack: the fault is another step's.
        None if names.has(&STACK_END) => None,
        None if names.has(&ABORT) => {
            Some(Cause::new("rust_abort", Confidence::High, "the program called std::process::abort()"))
        }
        None => unnamed(&place),
    }
}

/// Where things are looked for.
struct Place<'a, 'b> {
    scene: &'b Scene<'a>,
    names: Names<'a>,
    peek: Peek<'a>,
    sp: u64,
}

/// Tells of a panic that functions on the stack tell of.
fn panic(place: &Place<'_, '_>, handler: usize) -> Cause {
    let Place { names, peek, sp, .. } = *place;
    let end = names.find_last(&RAISED).and_then(|index| names.end_of(index)).unwrap_or(sp);
    let remnant = Remnant::read(peek, sp, end);
    // `core::panicking::panic_fmt` holds the `PanicInfo`; a panic with a payload of another type doesn't come through it.
    let core = names.find(&["core::panicking::*"]);
    let from = core.and_then(|index| names.start_of(index)).unwrap_or(sp);
    let locations: Vec<Location> = rust_panic::locations(peek, from, end).collect();
    // The frames of a second panic may still hold the first one's location, which is the one that counts.
    let elsewhere = core.is_none() || names.has(&SECOND);
    let outside = locations.iter().find(|location| elsewhere && !location.is_own());
    let location = outside.or(locations.first()).cloned();
    // What called the hook holds the payload.
    let hook = names.find(&HOOK).and_then(|index| names.end_of(index));
    let texts = hook.zip(names.end_of(handler)).map(|(hook, handler)| rust_panic::texts(peek, hook, handler));
    let printed = location.as_ref().and_then(|location| printed(&remnant, location));
    let message = message(texts.unwrap_or_default(), printed.as_ref());
    let kind = rust_kind::of(names, message.as_deref());
    // A panic that must not unwind is the second one: what the first said is the reason.
    let first = if kind.is_second() { first_panic(place, end) } else { None };
    let message = first.or(message).or_else(|| kind.text().map(str::to_owned));
    told(kind, message, location, printed.map(|printed| printed.thread))
}

/// Tells of what looks like a panic in a program without names.
fn unnamed(place: &Place<'_, '_>) -> Option<Cause> {
    /// Machine frames between the one that holds the payload and the one that holds the `PanicInfo`, and one more for
    /// what compilers do.
    const BETWEEN: usize = 4;
    let Place { names, peek, .. } = *place;
    let abort = names.find(&["abort"]).or(names.are_unknown().then_some(0))?;
    if names.frames().get(abort + 1)?.function.is_some() {
        return None;
    }
    let ends: Vec<u64> =
        names.frames().get(abort..)?.iter().filter_map(|frame| frame.cfa).map(|cfa| cfa.0).collect();
    let ends = ends.get(..NAMELESS).unwrap_or(&ends);
    let (first, last) = (*ends.first()?, *ends.last()?);
    let info = rust_panic::panic_info(peek, first, last)?;
    let location = rust_panic::locations(peek, info, info.checked_add(2 * peek.word_size())?).next()?;
    let holder = ends.iter().position(|end| info < *end)?;
    let texts = ends
        .get(holder.saturating_sub(BETWEEN)..holder)
        .and_then(|ends| Some(rust_panic::texts(peek, *ends.first()?, *ends.last()?)));
    let printed = printed(&Remnant::read(peek, place.sp, last), &location);
    let message = message(texts.unwrap_or_default(), printed.as_ref());
    let kind = rust_kind::of(Names::new(&[]), message.as_deref());
    let mut cause = told(kind, message, Some(location), printed.map(|printed| printed.thread));
    cause.confidence = Some(Confidence::Medium);
    cause.evidence =
        vec!["no function has a name, but the stack holds what a panic of Rust leaves there".to_owned()];
    Some(cause)
}

/// Chooses a panic's message among the texts that the frames around its payload hold: the one that was printed too. What
/// was printed may be cut; where it isn't known, the first text counts.
fn message(texts: Vec<String>, printed: Option<&Printed>) -> Option<String> {
    let Some(printed) = printed else { return texts.into_iter().next() };
    let agreed = texts.into_iter().find(|text| printed.message.starts_with(text.as_str()));
    agreed.or_else(|| Some(printed.message.clone()))
}

/// Finds what the first of two panics said.
fn first_panic(place: &Place<'_, '_>, end: u64) -> Option<String> {
    let (start, end) = (place.sp.saturating_sub(UNWOUND), end.saturating_add(UNWOUND));
    rust_panic::unwound_on_stack(place.peek, start, end).or_else(|| {
        let places = hunt(place.scene, rust_panic::EXCEPTION_CLASS, HUNTED, MOST_EXCEPTIONS);
        places.into_iter().find_map(|exception| rust_panic::unwound(place.peek, exception))
    })
}

/// Makes the cause.
fn told(
    kind: rust_kind::Kind,
    message: Option<String>,
    location: Option<Location>,
    thread: Option<String>,
) -> Cause {
    let place = location.as_ref().map(|location| {
        let file = location.file.rsplit('/').next().unwrap_or(&location.file);
        format!(" at {file}:{}", location.line)
    });
    let said = message.as_ref().map(|message| format!(": {message}"));
    let summary = format!("Rust panic{}{}", place.unwrap_or_default(), said.unwrap_or_default());
    let mut evidence = vec!["the panic's functions are on the stack".to_owned()];
    evidence.extend(kind.is_second().then(|| kind.text().unwrap_or_default().to_owned()));
    Cause {
        message_source: message.as_ref().map(|_| MessageSource::RustPayload),
        message,
        panic: location.map(|location| Panic {
            file: Some(location.file),
            line: Some(location.line),
            column: Some(location.column),
            thread,
        }),
        evidence,
        ..Cause::new(format!("rust_panic:{}", kind.token()), Confidence::High, sentence(&summary))
    }
}

/// What the default hook printed, of which a buffer on the stack still holds the start.
struct Printed {
    thread: String,
    message: String,
}

/// Finds what the default hook printed of a panic at this location: `thread 'NAME' (TID) panicked at FILE:LINE:COLUMN:`
/// and the message, since Rust 1.73.
fn printed(remnant: &Remnant, location: &Location) -> Option<Printed> {
    let place = format!(" panicked at {}:{}:{}:\n", location.file, location.line, location.column);
    remnant.texts_with(&place).find_map(|text| {
        let (before, message) = text.split_once(&place)?;
        let (_, thread) = before.rsplit_once("thread '")?;
        let (thread, _) = thread.rsplit_once('\'')?;
        let message = message.strip_suffix('\n').unwrap_or(message);
        Some(Printed { thread: thread.to_owned(), message: message.to_owned() })
    })
}

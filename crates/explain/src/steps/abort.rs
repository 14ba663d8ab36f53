//! A program that ended itself, and said nothing that was found elsewhere.

use epitaph_elf::SignalInfo;
use epitaph_elf::signals::{SI_TKILL, SIGABRT};
use epitaph_summary::{Cause, Confidence, MessageSource};

use crate::names::Names;
use crate::peek::Peek;
use crate::remnant::Remnant;
use crate::runtime::abort_msg::LIBC;
use crate::runtime::globals;
use crate::scene::Scene;
use crate::sentence::sentence;

/// Tells whether the fault is that the program called `abort`.
pub(super) fn is_own(scene: &Scene<'_>) -> bool {
    scene.fault.as_ref().is_some_and(|fault| is_abort(scene, &fault.signal))
}

/// Tells whether the process ended itself by `abort`, whatever fault it had before.
pub(super) fn ended(scene: &Scene<'_>) -> bool {
    scene.process.signal.as_ref().is_some_and(|signal| is_abort(scene, signal))
}

fn is_abort(scene: &Scene<'_>, signal: &SignalInfo) -> bool {
    let own = scene.process.info.as_ref().map(|info| info.pid);
    signal.number == SIGABRT
        && match (signal.code, signal.sender) {
            (None | Some(SI_TKILL), _) => true,
            (_, Some((sender, _))) => Some(sender) == own,
            _ => false,
        }
}

/// Who called `abort`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// A function with a name.
    Named,
    /// A function of the C library that has no name: one that isn't exported.
    Library,
    /// Another function without a name.
    Nameless,
    /// It isn't known: no function has a name.
    Unknown,
    /// Nobody: the signal was raised in another way.
    Nobody,
}

/// Tells who called `abort`.
pub(super) fn caller(scene: &Scene<'_>, names: Names<'_>) -> Caller {
    let Some(abort) = names.find(&["abort"]) else {
        return if names.are_unknown() { Caller::Unknown } else { Caller::Nobody };
    };
    let Some(frame) = names.frames().get(abort + 1) else { return Caller::Unknown };
    let module = frame.module.and_then(|module| usize::try_from(module).ok());
    match frame.function {
        Some(_) => Caller::Named,
        None if module.is_some_and(|module| globals::is_named(scene.loaded, module, &LIBC)) => {
            Caller::Library
        }
        None => Caller::Nameless,
    }
}

/// Recognizes what no step before it did.
pub(super) fn find(scene: &Scene<'_>, found: &[Cause]) -> Option<Cause> {
    if !found.is_empty() || !is_own(scene) {
        return None;
    }
    let (sure, summary) = match caller(scene, Names::new(scene.frames())) {
        Caller::Named => (Confidence::High, "the program called abort()"),
        Caller::Nobody => (Confidence::High, "the program sent SIGABRT to itself"),
        Caller::Library | Caller::Nameless => (Confidence::Medium, "the program called abort()"),
        Caller::Unknown => (Confidence::Medium, "the program ended itself with SIGABRT"),
    };
    Some(Cause::new("abort_call", sure, summary))
}

/// Finds what the program may have printed before it called `abort`: a guess, told beside the cause.
pub(super) fn find_remnant(scene: &Scene<'_>, found: &[Cause]) -> Option<Cause> {
    /// Fewest words, and letters, of a text that says something.
    const WORDS: usize = 2;
    const LETTERS: usize = 6;
    if found.first().is_none_or(|cause| cause.class != "abort_call") {
        return None;
    }
    let sp = scene.fault.as_ref()?.registers.get(scene.process.arch.sp)?;
    let remnant = Remnant::read(Peek::new(scene), sp, sp);
    let line = remnant.texts_with("\n").filter_map(|text| {
        let line = text.split_inclusive('\n').next()?.strip_suffix('\n')?.trim();
        let letters = line.chars().filter(char::is_ascii_alphabetic).count();
        (line.split_whitespace().count() >= WORDS && letters >= LETTERS).then(|| line.to_owned())
    });
    let line = line.last()?;
    Some(Cause {
        message_source: Some(MessageSource::Remnant),
        evidence: vec!["this text lies in a part of the stack that is no longer used".to_owned()],
        message: Some(line.clone()),
        ..Cause::new("abort_call", Confidence::Low, sentence(&format!("it printed last: {line}")))
    })
}

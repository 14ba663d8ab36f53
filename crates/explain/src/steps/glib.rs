//! Ends that GLib brings about: its assertions, and its fatal log records.

use epitaph_elf::signals::SIGTRAP;
use epitaph_summary::{Assertion, Cause, Confidence, MessageSource};

use super::abort;
use super::glibc::{failed_assertion, place_and_line};
use crate::names::Names;
use crate::peek::Peek;
use crate::runtime::glib_log;
use crate::scene::Scene;
use crate::sentence::sentence;

/// What a failed assertion ends in.
const ASSERTION: [&str; 2] = ["g_assertion_message*", "g_assert_warning"];
/// What a log record is made by; the last of them was called where it happened.
const LOG: [&str; 9] = [
    "g_log",
    "g_logv",
    "g_log_structured*",
    "g_log_default_handler",
    "g_log_writer_default",
    "_g_log_abort",
    "g_return_if_fail_warning",
    "g_warn_message",
    "g_abort",
];
/// Bytes below the stack pointer in which a record's fields may be left.
const BELOW: u64 = 8 << 10;

/// Recognizes them by GLib's functions, and by what GLib keeps for debuggers.
pub(super) fn find(scene: &Scene<'_>, _: &[Cause]) -> Option<Cause> {
    let signal = scene.fault.as_ref()?.signal.number;
    if !abort::is_own(scene) && signal != SIGTRAP {
        return None;
    }
    let names = Names::new(scene.frames());
    let peek = Peek::new(scene);
    if names.has(&ASSERTION) && signal != SIGTRAP {
        return Some(assertion(glib_log::assertion(scene.loaded, peek)));
    }
    let log = names.find_last(&LOG)?;
    // A breakpoint of somebody else's is in no function of GLib.
    if signal == SIGTRAP && names.find(&LOG).is_some_and(|index| index > 1) || names.has(&["g_abort"]) {
        return None;
    }
    let sp = scene.fault.as_ref()?.registers.get(scene.process.arch.sp)?;
    let message = names.end_of(log).and_then(|end| {
        glib_log::message(peek, sp, end).or_else(|| glib_log::message(peek, sp.saturating_sub(BELOW), sp))
    });
    let said = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    Some(Cause {
        message_source: message.as_ref().map(|_| MessageSource::Remnant),
        message,
        evidence: vec!["GLib's functions that log are on the stack; the record was a fatal one".to_owned()],
        ..Cause::new("glib_fatal", Confidence::High, sentence(&format!("fatal log record of GLib{said}")))
    })
}

/// Makes the cause of a failed assertion.
fn assertion(message: Option<String>) -> Cause {
    let parsed = message.as_deref().and_then(parse);
    let sure = if message.is_some() { Confidence::High } else { Confidence::Medium };
    Cause {
        message_source: message.as_ref().map(|_| MessageSource::GlibAssertMsg),
        message,
        evidence: vec!["GLib's functions that report an assertion are on the stack".to_owned()],
        ..failed_assertion(parsed.unwrap_or_default(), sure)
    }
}

/// Takes the words of an assertion apart: `DOMAIN:ERROR:FILE:LINE:FUNCTION: assertion failed: (EXPRESSION)`, or, where
/// values were compared, `assertion failed (EXPRESSION): (VALUES)`.
fn parse(message: &str) -> Option<Assertion> {
    let (_, rest) = message.split_once("ERROR:")?;
    let (file, line, rest) = place_and_line(rest)?;
    let (function, said) = rest.strip_prefix(':')?.split_once(": ")?;
    let expression = said.strip_prefix("assertion failed: (").and_then(|text| text.strip_suffix(')'));
    let compared = said.strip_prefix("assertion failed (").and_then(|text| Some(text.rsplit_once("): (")?.0));
    Some(Assertion {
        expression: expression.or(compared).map(str::to_owned),
        file: Some(file.to_owned()),
        line: Some(line),
        function: Some(function.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assertions_are_taken_apart() {
        for (message, expression) in [
            ("ERROR:src/a.c:5:fail: assertion failed: (n>5)", Some("n>5")),
            ("ERROR:src/a.c:5:fail: assertion failed (n == 7): (2 == 7)", Some("n == 7")),
            ("Gtk:ERROR:src/a.c:5:fail: code should not be reached", None),
        ] {
            let assertion = parse(message).unwrap();
            assert_eq!(assertion.expression.as_deref(), expression);
            assert_eq!(assertion.file.as_deref(), Some("src/a.c"));
            assert_eq!((assertion.line, assertion.function.as_deref()), (Some(5), Some("fail")));
        }
    }
}

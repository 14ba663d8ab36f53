//! What programs said when they ended: taken from their runtimes' memory, and equal to what they printed.

use epitaph_summary::{Cause, Confidence, MessageSource};
use epitaph_symbols::{FileSearch, SearchOptions};
use epitaph_testkit::crash::{Crash, program};

use crate::support::{open, summary};

/// The cause of a program's death, and what it printed.
fn cause_of(name: &str) -> Option<(Cause, String)> {
    let crash = Crash::of_or_skip(program(name))?;
    let summary = summary(&open(&crash.core), &FileSearch::new(SearchOptions::default()));
    Some((summary.cause.expect("a signal has a cause"), crash.stderr))
}

/// Checks class and confidence, and that the program printed its message; returns the cause.
fn said(name: &str, class: &str, source: MessageSource) -> Option<Cause> {
    let (cause, printed) = cause_of(name)?;
    assert_eq!((cause.class.as_str(), cause.confidence), (class, Some(Confidence::High)), "{cause:#?}");
    let message = cause.message.as_deref().expect("it said something");
    assert!(printed.contains(message), "{message:?} is not in {printed:?}");
    assert_eq!(cause.message_source, Some(source));
    assert!(cause.summary.as_ref().is_some_and(|summary| summary.chars().count() <= 200));
    Some(cause)
}

#[test]
fn an_assertion_is_told_with_its_parts() {
    let Some(cause) = said("assert", "assertion", MessageSource::AbortMsg) else { return };
    let assertion = cause.assertion.unwrap();
    assert_eq!(assertion.expression.as_deref(), Some("age >= 0 && \"nobody is that young\""));
    assert!(assertion.file.unwrap().ends_with("assert.c"));
    assert_eq!((assertion.line, assertion.function.as_deref()), (Some(8), Some("check_age")));
}

#[test]
fn an_exception_is_told_with_its_type() {
    let source = MessageSource::CxxException;
    let Some(cause) = said("cxx_exception", "cxx_exception:std::runtime_error", source) else { return };
    let exception = cause.exception.unwrap();
    assert_eq!(exception.type_name.as_deref(), Some("std::runtime_error"));
    assert_eq!(exception.what.as_deref(), Some("short by 15"));
}

#[test]
fn a_panic_is_told_with_its_location() {
    let source = MessageSource::RustPayload;
    let Some(cause) = said("rust_panic", "rust_panic:explicit", source) else { return };
    let panic = cause.panic.unwrap();
    assert!(panic.file.unwrap().ends_with("rust_panic.rs"));
    assert_eq!(panic.line, Some(14));
    let Some(cause) = said("rust_unwrap", "rust_panic:unwrap_none", source) else { return };
    assert_eq!(cause.message.as_deref(), Some("called `Option::unwrap()` on a `None` value"));
}

#[test]
fn go_tells_of_panics_and_of_fatal_errors() {
    let Some(cause) = said("go_fatal", "go_panic:fatal_error", MessageSource::Go) else { return };
    assert_eq!(cause.message.as_deref(), Some("sync: unlock of unlocked mutex"));
    said("go_overflow", "stack_overflow", MessageSource::Go);
}

#[test]
fn a_plain_abort_says_nothing() {
    let Some((cause, _)) = cause_of("dump") else { return };
    assert_eq!(cause.class, "abort_call");
    assert_eq!(cause.message, None);
}

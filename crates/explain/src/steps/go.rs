//! Ends that Go's runtime brings about: panics that nobody recovered, and fatal errors.

use epitaph_summary::{Cause, Confidence, MessageSource};

use super::abort;
use crate::names::Names;
use crate::peek::Peek;
use crate::runtime::go_panic;
use crate::scene::Scene;
use crate::sentence::sentence;

/// What ends a program with a fatal error; the innermost has the text.
const FATAL: [&str; 2] = ["runtime.throw", "runtime.fatal"];
/// What ends a program with a panic.
const PANIC: &str = "runtime.gopanic";

/// Kinds of panics: functions that raise them, and beginnings of their texts.
const KINDS: [(&str, &[&str], &[&str]); 9] = [
    (
        "nil_deref",
        &["runtime.panicmem", "runtime.panicmemAddr"],
        &["runtime error: invalid memory address or nil pointer dereference"],
    ),
    ("index", &["runtime.goPanicIndex*", "runtime.panicIndex*"], &["runtime error: index out of range"]),
    (
        "slice",
        &["runtime.goPanicSlice*", "runtime.panicSlice*", "runtime.goPanicExtend*"],
        &["runtime error: slice bounds out of range", "runtime error: cannot convert slice"],
    ),
    ("div_zero", &["runtime.panicdivide"], &["runtime error: integer divide by zero"]),
    ("type_assertion", &["runtime.panicdottype*", "runtime.panicnildottype"], &["interface conversion: "]),
    ("nil_map", &[], &["assignment to entry in nil map"]),
    ("channel", &["runtime.closechan", "runtime.chansend"], &["close of ", "send on closed channel"]),
    (
        "size",
        &["runtime.panicmakeslice*", "runtime.makechan*"],
        &["runtime error: makeslice: ", "makechan: "],
    ),
    ("shift", &["runtime.panicshift"], &["runtime error: negative shift amount"]),
];

/// Recognizes them by the runtime's functions, whose frames hold the text.
pub(super) fn find(scene: &Scene<'_>, _: &[Cause]) -> Option<Cause> {
    if !abort::ended(scene) {
        return None;
    }
    let names = Names::new(&scene.thread()?.frames);
    let peek = Peek::new(scene);
    match (names.find(&FATAL), names.find(&[PANIC])) {
        (Some(fatal), panic) if panic.is_none_or(|panic| fatal < panic) => {
            Some(fatal_error(peek, names, fatal))
        }
        (_, Some(panic)) => Some(uncaught(peek, names, panic)),
        _ => None,
    }
}

/// Makes the cause of a fatal error of the runtime.
fn fatal_error(peek: Peek<'_>, names: Names<'_>, fatal: usize) -> Cause {
    let frame = names.start_of(fatal).zip(names.end_of(fatal));
    let text = frame.filter(|_| peek.word_size() == 8);
    let text = text.and_then(|(start, end)| go_panic::argument_text(peek, start, end));
    // The runtime itself finds that a goroutine's stack has got too large.
    let class = if names.has(&["runtime.newstack"]) { "stack_overflow" } else { "go_panic:fatal_error" };
    let said = text.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
    cause(class, &format!("Go fatal error{said}"), text)
}

/// Makes the cause of a panic that nobody recovered.
fn uncaught(peek: Peek<'_>, names: Names<'_>, panic: usize) -> Cause {
    let texts = (peek.word_size() == 8).then(|| {
        let (start, end) = (names.start_of(panic)?, names.end_of(panic)?);
        let stack = names.frames().iter().filter_map(|frame| frame.cfa).map(|cfa| cfa.0).max()?;
        go_panic::texts(peek, start, end, stack.max(end))
    });
    let mut texts = texts.flatten().unwrap_or_default().into_iter();
    let text = texts.next().filter(|text| !text.is_empty());
    let by_text = |(_, _, starts): &&(&str, &[&str], &[&str])| {
        text.as_ref().is_some_and(|text| starts.iter().any(|start| text.starts_with(start)))
    };
    let raised = Names::new(names.frames().get(panic..).unwrap_or_default());
    let kind = KINDS.iter().find(by_text);
    let kind = kind.or_else(|| KINDS.iter().filter(|_| text.is_none()).find(|kind| raised.has(kind.1)));
    let said = text.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
    let class = format!("go_panic:{}", kind.map_or("explicit", |kind| kind.0));
    let mut cause = cause(&class, &format!("Go panic{said}"), text);
    cause
        .evidence
        .extend(texts.map(|text| format!("it was raised while another panic was under way: {text}")));
    cause
}

fn cause(class: &str, summary: &str, text: Option<String>) -> Cause {
    Cause {
        message_source: text.as_ref().map(|_| MessageSource::Go),
        message: text,
        evidence: vec!["the functions of Go's runtime that end a program are on the stack".to_owned()],
        ..Cause::new(class, Confidence::High, sentence(summary))
    }
}

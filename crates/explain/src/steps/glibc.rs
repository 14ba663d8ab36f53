//! Ends that glibc brings about: failed assertions, corrupt heaps, smashed stacks, checked functions.

use epitaph_summary::{Assertion, Cause, Confidence, MessageSource};

use super::abort::{self, Caller};
use crate::names::{Names, is_one_of};
use crate::peek::Peek;
use crate::runtime::abort_msg;
use crate::scene::Scene;
use crate::sentence::sentence;

/// A way in which glibc ends a process.
struct Kind {
    class: &'static str,
    /// The sentence of its cause.
    summary: &'static str,
    /// Beginnings of its messages; after a `*`, a part of them.
    messages: &'static [&'static str],
    /// Functions that end a process in this way alone.
    functions: &'static [&'static str],
}

/// The functions that print what `__abort_msg` keeps.
const SPEAKERS: [&str; 12] = [
    "__assert_fail*",
    "__assert_perror_fail",
    "__assert",
    "__libc_assert_fail",
    "__libc_message*",
    "__libc_fatal",
    "malloc_printerr*",
    "__malloc_assert",
    "__fortify_fail*",
    "__stack_chk_fail*",
    "__chk_fail",
    "__longjmp_chk",
];

/// The heap's functions.
const HEAP: [&str; 9] = [
    "malloc",
    "calloc",
    "realloc",
    "free",
    "cfree",
    "memalign",
    "aligned_alloc",
    "posix_memalign",
    "__libc_*alloc",
];

/// The kinds, each before those that its messages would fit as well.
const KINDS: [Kind; 6] = [
    Kind {
        class: "double_free",
        summary: "a block of memory was freed twice",
        messages: &["double free or corruption", "*double free detected"],
        functions: &[],
    },
    Kind {
        class: "invalid_free",
        summary: "a pointer was freed that is no block of the heap",
        messages: &[
            "free(): invalid pointer",
            "munmap_chunk(): invalid pointer",
            "realloc(): invalid pointer",
        ],
        functions: &["munmap_chunk"],
    },
    Kind {
        class: "stack_smash",
        summary: "a function wrote past the end of its variables on the stack",
        messages: &["*** stack smashing detected ***"],
        functions: &["__stack_chk_fail*"],
    },
    Kind {
        class: "fortify",
        summary: "a checked function of the C library found that it would be misused",
        messages: &["*** "],
        functions: &["__fortify_fail*", "__chk_fail", "__longjmp_chk", "____longjmp_chk", "__fdelt_*"],
    },
    Kind {
        class: "heap_corruption",
        summary: "the heap's own records were overwritten",
        messages: &[
            "malloc",
            "free(): ",
            "realloc(): ",
            "calloc",
            "corrupted ",
            "munmap_chunk(): ",
            "mremap_chunk(): ",
            "unaligned ",
            "invalid fastbin entry",
            "break adjusted to free malloc space",
            "tcache_thread_shutdown(): ",
            "Fatal glibc error: malloc",
        ],
        functions: &["malloc_printerr*", "__malloc_assert"],
    },
    Kind {
        class: "glibc_fatal",
        summary: "the C library found a fatal error",
        messages: &[""],
        functions: &["__libc_fatal", "__libc_assert_fail"],
    },
];

/// Recognizes them by what glibc keeps of its last words, or else by the functions that were about to print them.
pub(super) fn find(scene: &Scene<'_>, found: &[Cause]) -> Option<Cause> {
    if !abort::is_own(scene) {
        return None;
    }
    let names = Names::new(scene.frames());
    let (caller, peek) = (abort::caller(scene, names), Peek::new(scene));
    // A program that lived on after such words (its handler of SIGABRT jumped out) ends for another reason.
    let speaks = names.has(&SPEAKERS) || caller == Caller::Library;
    if speaks || caller == Caller::Unknown {
        let confidence = if speaks { Confidence::High } else { Confidence::Medium };
        let message = abort_msg::read(scene.loaded, peek);
        let message = message.or_else(|| if speaks { None } else { abort_msg::find(scene.loaded, peek) });
        if let Some(message) = message {
            return Some(spoken(&message, names, confidence));
        }
    }
    // Where another library's own report of it was found, the functions tell nothing more.
    if found.is_empty() { by_functions(names, caller) } else { None }
}

/// Makes a cause of glibc's last words.
fn spoken(message: &str, names: Names<'_>, confidence: Confidence) -> Cause {
    let message = message.trim_end();
    let heap = names.has(&["malloc_printerr*", "__malloc_assert"]);
    let mut cause = match assertion(message).filter(|_| !heap) {
        Some(assertion) => failed_assertion(assertion, confidence),
        None => {
            let of_message = KINDS.iter().find(|kind| kind.messages.iter().any(|part| fits(message, part)));
            let of_heap = KINDS.iter().find(|kind| heap && kind.class == "heap_corruption");
            let kind = of_message.filter(|kind| !heap || kind.class != "glibc_fatal").or(of_heap);
            let (class, summary) = kind.map_or(("glibc_fatal", ""), |kind| (kind.class, kind.summary));
            Cause::new(class, confidence, sentence(&format!("{summary}: {message}")))
        }
    };
    cause.evidence = vec!["glibc keeps its last words for debuggers (__abort_msg)".to_owned()];
    cause.message = Some(message.to_owned());
    cause.message_source = Some(MessageSource::AbortMsg);
    cause
}

fn fits(message: &str, part: &str) -> bool {
    match part.strip_prefix('*').filter(|part| !part.starts_with('*')) {
        Some(part) => message.contains(part),
        None => message.starts_with(part),
    }
}

/// Makes a cause of the functions on the stack alone.
fn by_functions(names: Names<'_>, caller: Caller) -> Option<Cause> {
    const ASSERT: [&str; 4] = ["__assert_fail*", "__assert_perror_fail", "__assert", "__assert_rtn"];
    let kind = KINDS.iter().filter_map(|kind| Some((names.find(kind.functions)?, kind)));
    // The outermost one says most: `malloc_printerr` calls `__libc_message`, as the others do.
    let kind = kind.max_by_key(|(index, _)| *index).map(|(_, kind)| kind);
    // The heap's functions report by one that has no name but in debug information.
    let heap = || KINDS.iter().find(|kind| kind.class == "heap_corruption" && names.has(&HEAP));
    let kind = kind.or_else(|| if caller == Caller::Library { heap() } else { None });
    let mut cause = match (names.find(&ASSERT), kind) {
        (Some(index), _) => failed_assertion(place(names, index, &ASSERT), Confidence::Medium),
        (None, Some(kind)) => Cause::new(kind.class, Confidence::Medium, kind.summary),
        (None, None) => return None,
    };
    cause.evidence =
        vec!["the C library was about to say so: see the stack; its text is not in the core".to_owned()];
    Some(cause)
}

/// Returns what is known of an assertion whose words are lost: its place, which is where the functions that report it were
/// called, of which the innermost is at `index`.
///
/// A slim core may not hold the words; and musl gathers them in 80 bytes on the stack, where what follows a part that
/// doesn't fit, as a long file name, overwrites the beginning (`src/stdio/__fwritex.c`).
fn place(names: Names<'_>, index: usize, reporting: &[&str]) -> Assertion {
    let frames = names.frames().get(index..).unwrap_or_default();
    let caller = frames.iter().find(|frame| !is_one_of(frame, reporting)).cloned().unwrap_or_default();
    Assertion { expression: None, file: caller.file, line: caller.line, function: caller.function }
}

/// Makes the cause of a failed assertion.
pub(super) fn failed_assertion(assertion: Assertion, confidence: Confidence) -> Cause {
    let place = match (&assertion.file, assertion.line) {
        (Some(file), Some(line)) => format!(" at {}:{line}", file.rsplit('/').next().unwrap_or(file)),
        _ => String::new(),
    };
    let summary = match &assertion.expression {
        Some(expression) => format!("assertion `{expression}` failed{place}"),
        None => format!("an assertion failed{place}"),
    };
    let given = assertion != Assertion::default();
    Cause { assertion: given.then_some(assertion), ..Cause::new("assertion", confidence, sentence(&summary)) }
}

/// Takes the words of `assert` apart (`assert/assert.c`):
/// `PROGRAM: FILE:LINE: FUNCTION: Assertion `EXPRESSION' failed.`, or of `assert_perror`
/// `PROGRAM: FILE:LINE: FUNCTION: Unexpected error: ERROR.`
fn assertion(message: &str) -> Option<Assertion> {
    let said = [": Assertion `", ": Unexpected error: "].into_iter().find_map(|mark| {
        let (place, said) = message.split_once(mark)?;
        Some((place, said, mark.contains('`')))
    });
    let (place, said, expression) = said?;
    let expression = if expression { Some(said.strip_suffix("' failed.")?.to_owned()) } else { None };
    let (before, line, rest) = place_and_line(place)?;
    let file = before.split_once(": ").map_or(before, |(_, file)| file);
    Some(Assertion {
        expression,
        file: Some(file.to_owned()),
        line: Some(line),
        function: rest.strip_prefix(": ").map(str::to_owned),
    })
}

/// Splits a text at the first number between colons, or behind the last one: what is before it, the number, and what
/// follows it from its colon on.
pub(super) fn place_and_line(text: &str) -> Option<(&str, u32, &str)> {
    text.match_indices(':').find_map(|(at, _)| {
        let (file, rest) = (text.get(..at)?, text.get(at + 1..)?);
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let after = rest.get(digits..)?;
        let line = rest.get(..digits)?.parse().ok()?;
        (after.is_empty() || after.starts_with(':')).then_some((file, line, after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assertions_are_taken_apart() {
        for (message, file, line, function, expression) in [
            (
                "app: src/a.c:12: check: Assertion `n > 0 && \"a: b\"' failed.",
                "src/a.c",
                12,
                Some("check"),
                Some("n > 0 && \"a: b\""),
            ),
            (
                "app: a.cpp:7: int std::f(const shop::T&) [with T = a::b]: Assertion `x' failed' failed.",
                "a.cpp",
                7,
                Some("int std::f(const shop::T&) [with T = a::b]"),
                Some("x' failed"),
            ),
            ("a.c:3: Assertion `0' failed.", "a.c", 3, None, Some("0")),
            ("app: a.c:9: main: Unexpected error: No such file or directory.", "a.c", 9, Some("main"), None),
        ] {
            let assertion = assertion(message).unwrap();
            assert_eq!(assertion.file.as_deref(), Some(file), "{message}");
            assert_eq!(assertion.line, Some(line), "{message}");
            assert_eq!(assertion.function.as_deref(), function, "{message}");
            assert_eq!(assertion.expression.as_deref(), expression, "{message}");
        }
        assert_eq!(assertion("free(): invalid pointer"), None);
    }

    #[test]
    fn every_message_has_its_class() {
        for (message, class) in [
            ("free(): double free detected in tcache 2", "double_free"),
            ("double free or corruption (fasttop)", "double_free"),
            ("munmap_chunk(): invalid pointer", "invalid_free"),
            ("free(): invalid next size (fast)", "heap_corruption"),
            ("malloc(): corrupted top size", "heap_corruption"),
            ("corrupted size vs. prev_size", "heap_corruption"),
            ("*** stack smashing detected ***: terminated", "stack_smash"),
            ("*** buffer overflow detected ***: terminated", "fortify"),
            ("FATAL: exception not rethrown", "glibc_fatal"),
            ("app: a.c:1: main: Assertion `0' failed.", "assertion"),
        ] {
            let cause = spoken(&format!("{message}\n"), Names::new(&[]), Confidence::High);
            assert_eq!(cause.class, class, "{message}");
            assert_eq!(cause.message.as_deref(), Some(message));
        }
    }
}

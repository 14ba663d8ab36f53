//! Assertions of the C++ standard libraries (`_GLIBCXX_ASSERTIONS`, libc++'s hardening).

use epitaph_summary::{Assertion, Cause, Confidence, MessageSource};

use super::abort;
use super::glibc::{failed_assertion, place_and_line};
use crate::names::Names;
use crate::peek::Peek;
use crate::remnant::Remnant;
use crate::scene::Scene;

/// The functions that print them.
const FUNCTIONS: [&str; 9] = [
    "std::__glibcxx_assert_fail",
    "std::__replacement_assert",
    "std::__1::__libcpp_verbose_abort",
    "std::__libcpp_verbose_abort",
    "std::__1::__libcpp_assertion_handler",
    "std::__1::__libcpp_abort_function",
    "std::__libcpp_assertion_handler",
    "std::__1::__libcpp_debug_function",
    "std::__1::__libcpp_abort_debug_function",
];

/// Recognizes them by those functions; what they printed may be left on the stack.
pub(super) fn find(scene: &Scene<'_>, _: &[Cause]) -> Option<Cause> {
    if !abort::is_own(scene) {
        return None;
    }
    let names = Names::new(scene.frames());
    let index = names.find(&FUNCTIONS)?;
    let sp = scene.fault.as_ref()?.registers.get(scene.process.arch.sp)?;
    let remnant = Remnant::read(Peek::new(scene), sp, names.end_of(index).unwrap_or(sp));
    let said = MARKS.into_iter().find_map(|mark| {
        let lines = remnant.texts_with(mark).filter_map(|text| {
            let line = text.lines().find(|line| line.contains(mark))?.to_owned();
            let assertion = parse(&line, mark)?;
            Some((line, assertion))
        });
        // The same line may be there more than once, and partly written over.
        lines.max_by_key(|(line, _)| line.len())
    });
    let (message, assertion) = said.unzip();
    let cause = failed_assertion(assertion.unwrap_or_default(), Confidence::High);
    Some(Cause {
        class: "stl_assert".to_owned(),
        message_source: message.as_ref().map(|_| MessageSource::Remnant),
        message,
        evidence: vec![
            "the function of the C++ library that reports its assertions is on the stack".to_owned(),
        ],
        ..cause
    })
}

/// What is in front of the expression: libstdc++'s words, libc++'s, and those of libc++ before 15.
const MARKS: [&str; 3] = [": Assertion '", ": assertion ", ": _LIBCPP_ASSERT '"];

/// Takes the words apart: `FILE:LINE: FUNCTION: Assertion 'EXPRESSION' failed.`, or of libc++
/// `FILE:LINE: assertion EXPRESSION failed: TEXT`.
fn parse(line: &str, mark: &str) -> Option<Assertion> {
    let (file, number, rest) = place_and_line(line)?;
    let (function, said) = rest.split_once(mark)?;
    let end = if mark.ends_with('\'') { "' failed." } else { " failed: " };
    let (expression, _) = said.split_once(end)?;
    Some(Assertion {
        expression: Some(expression.to_owned()),
        file: Some(file.to_owned()),
        line: Some(number),
        function: function.strip_prefix(": ").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_libraries_are_understood() {
        let gnu =
            parse("/usr/a.h:12: T f(U) [with T = a::b]: Assertion '__n < size()' failed.", ": Assertion '");
        let gnu = gnu.unwrap();
        assert_eq!(gnu.expression.as_deref(), Some("__n < size()"));
        assert_eq!(gnu.function.as_deref(), Some("T f(U) [with T = a::b]"));
        let llvm =
            parse("/usr/vector:7: assertion __n < size() failed: out of bounds", ": assertion ").unwrap();
        assert_eq!(llvm.expression.as_deref(), Some("__n < size()"));
        assert_eq!((llvm.line, llvm.function), (Some(7), None));
        let old =
            parse("/usr/vector:7: _LIBCPP_ASSERT '__n < size()' failed. out of bounds", ": _LIBCPP_ASSERT '");
        assert_eq!(old.unwrap().expression, llvm.expression);
    }
}

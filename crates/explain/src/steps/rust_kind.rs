//! Kinds of Rust panics.

use crate::names::Names;

/// A kind of panic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind(&'static Row);

#[derive(Debug)]
struct Row {
    token: &'static str,
    /// Functions of which it is raised by one.
    functions: &'static [&'static str],
    /// Beginnings of its message.
    messages: &'static [&'static str],
    /// The whole of its message, where it is always the same.
    text: Option<&'static str>,
}

const fn row(
    token: &'static str,
    functions: &'static [&'static str],
    messages: &'static [&'static str],
) -> Row {
    Row { token, functions, messages, text: None }
}

/// Every kind, what is more special first: the last is what remains.
const KINDS: [Row; 18] = [
    Row {
        text: Some("panic in a function that cannot unwind"),
        ..row(
            "no_unwind",
            &["core::panicking::panic_cannot_unwind"],
            &["panic in a function that cannot unwind"],
        )
    },
    Row {
        text: Some("panic in a destructor during cleanup"),
        ..row("in_cleanup", &["core::panicking::panic_in_cleanup"], &["panic in a destructor during cleanup"])
    },
    row("index_oob", &["core::panicking::panic_bounds_check"], &["index out of bounds: "]),
    Row {
        text: Some("called `Option::unwrap()` on a `None` value"),
        ..row(
            "unwrap_none",
            &["core::option::unwrap_failed"],
            &["called `Option::unwrap()` on a `None` value"],
        )
    },
    row("unwrap_err", &[], &["called `Result::unwrap()` on an `Err` value", "called `Result::unwrap_err()`"]),
    row("expect", &["core::option::expect_failed", "core::result::unwrap_failed"], &[]),
    row(
        "div_zero",
        &[
            "core::panicking::panic_const::panic_const_div_by_zero",
            "core::panicking::panic_const::panic_const_rem_by_zero",
        ],
        &["attempt to divide by zero", "attempt to calculate the remainder with a divisor of zero"],
    ),
    row("overflow", &["core::panicking::panic_const::*_overflow"], &["attempt to "]),
    row(
        "slice",
        &["core::slice::index::*", "core::str::slice_error_fail*", "core::slice::copy_from_slice_impl::*"],
        &[
            "range start index ",
            "range end index ",
            "slice index starts at ",
            "byte index ",
            "start byte index ",
            "end byte index ",
        ],
    ),
    row(
        "refcell",
        &["core::cell::panic_already_*"],
        &["already borrowed", "already mutably borrowed", "RefCell already "],
    ),
    row("assert", &["core::panicking::assert_failed*"], &["assertion failed: ", "assertion `left "]),
    row(
        "unreachable",
        &["core::panicking::unreachable_display*"],
        &["internal error: entered unreachable code"],
    ),
    row("todo", &[], &["not yet implemented"]),
    row("unimplemented", &[], &["not implemented"]),
    row("capacity_overflow", &["alloc::raw_vec::capacity_overflow"], &["capacity overflow"]),
    row(
        "misaligned",
        &["core::panicking::panic_misaligned_pointer_dereference"],
        &["misaligned pointer dereference"],
    ),
    row(
        "null_deref",
        &["core::panicking::panic_null_pointer_dereference"],
        &["null pointer dereference occurred"],
    ),
    EXPLICIT,
];
const EXPLICIT: Row = row("explicit", &[], &[]);

/// Tells the kind by the functions that raised a panic, or else by its message.
pub(super) fn of(names: Names<'_>, message: Option<&str>) -> Kind {
    let by_message = |row: &&Row| {
        message.is_some_and(|message| row.messages.iter().any(|start| message.starts_with(start)))
    };
    let by_function = |row: &&Row| names.has(row.functions);
    // `Result::unwrap` and `Result::expect` are raised by the same function.
    let row = KINDS.iter().find(|row| by_function(row) && row.token != "expect");
    let row = row.or_else(|| KINDS.iter().find(by_message)).or_else(|| KINDS.iter().find(by_function));
    Kind(row.unwrap_or(&EXPLICIT))
}

impl Kind {
    /// What follows the colon in the class.
    pub(super) fn token(self) -> &'static str {
        self.0.token
    }

    /// Its message, where that is always the same.
    pub(super) fn text(self) -> Option<&'static str> {
        self.0.text
    }

    /// Tells whether it is raised because another panic was under way.
    pub(super) fn is_second(self) -> bool {
        matches!(self.0.token, "no_unwind" | "in_cleanup")
    }
}

#[cfg(test)]
mod tests {
    use epitaph_summary::Frame;

    use super::*;

    #[test]
    fn functions_and_messages_tell_the_kind() {
        for (function, message, kind) in [
            ("core::panicking::panic_bounds_check", None, "index_oob"),
            ("core::panicking::panic_const::panic_const_add_overflow", None, "overflow"),
            ("core::panicking::panic_const::panic_const_div_by_zero", None, "div_zero"),
            ("core::slice::index::slice_end_index_len_fail", None, "slice"),
            (
                "core::result::unwrap_failed",
                Some("called `Result::unwrap()` on an `Err` value: 1"),
                "unwrap_err",
            ),
            ("core::result::unwrap_failed", Some("cannot open: 1"), "expect"),
            ("core::panicking::panic_fmt", Some("assertion failed: n > 7"), "assert"),
            ("core::panicking::panic_fmt", Some("attempts are over"), "explicit"),
            ("core::panicking::panic_fmt", None, "explicit"),
        ] {
            let frames = [Frame { function: Some(function.to_owned()), ..Frame::default() }];
            assert_eq!(of(Names::new(&frames), message).token(), kind, "{function} {message:?}");
        }
    }
}

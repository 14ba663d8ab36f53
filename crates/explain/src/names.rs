//! The functions of a stack, by names that don't differ from one symbol table to another.

use epitaph_summary::Frame;

/// Most frames that are looked at: what ends a process is at the inner end of its stack.
const MOST: usize = 96;

/// What a signal trampoline's frame is called.
const SIGNAL_FRAME: &str = "<signal handler called>";

/// What compilers put behind the names of a function's parts and clones.
const CLONES: [&str; 6] = [".cold", ".part.", ".isra.", ".constprop.", ".llvm.", ".lto_priv."];

/// The inner end of a stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'a>(&'a [Frame]);

impl<'a> Names<'a> {
    pub(crate) fn new(frames: &'a [Frame]) -> Names<'a> {
        Names(frames.get(..MOST).unwrap_or(frames))
    }

    /// Returns the index of the innermost frame of one of these functions. A `*` in a name stands for any text.
    pub(crate) fn find(self, functions: &[&str]) -> Option<usize> {
        self.0.iter().position(|frame| is_one_of(frame, functions))
    }

    /// Returns the index of the outermost frame of one of these functions.
    pub(crate) fn find_last(self, functions: &[&str]) -> Option<usize> {
        self.0.iter().rposition(|frame| is_one_of(frame, functions))
    }

    pub(crate) fn has(self, functions: &[&str]) -> bool {
        self.find(functions).is_some()
    }

    /// Returns the name of the innermost frame of one of these functions, as a symbol table or the debug information has it.
    pub(crate) fn find_text(self, functions: &[&str]) -> Option<&'a str> {
        self.0.get(self.find(functions)?)?.function.as_deref()
    }

    /// Tells whether no frame has a name of its own.
    pub(crate) fn are_unknown(self) -> bool {
        self.0.iter().all(|frame| frame.function.as_deref().is_none_or(|name| name == SIGNAL_FRAME))
    }

    /// Returns the frames that are looked at.
    pub(crate) fn frames(self) -> &'a [Frame] {
        self.0
    }

    /// Returns where the frame of this index begins: where the one ends that it called.
    pub(crate) fn start_of(self, index: usize) -> Option<u64> {
        self.0.get(..index)?.iter().rev().find_map(|frame| frame.cfa).map(|cfa| cfa.0)
    }

    /// Returns where the machine frame ends that the frame of this index is in: the stack pointer before the call of its
    /// function.
    pub(crate) fn end_of(self, index: usize) -> Option<u64> {
        self.0.get(index..)?.iter().find_map(|frame| frame.cfa).map(|cfa| cfa.0)
    }
}

/// Tells whether a frame is of one of these functions, by either of its names.
pub(crate) fn is_one_of(frame: &Frame, functions: &[&str]) -> bool {
    let names = [frame.function.as_deref(), frame.raw_name.as_deref()];
    names.into_iter().flatten().map(essential).any(|name| {
        functions.iter().any(|function| match function.split_once('*') {
            Some((start, end)) => name.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
            None => name == *function,
        })
    })
}

/// Takes off what a symbol table adds to a name: glibc's own prefix for what it calls itself, and the names of clones.
fn essential(name: &str) -> &str {
    let name = name.strip_prefix("__GI_").unwrap_or(name);
    let end = CLONES.iter().filter_map(|clone| name.find(clone)).min();
    end.and_then(|end| name.get(..end)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, raw_name: Option<&str>) -> Frame {
        Frame {
            function: Some(function.to_owned()),
            raw_name: raw_name.map(str::to_owned),
            ..Frame::default()
        }
    }

    #[test]
    fn both_spellings_of_a_name_are_known() {
        let frames = [
            frame("__GI_abort", None),
            frame("__assert_fail_base.cold", None),
            frame("std::panicking::panic_handler", Some("rust_begin_unwind")),
            frame("core::panicking::panic_const::panic_const_add_overflow", None),
            frame("aborted", None),
        ];
        let names = Names::new(&frames);
        assert_eq!(names.find(&["abort"]), Some(0));
        assert_eq!(names.find_last(&["abort*"]), Some(4));
        assert_eq!(names.find(&["__assert_fail_base"]), Some(1));
        assert_eq!(names.find(&["rust_begin_unwind"]), Some(2));
        assert_eq!(names.find(&["core::panicking::panic_const::*"]), Some(3));
        assert!(!names.has(&["core::panicking::panic"]));
    }
}

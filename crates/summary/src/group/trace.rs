//! The part of a stack that stands for a crash when stacks are compared.

use super::few::fingerprint;
use crate::thread::FrameRule;

/// How many frames are compared.
pub(super) const LONGEST: usize = 20;
/// The symbol of a frame without a name, which is like no other.
pub(super) const UNKNOWN: u64 = 0;

/// The names of the frames that count, innermost first: the user's own ones, without the machinery of dying and of
/// starting.
///
/// A name is kept as 64 bits that stand for it within one run of the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    symbols: Vec<u64>,
    /// A bit for each symbol that occurs, at one of 64 places; by it most stacks are told apart.
    bits: u64,
}

impl Trace {
    pub(super) fn of_symbols(symbols: impl IntoIterator<Item = u64>) -> Trace {
        let symbols: Vec<u64> = symbols.into_iter().take(LONGEST).collect();
        let bits = symbols.iter().map(|symbol| bit(*symbol)).fold(0, |bits, bit| bits | bit);
        Trace { symbols, bits }
    }

    pub(super) fn symbols(&self) -> &[u64] {
        &self.symbols
    }

    pub(super) fn len(&self) -> usize {
        self.symbols.len()
    }

    /// How many of the frames may be in the other stack too: no fewer than are.
    pub(super) fn possibly_in(&self, other: &Trace) -> usize {
        self.symbols.iter().filter(|symbol| bit(**symbol) & other.bits != 0).count()
    }
}

/// The symbols are hashes, so any six bits will do. One that is unknown has none.
fn bit(symbol: u64) -> u64 {
    if symbol == UNKNOWN { 0 } else { 1 << (symbol % 64) }
}

/// One frame, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TraceFrame {
    /// Of the function's name; [`UNKNOWN`] where there is none.
    pub(super) symbol: u64,
    /// Whether it is the user's own code, and surely a frame.
    pub(super) in_app: bool,
    pub(super) rule: Option<FrameRule>,
}

/// Takes those frames of a thread that count, innermost first: from the function on that its signature begins with. `names`
/// are the functions in the signature. Where the frames don't follow them, as in a recursion or where all threads count,
/// they alone are the trace.
pub(super) fn trace(frames: &[TraceFrame], names: &[String]) -> Trace {
    let names: Vec<u64> = names.iter().map(|name| symbol_in_signature(name)).collect();
    let story = frames
        .iter()
        .skip_while(|frame| !frame.in_app || Some(&frame.symbol) != names.first())
        .take_while(|frame| frame.rule != Some(FrameRule::End))
        .filter(|frame| frame.in_app && !frame.rule.is_some_and(FrameRule::is_machinery));
    let mut symbols: Vec<u64> = Vec::new();
    for frame in story {
        let again = frame.symbol != UNKNOWN && symbols.last() == Some(&frame.symbol);
        if symbols.len() < LONGEST && !again {
            symbols.push(frame.symbol);
        }
    }
    Trace::of_symbols(if symbols.starts_with(&names) { symbols } else { names })
}

/// The symbol of a function's name as signatures have it.
pub(super) fn symbol(name: &str) -> u64 {
    // No name has the symbol of those without one.
    fingerprint(name).max(1)
}

/// The symbol of what a signature calls a function. One without a name is called by its module: `libz.so!?`.
fn symbol_in_signature(name: &str) -> u64 {
    if name.ends_with('?') { UNKNOWN } else { symbol(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(name: &str, in_app: bool, rule: Option<FrameRule>) -> TraceFrame {
        TraceFrame { symbol: symbol(name), in_app, rule }
    }

    fn found(frames: &[TraceFrame], names: &[&str]) -> Trace {
        trace(frames, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    fn named(names: &[&str]) -> Trace {
        Trace::of_symbols(names.iter().map(|name| symbol(name)))
    }

    #[test]
    fn machinery_is_left_out() {
        let frames = [
            frame("raise", false, Some(FrameRule::Cut)),
            frame("on_terminate", true, None),
            frame("abort", false, Some(FrameRule::Cut)),
            frame("qsort", false, None),
            frame("visit", true, None),
            frame("visit", true, None),
            frame("invoke", true, Some(FrameRule::Skip)),
            frame("run", true, None),
            frame("main", true, Some(FrameRule::End)),
            frame("_start", true, None),
        ];
        assert_eq!(found(&frames, &["visit", "run"]), named(&["visit", "run"]));
    }

    #[test]
    fn frames_go_on_where_the_signature_ends() {
        let frames: Vec<TraceFrame> = (0..100).map(|number| frame(&number.to_string(), true, None)).collect();
        let trace = found(&frames, &["2", "3", "4", "5", "6"]);
        assert_eq!(trace.len(), LONGEST);
        assert_eq!(trace.symbols().last(), Some(&symbol("21")));
    }

    #[test]
    fn a_signature_that_is_no_part_of_the_stack_stands_alone() {
        let frames = ["a", "b", "a", "b", "c"].map(|name| frame(name, true, None));
        assert_eq!(found(&frames, &["a", "b", "c"]), named(&["a", "b", "c"]));
        assert_eq!(found(&[], &["wait", "wait_too"]), named(&["wait", "wait_too"]));
        assert_eq!(found(&frames, &[]), Trace::default());
    }

    #[test]
    fn what_has_no_name_is_like_nothing() {
        assert_eq!(found(&[], &["app!?", "run"]).symbols(), [UNKNOWN, symbol("run")]);
    }
}

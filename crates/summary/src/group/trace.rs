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
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TraceFrame {
    /// Of the function's name; [`UNKNOWN`] where there is none.
    pub(super) symbol: u64,
    pub(super) in_app: bool,
    pub(super) rule: Option<FrameRule>,
}

/// Takes frames, innermost first, and keeps those that count.
#[derive(Debug, Default)]
pub(super) struct TraceBuilder {
    own: Vec<u64>,
    all: Vec<u64>,
    ended: bool,
}

impl TraceBuilder {
    pub(super) fn push(&mut self, frame: TraceFrame) {
        if self.ended {
            return;
        }
        match frame.rule {
            Some(FrameRule::Cut) => {
                self.own.clear();
                self.all.clear();
            }
            Some(FrameRule::Skip) => {}
            Some(FrameRule::End) => self.ended = true,
            Some(FrameRule::Unknown) | None => {
                keep(&mut self.all, frame.symbol);
                if frame.in_app {
                    keep(&mut self.own, frame.symbol);
                }
            }
        }
    }

    /// The trace: of the user's own frames, or of the others where there is none of those.
    pub(super) fn finish(self) -> Trace {
        Trace::of_symbols(if self.own.is_empty() { self.all } else { self.own })
    }
}

/// Keeps a frame, but not one that calls itself twice.
fn keep(symbols: &mut Vec<u64>, symbol: u64) {
    if symbols.len() < LONGEST && (symbol == UNKNOWN || symbols.last() != Some(&symbol)) {
        symbols.push(symbol);
    }
}

/// The symbol of a function's name as signatures have it.
pub(super) fn symbol(name: &str) -> u64 {
    // No name has the symbol of those without one.
    fingerprint(name).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(frames: &[(&str, bool, Option<FrameRule>)]) -> Trace {
        let mut builder = TraceBuilder::default();
        for (name, in_app, rule) in frames {
            builder.push(TraceFrame { symbol: symbol(name), in_app: *in_app, rule: *rule });
        }
        builder.finish()
    }

    fn names(names: &[&str]) -> Trace {
        Trace::of_symbols(names.iter().map(|name| symbol(name)))
    }

    #[test]
    fn machinery_is_left_out() {
        let found = trace(&[
            ("raise", false, Some(FrameRule::Cut)),
            ("inner", true, None),
            ("abort", false, Some(FrameRule::Cut)),
            ("qsort", false, None),
            ("visit", true, None),
            ("visit", true, None),
            ("invoke", true, Some(FrameRule::Skip)),
            ("run", true, None),
            ("main", true, Some(FrameRule::End)),
            ("_start", true, None),
        ]);
        assert_eq!(found, names(&["visit", "run"]));
    }

    #[test]
    fn others_stand_in_where_there_are_no_own_frames() {
        assert_eq!(trace(&[("memcpy", false, None), ("qsort", false, None)]), names(&["memcpy", "qsort"]));
    }

    #[test]
    fn a_long_stack_is_cut() {
        let frames: Vec<(String, bool, Option<FrameRule>)> =
            (0..100).map(|number| (number.to_string(), true, None)).collect();
        let frames: Vec<_> = frames.iter().map(|(name, own, rule)| (name.as_str(), *own, *rule)).collect();
        assert_eq!(trace(&frames).len(), LONGEST);
    }
}

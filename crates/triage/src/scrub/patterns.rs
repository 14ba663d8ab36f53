//! Finding parts of secrets in bytes, all of them in one pass.

use std::collections::HashSet;
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use super::places::Places;
use super::secrets::Part;

/// Looks for parts of secrets.
///
/// Parts are short and each is there once, so that no more of them than there are lengths can end at one byte: the
/// time is linear in the bytes, whatever the secrets are.
pub(super) struct Patterns {
    /// Absent where there is nothing to look for.
    automaton: Option<AhoCorasick>,
    longest: usize,
    /// Parts that can't be looked for.
    refused: usize,
}

impl Patterns {
    /// Looks for these `parts`, but for those of paths that are also in paths of `places`.
    pub(super) fn new(mut parts: Vec<Part>, places: &Places<'_>) -> Patterns {
        let patterns = Patterns::of(&parts);
        let mut public = HashSet::new();
        for path in places.paths() {
            patterns.find(path, |part, _| {
                if parts.get(part).is_some_and(|part| part.may_be_path) {
                    public.insert(part);
                }
            });
        }
        if public.is_empty() {
            return patterns;
        }
        let mut index = 0..;
        parts.retain(|_| index.next().is_none_or(|index| !public.contains(&index)));
        Patterns::of(&parts)
    }

    fn of(parts: &[Part]) -> Patterns {
        let longest = parts.iter().map(|part| part.bytes.len()).max().unwrap_or(0);
        if parts.is_empty() {
            return Patterns { automaton: None, longest, refused: 0 };
        }
        let mut builder = AhoCorasick::builder();
        let built = builder.match_kind(MatchKind::Standard).build(parts.iter().map(|part| &part.bytes));
        let refused = if built.is_ok() { 0 } else { parts.len() };
        Patterns { automaton: built.ok(), longest, refused }
    }

    /// Length of the longest part in bytes.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// How many parts can't be looked for, because they are too many.
    pub(super) fn refused(&self) -> usize {
        self.refused
    }

    /// Tells `found` of each part in `bytes`: its index, and where it is.
    pub(super) fn find(&self, bytes: &[u8], mut found: impl FnMut(usize, Range<usize>)) {
        for one in self.automaton.iter().flat_map(|automaton| automaton.find_overlapping_iter(bytes)) {
            found(one.pattern().as_usize(), one.range());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str, may_be_path: bool) -> Part {
        Part { bytes: text.into(), may_be_path }
    }

    fn found(patterns: &Patterns, text: &str) -> Vec<Range<usize>> {
        let mut ranges = Vec::new();
        patterns.find(text.as_bytes(), |_, range| ranges.push(range));
        ranges
    }

    #[test]
    fn secrets_that_overlap_are_all_found() {
        let parts = vec![part("abcdef", false), part("defghi", false), part("bcdefgh", false)];
        let patterns = Patterns::new(parts, &Places::default());
        assert_eq!(found(&patterns, "xabcdefghix"), [1..7, 2..9, 4..10]);
        assert_eq!((patterns.longest(), patterns.refused()), (7, 0));
        assert!(found(&Patterns::new(Vec::new(), &Places::default()), "x").is_empty());
    }

    #[test]
    fn the_place_of_a_mapped_file_is_no_secret() {
        let parts = vec![part("/home/ci", true), part("hunter2", false), part("/home/other", true)];
        let places = Places::new([&b"/home/ci/bin/hunter2"[..]].into_iter());
        let patterns = Patterns::new(parts, &places);
        assert_eq!(found(&patterns, "/home/ci /home/other hunter2"), [9..20, 21..28]);
    }
}

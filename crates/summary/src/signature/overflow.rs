//! Stacks that were full: where exactly is chance, what filled them isn't.

use std::collections::HashMap;
use std::hash::Hash;

use super::key::{Judged, Key, basis};

/// How many functions of a recursion are named.
const MOST: usize = 10;
/// How often a function must be there, at least, for it to be a recursion.
const FEWEST: usize = 3;
/// What part of the most frequent one's number another's must be for it to belong to the same recursion.
const PART: usize = 4;

/// Names the functions that call each other over and over, sorted: `None` where there is no recursion of the user's own.
pub(super) fn key(frames: &[Judged<'_>]) -> Option<Key> {
    let own = || frames.iter().filter(|judged| judged.is_story());
    let names = frequent(own().filter_map(|judged| judged.name.clone()), MOST);
    let basis = basis(own().filter(|judged| judged.name.as_ref().is_some_and(|name| names.contains(name))));
    (!names.is_empty()).then_some(Key { names, basis, in_heap: false })
}

/// Returns what comes again and again, sorted.
pub(super) fn frequent<T: Clone + Eq + Hash + Ord>(items: impl Iterator<Item = T>, most: usize) -> Vec<T> {
    let mut counts: HashMap<T, usize> = HashMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    let highest = counts.values().copied().max().unwrap_or(0);
    let mut found: Vec<(usize, T)> = counts
        .into_iter()
        .filter(|(_, count)| *count >= FEWEST.max(highest / PART))
        .map(|(item, count)| (count, item))
        .collect();
    if found.len() > most {
        found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        found.truncate(most);
    }
    let mut items: Vec<T> = found.into_iter().map(|(_, item)| item).collect();
    items.sort();
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_again_and_again_is_found_wherever_the_stack_was_full() {
        let cycle = ["parse", "value", "list"];
        for (leaf, start) in [("memset", 0), ("strlen", 1), ("value", 2)] {
            let stack =
                [leaf].into_iter().chain(cycle.into_iter().cycle().skip(start).take(200)).chain(["run"]);
            assert_eq!(frequent(stack, MOST), ["list", "parse", "value"]);
        }
        assert_eq!(frequent(["a", "b", "c"].into_iter(), MOST), [""; 0]);
        assert_eq!(frequent("aabbccaabbccaaa".chars(), 2), ['a', 'b']);
    }
}

//! Which crashes stand together, and in which order: the newest first.

use std::cmp::Reverse;
use std::collections::HashMap;

use epitaph_summary::{Basis, CrashSummary};

/// Crashes of one subject and signature, the newest first; never empty.
#[derive(Debug)]
pub(super) struct Kind<'a> {
    /// The newest one, which stands for all.
    pub(super) newest: &'a CrashSummary,
    /// The others.
    pub(super) others: Vec<&'a CrashSummary>,
}

impl Kind<'_> {
    /// How many crashes there are.
    pub(super) fn count(&self) -> u64 {
        self.others.len() as u64 + 1
    }
}

/// What the crashes of a kind have in common, as `group` has it. Where there are no names, a signature is of little more
/// than the class, and places in the build tell crashes apart.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    subject: Option<&'a str>,
    basis: Option<Basis>,
    strict: Option<&'a str>,
    exact: Option<&'a str>,
}

impl<'a> Key<'a> {
    /// Returns the key of a crash; `None` if nothing tells what it has in common with others.
    fn of(summary: &'a CrashSummary) -> Option<Key<'a>> {
        let signature = summary.signature.as_ref()?;
        let strict = signature.strict.as_deref();
        let nameless = strict.is_none() || signature.basis == Some(Basis::Address);
        let exact = signature.exact.as_deref().filter(|_| nameless);
        strict.or(exact)?;
        Some(Key { subject: signature.subject.as_deref(), basis: signature.basis, strict, exact })
    }
}

/// Gathers crashes into kinds, that of the newest crash first. What has no time comes last, in the given order.
pub(super) fn kinds(summaries: &[CrashSummary]) -> Vec<Kind<'_>> {
    let mut newest_first: Vec<&CrashSummary> = summaries.iter().collect();
    newest_first.sort_by_key(|summary| Reverse(summary.time.as_deref()));
    let mut kinds: Vec<Kind<'_>> = Vec::new();
    let mut known: HashMap<Key<'_>, usize> = HashMap::new();
    for summary in newest_first {
        let key = Key::of(summary);
        let at = key.as_ref().and_then(|key| known.get(key)).copied();
        match at.and_then(|at| kinds.get_mut(at)) {
            Some(kind) => kind.others.push(summary),
            None => {
                known.extend(key.map(|key| (key, kinds.len())));
                kinds.push(Kind { newest: summary, others: Vec::new() });
            }
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use epitaph_summary::Signature;

    use super::*;

    fn crash(id: &str, time: Option<&str>, signature: Option<(&str, Basis, &str)>) -> CrashSummary {
        let mut summary = CrashSummary::new("0");
        summary.id = Some(id.to_owned());
        summary.time = time.map(str::to_owned);
        summary.signature = signature.map(|(strict, basis, exact)| Signature {
            strict: Some(strict.to_owned()),
            basis: Some(basis),
            exact: Some(exact.to_owned()),
            ..Signature::default()
        });
        summary
    }

    fn ids<'a>(summaries: &'a [CrashSummary]) -> Vec<Vec<&'a str>> {
        let all = |kind: &Kind<'a>| -> Vec<&'a CrashSummary> {
            std::iter::once(kind.newest).chain(kind.others.iter().copied()).collect()
        };
        let id = |summary: &'a CrashSummary| summary.id.as_deref();
        kinds(summaries).iter().map(|kind| all(kind).into_iter().filter_map(id).collect()).collect()
    }

    #[test]
    fn the_kind_of_the_newest_crash_is_first() {
        let all = [
            crash("a1", Some("2026-01-01T00:00:00Z"), Some(("a", Basis::Dwarf, "1"))),
            crash("b1", Some("2026-01-02T00:00:00Z"), Some(("b", Basis::Dwarf, "1"))),
            crash("a2", Some("2026-01-03T00:00:00Z"), Some(("a", Basis::Dwarf, "2"))),
            crash("a0", None, Some(("a", Basis::Dwarf, "3"))),
        ];
        assert_eq!(ids(&all), [vec!["a2", "a1", "a0"], vec!["b1"]]);
    }

    #[test]
    fn what_nothing_names_is_told_apart_by_its_place() {
        let all = [
            crash("a", None, Some(("x", Basis::Address, "1"))),
            crash("b", None, Some(("x", Basis::Address, "2"))),
            crash("c", None, Some(("x", Basis::Address, "1"))),
            crash("d", None, None),
            crash("e", None, None),
        ];
        assert_eq!(ids(&all), [vec!["a", "c"], vec!["b"], vec!["d"], vec!["e"]]);
    }
}

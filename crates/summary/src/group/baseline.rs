//! What of some crashes a baseline has too, or has something like.

use std::collections::{HashMap, HashSet};

use super::bucket::{Key, Tally};
use super::likeness::Likeness;
use super::neighbours::Neighbours;
use super::report::{Similar, SimilarBy};
use super::trace::Trace;
use crate::signature::Basis;

/// How many pairs of stacks are compared: some ten seconds' worth.
const MOST_PAIRS: u64 = 40_000_000;

/// The buckets of a baseline, by all that they can be found by. Crashes on purpose are not among them.
pub(super) struct Baseline<'a> {
    likeness: &'a Likeness,
    threshold: f32,
    keys: HashSet<&'a Key>,
    strict: HashMap<(Option<Basis>, &'a str), Member<'a>>,
    exact: HashMap<&'a str, Member<'a>>,
    phys: HashMap<&'a str, Member<'a>>,
    stacks: HashMap<Option<Basis>, Stacks<'a>>,
    budget: u64,
}

type Member<'a> = (&'a Key, &'a Tally);

/// The stacks of one basis; those of different ones are not compared.
struct Stacks<'a> {
    members: Vec<Member<'a>>,
    traces: Vec<&'a Trace>,
    neighbours: Neighbours,
}

/// What a baseline says of a bucket.
pub(super) enum Found<'a> {
    /// It has that very bucket.
    Known,
    /// It has one like it.
    Similar(Similar, &'a Key),
    /// It has nothing like it.
    New,
}

impl<'a> Baseline<'a> {
    pub(super) fn new(
        buckets: impl Iterator<Item = Member<'a>>,
        likeness: &'a Likeness,
        threshold: f32,
    ) -> Baseline<'a> {
        let mut members: Vec<Member<'a>> = buckets.filter(|(key, _)| !key.ignored).collect();
        members.sort_unstable_by_key(|(key, _)| *key);
        let mut by_basis: HashMap<Option<Basis>, Vec<Member<'a>>> = HashMap::new();
        let (mut strict, mut exact, mut phys) = (HashMap::new(), HashMap::new(), HashMap::new());
        for member in &members {
            let (key, tally) = *member;
            by_basis.entry(key.basis).or_default().push(*member);
            if let Some(hash) = &key.strict {
                strict.entry((key.basis, hash.as_str())).or_insert(*member);
            }
            if let Some(hash) = &tally.exact {
                exact.entry(hash.as_str()).or_insert(*member);
            }
            if let Some(hash) = tally.phys.as_ref().filter(|_| has_names(key)) {
                phys.entry(hash.as_str()).or_insert(*member);
            }
        }
        let stacks = by_basis.into_iter().map(|(basis, members)| {
            let traces: Vec<&Trace> = members.iter().map(|(_, tally)| &tally.trace).collect();
            let neighbours = Neighbours::new(&traces, likeness, threshold);
            (basis, Stacks { members, traces, neighbours })
        });
        Baseline {
            likeness,
            threshold,
            keys: members.iter().map(|(key, _)| *key).collect(),
            strict,
            exact,
            phys,
            stacks: stacks.collect(),
            budget: MOST_PAIRS,
        }
    }

    /// Looks for a bucket, the surest way first.
    pub(super) fn find(&mut self, key: &Key, tally: &Tally) -> Found<'a> {
        if self.keys.contains(key) {
            return Found::Known;
        }
        let exact = || self.exact.get(tally.exact.as_deref()?).map(|member| (*member, SimilarBy::Exact));
        let strict = || {
            self.strict
                .get(&(key.basis, key.strict.as_deref()?))
                .map(|member| (*member, SimilarBy::Signature))
        };
        let phys = || {
            let other = self.phys.get(tally.phys.as_deref().filter(|_| has_names(key))?);
            other.filter(|(other, _)| other.basis != key.basis).map(|member| (*member, SimilarBy::Phys))
        };
        if let Some((member, by)) = exact().or_else(strict).or_else(phys) {
            return similar(member, by, None);
        }
        match self.nearest(key, tally) {
            Some((member, distance)) => similar(member, SimilarBy::Stack, Some(distance)),
            None => Found::New,
        }
    }

    /// Whether there were too many stacks to compare them all.
    pub(super) fn is_exhausted(&self) -> bool {
        self.budget == 0
    }

    fn nearest(&mut self, key: &Key, tally: &Tally) -> Option<(Member<'a>, f32)> {
        let stacks = self.stacks.get(&key.basis)?;
        let all = u32::try_from(stacks.traces.len()).unwrap_or(u32::MAX);
        self.budget = self.budget.saturating_sub(stacks.neighbours.at_most(&tally.trace, all));
        if self.budget == 0 {
            return None;
        }
        let near = stacks.neighbours.of(&tally.trace, all).into_iter().filter_map(|number| {
            let trace = stacks.traces.get(number as usize)?;
            let distance = self.likeness.distance(&tally.trace, trace);
            Some((*stacks.members.get(number as usize)?, distance)).filter(|_| distance <= self.threshold)
        });
        near.min_by(|(_, one), (_, other)| one.total_cmp(other))
    }
}

/// Whether a signature is of names, so that it can be compared with one of another basis.
fn has_names(key: &Key) -> bool {
    matches!(key.basis, Some(Basis::Dwarf | Basis::Symtab))
}

fn similar((key, tally): Member<'_>, by: SimilarBy, distance: Option<f32>) -> Found<'_> {
    let similar = Similar {
        signature: key.strict.clone(),
        subject: key.subject.clone(),
        title: tally.title.clone(),
        by: Some(by),
        distance,
    };
    Found::Similar(similar, key)
}

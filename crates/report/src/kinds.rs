//! Which crashes are of one kind, which kinds are alike, and which of them a baseline has: as `group` has it.

use std::cmp::Reverse;
use std::collections::HashMap;

use epitaph_summary::CrashSummary;
use epitaph_summary::group::{Bucket, BucketKey, Digest, GroupReport, Grouping, Source, Status, THRESHOLD};

use crate::groups::facts::standing;

/// Crashes of one subject and signature, the newest first; never empty.
#[derive(Debug)]
pub(crate) struct Kind<'a> {
    /// The newest one, which stands for all.
    pub(crate) newest: &'a CrashSummary,
    /// The others.
    pub(crate) others: Vec<&'a CrashSummary>,
    /// What grouping says of it.
    pub(crate) bucket: Option<&'a Bucket>,
    /// How many kinds that are alike stand before it.
    pub(crate) alike: usize,
}

impl<'a> Kind<'a> {
    /// How many crashes there are.
    pub(crate) fn count(&self) -> u64 {
        self.others.len() as u64 + 1
    }

    /// All of its crashes, the newest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'a CrashSummary> {
        std::iter::once(self.newest).chain(self.others.iter().copied())
    }

    /// What is to be looked at first: what is new, and last of all what is on purpose.
    fn rank(&self) -> u8 {
        match self.bucket {
            Some(Bucket { ignored: Some(_), .. }) => 4,
            Some(Bucket { status: Some(Status::New), .. }) => 0,
            Some(Bucket { status: Some(Status::Similar), .. }) => 1,
            Some(Bucket { status: Some(_), .. }) => 2,
            _ => 0,
        }
    }
}

/// Groups crashes without a baseline.
pub(crate) fn grouped(summaries: &[CrashSummary]) -> GroupReport {
    let mut grouping = Grouping::default();
    for digest in summaries.iter().filter_map(Digest::of) {
        grouping.add(digest, &Source::default());
    }
    grouping.report(None, THRESHOLD, env!("CARGO_PKG_VERSION"))
}

/// Gathers crashes into kinds. Kinds that are alike follow each other. New ones come first where there is a baseline, and
/// then those whose newest crash is the newest; what has no time comes last, in the given order.
pub(crate) fn kinds<'a>(summaries: &'a [CrashSummary], groups: &'a GroupReport) -> Vec<Kind<'a>> {
    let buckets = Buckets::of(groups);
    let mut newest_first: Vec<&CrashSummary> = summaries.iter().collect();
    newest_first.sort_by_key(|summary| Reverse(summary.time.as_deref()));
    let mut kinds: Vec<Kind<'a>> = Vec::new();
    let mut known: HashMap<BucketKey, usize> = HashMap::new();
    let mut families: Vec<Option<usize>> = Vec::new();
    for summary in newest_first {
        let key = Digest::of(summary).map(|digest| BucketKey::of(&digest));
        let found = key.as_ref().and_then(|key| buckets.find(key));
        // What has no signature has too little in common with others to stand for them.
        let key = key.filter(BucketKey::is_signed);
        let at = key.as_ref().and_then(|key| known.get(key)).copied();
        match at.and_then(|at| kinds.get_mut(at)) {
            Some(kind) => kind.others.push(summary),
            None => {
                let is_signed = key.is_some();
                known.extend(key.map(|key| (key, kinds.len())));
                families.push(found.and_then(|(family, _)| family).filter(|_| is_signed));
                let bucket = found.map(|(_, bucket)| bucket);
                kinds.push(Kind { newest: summary, others: Vec::new(), bucket, alike: 0 });
            }
        }
    }
    in_families(kinds, &families)
}

/// Returns what `groups` says of each crash: whether a baseline has it, or that it is on purpose.
pub(crate) fn standings(summaries: &[CrashSummary], groups: &GroupReport) -> Vec<Option<&'static str>> {
    let buckets = Buckets::of(groups);
    let of = |summary: &CrashSummary| {
        let key = BucketKey::of(&Digest::of(summary)?);
        buckets.find(&key).and_then(|(_, bucket)| standing(bucket))
    };
    summaries.iter().map(of).collect()
}

/// Puts kinds of one family one below the other.
fn in_families<'a>(kinds: Vec<Kind<'a>>, families: &[Option<usize>]) -> Vec<Kind<'a>> {
    // A family stands where its first member does, and what has none is one by itself.
    let mut first: HashMap<usize, (u8, usize)> = HashMap::new();
    for (number, (kind, family)) in kinds.iter().zip(families).enumerate() {
        if let Some(family) = family {
            let place = first.entry(*family).or_insert((kind.rank(), number));
            place.0 = place.0.min(kind.rank());
        }
    }
    let mut placed: Vec<_> = kinds
        .into_iter()
        .zip(families)
        .enumerate()
        .map(|(number, (kind, family))| {
            let place = family.and_then(|family| first.get(&family).copied());
            (place.unwrap_or((kind.rank(), number)), kind.rank(), number, kind)
        })
        .collect();
    placed.sort_by_key(|(place, rank, number, _)| (*place, *rank, *number));
    let mut before = None;
    let mut alike = 0;
    placed
        .into_iter()
        .map(|(place, _, _, kind)| {
            alike = if before == Some(place) { alike + 1 } else { 0 };
            before = Some(place);
            Kind { alike, ..kind }
        })
        .collect()
}

/// The buckets of a report by what their crashes have in common, and the group of each.
struct Buckets<'a>(HashMap<BucketKey, (Option<usize>, &'a Bucket)>);

impl<'a> Buckets<'a> {
    fn of(groups: &'a GroupReport) -> Buckets<'a> {
        let grouped = groups.groups.iter().enumerate();
        let grouped =
            grouped.flat_map(|(number, group)| group.buckets.iter().map(move |it| (Some(number), it)));
        let ignored = groups.ignored.iter().map(|bucket| (None, bucket));
        Buckets(grouped.chain(ignored).map(|(number, it)| (BucketKey::of_bucket(it), (number, it))).collect())
    }

    /// Finds the bucket of a crash. Whether that is on purpose is a rule's to say, and the report has asked it.
    fn find(&self, key: &BucketKey) -> Option<(Option<usize>, &'a Bucket)> {
        let on_purpose = || self.0.get(&key.clone().on_purpose());
        self.0.get(key).or_else(on_purpose).copied()
    }
}

#[cfg(test)]
mod tests {
    use epitaph_summary::group::{BaselineCounts, Group};
    use epitaph_summary::{Basis, Signature};

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

    fn ids(summaries: &[CrashSummary]) -> Vec<Vec<String>> {
        ids_in(summaries, &grouped(summaries))
    }

    fn ids_in(summaries: &[CrashSummary], groups: &GroupReport) -> Vec<Vec<String>> {
        let kinds = kinds(summaries, groups);
        kinds.iter().map(|kind| kind.all().filter_map(|summary| summary.id.clone()).collect()).collect()
    }

    fn bucket(strict: &str, status: Status) -> Bucket {
        Bucket {
            signature: Some(strict.to_owned()),
            basis: Some(Basis::Dwarf),
            status: Some(status),
            ..Bucket::default()
        }
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

    #[test]
    fn alike_kinds_stand_together_and_new_ones_first() {
        let all = [
            crash("a", Some("2026-01-04T00:00:00Z"), Some(("a", Basis::Dwarf, "1"))),
            crash("b", Some("2026-01-03T00:00:00Z"), Some(("b", Basis::Dwarf, "1"))),
            crash("c", Some("2026-01-02T00:00:00Z"), Some(("c", Basis::Dwarf, "1"))),
            crash("d", Some("2026-01-01T00:00:00Z"), Some(("d", Basis::Dwarf, "1"))),
        ];
        let group = |buckets| Group { buckets, ..Group::default() };
        let groups = GroupReport {
            baseline: Some(BaselineCounts::default()),
            groups: vec![
                group(vec![bucket("d", Status::New), bucket("b", Status::Known)]),
                group(vec![bucket("a", Status::Known)]),
            ],
            ignored: vec![Bucket { ignored: Some("on purpose".into()), ..bucket("c", Status::New) }],
            ..GroupReport::default()
        };
        let kinds = kinds(&all, &groups);
        let told: Vec<_> =
            kinds.iter().map(|kind| (kind.newest.id.as_deref().unwrap(), kind.alike)).collect();
        assert_eq!(told, [("d", 0), ("b", 1), ("a", 0), ("c", 0)]);
        assert_eq!(kinds[3].bucket.unwrap().ignored.as_deref(), Some("on purpose"));
    }
}

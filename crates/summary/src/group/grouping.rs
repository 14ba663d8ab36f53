//! From digests to a report.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::baseline::{Baseline, Found};
use super::bucket::{Key, Tally};
use super::clusters::clusters;
use super::digest::Digest;
use super::likeness::Likeness;
use super::report::{BaselineCounts, Bucket, GROUP_SCHEMA, Group, GroupReport, Similar, Status};
use super::trace::Trace;
use crate::model::{Tool, Warning};
use crate::signature::Basis;

/// Where a summary was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The file, or its name in a store.
    pub path: String,
    /// The job that it came from, or else the file or folder that the user named.
    pub job: Option<String>,
}

/// Crashes by subject and signature.
#[derive(Debug, Default)]
pub struct Grouping {
    buckets: HashMap<Key, Tally>,
    seen: HashSet<u64>,
    duplicates: u64,
}

impl Grouping {
    /// Counts a crash, unless it was counted before.
    pub fn add(&mut self, digest: Digest, source: &Source) {
        if !self.seen.insert(digest.identity()) {
            self.duplicates += 1;
            return;
        }
        let key = Key::of(&digest);
        self.buckets.entry(key).or_insert_with(|| Tally::of(&digest)).add(digest, source);
    }

    /// How many crashes were counted.
    pub fn crashes(&self) -> u64 {
        self.seen.len() as u64
    }

    /// Joins buckets that are alike, and compares them with a baseline's. `version` is that of the writing program;
    /// `threshold` is how far apart two stacks of a group may be, of 1.
    pub fn report(self, baseline: Option<&Grouping>, threshold: f32, version: &str) -> GroupReport {
        let likeness = Likeness::new();
        let mut report = GroupReport {
            schema: GROUP_SCHEMA.to_owned(),
            tool: Tool { name: "epitaph".to_owned(), version: version.to_owned() },
            crashes: self.crashes(),
            duplicates: self.duplicates,
            threshold,
            ..GroupReport::default()
        };
        let mut buckets: Vec<(Key, Tally)> = self.buckets.into_iter().collect();
        // Most crashes first: where not all can be compared, these are.
        buckets.sort_unstable_by(|(key, tally), (other_key, other)| {
            other.count.cmp(&tally.count).then_with(|| key.cmp(other_key))
        });
        let (ignored, buckets): (Vec<_>, Vec<_>) = buckets.into_iter().partition(|(key, _)| key.ignored);
        report.ignored_crashes = ignored.iter().map(|(_, tally)| tally.count).sum();
        report.ignored = ignored.into_iter().map(|(key, tally)| tally.to_bucket(&key)).collect();
        report.signatures = buckets.len() as u64;

        let found = baseline.map(|baseline| compare(&buckets, baseline, &likeness, &mut report));
        let numbers = groups_of(&buckets, &likeness, &mut report);
        let mut states = found.unwrap_or_default().into_iter();
        let mut buckets: Vec<Option<Bucket>> = buckets
            .into_iter()
            .map(|(key, tally)| {
                let mut bucket = tally.to_bucket(&key);
                if let Some((status, similar)) = states.next() {
                    (bucket.status, bucket.similar) = (Some(status), similar);
                }
                Some(bucket)
            })
            .collect();
        let mut taken = |number: u32| buckets.get_mut(number as usize).and_then(Option::take);
        report.groups = numbers
            .into_iter()
            .map(|numbers| group(numbers.into_iter().filter_map(&mut taken).collect()))
            .collect();
        report.groups.sort_by_cached_key(|group| {
            let title = group.buckets.first().and_then(|bucket| bucket.title.clone());
            (group.status, Reverse(group.count), Reverse(group.last_seen.clone()), title)
        });
        report
    }
}

/// Tells the state of each bucket, and counts them; what only the baseline has is put into the report.
fn compare(
    buckets: &[(Key, Tally)],
    baseline: &Grouping,
    likeness: &Likeness,
    report: &mut GroupReport,
) -> Vec<(Status, Option<Similar>)> {
    let mut known = Baseline::new(baseline.buckets.iter(), likeness, report.threshold);
    let mut counts = BaselineCounts { crashes: baseline.crashes(), ..BaselineCounts::default() };
    let mut met: HashSet<&Key> = HashSet::new();
    let states = buckets.iter().map(|(key, tally)| match known.find(key, tally) {
        Found::Known => {
            counts.known += 1;
            met.insert(key);
            (Status::Known, None)
        }
        Found::Similar(similar, other) => {
            counts.similar += 1;
            met.insert(other);
            (Status::Similar, Some(similar))
        }
        Found::New => {
            counts.new += 1;
            (Status::New, None)
        }
    });
    let states = states.collect();
    if known.is_exhausted() {
        report.warnings.push(Warning::new(
            "group_limit",
            "there are too many signatures to compare all stacks with the baseline's: some that are called new may be \
             like one of the baseline",
        ));
    }
    let of_baseline = baseline.buckets.iter().filter(|(key, _)| !key.ignored);
    counts.signatures = of_baseline.clone().count() as u64;
    let mut gone: Vec<Bucket> = of_baseline
        .filter(|(key, _)| !met.contains(key))
        .map(|(key, tally)| Bucket { status: Some(Status::Gone), ..tally.to_bucket(key) })
        .collect();
    gone.sort_by_cached_key(order);
    counts.gone = gone.len() as u64;
    report.gone = gone;
    report.baseline = Some(counts);
    states
}

/// Groups buckets by their stacks; those of different bases are not compared.
fn groups_of(buckets: &[(Key, Tally)], likeness: &Likeness, report: &mut GroupReport) -> Vec<Vec<u32>> {
    let mut by_basis: HashMap<Option<Basis>, Vec<(u32, &Trace)>> = HashMap::new();
    for (number, (key, tally)) in (0u32..).zip(buckets) {
        by_basis.entry(key.basis).or_default().push((number, &tally.trace));
    }
    let mut groups = Vec::new();
    let mut incomplete = false;
    for members in by_basis.values() {
        let traces: Vec<&Trace> = members.iter().map(|(_, trace)| *trace).collect();
        let found = clusters(&traces, likeness, report.threshold);
        incomplete |= found.incomplete;
        let number = |member: u32| members.get(member as usize).map(|(number, _)| *number);
        groups.extend(found.groups.into_iter().map(|group| group.into_iter().filter_map(number).collect()));
    }
    if incomplete {
        report.warnings.push(Warning::new(
            "group_limit",
            "there are too many signatures to compare all stacks: some groups that are alike may stand apart",
        ));
    }
    groups
}

/// Makes a group of its buckets.
fn group(mut buckets: Vec<Bucket>) -> Group {
    buckets.sort_by_cached_key(order);
    let times =
        |time: fn(&Bucket) -> &Option<String>| buckets.iter().filter_map(move |bucket| time(bucket).clone());
    Group {
        status: buckets.iter().filter_map(|bucket| bucket.status).min(),
        count: buckets.iter().map(|bucket| bucket.count).sum(),
        first_seen: times(|bucket| &bucket.first_seen).min(),
        last_seen: times(|bucket| &bucket.last_seen).max(),
        buckets,
    }
}

/// What is to be looked at first comes first: new, then many, then late. The rest makes the order certain.
fn order(bucket: &Bucket) -> impl Ord + use<> {
    (
        bucket.status,
        Reverse(bucket.count),
        Reverse(bucket.last_seen.clone()),
        bucket.title.clone(),
        bucket.signature.clone(),
        bucket.subject.clone(),
        bucket.exact.clone(),
    )
}

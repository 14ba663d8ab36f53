//! From digests to reports.

use super::*;
use crate::Basis;

/// A crash of `parser` with a stack of these functions, at a time of the day.
fn crash(id: u32, functions: &str) -> Digest {
    let names: Vec<&str> = functions.split(' ').filter(|name| !name.is_empty()).collect();
    let trace = Trace::of_symbols(names.iter().map(|name| trace::symbol(name)));
    Digest {
        id: Some(format!("crash-{id}")),
        time: Some(format!("2026-11-22T10:00:{id:02}Z")),
        subject: Some("parser".into()),
        strict: Some(names.iter().take(5).copied().collect::<Vec<_>>().join("/")),
        basis: Some(Basis::Dwarf),
        title: Some(format!("crash in {functions}")),
        trace,
        ..Digest::default()
    }
}

fn source(job: &str) -> Source {
    Source { path: format!("{job}/summary.json"), job: Some(job.to_owned()) }
}

fn grouping(crashes: impl IntoIterator<Item = Digest>) -> Grouping {
    let mut grouping = Grouping::default();
    crashes.into_iter().for_each(|crash| grouping.add(crash, &source("1")));
    grouping
}

fn report(crashes: impl IntoIterator<Item = Digest>) -> GroupReport {
    grouping(crashes).report(None, THRESHOLD, "0")
}

/// Each group's count and the signatures in it.
fn shape(report: &GroupReport) -> Vec<(u64, Vec<String>)> {
    let signatures = |group: &Group| {
        group.buckets.iter().map(|bucket| bucket.signature.clone().unwrap_or_default()).collect()
    };
    report.groups.iter().map(|group| (group.count, signatures(group))).collect()
}

fn counts(report: &GroupReport) -> Vec<u64> {
    report.groups.iter().map(|group| group.count).collect()
}

const DEEP: &str = "a b c d e f g h i j";

#[test]
fn crashes_are_counted_by_signature() {
    let mut grouping = Grouping::default();
    for (id, functions, job) in
        [(3, "lex parse", "1"), (1, "lex parse", "2"), (2, "lex parse", "1"), (4, "print", "1")]
    {
        grouping.add(crash(id, functions), &source(job));
    }
    let report = grouping.report(None, THRESHOLD, "0");
    assert_eq!((report.crashes, report.signatures, report.duplicates), (4, 2, 0));
    assert_eq!(shape(&report), [(3, vec!["lex/parse".to_owned()]), (1, vec!["print".to_owned()])]);
    let group = &report.groups[0];
    let bucket = &group.buckets[0];
    assert_eq!(bucket.first_seen.as_deref(), Some("2026-11-22T10:00:01Z"));
    assert_eq!((&group.first_seen, &group.last_seen), (&bucket.first_seen, &bucket.last_seen));
    assert_eq!(bucket.last_seen.as_deref(), Some("2026-11-22T10:00:03Z"));
    assert_eq!((&bucket.jobs[..], bucket.job_count), (&["1".to_owned(), "2".to_owned()][..], 2));
    assert_eq!(bucket.example.id.as_deref(), Some("crash-3"), "the last one stands for all");
    assert_eq!(group.status, None, "nothing is new without a baseline");
}

#[test]
fn a_crash_counts_once() {
    let report = report([crash(1, "lex"), crash(1, "lex"), crash(2, "lex")]);
    assert_eq!((report.crashes, report.duplicates, report.groups[0].count), (2, 1, 2));
}

#[test]
fn an_example_has_its_core_if_any_has() {
    let with_core = Digest { core: true, ..crash(1, "lex") };
    let report = report([with_core, crash(2, "lex")]);
    let bucket = &report.groups[0].buckets[0];
    assert_eq!((bucket.example.id.as_deref(), bucket.with_core), (Some("crash-1"), 1));
}

#[test]
fn alike_stacks_make_a_group() {
    let report = report([
        crash(1, DEEP),
        crash(2, &DEEP.replace('a', "x")),
        crash(3, &DEEP.replace("a b c", "x y z")),
        crash(4, "z"),
    ]);
    // The second is near the first and the third, which are too far from each other.
    assert_eq!(counts(&report), [2, 1, 1]);
}

#[test]
fn what_names_came_from_is_not_mixed() {
    let symtab = Digest { basis: Some(Basis::Symtab), ..crash(2, DEEP) };
    assert_eq!(report([crash(1, DEEP), symtab]).groups.len(), 2);
}

#[test]
fn crashes_without_names_are_told_apart_by_their_place() {
    let nameless = |id, exact: &str| Digest {
        basis: Some(Basis::Address),
        exact: Some(exact.into()),
        strict: Some("all the same".into()),
        trace: Trace::default(),
        ..crash(id, "")
    };
    let crashes = [nameless(1, "here"), nameless(2, "here"), nameless(3, "there")];
    assert_eq!(counts(&report(crashes.clone())), [2, 1]);
    // Another build has other places: that it is no known crash can't be said, nor that it is.
    let baseline = grouping(crashes);
    let report =
        grouping([nameless(9, "elsewhere"), nameless(8, "here")]).report(Some(&baseline), THRESHOLD, "0");
    let states: Vec<_> = report.groups.iter().map(|group| group.status).collect();
    assert_eq!(states, [Some(Status::Similar), Some(Status::Known)]);
    assert_eq!(report.groups[0].buckets[0].similar.as_ref().unwrap().by, Some(SimilarBy::Signature));
}

#[test]
fn a_baseline_tells_new_similar_known_and_gone() {
    let baseline = grouping([crash(1, "lex parse"), crash(2, DEEP), crash(3, "old")]);
    let crashes = [
        crash(11, "lex parse"),
        crash(12, "lex parse"),
        crash(13, &DEEP.replace('a', "x")),
        crash(14, "print"),
    ];
    let report = grouping(crashes).report(Some(&baseline), THRESHOLD, "0");
    let states: Vec<_> = report.groups.iter().map(|group| group.status.unwrap()).collect();
    assert_eq!(states, [Status::New, Status::Similar, Status::Known], "what is new comes first");
    let counts = report.baseline.unwrap();
    assert_eq!((counts.new, counts.similar, counts.known, counts.gone), (1, 1, 1, 1));
    assert_eq!((counts.crashes, counts.signatures), (3, 3));
    let similar = report.groups[1].buckets[0].similar.as_ref().unwrap();
    assert_eq!((similar.by, similar.signature.as_deref()), (Some(SimilarBy::Stack), Some("a/b/c/d/e")));
    let distance = similar.distance.unwrap();
    assert!((0.2..0.35).contains(&distance), "{distance}");
    assert_eq!(report.gone[0].signature.as_deref(), Some("old"));
}

#[test]
fn the_same_bug_in_another_program_is_not_new() {
    let other = Digest { subject: Some("printer".into()), ..crash(2, "lex parse") };
    let baseline = grouping([crash(1, "lex parse")]);
    let report = grouping([other]).report(Some(&baseline), THRESHOLD, "0");
    let similar = report.groups[0].buckets[0].similar.as_ref().unwrap();
    assert_eq!((similar.by, similar.subject.as_deref()), (Some(SimilarBy::Signature), Some("parser")));
}

#[test]
fn machine_frames_lead_from_a_build_with_debug_information_to_one_without() {
    let with = Digest { phys: Some("machine".into()), ..crash(1, "lex parse") };
    let without = Digest { basis: Some(Basis::Symtab), phys: Some("machine".into()), ..crash(2, "parse") };
    let report = grouping([without]).report(Some(&grouping([with])), THRESHOLD, "0");
    assert_eq!(report.groups[0].buckets[0].similar.as_ref().unwrap().by, Some(SimilarBy::Phys));
}

#[test]
fn crashes_on_purpose_are_counted_apart_and_never_new() {
    let meant = |id| Digest { ignored: Some("a death test".into()), ..crash(id, "lex") };
    let report =
        grouping([meant(1), meant(2), crash(3, "lex")]).report(Some(&Grouping::default()), THRESHOLD, "0");
    assert_eq!((report.crashes, report.ignored_crashes, report.signatures), (3, 2, 1));
    assert_eq!(report.baseline.unwrap().new, 1);
    let ignored = &report.ignored[0];
    assert_eq!((ignored.count, ignored.status, ignored.ignored.as_deref()), (2, None, Some("a death test")));
}

#[test]
fn crashes_of_which_nothing_is_known_are_counted() {
    let blank = |process| Digest { process, ..Digest::default() };
    let report = report([blank(1), blank(2), crash(3, "lex")]);
    assert_eq!(counts(&report), [2, 1]);
}

/// The order in which crashes are read doesn't matter but for which of equals stands for all.
#[test]
fn the_order_of_groups_is_certain() {
    let crashes: Vec<Digest> = (0..30).map(|id| crash(id, &format!("f{} g{}", id % 7, id % 5))).collect();
    let forth = report(crashes.clone());
    let back = report(crashes.into_iter().rev());
    assert_eq!(shape(&forth), shape(&back));
}

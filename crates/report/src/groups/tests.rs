//! Reports of groups, rendered.

use epitaph_summary::group::{BaselineCounts, Bucket, Example, Group, Similar, SimilarBy, Status};

use super::*;

fn bucket(title: &str, count: u64) -> Bucket {
    Bucket {
        title: Some(title.into()),
        subject: Some("parser".into()),
        signature: Some("0123456789abcdef".into()),
        count,
        first_seen: Some("2026-11-20T10:15:01Z".into()),
        last_seen: Some("2026-11-22T11:00:00Z".into()),
        jobs: vec!["jobs/12".into(), "jobs/13".into()],
        job_count: 2,
        tests: vec!["Parser.Empty".into()],
        test_count: 1,
        example: Example {
            path: "jobs/13/crashes/x/summary.json".into(),
            core: true,
            program: true,
            ..Example::default()
        },
        ..Bucket::default()
    }
}

fn group(status: Option<Status>, buckets: Vec<Bucket>) -> Group {
    Group {
        status,
        count: buckets.iter().map(|bucket| bucket.count).sum(),
        first_seen: buckets[0].first_seen.clone(),
        last_seen: buckets[0].last_seen.clone(),
        buckets,
    }
}

fn report() -> GroupReport {
    let similar = Similar {
        title: Some("double free in print".into()),
        subject: Some("parser".into()),
        by: Some(SimilarBy::Stack),
        distance: Some(0.26),
        ..Similar::default()
    };
    let new = Bucket { status: Some(Status::New), ..bucket("null pointer read in lex", 3) };
    let other = Bucket { status: Some(Status::New), ..bucket("null pointer read in relex", 1) };
    let like = Bucket {
        status: Some(Status::Similar),
        similar: Some(similar),
        ..bucket("double free in reprint", 40)
    };
    GroupReport {
        crashes: 1046,
        duplicates: 2,
        ignored_crashes: 2,
        signatures: 3,
        baseline: Some(BaselineCounts { crashes: 900, signatures: 2, new: 2, similar: 1, known: 0, gone: 1 }),
        groups: vec![group(Some(Status::New), vec![new, other]), group(Some(Status::Similar), vec![like])],
        gone: vec![Bucket { status: Some(Status::Gone), ..bucket("assertion `n > 0` failed in count", 7) }],
        ignored: vec![Bucket { ignored: Some("a death test".into()), ..bucket("abort in die", 2) }],
        ..GroupReport::default()
    }
}

fn rendered(report: &GroupReport, format: GroupFormat, options: &Options) -> String {
    let mut out = Vec::new();
    render_groups(report, format, options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_text_tells_what_is_new_first() {
    let expected = "\
1,046 crashes, 3 signatures in 2 groups; 2 on purpose; 2 duplicates left out
against a baseline of 900 crashes: 2 new, 1 like one of it, 1 gone

NEW 4x null pointer read in lex
    parser; 2026-11-20 to 2026-11-22; test Parser.Empty; 2 jobs: jobs/12, jobs/13
    jobs/13/crashes/x/summary.json (with core and program); signature 0123456789abcdef
    + 1x new null pointer read in relex (parser, 2026-11-20 to 2026-11-22)

SIMILAR 40x double free in reprint
    parser; 2026-11-20 to 2026-11-22; test Parser.Empty; 2 jobs: jobs/12, jobs/13
    like double free in print (stacks 74 % alike)
    jobs/13/crashes/x/summary.json (with core and program); signature 0123456789abcdef

Only in the baseline: 1 signature
    + 7x assertion `n > 0` failed in count (parser, 2026-11-20 to 2026-11-22)

On purpose: 2 crashes
    + 2x abort in die (parser, 2026-11-20 to 2026-11-22, a death test)
";
    assert_eq!(rendered(&report(), GroupFormat::Text, &Options::default()), expected);
}

#[test]
fn a_narrow_terminal_gets_short_lines() {
    let options = Options { width: Some(40), ..Options::default() };
    for line in rendered(&report(), GroupFormat::Text, &options).lines() {
        assert!(line.len() <= 40, "{line:?}");
    }
}

#[test]
fn json_comes_back_as_it_was() {
    let options = Options::default();
    let json = rendered(&report(), GroupFormat::Json, &options);
    assert_eq!(serde_json::from_str::<GroupReport>(&json).unwrap(), report());
    let lines = rendered(&report(), GroupFormat::Jsonl, &options);
    let groups: Vec<Group> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(groups, report().groups);
}

#[test]
fn markdown_keeps_to_its_budget() {
    let whole = rendered(&report(), GroupFormat::Markdown, &Options::default());
    assert!(
        whole.contains("| **new** | 3 | null pointer read in lex | parser, test Parser.Empty |"),
        "{whole}"
    );
    assert!(whole.contains("| on purpose | 2 | abort in die |"), "{whole}");
    let options = Options { max_bytes: Some(700), ..Options::default() };
    let cut = rendered(&report(), GroupFormat::Markdown, &options);
    assert!(cut.len() <= 700 && cut.contains("did not fit"), "{cut}");
}

#[test]
fn names_of_crashes_do_nothing() {
    let mut report = report();
    let hostile = "\u{1b}[2J\n::error::x | <b>";
    report.groups[0].buckets[0] = Bucket {
        subject: Some(hostile.into()),
        tests: vec![hostile.into()],
        jobs: vec![hostile.into()],
        first_seen: Some(hostile.into()),
        ignored: Some(hostile.into()),
        example: Example { path: hostile.into(), ..Example::default() },
        ..bucket(hostile, 1)
    };
    let text = rendered(&report, GroupFormat::Text, &Options::default());
    assert!(
        !text.contains('\u{1b}') && !text.lines().any(|line| line.trim_start().starts_with("::")),
        "{text}"
    );
    let markdown = rendered(&report, GroupFormat::Markdown, &Options::default());
    assert!(!markdown.contains("<b>") && !markdown.contains('\u{1b}'), "{markdown}");
}

#[test]
fn no_crash_is_told_too() {
    let nothing = GroupReport::default();
    assert_eq!(rendered(&nothing, GroupFormat::Text, &Options::default()), "0 crashes\n");
    assert_eq!(rendered(&nothing, GroupFormat::Markdown, &Options::default()), "**0 crashes**\n");
}

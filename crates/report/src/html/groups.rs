//! Groups as a page: which crashes are the same, alike, new, known and gone, without the stories.

use std::io;

use maud::{Markup, html};

use epitaph_summary::group::{Bucket, Group, GroupReport, Status};

use super::shell;
use super::text::{SHORT, path, shown, shown_to};
use crate::groups::facts;
use crate::quantity::{grouped, plural};

/// The most groups, and the most signatures of one.
const MOST_GROUPS: usize = 5000;
const MOST_BUCKETS: usize = 200;

/// Writes the page.
pub(crate) fn render(report: &GroupReport, out: &mut dyn io::Write) -> io::Result<()> {
    out.write_all(page(report).into_string().as_bytes())?;
    out.write_all(b"\n")
}

fn page(report: &GroupReport) -> Markup {
    let totals = facts::totals(report);
    let head = html! {
        h1 { (shown(&totals)) }
        @if let Some(comparison) = facts::comparison(report) { p.comparison { (shown(&comparison)) } }
        (tools(report))
    };
    let more = report.groups.len().saturating_sub(MOST_GROUPS) as u64;
    let body = html! {
        @if report.groups.is_empty() { p.none { "No crashes." } }
        @for (index, group) in report.groups.iter().take(MOST_GROUPS).enumerate() { (rendered(group, index == 0)) }
        @if more > 0 { p.none { "And " (plural(more, "more group")) ", in the JSON report." } }
        (gone(report))
        (others("On purpose", &report.ignored))
        @if !report.warnings.is_empty() {
            section.doubts {
                h2 { "Warnings" }
                ul { @for warning in report.warnings.iter().take(MOST_BUCKETS) { li { (shown(&warning.text)) } } }
            }
        }
    };
    shell(&totals, &head, &body)
}

/// Search, and a filter by what is new; the script shows them.
fn tools(report: &GroupReport) -> Markup {
    let states: Vec<(&str, usize)> = [Status::New, Status::Similar, Status::Known]
        .into_iter()
        .map(|status| {
            let count = report.groups.iter().filter(|group| group.status == Some(status)).count();
            (facts::status(Some(status)), count)
        })
        .filter(|(_, count)| *count > 0)
        .collect();
    html! {
        div.tools role="search" hidden {
            @if report.groups.len() > 1 {
                label.search {
                    span.label { "Search" }
                    input #find type="search" placeholder="function, file, job, test …" autocomplete="off" spellcheck="false";
                }
                @if states.len() > 1 {
                    div.facet role="group" aria-label="status" {
                        @for (status, count) in states {
                            button.chip type="button" aria-pressed="false" data-facet="status" data-value=(status) {
                                (status) " " span.count { (grouped(count as u64)) }
                            }
                        }
                    }
                }
            }
            button #help type="button" { "Keys" }
            p #found role="status" {}
        }
    }
}

fn rendered(group: &Group, open: bool) -> Markup {
    let Some(first) = group.buckets.first() else { return html! {} };
    let status = group.status.map(|status| facts::status(Some(status))).filter(|status| !status.is_empty());
    let more = group.buckets.len().saturating_sub(MOST_BUCKETS) as u64;
    html! {
        details.kind open[open] data-status=[status] {
            summary {
                h2 {
                    @if let Some(status) = status { span.standing.new[status == "new"] { (status) } " " }
                    (grouped(group.count)) " × " (shown_to(&facts::title(first), SHORT))
                }
                @if let Some(like) = facts::likeness(first) { span.known-as { (shown_to(&like, SHORT * 2)) } }
                span.when {
                    @if let Some(seen) = facts::seen(group.first_seen.as_deref(), group.last_seen.as_deref()) { (shown(&seen)) }
                }
            }
            article.crash tabindex="-1" {
                @for bucket in group.buckets.iter().take(MOST_BUCKETS) { (signature(bucket, group.buckets.len() > 1)) }
                @if more > 0 { p.faint { "And " (plural(more, "more signature")) "." } }
            }
        }
    }
}

/// One signature with all that is known of its crashes; its title where it is one of several.
fn signature(bucket: &Bucket, titled: bool) -> Markup {
    let facts: [(&str, Option<String>); 7] = [
        ("program", facts::subject(bucket)),
        ("seen", facts::seen(bucket.first_seen.as_deref(), bucket.last_seen.as_deref())),
        ("tests", facts::tests(bucket)),
        ("jobs", facts::jobs(bucket)),
        ("baseline", facts::likeness(bucket).or_else(|| facts::standing(bucket).map(str::to_owned))),
        ("one of them", facts::example(bucket)),
        ("known by", facts::signature(bucket)),
    ];
    html! {
        section.signature {
            @if titled { h3 { (grouped(bucket.count)) " × " (shown_to(&facts::title(bucket), SHORT)) } }
            div.columns {
                div.told {
                    @if let Some(file) = bucket.place.as_ref().and_then(|place| place.file.as_deref()) {
                        p { "at " code { (path(file)) @if let Some(line) = bucket.place.as_ref().and_then(|place| place.line) { ":" (line) } } }
                    }
                    @if bucket.lines.len() > 1 {
                        ol.frames.plain { @for line in bucket.lines.iter().skip(1) { li { code { (shown(line)) } } } }
                    }
                }
                div.facts {
                    dl { @for (label, text) in facts { @if let Some(text) = text { div { dt { (label) } dd { (shown(&text)) } } } } }
                }
            }
        }
    }
}

/// What only the baseline has.
pub(super) fn gone(report: &GroupReport) -> Markup {
    others("Only in the baseline", &report.gone)
}

fn others(title: &str, buckets: &[Bucket]) -> Markup {
    let more = buckets.len().saturating_sub(MOST_BUCKETS) as u64;
    html! {
        @if !buckets.is_empty() {
            section.not-kept {
                h2 { (title) ": " (plural(buckets.len() as u64, "signature")) }
                ul {
                    @for bucket in buckets.iter().take(MOST_BUCKETS) {
                        li {
                            (grouped(bucket.count)) " × " (shown_to(&facts::title(bucket), SHORT))
                            @if let Some(subject) = facts::subject(bucket) { ", " (shown(&subject)) }
                            @if let Some(seen) = facts::seen(bucket.first_seen.as_deref(), bucket.last_seen.as_deref()) { " " span.faint { (shown(&seen)) } }
                            @if let Some(reason) = &bucket.ignored { " " span.faint { (shown(reason)) } }
                        }
                    }
                }
                @if more > 0 { p { "And " (plural(more, "more signature")) "." } }
            }
        }
    }
}

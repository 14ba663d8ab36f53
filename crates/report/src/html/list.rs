//! The list of kinds: how much of each is told, within the page's bounds.

use std::collections::BTreeMap;

use maud::{Markup, html};

use epitaph_summary::CrashSummary;
use epitaph_summary::group::Bucket;

use super::crash;
use super::link::{self, Anchors};
use super::text::{SHORT, moment, plain, shown_to};
use crate::groups::facts::{likeness, standing};
use crate::headline::{program, signal_name, test_name};
use crate::kinds::Kind;
use crate::options::Options;
use crate::quantity::{grouped, plural};

/// How many bytes stories may take.
#[derive(Clone, Copy)]
pub(super) struct Room {
    /// All of them: a thousand crashes, each of its own kind, have room, and a browser opens as much within a second.
    most: usize,
    /// Those that are elements of the page from the start. Further ones are text until they are opened, or, where no script
    /// runs, elements after all: a browser takes far longer for elements.
    at_once: usize,
    /// Rows of crashes that are like another one, of all kinds together.
    rows: usize,
}

impl Room {
    /// What a page has.
    pub(super) const OF_PAGE: Room = Room { most: 12 << 20, at_once: 512 << 10, rows: 20_000 };
}

/// The most crashes of a kind that are told as a whole: their stacks are the same.
const MOST_TOLD: usize = 3;

/// The most kinds, and the most rows of a kind.
const MOST_KINDS: usize = 5000;
const MOST_ROWS: usize = 2000;

/// How many stories that have no room are passed over for smaller ones: each takes its time to write.
const MOST_MISSES: usize = 100;

/// The most values of a filter.
const MOST_VALUES: usize = 8;

/// What tells whether a kind is new.
const STATUS: &str = "status";

/// What a filter is called, and its values with the crashes that have them, the most frequent first.
pub(super) struct Facet {
    /// `status`, `signal` or `program`.
    pub(super) label: &'static str,
    /// The values.
    pub(super) values: Vec<(String, u64)>,
}

/// Returns the filters that tell crashes apart.
pub(super) fn facets(kinds: &[Kind<'_>]) -> Vec<Facet> {
    let of = |label: &'static str, value: fn(&Kind<'_>) -> Option<String>| {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for kind in kinds {
            if let Some(value) = value(kind) {
                *counts.entry(value).or_default() += kind.count();
            }
        }
        let mut values: Vec<(String, u64)> = counts.into_iter().collect();
        // One that every crash has, or each has of its own, chooses nothing that the list doesn't.
        let useful = values.len() > 1 && (values.len() < kinds.len() || label == STATUS);
        values.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        values.truncate(MOST_VALUES);
        useful.then_some(Facet { label, values })
    };
    let known = of(STATUS, |kind| kind.bucket.and_then(standing).map(str::to_owned));
    let (signal, program) =
        (of("signal", |kind| signal(kind.newest)), of("program", |kind| subject(kind.newest)));
    [known, signal, program].into_iter().flatten().collect()
}

fn signal(summary: &CrashSummary) -> Option<String> {
    Some(plain(&signal_name(summary.signal.as_ref()?)?))
}

fn subject(summary: &CrashSummary) -> Option<String> {
    Some(plain(&program(summary)?))
}

/// A crash in the list.
struct Told<'a> {
    summary: &'a CrashSummary,
    anchor: String,
    /// The whole story, if there is room for it.
    story: Option<Story>,
}

/// A crash's story in the page.
struct Story {
    told: Markup,
    /// Whether it is a part of the page only when it is asked for.
    later: bool,
}

/// A kind in the list.
struct Row<'a> {
    crashes: Vec<Told<'a>>,
    bucket: Option<&'a Bucket>,
    alike: usize,
    /// How many rows the crashes beside the newest have.
    rows: usize,
}

/// The kinds with what is told of each.
pub(super) struct List<'a> {
    kinds: Vec<Row<'a>>,
    left_out: usize,
}

impl<'a> List<'a> {
    /// Chooses what is told: the newest crash of each kind before others of any.
    pub(super) fn of(kinds: &[Kind<'a>], options: &Options, room: Room) -> List<'a> {
        let mut anchors = Anchors::default();
        let mut told = |summary| Told { summary, anchor: anchors.of(summary), story: None };
        let mut room_for_rows = room.rows;
        let mut list: Vec<Row<'a>> = kinds
            .iter()
            .take(MOST_KINDS)
            .map(|kind| {
                let crashes = kind.all().map(&mut told).collect();
                let rows = kind.others.len().min(MOST_ROWS).min(room_for_rows);
                room_for_rows -= rows;
                Row { crashes, bucket: kind.bucket, alike: kind.alike, rows }
            })
            .collect();
        let (mut taken, mut misses) = (0, 0);
        for place in 0..MOST_TOLD {
            for told in list.iter_mut().filter_map(|kind| kind.crashes.get_mut(place)) {
                let story = crash::story(told.summary, &told.anchor, options);
                let later = taken > room.at_once;
                if taken + story.0.len() > room.most {
                    misses += 1;
                    if misses > MOST_MISSES {
                        break;
                    }
                    continue;
                }
                taken += story.0.len();
                told.story = Some(Story { told: story, later });
            }
        }
        List { kinds: list, left_out: kinds.len().saturating_sub(MOST_KINDS) }
    }

    /// Renders the list. The first kind is open.
    pub(super) fn render(&self) -> Markup {
        html! {
            @for (index, kind) in self.kinds.iter().enumerate() {
                (kind.render(index == 0))
            }
            @if self.left_out > 0 {
                p.none { "And " (plural(self.left_out as u64, "more kind")) ", in crashes.jsonl." }
            }
        }
    }
}

impl Row<'_> {
    fn render(&self, open: bool) -> Markup {
        let Some((newest, others)) = self.crashes.split_first() else { return html! {} };
        let summary = newest.summary;
        let standing = self.bucket.and_then(standing);
        html! {
            details.kind.like[self.alike > 0] open[open] data-status=[standing] data-signal=[signal(summary)] data-program=[subject(summary)] {
                summary {
                    h2 {
                        @if let Some(standing) = standing { span.standing.new[standing == "new"] { (standing) } " " }
                        (crash::sentence(summary))
                    }
                    (crash::place(summary))
                    @if let Some(bucket) = self.bucket { (known_as(bucket)) }
                    span.when {
                        @if self.alike > 0 { span.faint { "its stack is like that of the one above; " } }
                        (seen(summary, others))
                    }
                }
                @match &newest.story {
                    Some(story) => (placed(story, &newest.anchor)),
                    None => (without_story(newest)),
                }
                @if !others.is_empty() { (alike(others, self.rows)) }
            }
        }
    }
}

/// What a kind is like in the baseline, or why it is on purpose.
fn known_as(bucket: &Bucket) -> Markup {
    let told = bucket.ignored.clone().or_else(|| likeness(bucket));
    html! { @if let Some(told) = told { span.known-as { (shown_to(&told, SHORT * 2)) } } }
}

/// How many there are, and when the first and the newest were.
fn seen(newest: &CrashSummary, others: &[Told<'_>]) -> Markup {
    let first = others.iter().filter_map(|told| told.summary.time.as_deref()).min();
    html! {
        @if !others.is_empty() {
            span.count { (grouped(others.len() as u64 + 1)) " crashes, " }
            @match first {
                Some(first) if newest.time.as_deref() != Some(first) => { "the first " (moment(first)) ", " },
                _ => {},
            }
            "the newest "
        }
        @if let Some(time) = &newest.time { (moment(time)) }
    }
}

/// A story in its place. Nothing in it can end the element that keeps it as text: what could is escaped.
fn placed(story: &Story, anchor: &str) -> Markup {
    html! {
        @if story.later { noscript data-crash=(anchor) { (story.told) } } @else { (story.told) }
    }
}

/// What stands for a story that there is no room for.
fn without_story(told: &Told<'_>) -> Markup {
    html! {
        article.crash id=(told.anchor) tabindex="-1" {
            p.faint { "This page has no room for more stories. " (links(told.summary)) }
        }
    }
}

/// The other crashes of a kind: some as a whole, the rest as rows.
fn alike(others: &[Told<'_>], rows: usize) -> Markup {
    let more = others.len().saturating_sub(rows) as u64;
    html! {
        section.alike {
            h3 { (grouped(others.len() as u64)) " more of this kind" }
            ol {
                @for told in others.iter().take(rows) {
                    @match &told.story {
                        Some(story) => li { details.again { summary { (row(told.summary)) } (placed(story, &told.anchor)) } },
                        None => li.row id=(told.anchor) tabindex="-1" { (row(told.summary)) " " (links(told.summary)) },
                    }
                }
            }
            @if more > 0 { p.faint { "And " (plural(more, "more crash")) ", in crashes.jsonl." } }
        }
    }
}

/// What tells a crash from others of its kind.
fn row(summary: &CrashSummary) -> Markup {
    let pid = summary.process.as_ref().and_then(|process| process.pid);
    let job = summary.collection.as_ref().and_then(|collection| collection.ci.as_ref());
    html! {
        @if let Some(time) = &summary.time { (moment(time)) " " }
        @if let Some(pid) = pid { span.faint { "pid " (pid) } " " }
        @if let Some(test) = test_name(summary) { "test " (shown_to(&test, SHORT)) " " }
        @if let Some(job) = job.and_then(|job| job.run_id.as_deref().or(job.job.as_deref())) {
            span.faint { "job " (shown_to(job, SHORT)) }
        }
    }
}

fn links(summary: &CrashSummary) -> Markup {
    html! {
        @for file in link::files(summary) { a href=(file.address) download { (file.what) } " " }
    }
}

#[cfg(test)]
mod tests {
    use epitaph_summary::Signature;

    use super::*;
    use crate::fixtures;
    use crate::kinds::{grouped, kinds};

    /// A page of ten kinds; a story takes some kilobytes.
    fn rendered(room: Room) -> String {
        let crash = |number: usize| {
            let mut summary = fixtures::cpp_exception();
            summary.id = Some(format!("2026{number}-x"));
            summary.signature = None;
            summary
        };
        let crashes: Vec<CrashSummary> = (0..10).map(crash).collect();
        List::of(&kinds(&crashes, &grouped(&crashes)), &Options::default(), room).render().into_string()
    }

    #[test]
    fn further_stories_wait_as_text() {
        let whole = rendered(Room::OF_PAGE);
        assert_eq!((whole.matches("<article").count(), whole.matches("<noscript").count()), (10, 0));
        let page = rendered(Room { at_once: whole.len() / 2, ..Room::OF_PAGE });
        let later = page.matches("<noscript data-crash=\"2026").count();
        assert!((4..8).contains(&later), "{later}");
        assert_eq!(page.matches("</noscript>").count(), later);
        assert!(page.find("<article").unwrap() < page.find("<noscript").unwrap(), "the newest is an element");
    }

    #[test]
    fn what_has_no_room_is_a_headline_and_links() {
        let whole = rendered(Room::OF_PAGE);
        let page = rendered(Room { most: whole.len() / 2, ..Room::OF_PAGE });
        let bare = page.matches("This page has no room for more stories.").count();
        assert!((4..8).contains(&bare), "{bare}");
        assert_eq!((page.matches("<h2>").count(), page.matches("<article").count()), (10, 10));
    }

    /// Ten kinds of four crashes each.
    #[test]
    fn all_kinds_together_have_so_many_rows() {
        let crash = |number: usize| {
            let mut summary = fixtures::cpp_exception();
            summary.id = Some(format!("2026{number}-x"));
            let strict = Some(format!("{:016x}", number / 4));
            summary.signature = Some(Signature { strict, ..Signature::default() });
            summary
        };
        let crashes: Vec<CrashSummary> = (0..40).map(crash).collect();
        let page = |rows: usize| {
            let room = Room { most: 0, at_once: 0, rows };
            List::of(&kinds(&crashes, &grouped(&crashes)), &Options::default(), room).render().into_string()
        };
        let rows = |page: &str| page.matches("<li class=\"row\"").count();
        let (whole, bounded) = (page(1000), page(7));
        assert_eq!((rows(&whole), rows(&bounded)), (30, 7));
        assert_eq!(
            bounded.matches("in crashes.jsonl").count(),
            8,
            "of whose rows some, or all, have no room"
        );
        assert_eq!(bounded.matches("<h2>").count(), 10);
    }
}

//! One crash: what died, where and why first, then the stack, then the facts.

use maud::{Markup, html};

use epitaph_summary::CrashSummary;

use super::text::{MOST_SAID, SHORT, line, path, pieces, shown, shown_to};
use super::{link, map, registers, sections, stack};
use crate::facts::{COMMAND, Fact, STORED, facts};
use crate::frames::Location;
use crate::headline::{Headline, is_crash};
use crate::options::Options;
use crate::place::{Place, main_thread};
use crate::quantity::bytes;
use crate::text::signature;
use crate::threads::{title, total};
use crate::waits::Waits;
use crate::why::{self, MARKS, MEMORY, MESSAGE, Point};

/// Renders the sentence that says what died of what.
pub(super) fn sentence(summary: &CrashSummary) -> Markup {
    let headline = Headline::of(summary);
    html! {
        @if let Some(test) = &headline.test { "test " span.subject { (shown_to(test, SHORT)) } ": " }
        @match &headline.subject {
            Some(subject) => span.subject { (shown_to(subject, SHORT)) },
            None => "A process",
        }
        " " span.fate { (shown_to(&headline.fate, SHORT)) }
        @if let Some(why) = &headline.why { ": " (shown_to(why, SHORT * 2)) }
    }
}

/// Renders where it happened; nothing if no stack is known.
pub(super) fn place(summary: &CrashSummary) -> Markup {
    let Some(place) = Place::of(summary) else { return html! {} };
    html! {
        span.where {
            @if let Some(function) = &place.function { "in " code { (shown_to(function, SHORT)) } " " }
            @match &place.location {
                Some(Location::Module(module)) => { "of " code { (shown_to(module, SHORT)) } },
                Some(Location::Source(text) | Location::Address(text)) => { "at " code { (path(text)) } },
                None => {},
            }
            @if let Some(inside) = &place.inside { ", inside " code { (shown_to(inside, SHORT)) } }
            @if let Some(caller) = &place.called_from { ", called from " code { (path(caller)) } }
        }
    }
}

/// Renders the whole story of a crash whose sentence stands above it.
pub(super) fn story(summary: &CrashSummary, anchor: &str, options: &Options) -> Markup {
    html! {
        article.crash id=(anchor) tabindex="-1" {
            (actions(summary))
            div.columns {
                div.told {
                    (because(summary))
                    (sections::deadlocks(summary))
                    (crashing_stack(summary, options))
                    (sections::doubts(summary, options))
                    (registers_of_thread(summary))
                }
                div.facts { (fact_list(summary)) }
            }
            (sections::all(summary, options))
        }
    }
}

/// Links to what is kept of the crash; what copies is there only where scripts run.
fn actions(summary: &CrashSummary) -> Markup {
    html! {
        p.actions {
            @for file in link::files(summary) {
                a.button href=(file.address) download title=(file.name) {
                    (file.what)
                    @if let Some(size) = file.size { " " span.faint { (bytes(size)) } }
                }
            }
            button.copy-link type="button" { "Copy link" }
            button.copy-text type="button" { "Copy as text" }
        }
    }
}

/// Why it died.
fn because(summary: &CrashSummary) -> Markup {
    let points: Vec<Point> = why::points(summary).into_iter().filter(|point| point.label != MEMORY).collect();
    let access = summary.cause.as_ref().and_then(|cause| cause.access.as_ref());
    let drawing = access.and_then(|access| map::drawing(summary, access));
    html! {
        @if !points.is_empty() || drawing.is_some() {
            section.why {
                h3 { "Why" }
                dl {
                    @for point in &points {
                        div class=[(point.label == MESSAGE).then_some("said")] {
                            dt { (point.label) }
                            @for told in point.lines.iter().take(MOST_SAID) {
                                dd { (pieces(told.pieces().filter(|(_, text)| !MARKS.contains(text)))) }
                            }
                        }
                    }
                }
                @if let Some(drawing) = drawing { (drawing) }
            }
        }
    }
}

fn crashing_stack(summary: &CrashSummary, options: &Options) -> Markup {
    let Some((index, thread)) = main_thread(summary) else { return html! {} };
    let crashed = is_crash(summary);
    let heading = title(thread, index + 1, total(summary), thread.crashed && crashed).text();
    html! {
        section.stack {
            h3 { (shown_to(heading.trim_end_matches(':'), SHORT)) }
            @if crashed && !thread.crashed { p.doubt { "The core does not say which thread crashed." } }
            @for text in Waits::of(summary).lines(&[thread]) { p.waits { (line(&text)) } }
            (stack::story(summary, thread, options))
        }
    }
}

fn fact_list(summary: &CrashSummary) -> Markup {
    html! {
        h3 { "Facts" }
        dl {
            @for fact in facts(summary).iter().filter(|fact| fact.label != STORED || fact.link.is_some()) { div { dt { (fact.label) } dd { (fact_text(fact)) } } }
            @if let Some(signature) = signature(summary) {
                div { dt { "signature" } dd { code { (shown(signature.trim_start_matches("signature "))) } } }
            }
            @if let Some(id) = &summary.id { div { dt { "id" } dd { code { (shown_to(id, SHORT)) } } } }
        }
    }
}

fn registers_of_thread(summary: &CrashSummary) -> Markup {
    let registers = main_thread(summary).and_then(|(_, thread)| registers::table(summary, thread));
    html! {
        @if let Some(registers) = registers {
            details.registers open { summary { h3 { "Registers" } } (registers) }
        }
    }
}

/// A fact, with its link: `facts` lets only addresses of the web be one.
fn fact_text(fact: &Fact) -> Markup {
    html! {
        @match &fact.link {
            Some(link) => a href=(link) rel="noopener noreferrer" { (shown(&fact.text)) },
            None if fact.label == COMMAND => code { (shown(&fact.text)) },
            None => (shown(&fact.text)),
        }
    }
}

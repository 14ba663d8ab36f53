//! One self-contained page: crashes grouped, the newest first, each from what died to the last mapped file.
//!
//! The page asks nothing of a network and needs no script: without one, everything is there and can be opened. The script
//! adds search, filters, keys and copying. A policy in the page lets nothing act but that script and that style, by their
//! hashes, so that what is shown can't even if it were not escaped.
//!
//! Its size is bounded, whatever was given: each kind of crash is told by its newest one first, others follow as far as there
//! is room, and what there is no room for is a row with links.

mod crash;
mod groups;
mod link;
mod list;
mod map;
mod registers;
mod sections;
mod stack;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use groups::render as render_groups;

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use epitaph_summary::CrashSummary;
use epitaph_summary::group::GroupReport;

use crate::escape::brief;
use crate::groups::facts;
use crate::headline::Headline;
use crate::kinds::{Kind, kinds};
use crate::not_kept::{self, MOST_KINDS};
use crate::options::Options;
use crate::quantity::{grouped, plural};
use list::{List, Room, facets};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Writes the page: what is the same, alike and new is as `groups` has it, and `not_kept` are the crashes of which no more
/// is left than these summaries.
pub(crate) fn render(
    summaries: &[CrashSummary],
    not_kept: &[CrashSummary],
    groups: &GroupReport,
    options: &Options,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    out.write_all(page(summaries, not_kept, groups, options).into_string().as_bytes())?;
    out.write_all(b"\n")
}

fn page(
    summaries: &[CrashSummary],
    not_kept: &[CrashSummary],
    groups: &GroupReport,
    options: &Options,
) -> Markup {
    let kinds = kinds(summaries, groups);
    let list = List::of(&kinds, options, Room::OF_PAGE);
    let head = html! {
        h1 { (counted(summaries.len(), kinds.len())) }
        @if let Some(comparison) = facts::comparison(groups) { p.comparison { (text::shown(&comparison)) } }
        (span(&kinds))
        (tools(&kinds))
    };
    let body = html! {
        @if kinds.is_empty() { p.none { "No crashes." } }
        (list.render())
        (groups::gone(groups))
        (left_out(not_kept))
    };
    shell(&title(&kinds), &head, &body)
}

/// The page around what it tells.
fn shell(title: &str, head: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(format!("epitaph {}", env!("CARGO_PKG_VERSION")));
                title { (title) }
                // No browser asks for one then.
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#crashes" { "Skip to the crashes" }
                header.page { (head) }
                main #crashes { (body) }
                footer.page {
                    p { "Written by epitaph " (env!("CARGO_PKG_VERSION")) ". Text of a crash is shown as it was, but for control characters, which are spelled out." }
                }
                (help())
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// What the browser may do: run this script and use this style, and nothing else; a data address is the empty icon.
fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let (style, script) = (hash(STYLE), hash(SCRIPT));
    format!(
        "default-src 'none'; style-src {style}; script-src {script}; img-src data:; base-uri 'none'; form-action 'none'"
    )
}

/// The window's title: the crash if there is one, or else how many.
fn title(kinds: &[Kind<'_>]) -> String {
    match kinds {
        [] => "No crashes".to_owned(),
        [only] => brief(&Headline::of(only.newest).sentence(), text::SHORT),
        _ => format!("Crashes of {}", plural(kinds.len() as u64, "kind")),
    }
}

/// `1,204 crashes of 3 kinds`
fn counted(crashes: usize, kinds: usize) -> String {
    let crashes_told = plural(crashes as u64, "crash");
    if crashes == kinds {
        crashes_told
    } else {
        format!("{crashes_told} of {}", plural(kinds as u64, "kind"))
    }
}

/// From when to when.
fn span(kinds: &[Kind<'_>]) -> Markup {
    let times = || {
        let all = kinds.iter().flat_map(Kind::all);
        all.filter_map(|summary| summary.time.as_deref())
    };
    html! {
        @match (times().min(), times().max()) {
            (Some(first), Some(last)) if first != last => p.span { (text::moment(first)) " to " (text::moment(last)) },
            _ => {},
        }
    }
}

/// Search and filters, which the script shows: without it they would do nothing.
fn tools(kinds: &[Kind<'_>]) -> Markup {
    html! {
        div.tools role="search" hidden {
            @if kinds.len() > 1 {
                label.search {
                    span.label { "Search" }
                    input #find type="search" placeholder="function, file, thread, build ID …" autocomplete="off" spellcheck="false";
                }
                @for facet in facets(kinds) {
                    div.facet role="group" aria-label=(facet.label) {
                        @for (value, count) in &facet.values {
                            button.chip type="button" aria-pressed="false" data-facet=(facet.label) data-value=(value) {
                                (value) " " span.count { (grouped(*count)) }
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

/// The keys, shown on demand.
fn help() -> Markup {
    let keys = [
        ("j, k", "next and previous crash"),
        ("o", "open or close it"),
        ("e", "open or close all that is folded in it"),
        ("y", "copy a link to it"),
        ("c", "copy it as text"),
        ("/", "search"),
        ("Esc", "clear the search"),
        ("?", "these keys"),
    ];
    html! {
        dialog #keys aria-labelledby="keys-title" {
            h2 #keys-title { "Keys" }
            dl { @for (key, what) in keys { div { dt { kbd { (key) } } dd { (what) } } } }
            button type="button" { "Close" }
        }
    }
}

/// The crashes that were found and not kept.
fn left_out(crashes: &[CrashSummary]) -> Markup {
    if crashes.is_empty() {
        return html! {};
    }
    let kinds = not_kept::Kind::of(crashes);
    html! {
        section.not-kept {
            h2 { (not_kept::not_kept(crashes.len())) }
            p { "Their cores, if any, stay where they are." }
            ul {
                @for kind in kinds.iter().take(MOST_KINDS) {
                    li {
                        (grouped(kind.count as u64)) " × " (text::shown(&kind.what)) ": " (text::shown(&kind.reason))
                        @if !kind.pids().is_empty() { " " span.faint { (kind.pids()) } }
                    }
                }
            }
            @if kinds.len() > MOST_KINDS { p { "And " (plural((kinds.len() - MOST_KINDS) as u64, "more kind")) "." } }
        }
    }
}

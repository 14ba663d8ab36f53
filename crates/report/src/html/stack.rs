//! A stack: the program's own frames brought out, machinery folded away, source beneath the frames that have it.

use maud::{Markup, html};

use epitaph_summary::{CrashSummary, Frame, Thread};

use super::link;
use super::text::{SHORT, path, shown, shown_to};
use crate::entries::{self, Entry};
use crate::frames::{self, Location};
use crate::options::Options;
use crate::place::blamed_frame;
use crate::quantity::plural;

/// The most entries of the crashing thread's stack, and of another's.
const MOST_ENTRIES: usize = 200;
const MOST_ENTRIES_ELSEWHERE: usize = 60;

/// The most frames that can be unfolded in one place.
const MOST_FOLDED: usize = 40;

/// The most lines of source beneath a frame, on each side of the frame's own.
const AROUND: u32 = 5;

/// The most characters of a line of source.
const SOURCE_LINE: usize = 400;

/// What a tab is shown as.
const TAB: &str = "    ";

/// Renders the stack whose story is told: each frame can be opened, and the blamed one is.
pub(super) fn story(summary: &CrashSummary, thread: &Thread, options: &Options) -> Markup {
    let blamed = blamed_frame(summary, thread);
    let all = entries::entries(summary, thread, options.fold);
    html! {
        ol.frames {
            @for entry in all.iter().take(MOST_ENTRIES) {
                @match entry {
                    Entry::Frame { index, number, frame } => {
                        li class=(class(frame)) {
                            details open[Some(*index) == blamed && has_source(frame)] {
                                summary { (row(summary, *number, frame)) }
                                (beneath(summary, frame, options))
                            }
                        }
                    },
                    Entry::Folded { what, frames, number } => (folded(summary, thread, what, frames.clone(), *number)),
                    Entry::Absent(what) => li.gone { "… " (shown(what)) " …" },
                }
            }
            (cut(all.len(), MOST_ENTRIES))
        }
        (end(thread))
        @if thread.frames.iter().any(|frame| frame.in_app == Some(true)) {
            p.legend { span.own-mark {} "bold, with a bar: the program's own code" }
        }
    }
}

/// Renders another thread's stack: frames only.
pub(super) fn plain(summary: &CrashSummary, thread: &Thread, options: &Options) -> Markup {
    let all = entries::entries(summary, thread, options.fold);
    html! {
        ol.frames.plain {
            @for entry in all.iter().take(MOST_ENTRIES_ELSEWHERE) {
                @match entry {
                    Entry::Frame { number, frame, .. } => li class=(class(frame)) { (row(summary, *number, frame)) },
                    Entry::Folded { what, .. } | Entry::Absent(what) => li.gone { "… " (shown(what)) " …" },
                }
            }
            (cut(all.len(), MOST_ENTRIES_ELSEWHERE))
        }
        (end(thread))
    }
}

/// A run of machinery, which can be unfolded.
fn folded(
    summary: &CrashSummary,
    thread: &Thread,
    what: &str,
    frames: std::ops::Range<usize>,
    number: u64,
) -> Markup {
    let run = thread.frames.get(frames).unwrap_or_default();
    html! {
        li.gone {
            details {
                summary { "… " (shown(what)) " …" }
                ol.frames.plain {
                    @for (number, frame) in (number..).zip(run).take(MOST_FOLDED) {
                        li class=(class(frame)) { (row(summary, number, frame)) }
                    }
                    (cut(run.len(), MOST_FOLDED))
                }
            }
        }
    }
}

fn cut(count: usize, most: usize) -> Markup {
    let more = count.saturating_sub(most) as u64;
    html! { @if more > 0 { li.gone { "… " (plural(more, "more frame")) " in the summary …" } } }
}

fn end(thread: &Thread) -> Markup {
    html! { @if let Some(end) = entries::end(thread) { p.doubt { (shown(&end)) } } }
}

/// Whose code a frame is, as it is brought out or subdued.
fn class(frame: &Frame) -> &'static str {
    match (frame.in_app == Some(true), frames::is_machinery(frame)) {
        (true, _) => "own",
        (false, true) => "machinery",
        (false, false) => "other",
    }
}

/// Number, name and place of a frame.
fn row(summary: &CrashSummary, number: u64, frame: &Frame) -> Markup {
    html! {
        span.number { "#" (number) } " "
        span.name {
            code { (shown(&frames::name(frame))) }
            @if let Some(kind) = frames::kind(frame) { " " span.tag { (kind) } }
            @if let Some(guess) = frames::guess(frame) { " " span.tag.doubt { "found by " (guess) } }
        }
        @if let Some(location) = frames::location(summary, frame) {
            " "
            code.place {
                @match &location {
                    Location::Source(text) => (path(text)),
                    Location::Module(text) | Location::Address(text) => (shown(text)),
                }
            }
        }
    }
}

/// What a frame shows when it is opened.
fn beneath(summary: &CrashSummary, frame: &Frame, options: &Options) -> Markup {
    let link = link::source(summary, frame, options.repository.as_deref());
    let module =
        summary.module_of(frame).and_then(|module| module.path.as_deref().or(module.name.as_deref()));
    html! {
        (source(frame))
        p.machine {
            @if let Some(pc) = frame.pc { "pc " code { (pc) } }
            @if let Some(offset) = frame.offset { " is " code { (offset) } }
            @if let Some(module) = module { " of " code { (shown_to(module, SHORT)) } }
            @if let Some(link) = link { " " a href=(link) rel="noopener noreferrer" { "source at this commit" } }
            @if frame.language.is_some() { "; it shares the machine frame of the interpreter that runs it" }
            @else if frame.inlined { "; inlined, so it shares the machine frame of the function that called it" }
        }
    }
}

fn has_source(frame: &Frame) -> bool {
    frame.line.is_some_and(|at| frame.source.iter().any(|line| line.line == at))
}

/// The lines around the frame's own, which is brought out.
fn source(frame: &Frame) -> Markup {
    let Some(at) = frame.line.filter(|_| has_source(frame)) else { return html! {} };
    let near = frame.source.iter().filter(|line| line.line.abs_diff(at) <= AROUND);
    html! {
        pre.source tabindex="0" role="group" aria-label="Source" {
            @for line in near.take(2 * AROUND as usize + 1) {
                span class=[(line.line == at).then_some("hit")] {
                    span.ln { (line.line) } " " (shown_to(&line.text.trim_end().replace('\t', TAB), SOURCE_LINE)) "\n"
                }
            }
        }
    }
}

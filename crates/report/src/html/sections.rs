//! What is folded away beneath a crash: other threads, mapped files, the end of standard error, what could not be read.

use maud::{Markup, html};

use epitaph_summary::{CrashSummary, Module, Thread};

use super::link;
use super::stack;
use super::text::{SHORT, line, path, shown, shown_to};
use crate::facts::{OUTPUT_TAIL, output_tail};
use crate::frames::basename;
use crate::line::Line;
use crate::modules;
use crate::options::Options;
use crate::place::main_thread;
use crate::quantity::{grouped, plural};
use crate::threads::{Others, total};
use crate::waits::Waits;

/// The most groups of threads, mapped files, lines of output, and warnings.
const MOST_GROUPS: usize = 100;
const MOST_MODULES: usize = 300;
const MOST_OUTPUT: usize = 200;
const MOST_WARNINGS: usize = 100;

/// Renders all of it, as far as there is any.
pub(super) fn all(summary: &CrashSummary, options: &Options) -> Markup {
    html! {
        (threads(summary, options))
        (mapped(summary))
        (output(summary))
        (warnings(summary))
    }
}

/// A heading that opens what is beneath it.
fn section(title: &Markup, note: Option<String>, content: &Markup) -> Markup {
    html! {
        details.more {
            summary { h3 { (title) } @if let Some(note) = note { " " span.faint { (note) } } }
            (content)
        }
    }
}

/// Rings of threads that wait for each other: the cause of a hang, so never folded.
pub(super) fn deadlocks(summary: &CrashSummary) -> Markup {
    let lines = Waits::of(summary).deadlocks(&summary.deadlocks);
    html! {
        @if !lines.is_empty() {
            section.deadlocks {
                h3 { "Who waits for whom" }
                @for text in lines.iter().filter(|line| !line.text().is_empty()) { p { (line(text)) } }
            }
        }
    }
}

fn threads(summary: &CrashSummary, options: &Options) -> Markup {
    let others = Others::of(summary, options);
    if others.groups.is_empty() {
        return html! { @if let Some(hidden) = others.hidden() { p.faint { (hidden) } } };
    }
    let main = u64::from(main_thread(summary).is_some());
    let count = total(summary).saturating_sub(main);
    let stacks = plural(others.groups.len() as u64, "stack");
    let more = others.groups.len().saturating_sub(MOST_GROUPS) as u64;
    section(
        &html! { "Other threads" },
        Some(format!("{} with {stacks}", grouped(count))),
        &html! {
            @for group in others.groups.iter().take(MOST_GROUPS) {
                section.thread {
                    h4 { (shown_to(group.title.text().trim_end_matches(':'), SHORT)) }
                    @for text in &group.waits { p.waits { (line(text)) } }
                    (stack::plain(summary, group.thread, options))
                }
            }
            @if more > 0 { p.faint { (plural(more, "more stack")) " in the summary." } }
            @if let Some(hidden) = others.hidden() { p.faint { (hidden) } }
        },
    )
}

/// The mapped files: those on the crashing stack first, each with its build ID, and what is wrong with it.
fn mapped(summary: &CrashSummary) -> Markup {
    if summary.modules.is_empty() {
        return html! {};
    }
    let frames =
        main_thread(summary).map(|(_, thread): (_, &Thread)| thread.frames.as_slice()).unwrap_or_default();
    let mut of_stack = vec![false; summary.modules.len()];
    for index in frames.iter().filter_map(|frame| frame.module) {
        if let Some(on_stack) = of_stack.get_mut(index as usize) {
            *on_stack = true;
        }
    }
    let mut rows: Vec<(bool, &Module)> = of_stack.into_iter().zip(&summary.modules).collect();
    rows.sort_by_key(|(on_stack, _)| !on_stack);
    let wrong = rows.iter().filter(|(_, module)| modules::status(module).is_some()).count() as u64;
    let note = match wrong {
        0 => String::new(),
        wrong => format!(", of which {} missing, doubtful or without debug information", grouped(wrong)),
    };
    let more = rows.len().saturating_sub(MOST_MODULES) as u64;
    section(
        &html! { "Mapped files" },
        Some(format!("{}{note}", grouped(rows.len() as u64))),
        &html! {
            div.wide tabindex="0" role="group" aria-label="Mapped files" {
                table {
                    thead { tr { th scope="col" { "File" } th scope="col" { "Build ID" } th scope="col" { "State" } } }
                    tbody {
                        @for (on_stack, module) in rows.iter().take(MOST_MODULES) { (row(module, *on_stack)) }
                    }
                }
            }
            @if more > 0 { p.faint { (plural(more, "more file")) " in the summary." } }
        },
    )
}

fn row(module: &Module, on_stack: bool) -> Markup {
    let name = module.path.as_deref().or(module.name.as_deref()).filter(|path| !basename(path).is_empty());
    let name = name.map_or_else(|| html! { "a file without a name" }, path);
    html! {
        tr {
            td {
                code {
                    @match link::module(module) {
                        Some(address) => a href=(address) download { (name) },
                        None => (name),
                    }
                }
                @if on_stack { " " span.tag { "on the stack" } }
            }
            td {
                @match module.build_id.as_deref() {
                    Some(id) => code { (shown_to(id, SHORT)) },
                    None => span.faint { "none" },
                }
            }
            td {
                @match modules::status(module) {
                    Some(status) => span.doubt { (status) },
                    None => span.faint { "found" },
                }
                @if let Some(found) = module.file_found.as_deref().filter(|found| module.path.as_deref() != Some(*found)) {
                    br; code.faint { (path(found)) }
                }
            }
        }
    }
}

fn output(summary: &CrashSummary) -> Markup {
    let lines = output_tail(summary);
    if lines.is_empty() {
        return html! {};
    }
    let shown_lines = lines.iter().skip(lines.len().saturating_sub(MOST_OUTPUT));
    section(
        &html! { (OUTPUT_TAIL) },
        None,
        &html! { pre.output tabindex="0" role="group" aria-label=(OUTPUT_TAIL) { @for text in shown_lines { span { (shown(text)) } "\n" } } },
    )
}

fn warnings(summary: &CrashSummary) -> Markup {
    let count = summary.warnings.len();
    if count == 0 {
        return html! {};
    }
    let more = count.saturating_sub(MOST_WARNINGS) as u64;
    section(
        &html! { "Warnings" },
        Some(grouped(count as u64)),
        &html! {
            ul { @for warning in summary.warnings.iter().take(MOST_WARNINGS) { li { (shown(&warning.text)) } } }
            @if more > 0 { p.faint { (plural(more, "more warning")) " in the summary." } }
        },
    )
}

/// The files that leave the crashing stack incomplete or in doubt: never folded, as they make what is above less sure.
pub(super) fn doubts(summary: &CrashSummary, options: &Options) -> Markup {
    let lines: Vec<Line> = modules::lines(summary, options);
    html! {
        @if !lines.is_empty() {
            section.doubts {
                h3 { (modules::TITLE.trim_end_matches(':')) }
                ul { @for text in lines.iter().take(MOST_WARNINGS) { li { (line(text)) } } }
            }
        }
    }
}

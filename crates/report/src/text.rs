//! Text for a job's log or a terminal: what died of what and where, first and at a glance.
//!
//! It comes in two halves, because the crashing thread is known before the others: [`story`] says what died and
//! shows the crashing thread's stack; [`rest`] adds the other threads, the files that are missing, and warnings.
//! [`render`](crate::render) writes both.
//!
//! Every line begins with a word or a sign of ours, so that no name from the crash can begin a CI command.

use std::io;

use epitaph_summary::CrashSummary;

use crate::escape::clean;
use crate::facts::facts;
use crate::headline::{Headline, Place, main_thread, signal_name};
use crate::line::{Line, Style, width, write_all};
use crate::modules;
use crate::options::Options;
use crate::stack::stack;
use crate::threads::{Others, title, total};

/// Writes the first half: the cause in a sentence, the facts, and the crashing thread's stack.
///
/// The other threads need not be known yet, but for how many they are.
pub fn story(summary: &CrashSummary, options: &Options, out: &mut dyn io::Write) -> io::Result<()> {
    write_all(&story_lines(summary, options), options.color, out)
}

/// Writes the second half, each part after an empty line; nothing if there is nothing to add.
pub fn rest(summary: &CrashSummary, options: &Options, out: &mut dyn io::Write) -> io::Result<()> {
    write_all(&rest_lines(summary, options), options.color, out)
}

/// Writes whole summaries, with a rule between them.
pub(crate) fn render(
    summaries: &[CrashSummary],
    options: &Options,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    if summaries.is_empty() {
        return writeln!(out, "No crashes.");
    }
    for (index, summary) in summaries.iter().enumerate() {
        if index > 0 {
            writeln!(out, "\n{}\n", "=".repeat(72))?;
        }
        story(summary, options, out)?;
        rest(summary, options, out)?;
    }
    Ok(())
}

fn story_lines(summary: &CrashSummary, options: &Options) -> Vec<Line> {
    let headline = Headline::of(summary);
    let why = headline.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let mut lines = vec![
        Line::default()
            .with(Style::Strong, headline.subject_at_line_start())
            .with(Style::Alarm, format!(" {}", headline.fate))
            .with(Style::Strong, why),
    ];
    if let Some(place) = Place::of(summary) {
        lines.extend(place_lines(&place, options.columns()));
    }
    let facts = facts(summary);
    if !facts.is_empty() {
        lines.push(Line::default());
    }
    let column = facts.iter().map(|fact| fact.label.len()).max().unwrap_or(0);
    lines.extend(facts.into_iter().map(|fact| {
        Line::plain("  ")
            .with(Style::Faint, format!("{:<column$}  ", fact.label))
            .with(Style::Plain, fact.text)
    }));
    if let Some((index, thread)) = main_thread(summary) {
        let stack = stack(summary, thread, options);
        lines.push(Line::default());
        let died = summary.signal.as_ref().and_then(signal_name).is_some();
        if died && !thread.crashed {
            lines.push(Line::plain("The core does not say which thread crashed."));
        }
        lines.push(title(thread, index + 1, total(summary)));
        lines.extend(stack.lines);
        lines.extend(stack.legend.line());
    }
    lines
}

/// `in f at file:line`, on two lines where one is too short.
fn place_lines(place: &Place, columns: usize) -> Vec<Line> {
    let phrase = place.phrase();
    match place.phrases() {
        (Some(function), Some(location)) if 2 + width(&phrase) > columns => {
            vec![Line::plain("  ").with(Style::Strong, function), Line::plain(format!("  {location}"))]
        }
        _ => vec![Line::plain("  ").with(Style::Strong, phrase)],
    }
}

fn rest_lines(summary: &CrashSummary, options: &Options) -> Vec<Line> {
    let mut lines = Vec::new();
    let others = Others::of(summary, options);
    let hidden = others.hidden();
    for group in others.groups {
        lines.extend([Line::default(), group.title]);
        lines.extend(group.lines);
    }
    lines.extend(others.legend.line());
    if let Some(hidden) = hidden {
        lines.extend([Line::default(), Line::plain(hidden)]);
    }
    let modules = modules::lines(summary, options);
    if !modules.is_empty() {
        lines.extend([Line::default(), Line::default().with(Style::Strong, modules::TITLE)]);
        lines.extend(modules);
    }
    if !summary.warnings.is_empty() {
        lines.extend([Line::default(), Line::default().with(Style::Strong, "Warnings:")]);
        lines.extend(summary.warnings.iter().map(|warning| {
            Line::plain("  ").with(Style::Doubt, "- ").with(Style::Plain, clean(&warning.text))
        }));
    }
    lines
}

/// Returns the crashing thread's stack, title first, without colours: what the other formats quote.
pub(crate) fn main_stack(summary: &CrashSummary, options: &Options) -> Vec<String> {
    let Some((index, thread)) = main_thread(summary) else { return Vec::new() };
    let stack = stack(summary, thread, options);
    let lines = [title(thread, index + 1, total(summary))].into_iter().chain(stack.lines);
    lines.chain(stack.legend.line()).map(|line| line.text()).collect()
}

//! Text for a job's log or a terminal: what died of what and where, first and at a glance.
//!
//! It comes in two halves, because the crashing thread is known before the others: [`story`] says what died and why, and
//! shows the crashing thread's stack; [`rest`] adds deadlocks, the other threads, the files that are missing, warnings, and
//! the signature. [`render`](crate::render) writes both.
//!
//! Every line begins with a word or a sign of ours, so that no name from the crash can begin a CI command. Where the
//! terminal's width is known, sentences are broken to fit it; nothing is cut.

use std::io;

use epitaph_summary::{Basis, CrashSummary};

use crate::escape::{brief, clean};
use crate::facts::{OUTPUT_TAIL, facts, output_tail};
use crate::headline::{Headline, is_crash};
use crate::line::{Line, Style, width, write_all};
use crate::modules;
use crate::options::Options;
use crate::place::{Place, main_thread};
use crate::stack;
use crate::threads::{Others, title, total};
use crate::waits::Waits;
use crate::why::{self, Point};

/// The most characters of a hash.
const HASH_LIMIT: usize = 64;

/// Writes the first half: the cause in a sentence and what it was concluded from, the crashing thread's stack, and the
/// facts.
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

/// Returns why it died and the crashing thread's stack, without colours: what the other formats quote.
pub(crate) fn quoted(summary: &CrashSummary, options: &Options) -> Vec<String> {
    // A terminal's width means nothing to them.
    let options = Options { width: None, ..options.clone() };
    let (why, stack) = (why_lines(summary, &options), stack_lines(summary, &options));
    let gap = (!why.is_empty() && !stack.is_empty()).then(Line::default);
    why.into_iter().chain(gap).chain(stack).map(|line| line.text()).collect()
}

fn story_lines(summary: &CrashSummary, options: &Options) -> Vec<Line> {
    let headline = Headline::of(summary);
    let why = headline.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let headline = Line::default()
        .with(Style::Strong, headline.subject_at_line_start())
        .with(Style::Alarm, format!(" {}", headline.fate))
        .with(Style::Strong, why);
    let mut lines = options.broken(headline, 2);
    if let Some(place) = Place::of(summary) {
        lines.extend(place_lines(&place, options.columns()));
    }
    let facts = facts(summary)
        .into_iter()
        .map(|fact| Point { label: fact.label, lines: vec![Line::plain(fact.with_link())] })
        .collect();
    for part in [why_lines(summary, options), stack_lines(summary, options), labelled(facts, options)] {
        if !part.is_empty() {
            lines.push(Line::default());
            lines.extend(part);
        }
    }
    lines
}

/// `in f at file:line`, on two lines where one is too short, and what that had called.
fn place_lines(place: &Place, columns: usize) -> Vec<Line> {
    let phrase = place.phrase();
    let mut lines = match place.phrases() {
        (Some(function), Some(location)) if 2 + width(&phrase) > columns => {
            vec![Line::plain("  ").with(Style::Strong, function), Line::plain(format!("  {location}"))]
        }
        _ => vec![Line::plain("  ").with(Style::Strong, phrase)],
    };
    lines.extend(place.inside.as_ref().map(|inside| Line::plain(format!("  inside {inside}"))));
    lines.extend(place.called_from.as_ref().map(|caller| Line::plain(format!("  called from {caller}"))));
    lines
}

/// What the cause was concluded from.
fn why_lines(summary: &CrashSummary, options: &Options) -> Vec<Line> {
    labelled(why::points(summary), options)
}

/// Puts labels before their lines: in a column, unless that would take too much of a narrow terminal.
fn labelled(points: Vec<Point>, options: &Options) -> Vec<Line> {
    let longest = points.iter().map(|point| point.label.len()).max().unwrap_or(0);
    let in_column = longest + 4 <= options.columns() / 3;
    let (column, indent) = if in_column { (longest, longest + 4) } else { (0, 4) };
    let mut out = Vec::new();
    for Point { label, lines } in points {
        let labels = std::iter::once(label).chain(std::iter::repeat(""));
        for (label, line) in labels.zip(lines) {
            let label = if column == 0 && label.is_empty() {
                Line::plain("    ")
            } else {
                Line::plain("  ").with(Style::Faint, format!("{label:<column$}  "))
            };
            out.extend(options.broken(label.followed_by(line), indent));
        }
    }
    out
}

/// The thread whose story is told.
fn stack_lines(summary: &CrashSummary, options: &Options) -> Vec<Line> {
    let Some((index, thread)) = main_thread(summary) else { return Vec::new() };
    let stack = stack::story(summary, thread, options);
    let mut lines = Vec::new();
    let crashed = is_crash(summary);
    if crashed && !thread.crashed {
        lines.push(Line::plain("The core does not say which thread crashed."));
    }
    lines.extend(options.broken(title(thread, index + 1, total(summary), thread.crashed && crashed), 2));
    lines.extend(in_terminal(Waits::of(summary).lines(&[thread]), options));
    lines.extend(stack.lines);
    lines.extend(in_terminal(stack.legend.line(), options));
    lines
}

/// Breaks lines that are indented to fit.
fn in_terminal(lines: impl IntoIterator<Item = Line>, options: &Options) -> impl Iterator<Item = Line> {
    lines.into_iter().flat_map(|line| options.broken(line, 4))
}

fn rest_lines(summary: &CrashSummary, options: &Options) -> Vec<Line> {
    let mut lines = Vec::new();
    lines.extend(in_terminal(Waits::of(summary).deadlocks(&summary.deadlocks), options));
    let others = Others::of(summary, options);
    let hidden = others.hidden();
    for group in others.groups {
        lines.push(Line::default());
        lines.extend(options.broken(group.title, 2));
        lines.extend(in_terminal(group.waits, options));
        lines.extend(group.stack);
    }
    lines.extend(in_terminal(others.legend.line(), options));
    if let Some(hidden) = hidden {
        lines.extend([Line::default(), Line::plain(hidden)]);
    }
    let modules = modules::lines(summary, options);
    if !modules.is_empty() {
        lines.extend([Line::default(), Line::default().with(Style::Strong, modules::TITLE)]);
        lines.extend(in_terminal(modules, options));
    }
    let output = output_tail(summary);
    if !output.is_empty() {
        let title = Line::default().with(Style::Strong, format!("{OUTPUT_TAIL}:"));
        lines.extend([Line::default(), title]);
        lines.extend(output.iter().map(|line| Line::plain(format!("  | {line}"))));
    }
    if !summary.warnings.is_empty() {
        lines.extend([Line::default(), Line::default().with(Style::Strong, "Warnings:")]);
        let warnings = summary.warnings.iter().map(|warning| {
            Line::plain("  ").with(Style::Doubt, "- ").with(Style::Plain, clean(&warning.text))
        });
        lines.extend(in_terminal(warnings, options));
    }
    if let Some(signature) = signature(summary) {
        lines.extend([Line::default(), Line::default().with(Style::Faint, signature)]);
    }
    lines
}

/// What to search other crashes for: `signature 3f2a9c0d11223344 (dwarf)`.
pub(crate) fn signature(summary: &CrashSummary) -> Option<String> {
    let signature = summary.signature.as_ref()?;
    let hash = signature.strict.as_deref().or(signature.exact.as_deref())?;
    let basis = match signature.basis {
        Some(Basis::Dwarf) => " (dwarf)",
        Some(Basis::Symtab) => " (symtab)",
        Some(Basis::Address) => " (address)",
        _ => "",
    };
    Some(format!("signature {}{basis}", brief(hash, HASH_LIMIT)))
}

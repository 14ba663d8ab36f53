//! Groups as text: new ones first, each with its crashes' title, where and when they were, and what is like it.

use std::io;

use epitaph_summary::group::{Bucket, Group, GroupReport, Status};

use super::facts;
use crate::line::{Line, Style, width, write_all};
use crate::options::Options;
use crate::quantity::{grouped, plural};

/// The columns that what follows a group's first line is indented by.
const INDENT: usize = 4;

/// Writes the report.
pub(super) fn render(report: &GroupReport, options: &Options, out: &mut dyn io::Write) -> io::Result<()> {
    write_all(&lines(report, options.columns()), options.color, out)
}

fn lines(report: &GroupReport, columns: usize) -> Vec<Line> {
    let mut lines = Line::default().with(Style::Strong, facts::totals(report)).wrapped(columns, INDENT);
    lines.extend(
        facts::comparison(report).into_iter().flat_map(|text| Line::plain(text).wrapped(columns, INDENT)),
    );
    for group in &report.groups {
        lines.push(Line::default());
        lines.extend(group_lines(group, columns));
    }
    if !report.gone.is_empty() {
        lines.push(Line::default());
        let title = format!("Only in the baseline: {}", plural(report.gone.len() as u64, "signature"));
        lines.push(Line::default().with(Style::Strong, title));
        lines.extend(report.gone.iter().flat_map(|bucket| short_lines(bucket, columns)));
    }
    if !report.ignored.is_empty() {
        lines.push(Line::default());
        let title = format!("On purpose: {}", plural(report.ignored_crashes, "crash"));
        lines.push(Line::default().with(Style::Strong, title));
        lines.extend(report.ignored.iter().flat_map(|bucket| short_lines(bucket, columns)));
    }
    lines
}

fn group_lines(group: &Group, columns: usize) -> Vec<Line> {
    let Some((first, others)) = group.buckets.split_first() else { return Vec::new() };
    let mut head = Line::default();
    if let Some(status) = group.status {
        head = head.with(style(status), facts::status(group.status).to_uppercase()).with(Style::Plain, " ");
    }
    let head = head
        .with(Style::Plain, format!("{}x ", grouped(group.count)))
        .with(Style::Strong, facts::title(first));
    let mut lines = head.wrapped(columns, INDENT);
    let seen = facts::seen(group.first_seen.as_deref(), group.last_seen.as_deref());
    lines.extend(details(
        [facts::subject(first), seen, facts::tests(first), facts::jobs(first)],
        Style::Plain,
        columns,
    ));
    lines.extend(details([facts::likeness(first)], Style::Doubt, columns));
    lines.extend(details([facts::example(first), facts::signature(first)], Style::Faint, columns));
    for bucket in others {
        lines.extend(short_lines(bucket, columns));
    }
    lines
}

/// A bucket in one line, as far as it fits.
fn short_lines(bucket: &Bucket, columns: usize) -> Vec<Line> {
    let count = format!("{}+ {}x ", " ".repeat(INDENT), grouped(bucket.count));
    let indent = width(&count);
    let status = bucket.status.filter(|status| *status != Status::Gone);
    let mut line = Line::plain(count);
    if let Some(status) = status {
        line = line.with(style(status), facts::status(Some(status))).with(Style::Plain, " ");
    }
    let seen = facts::seen(bucket.first_seen.as_deref(), bucket.last_seen.as_deref());
    let reason = bucket.ignored.as_deref().map(|reason| crate::escape::clean(reason).into_owned());
    let facts: Vec<String> = [facts::subject(bucket), seen, reason].into_iter().flatten().collect();
    let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) };
    line.with(Style::Plain, facts::title(bucket)).with(Style::Faint, facts).wrapped(columns, indent)
}

/// Facts in one paragraph.
fn details<const N: usize>(facts: [Option<String>; N], style: Style, columns: usize) -> Vec<Line> {
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    if facts.is_empty() {
        return Vec::new();
    }
    Line::plain(" ".repeat(INDENT)).with(style, facts.join("; ")).wrapped(columns, INDENT)
}

fn style(status: Status) -> Style {
    match status {
        Status::New => Style::Alarm,
        Status::Similar => Style::Doubt,
        _ => Style::Faint,
    }
}

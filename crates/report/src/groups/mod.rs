//! Renders what grouping found: which crashes are the same, which are alike, and which are new.

pub(crate) mod facts;
pub(crate) mod junit;
mod markdown;
mod text;

use std::io;

use epitaph_summary::group::GroupReport;

use crate::escape;
use crate::options::Options;

/// What a report of groups is rendered as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GroupFormat {
    /// For people who read a log or a terminal.
    Text,
    /// One indented object.
    Json,
    /// JSON Lines: one object for each group, each with a newline at its end.
    Jsonl,
    /// GitHub-flavoured Markdown, for job summaries and comments; bounded in size.
    Markdown,
    /// One self-contained page.
    Html,
    /// JUnit XML: a test case for each signature, which passes where only the baseline has it.
    Junit,
    /// SARIF 2.1.0: a result for each signature, with its baseline state.
    Sarif,
    /// GitLab's Code Quality report: a finding for each signature.
    Gitlab,
}

/// Writes a report of groups to `out` in `format`. The only errors are those of `out`.
pub fn render_groups(
    report: &GroupReport,
    format: GroupFormat,
    options: &Options,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    match format {
        GroupFormat::Text => text::render(report, options, out),
        GroupFormat::Json => writeln!(out, "{}", escape::json(&serde_json::to_string_pretty(report)?)),
        GroupFormat::Jsonl => report
            .groups
            .iter()
            .try_for_each(|group| writeln!(out, "{}", escape::json(&serde_json::to_string(group)?))),
        GroupFormat::Markdown => markdown::render(report, options, out),
        GroupFormat::Html => crate::html::render_groups(report, out),
        GroupFormat::Junit => junit::render(report, out),
        GroupFormat::Sarif => crate::sarif::render_groups(report, options.repository.as_deref(), out),
        GroupFormat::Gitlab => crate::gitlab::render_groups(report, options.repository.as_deref(), out),
    }
}

#[cfg(test)]
mod tests;

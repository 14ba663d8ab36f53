//! Groups as a Markdown table, never larger than its budget.

use std::io;

use epitaph_summary::group::{Bucket, GroupReport};

use super::facts;
use crate::escape::markdown;
use crate::options::Options;
use crate::quantity::{grouped, plural};

/// What the last line takes at most.
const NOTICE: usize = 100;

/// Writes the report within the budget of `options`.
pub(super) fn render(report: &GroupReport, options: &Options, out: &mut dyn io::Write) -> io::Result<()> {
    let mut left = options.max_bytes.unwrap_or(usize::MAX).saturating_sub(NOTICE);
    let mut text = format!("**{}**\n", markdown(&facts::totals(report)));
    if let Some(comparison) = facts::comparison(report) {
        text = format!("{text}\n{}\n", markdown(&comparison));
    }
    let rows = rows(report);
    if !rows.is_empty() {
        text.push_str("\n| | Crashes | What | Where | Seen | Jobs |\n|---|--:|---|---|---|---|\n");
    }
    left = left.saturating_sub(text.len());
    let mut shown = 0;
    for row in &rows {
        let Some(rest) = left.checked_sub(row.len()) else { break };
        left = rest;
        text.push_str(row);
        shown += 1;
    }
    if shown < rows.len() {
        let rest = plural((rows.len() - shown) as u64, "more signature");
        text = format!("{text}\n{rest} did not fit into this page.\n");
    }
    out.write_all(text.as_bytes())
}

/// A row for each signature: those of a group one below the other.
fn rows(report: &GroupReport) -> Vec<String> {
    let grouped_rows = report.groups.iter().flat_map(|group| {
        group.buckets.iter().enumerate().map(|(number, bucket)| {
            row(facts::status(bucket.status), if number == 0 { "" } else { "↳ " }, bucket)
        })
    });
    let gone = report.gone.iter().map(|bucket| row("gone", "", bucket));
    let ignored = report.ignored.iter().map(|bucket| row("on purpose", "", bucket));
    grouped_rows.chain(gone).chain(ignored).collect()
}

fn row(status: &str, mark: &str, bucket: &Bucket) -> String {
    let cell = |text: Option<String>| text.map(|text| markdown(&text)).unwrap_or_default();
    let status = if status == "new" { "**new**" } else { status };
    let place =
        [facts::subject(bucket), facts::tests(bucket)].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let like = facts::likeness(bucket).map(|text| format!("<br>{}", markdown(&text))).unwrap_or_default();
    format!(
        "| {status} | {} | {mark}{}{like} | {} | {} | {} |\n",
        grouped(bucket.count),
        markdown(&facts::title(bucket)),
        markdown(&place),
        cell(facts::seen(bucket.first_seen.as_deref(), bucket.last_seen.as_deref())),
        cell(facts::jobs(bucket)),
    )
}

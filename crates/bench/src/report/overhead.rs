//! What running under `epitaph run` costs, as Markdown.

use std::fmt::{self, Write};

use super::Results;
use super::markdown::{machine, remarks, verdict};
use super::quantity::seconds;

/// Writes a table of the commands: alone, under `epitaph run`, and what that adds.
///
/// # Errors
/// Those of `out`.
pub fn overhead(results: &Results, out: &mut dyn Write) -> fmt::Result {
    machine(&results.machine, out)?;
    writeln!(out, "| command | epitaph run | alone | with it | added | runs | promised | |")?;
    writeln!(out, "|---|---|---|---|---|---|---|---|")?;
    for cost in &results.costs {
        let sign = if cost.added < 0.0 { "−" } else { "" };
        let share = cost.added / cost.alone.median.wall * 100.0;
        let (promised, held) = match &cost.promise {
            Some(judged) => (judged.goal.as_str(), verdict(judged.holds)),
            None => ("", ""),
        };
        writeln!(
            out,
            "| {} | {} | {} | {} | {sign}{} ({share:.1} %) | {} | {promised} | {held} |",
            cost.title,
            cost.way.name(),
            seconds(cost.alone.median.wall),
            seconds(cost.with.median.wall),
            seconds(cost.added.abs()),
            cost.with.runs,
        )?;
    }
    writeln!(out)?;
    remarks(results, out)
}

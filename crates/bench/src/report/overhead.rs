//! What running under `epitaph run` costs, as Markdown: a table of the commands, written row by row.

use std::fmt::{self, Write};

use super::markdown::{machine, verdict};
use super::quantity::seconds;
use crate::machine::Machine;
use crate::overhead::Cost;

/// Writes where and with what is measured, and the table's heading.
///
/// # Errors
/// Those of `out`.
pub fn heading(on: &Machine, out: &mut dyn Write) -> fmt::Result {
    machine(on, out)?;
    writeln!(out, "Medians of turns; of what is added also the middle half of the turns.\n")?;
    writeln!(
        out,
        "| command | epitaph run | alone | with it | added | half of the turns | CPU added | runs | promised | |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|---|")
}

/// Writes a command's row: alone, under `epitaph run`, and what that adds.
///
/// # Errors
/// Those of `out`.
pub fn row(cost: &Cost, out: &mut dyn Write) -> fmt::Result {
    let (promised, held) = match &cost.promise {
        Some(judged) => (judged.goal.as_str(), verdict(judged.holds)),
        None => ("", ""),
    };
    let (low, high) = cost.spread;
    writeln!(
        out,
        "| {} | {} | {} | {} | {} ({:+.1} %) | {} to {} | {} | {} | {promised} | {held} |",
        cost.title,
        cost.way.name(),
        seconds(cost.alone.median.wall),
        seconds(cost.with.median.wall),
        signed(cost.added),
        (cost.ratio - 1.0) * 100.0,
        signed(low),
        signed(high),
        signed(cost.added_cpu),
        cost.with.runs,
    )
}

/// Says a difference of times: what is less has a sign.
fn signed(difference: f64) -> String {
    let sign = if difference < 0.0 { "−" } else { "" };
    format!("{sign}{}", seconds(difference.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overhead::Way;
    use crate::{Figures, Sample};

    #[test]
    fn a_row_says_what_is_added_and_how_sure_that_is() {
        let figures = |wall| Figures::of(&[Sample { cpu: 0.001, wall, rss: 0.0 }]).unwrap();
        let cost = Cost {
            title: "true(1)",
            way: Way::Traced,
            alone: figures(0.010),
            with: figures(0.012),
            added: 0.002,
            spread: (-0.001, 0.003),
            added_cpu: 0.0015,
            ratio: 1.2,
            promise: None,
        };
        let mut text = String::new();
        row(&cost, &mut text).unwrap();
        assert_eq!(
            text,
            "| true(1) | traced | 10 ms | 12 ms | 2.0 ms (+20.0 %) | −1.0 ms to 3.0 ms | 1.5 ms | 1 |  |  |\n"
        );
    }
}

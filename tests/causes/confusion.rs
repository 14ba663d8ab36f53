//! The table of classes: what was right, what was said, and how surely.

use std::collections::BTreeMap;
use std::fmt;

use epitaph_summary::Confidence;

use super::judge::Said;

/// How often one class was taken for another, or for itself, by confidence.
#[derive(Default)]
struct Row {
    is_right: bool,
    high: usize,
    medium: usize,
    low: usize,
}

/// The table.
pub(super) struct Confusion {
    rows: BTreeMap<(String, String), Row>,
}

impl Confusion {
    pub(super) fn of<'a>(all: impl IntoIterator<Item = &'a Said>) -> Confusion {
        let mut rows: BTreeMap<(String, String), Row> = BTreeMap::new();
        for said in all {
            let expected = said.case.truth.classes.join(" or ");
            let got = if said.class.is_empty() { "nothing" } else { &said.class };
            let row = rows.entry((expected, got.to_owned())).or_default();
            row.is_right = said.is_right();
            match said.confidence {
                Confidence::High => row.high += 1,
                Confidence::Medium => row.medium += 1,
                _ => row.low += 1,
            }
        }
        Confusion { rows }
    }
}

impl fmt::Display for Confusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = |of: fn(&(String, String)) -> &str, title: &str| {
            self.rows.keys().map(|key| of(key).len()).chain([title.len()]).max().unwrap_or_default()
        };
        let (right, said) = (widest(|key| &key.0, "right"), widest(|key| &key.1, "said"));
        writeln!(f, "| {:right$} | {:said$} | high | medium | low |       |", "right", "said")?;
        writeln!(f, "|-{:-<right$}-|-{:-<said$}-|-----:|-------:|----:|-------|", "", "")?;
        for ((expected, got), row) in &self.rows {
            let mark = match row {
                Row { is_right: true, .. } => "     ",
                Row { high: 0, .. } => "wrong",
                _ => "WRONG",
            };
            let Row { high, medium, low, .. } = row;
            writeln!(f, "| {expected:right$} | {got:said$} | {high:4} | {medium:6} | {low:3} | {mark} |")?;
        }
        let sum = |of: fn(&Row) -> usize| self.rows.values().map(of).sum::<usize>();
        let wrong =
            |of: fn(&Row) -> usize| self.rows.values().filter(|row| !row.is_right).map(of).sum::<usize>();
        let (high, medium, low) = (|row: &Row| row.high, |row: &Row| row.medium, |row: &Row| row.low);
        writeln!(
            f,
            "{} deaths: {} said with high confidence ({} wrong), {} with medium ({} wrong), {} with low ({} wrong)",
            sum(high) + sum(medium) + sum(low),
            sum(high),
            wrong(high),
            sum(medium),
            wrong(medium),
            sum(low),
            wrong(low)
        )
    }
}

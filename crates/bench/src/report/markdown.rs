//! Results as Markdown.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::Results;
use super::quantity::{bytes, seconds, times};
use crate::Figures;
use crate::cases::{Compared, Work};
use crate::growth::{Grown, Verdict};
use crate::machine::Machine;
use crate::rounds::{Outcome, Standing};

/// Writes the comparisons: a table for each kind of work, with a column for each tool; the promises; what is missing.
///
/// # Errors
/// Those of `out`.
pub fn comparison(results: &Results, out: &mut dyn Write) -> fmt::Result {
    machine(&results.machine, out)?;
    let mut works: BTreeMap<Work, Vec<&Compared>> = BTreeMap::new();
    for compared in &results.compared {
        // Those at which the same tools compete share a table.
        let table = match compared.work {
            Work::ReadRecursion => Work::Read,
            Work::ReadPiped | Work::SlimPiped => Work::Slim,
            other => other,
        };
        works.entry(table).or_default().push(compared);
    }
    if !works.is_empty() {
        writeln!(out, "CPU · wall · peak memory, medians; and how many times epitaph's CPU that is.\n")?;
    }
    for compared in works.values() {
        table(compared, out)?;
    }
    goals(&results.compared, out)?;
    remarks(results, out)
}

/// Writes the series, a table each.
///
/// # Errors
/// Those of `out`.
pub fn growth(results: &Results, out: &mut dyn Write) -> fmt::Result {
    machine(&results.machine, out)?;
    for grown in &results.grown {
        series(grown, out)?;
    }
    remarks(results, out)
}

pub(super) fn machine(machine: &Machine, out: &mut dyn Write) -> fmt::Result {
    let Machine { date, cpu, processors, kernel, load, tools } = machine;
    let load = load.as_deref().map(|load| format!(", load {load} at the start")).unwrap_or_default();
    writeln!(out, "{date}, {cpu}, {processors} processors, Linux {kernel}{load}. {}.\n", tools.join(", "))
}

fn table(compared: &[&Compared], out: &mut dyn Write) -> fmt::Result {
    let tools: Vec<_> = compared.first().iter().flat_map(|one| &one.standings).map(|one| one.tool).collect();
    let names: Vec<&str> = tools.iter().map(|tool| tool.name()).collect();
    writeln!(out, "| core | {} |", names.join(" | "))?;
    writeln!(out, "|---|{}", "---|".repeat(names.len()))?;
    for one in compared {
        let ours = one.standings.first().and_then(Standing::figures);
        let cells: Vec<String> = one.standings.iter().map(|standing| cell(standing, ours)).collect();
        writeln!(out, "| {} | {} |", one.title, cells.join(" | "))?;
    }
    writeln!(out)
}

/// Says what a tool took, and how many times ours that is.
fn cell(standing: &Standing, ours: Option<Figures>) -> String {
    match &standing.outcome {
        Outcome::Measured(figures) => {
            let median = figures.median;
            let own = format!("{} · {} · {}", seconds(median.cpu), seconds(median.wall), bytes(median.rss));
            match ours.filter(|ours| ours != figures) {
                Some(ours) => format!("{own} ({})", times(median.cpu / ours.median.cpu)),
                None => own,
            }
        }
        Outcome::Failed(_) => "failed".to_owned(),
        Outcome::TimedOut(limit) => format!("killed after {}", seconds(*limit)),
        Outcome::Missing => "not installed".to_owned(),
    }
}

fn goals(compared: &[Compared], out: &mut dyn Write) -> fmt::Result {
    if compared.is_empty() {
        return Ok(());
    }
    writeln!(out, "| core | goal | measured | |\n|---|---|---|---|")?;
    for one in compared {
        for judged in &one.goals {
            let verdict = verdict(judged.holds);
            writeln!(out, "| {} | {} | {} | {verdict} |", one.title, judged.goal, judged.measured)?;
        }
    }
    writeln!(out)
}

/// Says whether a promise holds.
pub(super) fn verdict(holds: Option<bool>) -> &'static str {
    match holds {
        Some(true) => "ok",
        Some(false) => "**over**",
        None => "?",
    }
}

fn series(grown: &Grown, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "**{}**\n", grown.title)?;
    writeln!(
        out,
        "| {} | CPU | per {} | wall | peak memory |\n|---|---|---|---|---|",
        grown.unit, grown.per
    )?;
    for point in &grown.points {
        let median = point.figures.median;
        writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            grouped(point.units),
            seconds(median.cpu),
            seconds(median.cpu / point.units as f64),
            seconds(median.wall),
            bytes(median.rss),
        )?;
    }
    let [time, memory] = [("CPU", grown.cpu), ("memory", grown.memory)].map(|(what, verdict)| {
        let Some(verdict) = verdict else { return format!("too few points to say how {what} grows") };
        let how = match verdict {
            Verdict::Hardly => "hardly grows".to_owned(),
            Verdict::WithExponent(exponent) => format!("grows with exponent {exponent:.2}"),
        };
        let linear = if verdict.is_linear() { "ok" } else { "**worse than linear**" };
        format!("{what} {how}: {linear}")
    });
    writeln!(out, "\n{time}; {memory} (1 is linear; of the last steps, less what the first takes).\n")
}

/// Writes what failed and what did not take place.
///
/// # Errors
/// Those of `out`.
pub fn remarks(results: &Results, out: &mut dyn Write) -> fmt::Result {
    let failures = results.compared.iter().flat_map(|one| {
        one.standings.iter().filter_map(|standing| match &standing.outcome {
            Outcome::Failed(why) => Some(format!("{}: {} failed: {why}", one.name, standing.tool.name())),
            _ => None,
        })
    });
    let skipped = results.skipped.iter().map(|skipped| format!("{}: skipped: {}", skipped.name, skipped.why));
    for remark in failures.chain(skipped) {
        writeln!(out, "- {remark}")?;
    }
    Ok(())
}

/// Writes a number with a comma between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sample;
    use crate::cases::Goal;
    use crate::growth::Point;
    use crate::report::Skipped;
    use crate::tools::Tool;

    fn figures(cpu: f64) -> Figures {
        Figures::of(&[Sample { cpu, wall: cpu * 2.0, rss: 9.5e6 }]).unwrap()
    }

    fn results() -> Results {
        let standing = |tool, outcome| Standing { tool, outcome };
        let standings = vec![
            standing(Tool::Epitaph, Outcome::Measured(figures(0.004))),
            standing(Tool::Gdb, Outcome::Measured(figures(0.4))),
            standing(Tool::EuStack, Outcome::TimedOut(120.0)),
            standing(Tool::Lldb, Outcome::Failed("spoil is not in its output".to_owned())),
            standing(Tool::Coretriage, Outcome::Missing),
        ];
        let goals = vec![Goal::CpuMs(5.0).judge(1, &standings), Goal::MemoryMb(9.0).judge(1, &standings)];
        Results {
            machine: Machine {
                date: "2026-11-23".to_owned(),
                cpu: "A CPU".to_owned(),
                processors: 2,
                kernel: "6.18".to_owned(),
                load: None,
                tools: vec!["gdb 13.1".to_owned()],
            },
            compared: vec![Compared {
                name: "small",
                title: "small core",
                work: Work::Read,
                core_size: 1,
                standings,
                goals,
            }],
            grown: vec![Grown {
                title: "Threads".to_owned(),
                unit: "threads",
                per: "thread",
                points: vec![
                    Point { units: 1000, figures: figures(0.001) },
                    Point { units: 10_000, figures: figures(0.1) },
                ],
                cpu: Some(Verdict::WithExponent(2.0)),
                memory: Some(Verdict::Hardly),
            }],
            costs: Vec::new(),
            skipped: vec![Skipped { name: "heap-4g".to_owned(), why: "no room".to_owned() }],
        }
    }

    #[test]
    fn a_comparison_is_a_table_with_ratios_and_says_what_is_missing() {
        let mut text = String::new();
        comparison(&results(), &mut text).unwrap();
        let expected = "\
2026-11-23, A CPU, 2 processors, Linux 6.18. gdb 13.1.

CPU · wall · peak memory, medians; and how many times epitaph's CPU that is.

| core | epitaph | gdb | eu-stack | lldb | coretriage |
|---|---|---|---|---|---|
| small core | 4.0 ms · 8.0 ms · 9.5 MB | 400 ms · 800 ms · 9.5 MB (100×) | killed after 120 s | failed | not installed |

| core | goal | measured | |
|---|---|---|---|
| small core | at most 5.0 ms of CPU | 4.0 ms | ok |
| small core | at most 9 MB | 9.5 MB | **over** |

- small: lldb failed: spoil is not in its output
- heap-4g: skipped: no room
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_series_says_what_one_unit_costs_and_how_that_grows() {
        let mut text = String::new();
        growth(&results(), &mut text).unwrap();
        assert!(text.contains("| 10,000 | 100 ms | 10 µs | 200 ms | 9.5 MB |"), "{text}");
        let verdict = "CPU grows with exponent 2.00: **worse than linear**; memory hardly grows: ok";
        assert!(text.contains(verdict), "{text}");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(262_144), "262,144");
        assert_eq!(grouped(1_000), "1,000");
    }
}

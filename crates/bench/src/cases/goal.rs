//! What is promised of epitaph, and whether it holds.

use serde::Serialize;

use crate::Figures;
use crate::report::quantity::{bytes, seconds};
use crate::rounds::Standing;
use crate::tools::Tool;

/// A promise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// Processor time, in milliseconds.
    CpuMs(f64),
    /// Peak memory, in megabytes (10⁶ bytes).
    MemoryMb(f64),
    /// A tool takes at least this many times epitaph's processor time.
    TimesFaster(Tool, f64),
    /// Epitaph has at least this share of a tool's speed, on the clock.
    ShareOfSpeed(Tool, f64),
    /// It gets through at least this many bytes of core per second of processor time.
    BytesPerSecond(f64),
}

/// A promise, and what was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// The promise.
    pub goal: String,
    /// What was measured instead, or why nothing was.
    pub measured: String,
    /// Whether it holds; unknown where nothing was measured.
    pub holds: Option<bool>,
}

impl Goal {
    /// Compares the promise with how the tools did at a core of `core_size` bytes.
    pub fn judge(self, core_size: u64, standings: &[Standing]) -> Judged {
        let of = |tool| standings.iter().find(|one| one.tool == tool).and_then(Standing::figures);
        let ours = of(Tool::Epitaph);
        let with_peer = |tool, figure: fn(&Figures) -> f64| Some((figure(&ours?), figure(&of(tool)?)));
        let (goal, measured) = match self {
            Goal::CpuMs(most) => {
                let cpu = ours.map(|ours| ours.median.cpu);
                (
                    format!("at most {} of CPU", seconds(most / 1e3)),
                    cpu.map(|cpu| (seconds(cpu), cpu <= most / 1e3)),
                )
            }
            Goal::MemoryMb(most) => {
                let rss = ours.map(|ours| ours.median.rss);
                (format!("at most {}", bytes(most * 1e6)), rss.map(|rss| (bytes(rss), rss <= most * 1e6)))
            }
            Goal::TimesFaster(tool, least) => {
                let ratio = with_peer(tool, |figures| figures.median.cpu).map(|(ours, peer)| peer / ours);
                (format!("{least:.0}× less CPU than {}", tool.name()), ratio.map(|ratio| times(ratio, least)))
            }
            Goal::ShareOfSpeed(tool, least) => {
                let ratio = with_peer(tool, |figures| figures.median.wall).map(|(ours, peer)| peer / ours);
                (
                    format!("{least:.1}× the speed of {} on the clock", tool.name()),
                    ratio.map(|ratio| times(ratio, least)),
                )
            }
            Goal::BytesPerSecond(least) => {
                let speed = ours.map(|ours| core_size as f64 / ours.median.cpu);
                (
                    format!("{}/s of core per processor", bytes(least)),
                    speed.map(|speed| (format!("{}/s", bytes(speed)), speed >= least)),
                )
            }
        };
        match measured {
            Some((measured, holds)) => Judged { goal, measured, holds: Some(holds) },
            None => Judged { goal, measured: "not measured".to_owned(), holds: None },
        }
    }
}

fn times(ratio: f64, least: f64) -> (String, bool) {
    (format!("{ratio:.1}×"), ratio >= least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sample;
    use crate::rounds::Outcome;

    fn standing(tool: Tool, cpu: f64, wall: f64, rss: f64) -> Standing {
        let figures = Figures::of(&[Sample { cpu, wall, rss }]).unwrap();
        Standing { tool, outcome: Outcome::Measured(figures) }
    }

    #[test]
    fn promises_are_held_against_what_was_measured() {
        let standings = [standing(Tool::Epitaph, 0.004, 0.01, 9e6), standing(Tool::Gdb, 0.2, 0.008, 60e6)];
        let holds = |goal: Goal| goal.judge(2_000_000, &standings).holds;
        assert_eq!(holds(Goal::CpuMs(5.0)), Some(true));
        assert_eq!(holds(Goal::CpuMs(3.9)), Some(false));
        assert_eq!(holds(Goal::MemoryMb(8.9)), Some(false));
        assert_eq!(holds(Goal::TimesFaster(Tool::Gdb, 49.0)), Some(true));
        assert_eq!(holds(Goal::TimesFaster(Tool::Gdb, 51.0)), Some(false));
        assert_eq!(holds(Goal::ShareOfSpeed(Tool::Gdb, 0.9)), Some(false));
        assert_eq!(holds(Goal::BytesPerSecond(5e8)), Some(true));
        assert_eq!(holds(Goal::BytesPerSecond(6e8)), Some(false));
    }

    #[test]
    fn what_a_missing_tool_takes_is_unknown() {
        let standings = [standing(Tool::Epitaph, 0.004, 0.01, 9e6)];
        let judged = Goal::TimesFaster(Tool::Gdb, 10.0).judge(1, &standings);
        assert_eq!((judged.holds, judged.measured.as_str()), (None, "not measured"));
    }
}

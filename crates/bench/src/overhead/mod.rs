//! What `epitaph run` adds to the commands that it runs.
//!
//! Each command takes turns with itself under `epitaph run`, so that a busy minute of the machine hits both; what is added
//! is the median of the differences within the turns.

mod jobs;
mod way;

pub use jobs::{Job, Promise, jobs};
pub use way::Way;

use serde::Serialize;

use crate::cases::Judged;
use crate::report::quantity::seconds;
use crate::run::{Ran, Runner, Task};
use crate::sample::{median, quartiles};
use crate::{BenchError, Figures, Sample};

/// What a way of running costs a command.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// The command, for people.
    pub title: &'static str,
    /// How it is run.
    pub way: Way,
    /// What the command takes alone.
    pub alone: Figures,
    /// What it takes under `epitaph run`, with that.
    pub with: Figures,
    /// What is added on the clock, in seconds: the median of the turns.
    pub added: f64,
    /// The lower and the upper quartile of that: half of the turns lie between them.
    pub spread: (f64, f64),
    /// What is added of processor time, in seconds: the median of the turns.
    pub added_cpu: f64,
    /// How many times as long it takes: the median of the turns.
    pub ratio: f64,
    /// What was promised, and what was measured.
    pub promise: Option<Judged>,
}

impl Cost {
    /// Makes it of the turns: the command alone, and with `epitaph run`.
    fn of(job: &Job, way: Way, turns: &[(Sample, Sample)]) -> Option<Cost> {
        let (alone, with): (Vec<Sample>, Vec<Sample>) = turns.iter().copied().unzip();
        let (alone, with) = (Figures::of(&alone)?, Figures::of(&with)?);
        let each = |figure: fn(&Sample, &Sample) -> f64| -> Vec<f64> {
            turns.iter().map(|(alone, with)| figure(alone, with)).collect()
        };
        let longer = each(|alone, with| with.wall - alone.wall);
        let added = median(longer.clone())?;
        let promise = job.promise(way).map(|promise| promise.judge(added, alone.median.wall));
        Some(Cost {
            title: job.title,
            way,
            alone,
            with,
            added,
            spread: quartiles(longer)?,
            added_cpu: median(each(|alone, with| with.cpu - alone.cpu))?,
            ratio: median(each(|alone, with| with.wall / alone.wall))?,
            promise,
        })
    }
}

impl Promise {
    /// Holds it against seconds that were added to others.
    fn judge(self, added: f64, alone: f64) -> Judged {
        let (goal, measured, holds) = match self {
            Promise::Added(most) => {
                (format!("at most {} more", seconds(most)), seconds(added.max(0.0)), added <= most)
            }
            Promise::Share(most) => {
                let share = added / alone;
                let percent = |share: f64| format!("{:.1} %", share * 100.0);
                (format!("at most {} more", percent(most)), percent(share), share <= most)
            }
        };
        Judged { goal, measured, holds: Some(holds) }
    }
}

/// Lets a command take turns with itself under `epitaph`; what fails is said.
///
/// # Errors
/// When something fails that is not the command's fault.
pub fn measure(
    runner: &Runner,
    epitaph: &std::path::Path,
    job: &Job,
    way: Way,
    rounds: usize,
) -> Result<Result<Cost, String>, BenchError> {
    let _pattern = match way.prepare(runner.folder()) {
        Ok(pattern) => pattern,
        Err(why) => return Ok(Err(why)),
    };
    if let Err(why) = job.prepare(runner.folder())? {
        return Ok(Err(why));
    }
    let (alone, with) = (job.task(), way.task(epitaph, runner.folder(), &job.task()));
    let mut turns = Vec::new();
    for round in 0..=rounds {
        match (turn(runner, &alone)?, turn(runner, &with)?) {
            // The first warms the page cache, and makes the output folder.
            (Ok(_), Ok(_)) if round == 0 => {}
            (Ok(alone), Ok(with)) => turns.push((alone, with)),
            (Err(why), _) | (_, Err(why)) => return Ok(Err(why)),
        }
    }
    Ok(Cost::of(job, way, &turns).ok_or_else(|| "it was never measured".to_owned()))
}

fn turn(runner: &Runner, task: &Task) -> Result<Result<Sample, String>, BenchError> {
    Ok(match runner.run(task)? {
        Ran::Ended { sample, status: 0 } => Ok(sample),
        Ran::Ended { status, .. } => Err(format!("status {status}: {}", runner.complaint()?)),
        Ran::TimedOut => Err(format!("killed after {}", seconds(runner.limit().as_secs_f64()))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_the_median_of_the_turns() {
        let sample = |wall| Sample { cpu: 0.0, wall, rss: 0.0 };
        // The machine was busy in the second turn.
        let turns = [(1.0, 1.001), (9.0, 9.003), (1.0, 1.002)].map(|(a, b)| (sample(a), sample(b)));
        let job = jobs().into_iter().find(|job| job.promise(Way::OnePlace).is_some()).unwrap();
        let cost = Cost::of(&job, Way::OnePlace, &turns).unwrap();
        assert!((cost.added - 0.002).abs() < 1e-9 && (cost.ratio - 1.001).abs() < 1e-9, "{cost:?}");
        assert!((cost.spread.0 - 0.001).abs() < 1e-9 && (cost.spread.1 - 0.003).abs() < 1e-9, "{cost:?}");
        assert!(Cost::of(&job, Way::OnePlace, &[]).is_none());
    }

    #[test]
    fn promises_are_of_time_or_of_a_share() {
        let judged = Promise::Added(0.002).judge(0.003, 1.0);
        assert_eq!((judged.measured.as_str(), judged.holds), ("3.0 ms", Some(false)));
        let judged = Promise::Share(0.05).judge(0.03, 1.0);
        assert_eq!((judged.goal.as_str(), judged.measured.as_str()), ("at most 5.0 % more", "3.0 %"));
        assert_eq!(judged.holds, Some(true));
    }
}

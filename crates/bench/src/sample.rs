//! What one run took, and the middle of several.

use serde::{Deserialize, Serialize};

/// What one run of a process took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Processor time of the process and of those it started, in user and kernel mode, in seconds.
    pub cpu: f64,
    /// Time on the clock, in seconds.
    pub wall: f64,
    /// The most memory that was resident at once (of the largest process, where there were several), in bytes.
    pub rss: f64,
}

/// The medians of several runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// The median of each figure.
    #[serde(flatten)]
    pub median: Sample,
    /// The run with the least processor time had this much, in seconds: what a quiet machine would show.
    pub least_cpu: f64,
    /// How many runs there were.
    pub runs: usize,
}

impl Figures {
    /// Returns the medians of some runs, unless there are none.
    pub fn of(samples: &[Sample]) -> Option<Figures> {
        let all = |figure: fn(&Sample) -> f64| samples.iter().map(figure).collect::<Vec<_>>();
        let median = Sample {
            cpu: median(all(|sample| sample.cpu))?,
            wall: median(all(|sample| sample.wall))?,
            rss: median(all(|sample| sample.rss))?,
        };
        let least_cpu = all(|sample| sample.cpu).into_iter().fold(f64::INFINITY, f64::min);
        Some(Figures { median, least_cpu, runs: samples.len() })
    }
}

/// Returns the middle of some numbers; of an even count the mean of the two in the middle.
pub(crate) fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let upper = *numbers.get(numbers.len() / 2)?;
    let lower = *numbers.get(numbers.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(lower, upper))
}

/// Returns the numbers that a quarter of some numbers lie below, and above (of few numbers the nearest ones outside).
pub(crate) fn quartiles(mut numbers: Vec<f64>) -> Option<(f64, f64)> {
    numbers.sort_by(f64::total_cmp);
    let below = numbers.len().checked_sub(1)? / 4;
    Some((*numbers.get(below)?, *numbers.get(numbers.len() - 1 - below)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }

    #[test]
    fn half_of_the_numbers_lie_between_the_quartiles() {
        assert_eq!(quartiles(vec![]), None);
        assert_eq!(quartiles(vec![3.0, 1.0]), Some((1.0, 3.0)));
        assert_eq!(quartiles((1..=9).rev().map(f64::from).collect()), Some((3.0, 7.0)));
    }

    #[test]
    fn each_figure_has_its_own_median() {
        let sample = |cpu, wall, rss| Sample { cpu, wall, rss };
        let figures =
            Figures::of(&[sample(1.0, 30.0, 5.0), sample(2.0, 10.0, 7.0), sample(3.0, 20.0, 6.0)]).unwrap();
        assert_eq!(figures.median, sample(2.0, 20.0, 6.0));
        assert_eq!((figures.least_cpu, figures.runs), (1.0, 3));
        assert_eq!(Figures::of(&[]), None);
    }
}

//! How epitaph's cost follows the size of what it reads.

mod axes;
mod exponent;

pub use axes::{Axis, axes};
pub use exponent::exponent;

use serde::Serialize;

use crate::Figures;

/// Up to this exponent, growth counts as linear: what is left is noise, and caches that no longer suffice.
const LINEAR: f64 = 1.15;
/// How many of the last points say how the cost grows.
const LAST: usize = 3;
/// What costs less than this many times what the smallest does hardly grows: an exponent would be made of noise.
const GROWS: f64 = 2.0;

/// A series of measurements.
#[derive(Clone, Debug, Serialize)]
pub struct Grown {
    /// What grows, for people.
    pub title: String,
    /// What is counted.
    pub unit: &'static str,
    /// One of them.
    pub per: &'static str,
    /// The measurements, the smallest first.
    pub points: Vec<Point>,
    /// How processor time grows.
    pub cpu: Option<Verdict>,
    /// How peak memory grows.
    pub memory: Option<Verdict>,
}

/// One measurement of a series.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    /// How many there are of what grows.
    pub units: u64,
    /// What epitaph took.
    pub figures: Figures,
}

/// How a cost grows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The largest costs hardly more than the smallest.
    Hardly,
    /// What is added to the cost of the smallest is proportional to size to the power of this.
    WithExponent(f64),
}

impl Verdict {
    /// Judges costs by size, the smallest first; nothing can be said of fewer than three.
    ///
    /// What every run costs is in the cost of the smallest, and is taken off: else it would cover how the rest grows.
    pub fn of(costs: &[(f64, f64)]) -> Option<Verdict> {
        let ((_, base), (_, most)) = (*costs.first()?, *costs.last()?);
        if costs.len() < LAST {
            return None;
        }
        if most < base * GROWS {
            return Some(Verdict::Hardly);
        }
        let last = costs.get(costs.len() - LAST..)?;
        let added: Vec<(f64, f64)> = last.iter().map(|(size, cost)| (*size, cost - base)).collect();
        exponent(&added).map(Verdict::WithExponent)
    }

    /// Tells whether that is linear or better.
    pub fn is_linear(self) -> bool {
        match self {
            Verdict::Hardly => true,
            Verdict::WithExponent(exponent) => exponent <= LINEAR,
        }
    }
}

impl Grown {
    /// Judges measurements.
    pub fn new(axis: &Axis, points: Vec<Point>) -> Grown {
        let verdict = |cost: fn(&Point) -> f64| {
            let costs: Vec<_> = points.iter().map(|point| (point.units as f64, cost(point))).collect();
            Verdict::of(&costs)
        };
        let cpu = verdict(|point| point.figures.median.cpu);
        let memory = verdict(|point| point.figures.median.rss);
        Grown { title: axis.title.to_owned(), unit: axis.unit, per: axis.per, points, cpu, memory }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cost: fn(f64) -> f64) -> Verdict {
        Verdict::of(&[1.0, 10.0, 100.0, 1000.0].map(|size| (size, cost(size)))).unwrap()
    }

    #[test]
    fn what_every_run_costs_doesnt_hide_how_the_rest_grows() {
        let Verdict::WithExponent(exponent) = of(|size| 1000.0 + size * size / 10.0) else { panic!() };
        assert!((exponent - 2.0).abs() < 0.01, "{exponent}");
        assert!(!of(|size| 1000.0 + size * size / 10.0).is_linear());
        assert!(of(|size| 100.0 + size).is_linear());
    }

    #[test]
    fn noise_is_no_growth() {
        assert_eq!(of(|size| 5.0 + (size % 7.0) / 7.0), Verdict::Hardly);
        assert!(Verdict::Hardly.is_linear());
    }

    #[test]
    fn two_points_say_too_little() {
        assert_eq!(Verdict::of(&[(1.0, 1.0), (10.0, 100.0)]), None);
        assert_eq!(Verdict::of(&[]), None);
    }
}

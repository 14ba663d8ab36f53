//! How epitaph's cost follows the size of what it reads.

mod axes;
mod exponent;

pub use axes::{Axis, axes};
pub use exponent::exponent;

use serde::Serialize;

use crate::Figures;

/// Up to this exponent, growth counts as linear: what is left is noise, and caches that no longer suffice.
const LINEAR: f64 = 1.15;
/// How many of the last points say how the cost grows: before them, what every run costs covers it.
const LAST: usize = 3;

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
pub struct Verdict {
    /// Cost is proportional to size to the power of this.
    pub exponent: f64,
    /// Whether that is linear or better.
    pub linear: bool,
}

impl Grown {
    /// Judges measurements.
    pub fn new(axis: &Axis, points: Vec<Point>) -> Grown {
        let last = points.get(points.len().saturating_sub(LAST)..).unwrap_or_default();
        let verdict = |cost: fn(&Point) -> f64| {
            let costs: Vec<(f64, f64)> = last.iter().map(|point| (point.units as f64, cost(point))).collect();
            exponent(&costs).map(|exponent| Verdict { exponent, linear: exponent <= LINEAR })
        };
        let cpu = verdict(|point| point.figures.median.cpu);
        let memory = verdict(|point| point.figures.median.rss);
        Grown { title: axis.title.to_owned(), unit: axis.unit, per: axis.per, points, cpu, memory }
    }
}

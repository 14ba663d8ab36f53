//! Results, for people and for programs.

mod markdown;
pub mod overhead;
pub(crate) mod quantity;

pub use markdown::{comparison, growth, remarks};

use serde::Serialize;

use crate::cases::Compared;
use crate::growth::Grown;
use crate::machine::Machine;
use crate::overhead::Cost;

/// A comparison that did not take place.
#[derive(Debug, Serialize)]
pub struct Skipped {
    /// The case's name.
    pub name: String,
    /// Why.
    pub why: String,
}

/// Everything that was measured in one go.
#[derive(Debug, Serialize)]
pub struct Results {
    /// Where and with what.
    pub machine: Machine,
    /// The comparisons.
    pub compared: Vec<Compared>,
    /// The series.
    pub grown: Vec<Grown>,
    /// What `epitaph run` costs.
    pub costs: Vec<Cost>,
    /// What did not take place.
    pub skipped: Vec<Skipped>,
}

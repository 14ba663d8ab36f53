//! What could not be read, of many files.

use std::fmt;

use epitaph_summary::Warning;

/// How many problems are told one by one.
const TOLD: usize = 20;

/// Why something could not be read: `FILE: WHY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(String);

impl Problem {
    /// Makes a problem with a file, or with another thing that has a name.
    pub fn new(name: impl fmt::Display, why: impl fmt::Display) -> Problem {
        Problem(format!("{name}: {why}"))
    }
}

/// Problems, counted. The first ones are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    first: Vec<Problem>,
    count: u64,
}

impl Problems {
    /// Adds one.
    pub fn add(&mut self, problem: Problem) {
        self.count += 1;
        if self.first.len() < TOLD {
            self.first.push(problem);
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns a warning for each of the first ones, and one for the others.
    pub fn warnings(&self) -> Vec<Warning> {
        let told = self.first.iter().map(|Problem(text)| Warning::new("summary_unreadable", text.as_str()));
        let others = self.count - self.first.len() as u64;
        let rest = (others > 0)
            .then(|| Warning::new("summary_unreadable", format!("{others} more could not be read")));
        told.chain(rest).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_problems_is_counted() {
        let mut problems = Problems::default();
        for number in 0..1000 {
            problems.add(Problem::new(number, "broken"));
        }
        let warnings = problems.warnings();
        assert_eq!((warnings.len(), problems.count()), (TOLD + 1, 1000));
        assert_eq!(warnings[0].text, "0: broken");
        assert_eq!(warnings[TOLD].text, "980 more could not be read");
    }
}

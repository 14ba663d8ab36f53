//! What went wrong, each server told once.

use std::error::Error;

use crate::Warning;

/// Problems, in the order of their first appearance.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

#[derive(Debug)]
struct Problem {
    warning: Warning,
    /// How many more there were of the same place.
    more: u32,
}

impl Problems {
    /// Adds what went wrong at a place: a server, or a file of the cache.
    pub(super) fn add(&mut self, place: &str, message: String) {
        match self.0.iter_mut().find(|known| known.warning.path == place) {
            Some(known) if known.warning.message != message => known.more += 1,
            Some(_) => {}
            None => self.0.push(Problem { warning: Warning { path: place.to_owned(), message }, more: 0 }),
        }
    }

    /// Says each.
    pub(super) fn warnings(&self) -> impl Iterator<Item = Warning> {
        self.0.iter().map(|Problem { warning, more }| {
            let message = match more {
                0 => warning.message.clone(),
                1 => format!("{} (and another failure)", warning.message),
                more => format!("{} (and {more} more failures)", warning.message),
            };
            Warning { path: warning.path.clone(), message }
        })
    }
}

/// An error with its causes; what a library repeats is left out.
pub(super) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_told_once() {
        let mut problems = Problems::default();
        for (place, message) in [("a", "1"), ("b", "2"), ("a", "1"), ("a", "3"), ("a", "4"), ("b", "5")] {
            problems.add(place, message.to_owned());
        }
        let told: Vec<(String, String)> =
            problems.warnings().map(|warning| (warning.path, warning.message)).collect();
        let of = |place: &str, message: &str| (place.to_owned(), message.to_owned());
        assert_eq!(told, [of("a", "1 (and 2 more failures)"), of("b", "2 (and another failure)")]);
    }
}

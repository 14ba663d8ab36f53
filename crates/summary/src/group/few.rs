//! Some of many different texts, and how many there are.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// How many are kept.
const KEPT: usize = 16;

/// The first different texts of many, and how many different ones there were.
#[derive(Clone, Debug, Default)]
pub(super) struct Few {
    kept: Vec<String>,
    seen: HashSet<u64>,
}

impl Few {
    pub(super) fn add(&mut self, text: &str) {
        if self.seen.insert(fingerprint(text)) && self.kept.len() < KEPT {
            self.kept.push(text.to_owned());
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.seen.len() as u64
    }

    pub(super) fn kept(&self) -> &[String] {
        &self.kept
    }
}

/// 64 bits that stand for a value within one run. Whoever could make two values collide could as well make them equal.
pub(super) fn fingerprint<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_are_kept() {
        let mut few = Few::default();
        for number in 0..100 {
            few.add(&(number % 40).to_string());
        }
        assert_eq!(few.count(), 40);
        assert_eq!(few.kept().last().map(String::as_str), Some("15"));
    }
}

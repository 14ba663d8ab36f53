//! Patterns of names and paths, as users write them.

use serde::de::{Deserialize, Deserializer, Error};
use wildmatch::WildMatch;

/// A pattern: a text in which `*` stands for any text and `?` for any character. It has to match the whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern(WildMatch);

impl Pattern {
    /// Makes a pattern; `None` if it is empty or would match everything.
    pub fn new(text: &str) -> Option<Pattern> {
        (!text.trim_matches('*').trim().is_empty()).then(|| Pattern(WildMatch::new(text)))
    }

    /// Tells whether `text` is one of those that it stands for.
    pub fn matches(&self, text: &str) -> bool {
        self.0.matches(text)
    }

    /// Returns its text.
    pub fn text(&self) -> String {
        self.0.pattern()
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
        let text = String::deserialize(deserializer)?;
        Pattern::new(&text)
            .ok_or_else(|| D::Error::custom(format!("the pattern {text:?} matches everything")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matches_everything_is_no_pattern() {
        for text in ["", "*", "**", " "] {
            assert_eq!(Pattern::new(text), None, "{text:?}");
        }
        assert!(Pattern::new("?").is_some_and(|one| one.matches("x") && !one.matches("xy")));
    }
}

//! Patterns of names and paths, and sets of them.

use std::collections::HashSet;

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

/// Many patterns, of which most are plain names or beginnings of names.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    names: HashSet<String>,
    beginnings: Vec<String>,
    others: Vec<Pattern>,
}

impl Patterns {
    /// Tells whether one of them matches `text`.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.names.contains(text)
            || self.beginnings.iter().any(|beginning| text.starts_with(beginning.as_str()))
            || self.others.iter().any(|pattern| pattern.matches(text))
    }
}

impl<'de> Deserialize<'de> for Patterns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Patterns, D::Error> {
        let mut patterns = Patterns::default();
        patterns.extend(Vec::<String>::deserialize(deserializer)?);
        Ok(patterns)
    }
}

impl<T: AsRef<str>> Extend<T> for Patterns {
    fn extend<I: IntoIterator<Item = T>>(&mut self, texts: I) {
        for text in texts {
            let text = text.as_ref();
            match text.strip_suffix('*') {
                _ if !text.contains(['*', '?']) => {
                    self.names.insert(text.to_owned());
                }
                Some(beginning) if !beginning.contains(['*', '?']) => {
                    self.beginnings.push(beginning.to_owned());
                }
                _ => self.others.extend(Pattern::new(text)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_pattern_matches_the_whole_text() {
        let mut patterns = Patterns::default();
        patterns.extend(["abort", "std::__throw_*", "*LogMessage*::~*", "f?"]);
        for text in ["abort", "std::__throw_out_of_range", "google::LogMessageFatal::~LogMessageFatal", "f1"]
        {
            assert!(patterns.matches(text), "{text}");
        }
        for text in ["abort_all", "my_abort", "not::std::__throw_x", "LogMessage", "f", "f12", ""] {
            assert!(!patterns.matches(text), "{text}");
        }
    }

    #[test]
    fn what_matches_everything_is_no_pattern() {
        for text in ["", "*", "**", " "] {
            assert_eq!(Pattern::new(text), None, "{text:?}");
        }
        assert!(Pattern::new("?").is_some_and(|one| one.matches("x") && !one.matches("xy")));
    }
}

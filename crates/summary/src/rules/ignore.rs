//! Crashes that are meant to happen.

use serde::Deserialize;

use super::pattern::Pattern;
use crate::model::CrashSummary;

/// A rule for crashes that nobody needs to hear of: tests that crash on purpose. All patterns that it has must match.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ignore {
    /// The cause's class: `assertion`, `rust_panic:*`.
    pub class: Option<Pattern>,
    /// One of the functions that the signature is made of.
    pub function: Option<Pattern>,
    /// What died, as the signature calls it.
    pub subject: Option<Pattern>,
    /// The test that died.
    pub test: Option<Pattern>,
    /// The signature's title.
    pub title: Option<Pattern>,
    /// Why it is ignored: for people.
    pub reason: String,
}

impl Ignore {
    /// Tells whether it says anything at all of which crashes are meant.
    pub(super) fn has_patterns(&self) -> bool {
        [&self.class, &self.function, &self.subject, &self.test, &self.title].into_iter().any(Option::is_some)
    }

    /// Tells whether a crash is one of those that are meant.
    pub fn matches(&self, crash: &CrashSummary) -> bool {
        let signature = crash.signature.as_ref();
        let class = crash.cause.as_ref().map(|cause| cause.class.as_str());
        let subject = signature.and_then(|signature| signature.subject.as_deref());
        let title = signature.and_then(|signature| signature.title.as_deref());
        let test = crash.test.as_ref().map(|test| test.name.as_str());
        let lines = signature.map(|signature| signature.frames.as_slice()).unwrap_or_default();
        let alone = |pattern: &Option<Pattern>, text: Option<&str>| {
            pattern.as_ref().is_none_or(|pattern| text.is_some_and(|text| pattern.matches(text)))
        };
        self.has_patterns()
            && alone(&self.class, class)
            && alone(&self.subject, subject)
            && alone(&self.title, title)
            && alone(&self.test, test)
            && self
                .function
                .as_ref()
                .is_none_or(|pattern| lines.iter().skip(1).any(|line| pattern.matches(line)))
    }
}

//! The formats and their names.

use std::fmt;
use std::str::FromStr;

/// What summaries are rendered as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// For people who read a log or a terminal.
    Text,
    /// One summary as one indented object; several as JSON Lines.
    Json,
    /// JSON Lines: one object a line, each with a newline at its end.
    Jsonl,
    /// GitHub-flavoured Markdown, for job summaries, annotations and comments; bounded in size.
    Markdown,
    /// JUnit XML as CircleCI, GitLab and Jenkins read it: one test case per crash.
    Junit,
    /// One self-contained page.
    Html,
    /// SARIF 2.1.0: a result for each kind of crash.
    Sarif,
    /// GitLab's Code Quality report: a finding for each kind of crash.
    Gitlab,
}

impl Format {
    /// Returns every format.
    pub fn all() -> &'static [Format] {
        &[
            Format::Text,
            Format::Json,
            Format::Jsonl,
            Format::Markdown,
            Format::Junit,
            Format::Html,
            Format::Sarif,
            Format::Gitlab,
        ]
    }

    /// Returns the format's name, as users type it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
            Format::Jsonl => "jsonl",
            Format::Markdown => "markdown",
            Format::Junit => "junit",
            Format::Html => "html",
            Format::Sarif => "sarif",
            Format::Gitlab => "gitlab",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no format's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown report format {name:?}")]
pub struct UnknownFormat {
    /// The name that was given.
    pub name: String,
}

impl UnknownFormat {
    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        let names: Vec<&str> = Format::all().iter().map(|format| format.name()).collect();
        Some(format!("use one of: {}", names.join(", ")))
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Format, UnknownFormat> {
        let known = Format::all().iter().find(|format| format.name() == name);
        known.copied().ok_or_else(|| UnknownFormat { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_formats() {
        for format in Format::all() {
            assert_eq!(format.to_string().parse(), Ok(*format));
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let error = "pdf".parse::<Format>().unwrap_err();
        assert_eq!(error.to_string(), "unknown report format \"pdf\"");
        assert_eq!(
            error.hint().unwrap(),
            "use one of: text, json, jsonl, markdown, junit, html, sarif, gitlab"
        );
    }
}

//! Reading summaries back: `summary.json`, `crashes.jsonl`, and whatever else holds one JSON object after another.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use epitaph_summary::{CrashSummary, SCHEMA, Warning};
use serde::Deserialize;
use serde_json::Value;

use crate::open::OpenError;
use crate::regular::{Links, open_regular};

/// The most of a file of summaries that is read, in bytes.
const LARGEST: u64 = 256 << 20;

/// Summaries that were read, and what could not be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Crashes {
    /// The summaries.
    pub summaries: Vec<CrashSummary>,
    /// One for each file (or part of one) that could not be read.
    pub warnings: Vec<Warning>,
}

impl Crashes {
    /// Sorts by time, then by id.
    pub(crate) fn sort(&mut self) {
        self.summaries.sort_by(by_time);
    }

    pub(crate) fn unreadable(&mut self, path: &Path, why: impl std::fmt::Display) {
        self.warnings.push(Warning::new("summary_unreadable", format!("{}: {why}", path.display())));
    }
}

/// Times are RFC 3339 in UTC, so they sort as texts do; a crash without one comes last.
fn by_time(a: &CrashSummary, b: &CrashSummary) -> Ordering {
    let key = |summary: &CrashSummary| (summary.time.is_none(), summary.time.clone(), summary.id.clone());
    key(a).cmp(&key(b))
}

/// Reads the summaries in a file: one (`summary.json`) or many (`crashes.jsonl`).
///
/// A summary that is broken, or of a newer schema, becomes a warning, and what comes before it is kept.
pub fn read_summaries(path: &Path) -> Result<Crashes, OpenError> {
    let (file, _) = open_regular(path, Links::Follow).map_err(|error| OpenError::of_file(path, error))?;
    let text = read_text(&file).map_err(|source| OpenError::Read { path: path.to_owned(), source })?;
    let mut crashes = Crashes::default();
    parse(path, &text, &mut crashes);
    Ok(crashes)
}

/// Reads one summary of a tree, adding it to `crashes`, or a warning.
pub(crate) fn read_into(path: &Path, crashes: &mut Crashes) {
    let text =
        open_regular(path, Links::Refuse).map_err(io::Error::from).and_then(|(file, _)| read_text(&file));
    match text {
        Ok(text) => parse(path, &text, crashes),
        Err(error) => crashes.unreadable(path, error),
    }
}

fn read_text(file: &File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = file.take(LARGEST + 1).read_to_end(&mut text)?;
    if read as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {LARGEST} bytes")));
    }
    Ok(text)
}

fn parse(path: &Path, text: &[u8], crashes: &mut Crashes) {
    if text.trim_ascii().is_empty() {
        crashes.unreadable(path, "empty");
        return;
    }
    // Read as plain values first, so that one of another schema doesn't hide those after it.
    for value in serde_json::Deserializer::from_slice(text).into_iter::<Value>() {
        let value = match value {
            Ok(value) => value,
            Err(error) => {
                crashes.unreadable(path, format_args!("not JSON: {error}"));
                return;
            }
        };
        let schema = value.get("schema").and_then(Value::as_str).unwrap_or_default();
        if schema != SCHEMA {
            let why = format_args!("schema {schema:?} is not {SCHEMA:?}, which this version reads");
            crashes.unreadable(path, why);
            continue;
        }
        match CrashSummary::deserialize(value) {
            Ok(summary) => crashes.summaries.push(summary),
            Err(error) => crashes.unreadable(path, format_args!("not a summary: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Crashes {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crashes.jsonl");
        std::fs::write(&path, text).unwrap();
        read_summaries(&path).unwrap()
    }

    fn line(id: &str) -> String {
        let mut summary = CrashSummary::new("0.1.0");
        summary.id = Some(id.to_owned());
        serde_json::to_string(&summary).unwrap()
    }

    #[test]
    fn what_is_readable_is_read_and_the_rest_is_told() {
        let newer = r#"{"schema":"epitaph-crash/2","tool":7}"#;
        let crashes = read(&format!("{}\n{newer}\n\n{}\n{{\"schema", line("a"), line("b")));
        let ids: Vec<_> = crashes.summaries.iter().map(|summary| summary.id.as_deref()).collect();
        assert_eq!(ids, [Some("a"), Some("b")]);
        assert_eq!(crashes.warnings.len(), 2, "{:?}", crashes.warnings);
        assert!(crashes.warnings[0].text.contains("epitaph-crash/2"));
    }

    #[test]
    fn an_empty_file_is_told() {
        assert_eq!(read("\n").warnings.len(), 1);
    }

    #[test]
    fn deep_nesting_is_refused_not_followed() {
        let deep = format!(r#"{{"schema":"epitaph-crash/1","x":{}"#, "[".repeat(1_000_000));
        assert_eq!(read(&deep).warnings.len(), 1);
    }

    #[test]
    fn crashes_without_a_time_come_last() {
        let mut crashes = Crashes::default();
        for (time, id) in
            [(None, "c"), (Some("2026-01-02T00:00:00Z"), "b"), (Some("2026-01-01T00:00:00Z"), "a")]
        {
            let mut summary = CrashSummary::new("0.1.0");
            (summary.time, summary.id) = (time.map(str::to_owned), Some(id.to_owned()));
            crashes.summaries.push(summary);
        }
        crashes.sort();
        assert_eq!(crashes.summaries.iter().filter_map(|s| s.id.as_deref()).collect::<String>(), "abc");
    }
}

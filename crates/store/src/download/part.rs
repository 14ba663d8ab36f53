//! A file on its way: what has arrived, and what is needed to go on from there.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use reqwest::header::{ETAG, LAST_MODIFIED};
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::hash::sha256_of;
use crate::http::Answer;
use crate::paths::SafePath;
use crate::target::Target;

/// A note holds two short texts and a number.
const LONGEST_NOTE: u64 = 64 << 10;

/// What the bytes of an unfinished file are the beginning of. It is written before they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// The hash of the artifact's URL.
    source: String,
    /// The strong entity tag, else the date of the last change.
    validator: Option<String>,
    /// The whole length in bytes.
    total: Option<u64>,
}

/// An unfinished file in a pull's target.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    target: &'a Target,
    path: &'a SafePath,
    file: File,
    name: String,
    length: u64,
    note: Note,
}

impl<'a> Part<'a> {
    /// Takes up what an earlier pull from the same URL left, or starts empty.
    pub(crate) fn open(target: &'a Target, path: &'a SafePath, url: &str) -> Result<Self, StoreError> {
        let name = sha256_of(path.as_str());
        let mut file = target.part(&part_name(&name))?;
        let failed = StoreError::io("read", &target.describe(path));
        let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
        let source = sha256_of(url);
        let note = target.read_note(&note_name(&name), LONGEST_NOTE);
        let note = note.and_then(|bytes| serde_json::from_slice::<Note>(&bytes).ok());
        let note = note.filter(|note| note.source == source);
        let mut part = Self { target, path, file, name, length, note: Note { source, ..Note::default() } };
        match note {
            Some(note) if note.validator.is_some() && note.total.is_none_or(|total| length <= total) => {
                part.note = note;
            }
            _ => part.reset()?,
        }
        Ok(part)
    }

    /// How many bytes have arrived.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The whole length in bytes, where it is known.
    pub(crate) fn total(&self) -> Option<u64> {
        self.note.total
    }

    /// Whether nothing is missing, as far as is known.
    pub(crate) fn is_complete(&self) -> bool {
        self.length > 0 && self.note.total == Some(self.length)
    }

    /// What to send as `If-Range`, if there is anything to go on from.
    pub(crate) fn validator(&self) -> Option<&str> {
        self.note.validator.as_deref().filter(|_| self.length > 0)
    }

    /// Whether an answer of status 206 continues this file where it ends.
    pub(crate) fn continues(&self, answer: &Answer, content_range: Option<&str>) -> bool {
        let Some((start, total)) = content_range.and_then(parse_content_range) else { return false };
        start == self.length
            && (total.is_none() || self.note.total.is_none() || total == self.note.total)
            && validator(answer).is_none_or(|validator| Some(validator) == self.note.validator)
    }

    /// Empties the file, because what has arrived can't be continued.
    pub(crate) fn reset(&mut self) -> Result<(), StoreError> {
        self.note = Note { source: std::mem::take(&mut self.note.source), ..Note::default() };
        self.file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .map_err(StoreError::io("write", &self.target.describe(self.path)))?;
        self.length = 0;
        Ok(())
    }

    /// Starts the file with an answer of status 200.
    pub(crate) fn begin(&mut self, answer: &Answer) -> Result<(), StoreError> {
        self.reset()?;
        self.note.validator = validator(answer);
        self.note.total = answer.content_length();
        match serde_json::to_vec(&self.note) {
            Ok(bytes) if self.note.validator.is_some() => {
                self.target.write_note(&note_name(&self.name), &bytes)
            }
            _ => {
                self.target.discard(&note_name(&self.name));
                Ok(())
            }
        }
    }

    /// Appends bytes that have arrived.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(bytes).map_err(StoreError::io("write", &self.target.describe(self.path)))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Makes the file durable, without holding up the other transfers, and gives it its name. `source` is what the
    /// target remembers it by.
    pub(crate) async fn finish(self, source: &str) -> Result<(), StoreError> {
        let failed = StoreError::io("write", &self.target.describe(self.path));
        let Self { target, path, file, name, .. } = self;
        let synced = tokio::task::spawn_blocking(move || file.sync_all()).await;
        synced.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(failed)?;
        publish(target, &name, path, source)
    }

    /// What has arrived, to be read once it is complete.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Gives a complete file another name than it was fetched for.
    pub(crate) fn finish_as(self, path: &SafePath, source: &str) -> Result<(), StoreError> {
        self.file.sync_all().map_err(StoreError::io("write", &self.target.describe(path)))?;
        publish(self.target, &self.name, path, source)
    }

    /// Deletes what has arrived: it is of no use any more.
    pub(crate) fn remove(self) {
        self.target.discard(&part_name(&self.name));
        self.target.discard(&note_name(&self.name));
    }

    /// Leaves what has arrived for the next pull, if anything has.
    pub(crate) fn abandon(self) {
        if self.length == 0 {
            self.remove();
        }
    }
}

/// Gives a complete file its name. One that may not have it is of no use any more.
fn publish(target: &Target, name: &str, path: &SafePath, source: &str) -> Result<(), StoreError> {
    let published = target.publish(&part_name(name), path, source);
    if published.is_err() {
        target.discard(&part_name(name));
    }
    target.discard(&note_name(name));
    published.map(drop)
}

fn part_name(name: &str) -> String {
    format!("{name}.part")
}

fn note_name(name: &str) -> String {
    format!("{name}.json")
}

/// What identifies the content that an answer is a part of. A weak entity tag doesn't: it allows other bytes.
fn validator(answer: &Answer) -> Option<String> {
    let tag = answer.header(&ETAG).filter(|tag| !tag.starts_with("W/"));
    tag.or_else(|| answer.header(&LAST_MODIFIED)).map(str::to_owned)
}

/// `bytes 100-199/200` or `bytes 100-199/*`: where it starts, and the whole length.
pub(super) fn parse_content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end): (u64, u64) = (start.parse().ok()?, end.parse().ok()?);
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    (start <= end && total.is_none_or(|total| end < total)).then_some((start, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        assert_eq!(parse_content_range("bytes 100-199/200"), Some((100, Some(200))));
        assert_eq!(parse_content_range("bytes 0-0/*"), Some((0, None)));
        for bad in
            ["bytes */200", "bytes 5-4/9", "bytes 0-9/9", "items 0-1/2", "bytes 0-1", "", "bytes -1-2/3"]
        {
            assert_eq!(parse_content_range(bad), None, "{bad}");
        }
    }
}

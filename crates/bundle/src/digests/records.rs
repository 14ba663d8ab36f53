//! One JSON value after the other out of a stream: JSON Lines, indented objects, or the items of a list.

use std::io::{self, Read};

use epitaph_summary::group::Entry;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Deserializer, Value};

/// How much is read at once; most summaries are smaller.
const PIECE: usize = 256 << 10;
/// The longest value that is read, in bytes.
const LONGEST: usize = 64 << 20;

/// How much is told of what is broken, in bytes.
const START: usize = 256;

/// A value that was read, or why it could not be.
pub(super) enum Record<'b> {
    /// A value and its text.
    Entry(Entry, &'b [u8]),
    /// What isn't a summary although its schema says so, or isn't JSON.
    Broken {
        why: String,
        /// How it starts.
        start: Vec<u8>,
    },
    /// The stream ended with an error.
    Unreadable(io::Error),
}

/// The values of a stream.
pub(super) struct Records<'b, R> {
    stream: R,
    /// What was read and not yet looked at lies in `start..end`.
    buffer: &'b mut Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
    /// How long a value may be.
    longest: usize,
}

/// What reading a value at the start of the buffer came to.
enum Attempt {
    Read(Entry, usize),
    /// It goes on beyond the buffer.
    Cut,
    /// It is a value of so many bytes, but not a summary.
    Unfit(String, usize),
    /// It is no JSON.
    Syntax(String),
}

impl<'b, R: Read> Records<'b, R> {
    /// Reads through a buffer that may have been used before.
    pub(super) fn new(stream: R, buffer: &'b mut Vec<u8>) -> Self {
        if buffer.len() < PIECE {
            buffer.resize(PIECE, 0);
        }
        Records { stream, buffer, start: 0, end: 0, at_end: false, longest: LONGEST }
    }

    /// Returns the next value; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Record<'_>> {
        loop {
            self.skip_separators();
            if self.start == self.end {
                if self.at_end {
                    return None;
                }
                if let Err(error) = self.fill() {
                    return Some(Record::Unreadable(error));
                }
                continue;
            }
            match attempt(self.unread()) {
                Attempt::Read(entry, length) => {
                    let start = self.start;
                    self.start += length;
                    let text = self.buffer.get(start..self.start).unwrap_or_default();
                    return Some(Record::Entry(entry, text));
                }
                Attempt::Unfit(why, length) => {
                    let start = self.first_bytes();
                    self.start += length;
                    return Some(Record::Broken { why, start });
                }
                Attempt::Cut if !self.at_end && self.end - self.start < self.longest => {
                    if let Err(error) = self.fill() {
                        return Some(Record::Unreadable(error));
                    }
                }
                Attempt::Cut if self.at_end => {
                    return Some(self.broken("it ends in the middle of a value".to_owned()));
                }
                Attempt::Cut => {
                    return Some(self.broken(format!("a value is longer than {} bytes", self.longest)));
                }
                Attempt::Syntax(why) => return Some(self.broken(why)),
            }
        }
    }

    /// Skips what is broken.
    fn broken(&mut self, why: String) -> Record<'_> {
        let start = self.first_bytes();
        match self.skip_to_next_line() {
            Ok(()) => Record::Broken { why, start },
            Err(error) => Record::Unreadable(error),
        }
    }

    fn first_bytes(&self) -> Vec<u8> {
        self.unread().iter().take(START).copied().collect()
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Skips what stands between values, in a list too.
    fn skip_separators(&mut self) {
        let between = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b'[' | b']');
        self.start += self.unread().iter().take_while(between).count();
    }

    /// Reads on, into a larger buffer if there is no room in this one.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        while !self.at_end
            && let Some(room) = self.buffer.get_mut(self.end..).filter(|room| !room.is_empty())
        {
            match self.stream.read(room) {
                Ok(0) => self.at_end = true,
                Ok(length) => self.end += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.at_end = true;
                    self.start = self.end;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Skips to a line that begins with an object, as a writer's next record does.
    fn skip_to_next_line(&mut self) -> io::Result<()> {
        loop {
            if let Some(found) = self.unread().windows(2).position(|pair| pair == b"\n{") {
                self.start += found + 1;
                return Ok(());
            }
            if self.at_end {
                self.start = self.end;
                return Ok(());
            }
            // The last byte may be the line's end.
            self.start = self.end.saturating_sub(1).max(self.start);
            self.fill()?;
        }
    }
}

fn attempt(text: &[u8]) -> Attempt {
    let mut values = Deserializer::from_slice(text).into_iter::<Entry>();
    match values.next() {
        Some(Ok(entry)) => Attempt::Read(entry, values.byte_offset()),
        None => Attempt::Cut,
        Some(Err(error)) if error.is_eof() => Attempt::Cut,
        Some(Err(error)) if error.is_data() => unfit(text, &error),
        Some(Err(error)) => Attempt::Syntax(format!("not JSON: {error}")),
    }
}

/// Looks again at a value of another shape than a summary's: at its schema, and where it ends.
fn unfit(text: &[u8], error: &serde_json::Error) -> Attempt {
    #[derive(Deserialize)]
    struct Named {
        schema: Option<Value>,
    }
    let mut values = Deserializer::from_slice(text).into_iter::<Named>();
    if let Some(Ok(named)) = values.next() {
        return match named.schema {
            Some(Value::String(schema)) if schema == epitaph_summary::SCHEMA => {
                Attempt::Unfit(format!("not a summary: {error}"), values.byte_offset())
            }
            Some(Value::String(schema)) => Attempt::Read(Entry::Other(Some(schema)), values.byte_offset()),
            _ => Attempt::Read(Entry::Other(None), values.byte_offset()),
        };
    }
    let mut values = Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => Attempt::Read(Entry::Other(None), values.byte_offset()),
        None => Attempt::Cut,
        Some(Err(error)) if error.is_eof() => Attempt::Cut,
        Some(Err(error)) => Attempt::Syntax(format!("not JSON: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that gives a few bytes at a time.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let length = self.0.len().min(room.len()).min(7);
            room[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    /// What is read of a text, in words.
    fn read(text: &str) -> Vec<String> {
        read_within(text, LONGEST)
    }

    fn read_within(text: &str, longest: usize) -> Vec<String> {
        let mut buffer = vec![0; 16];
        let mut records = Records {
            stream: Drops(text.as_bytes()),
            buffer: &mut buffer,
            start: 0,
            end: 0,
            at_end: false,
            longest,
        };
        let mut all = Vec::new();
        while let Some(record) = records.next() {
            all.push(match record {
                Record::Entry(Entry::Crash(digest), _) => digest.id.unwrap_or_default(),
                Record::Entry(Entry::Other(schema), _) => format!("other {schema:?}"),
                Record::Broken { why, .. } => format!("broken: {why}"),
                Record::Unreadable(error) => format!("unreadable: {error}"),
            });
        }
        all
    }

    fn line(id: &str) -> String {
        format!(r#"{{"schema":"epitaph-crash/1","tool":{{}},"id":"{id}"}}"#)
    }

    #[test]
    fn lines_lists_and_indented_objects_are_read() {
        let (a, b) = (line("a"), line("b"));
        let indented = a.replace(',', ",\n  ").replace('{', "{\n").replace('}', "\n}");
        for text in [
            format!("{a}\n{b}\n"),
            format!("{a}{b}"),
            format!("\r\n{a}\r\n\r\n{b}"),
            format!("[{a},{b}]"),
            format!("[\n {a},\n {b}\n]\n"),
            format!("{indented}\n{indented}").replacen("\"a\"", "\"b\"", 2).replacen("\"b\"", "\"a\"", 1),
        ] {
            assert_eq!(read(&text), ["a", "b"], "{text}");
        }
        assert_eq!(read(""), [""; 0]);
        assert_eq!(read(" \n[]"), [""; 0]);
    }

    #[test]
    fn what_is_broken_costs_no_more_than_itself() {
        let (a, b) = (line("a"), line("b"));
        let cut = a.get(..20).unwrap();
        let found = read(&format!("{a}\n{cut}\n{b}\n{cut}"));
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!((found[0].as_str(), found[2].as_str()), ("a", "b"));
        assert!(found[1].starts_with("broken: not JSON"), "{found:?}");
        assert!(found[3].starts_with("broken: it ends in the middle"), "{found:?}");
    }

    #[test]
    fn a_value_of_another_shape_is_told_by_its_schema() {
        let found = read(r#"{"schema":"x","threads":7} {"id":7} 7 "x" {"schema":"epitaph-crash/1","id":7}"#);
        assert_eq!(found[..4], ["other Some(\"x\")", "other None", "other None", "other None"]);
        assert!(found[4].starts_with("broken: not a summary"), "{found:?}");
    }

    #[test]
    fn a_value_that_is_too_long_is_skipped() {
        let long = line(&"x".repeat(5000));
        let found = read_within(&format!("{}\n{long}\n{}", line("a"), line("b")), 1000);
        assert_eq!((found[0].as_str(), found[2].as_str()), ("a", "b"), "{found:?}");
        assert!(found[1].contains("longer than 1000 bytes"), "{found:?}");
    }

    #[test]
    fn deep_nesting_is_not_followed() {
        let deep = format!(r#"{{"schema":"epitaph-crash/1","x":{}"#, "[".repeat(1_000_000));
        assert_eq!(read(&deep).len(), 1);
        let deep = format!(r#"{{"schema":"epitaph-crash/1","threads":{}"#, "[".repeat(1_000_000));
        assert_eq!(read(&deep).len(), 1);
    }
}

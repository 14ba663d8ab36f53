//! Text from summaries, bounded: a name can have megabytes, and thousands of digests are held at once.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, SeqAccess, Visitor};

use super::raw::NAME;

/// A text of which no more than `MAX` bytes are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text<const MAX: usize>(pub(super) String);

/// Returns the start of a text: no more than `max` bytes, and no part of a character.
pub(super) fn bounded(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

impl<const MAX: usize> From<&str> for Text<MAX> {
    fn from(text: &str) -> Self {
        Text(bounded(text, MAX).to_owned())
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Taking(|text: &str| text.into()))
    }
}

/// The last part of a path.
#[derive(Debug)]
pub(super) struct LastPart(pub(super) String);

impl<'de> Deserialize<'de> for LastPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let last = |text: &str| LastPart(bounded(text.rsplit('/').next().unwrap_or(text), NAME).to_owned());
        deserializer.deserialize_str(Taking(last))
    }
}

/// A text that need only be there.
#[derive(Debug)]
pub(super) struct Present;

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Taking(|_: &str| Present))
    }
}

/// Reads a text and keeps what a function makes of it.
pub(super) struct Taking<F>(pub(super) F);

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for Taking<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok((self.0)(text))
    }
}

/// The first lines of many.
#[derive(Debug, Default)]
pub(super) struct Lines(pub(super) Vec<String>);

impl Lines {
    /// How many are kept.
    const MOST: usize = 12;
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct First;

        impl<'de> Visitor<'de> for First {
            type Value = Lines;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of texts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Lines, A::Error> {
                let mut lines = Vec::new();
                while lines.len() < Lines::MOST
                    && let Some(Text(line)) = items.next_element::<Text<NAME>>()?
                {
                    lines.push(line);
                }
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Lines(lines))
            }
        }

        deserializer.deserialize_seq(First)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_is_cut() {
        assert_eq!(bounded("größer", 4), "grö");
        assert_eq!(bounded("größer", 3), "gr");
        assert_eq!(bounded("gr", 4), "gr");
        let read: Text<4> = serde_json::from_str(&format!("\"a\\n{}\"", "x".repeat(100))).unwrap();
        assert_eq!(read.0, "a\nxx");
    }
}

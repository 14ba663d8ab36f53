//! A line of text in styled pieces: laid out once, written with colours or without.

use std::io;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::escape::begins_harmlessly;

/// What a piece of a line is, as far as it is brought out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Style {
    /// Nothing special.
    Plain,
    /// What to read first: the program's own frames, titles.
    Strong,
    /// The cause of death.
    Alarm,
    /// What to look at only if needed.
    Faint,
    /// What may be wrong.
    Doubt,
}

impl Style {
    /// The escape sequence that turns the style on.
    fn ansi(self) -> Option<&'static str> {
        match self {
            Style::Plain => None,
            Style::Strong => Some("\x1b[1m"),
            Style::Alarm => Some("\x1b[1;31m"),
            Style::Faint => Some("\x1b[2m"),
            Style::Doubt => Some("\x1b[33m"),
        }
    }
}

/// The escape sequence that turns every style off.
const RESET: &str = "\x1b[0m";

/// One line, without its newline. Equal lines look equal, colours included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Line {
    pieces: Vec<(Style, String)>,
}

impl Line {
    /// A line of one plain piece.
    pub(crate) fn plain(text: impl Into<String>) -> Line {
        Line::default().with(Style::Plain, text)
    }

    /// Adds a piece at the end.
    pub(crate) fn with(mut self, style: Style, text: impl Into<String>) -> Line {
        let text = text.into();
        if !text.is_empty() {
            self.pieces.push((style, text));
        }
        self
    }

    /// Adds the pieces of another line at the end.
    pub(crate) fn followed_by(mut self, other: Line) -> Line {
        self.pieces.extend(other.pieces);
        self
    }

    /// Breaks the line at spaces, so that no part takes more than `columns` where its words allow it. What follows the
    /// first part is indented by `indent` columns, which are also left whole.
    ///
    /// Wherever it is broken, the next part begins with what can't begin a CI command.
    pub(crate) fn wrapped(self, columns: usize, indent: usize) -> Vec<Line> {
        let mut breaks = breaks(&self.text(), columns, indent).into_iter().peekable();
        let mut lines = Vec::new();
        let mut line = Line::default();
        let mut offset = 0;
        for (style, text) in self.pieces {
            let mut rest = text.as_str();
            while let Some((before, after)) = breaks
                .peek()
                .and_then(|space| rest.split_at_checked(space.checked_sub(offset)?))
                .and_then(|(before, after)| Some((before, after.strip_prefix(' ')?)))
            {
                lines.push(line.with(style, before.trim_end_matches(' ')));
                line = Line::plain(" ".repeat(indent));
                offset += before.len() + 1;
                rest = after;
                breaks.next();
            }
            offset += rest.len();
            line = line.with(style, rest);
        }
        lines.push(line);
        lines
    }

    /// Its pieces, in their order.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (Style, &str)> {
        self.pieces.iter().map(|(style, text)| (*style, text.as_str()))
    }

    /// The line without colours.
    pub(crate) fn text(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// Writes the line and a newline.
    pub(crate) fn write(&self, color: bool, out: &mut dyn io::Write) -> io::Result<()> {
        for (style, text) in &self.pieces {
            match style.ansi().filter(|_| color) {
                Some(on) => write!(out, "{on}{text}{RESET}")?,
                None => write!(out, "{text}")?,
            }
        }
        writeln!(out)
    }
}

/// Writes several lines.
pub(crate) fn write_all(lines: &[Line], color: bool, out: &mut dyn io::Write) -> io::Result<()> {
    lines.iter().try_for_each(|line| line.write(color, out))
}

/// The columns that a text takes in a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The fewest columns that text is broken to beyond its indent: narrower ones are no text any more.
const NARROWEST: usize = 16;

/// Returns the places of the spaces at which to break a text.
fn breaks(text: &str, columns: usize, indent: usize) -> Vec<usize> {
    let columns = columns.max(indent + NARROWEST);
    let mut breaks = Vec::new();
    // The last space to break at, and the column after it.
    let mut candidate: Option<(usize, usize)> = None;
    let mut column = 0;
    for (at, c) in text.char_indices() {
        column += c.width().unwrap_or(0);
        if c != ' ' {
            if let Some((space, start)) = candidate.filter(|_| column > columns) {
                breaks.push(space);
                candidate = None;
                column = indent + (column - start);
            }
        } else if column > indent && text.get(at + 1..).is_some_and(begins_harmlessly) {
            candidate = Some((at, column));
        }
    }
    breaks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_all_that_colour_adds() {
        let line = Line::plain("a ").with(Style::Alarm, "b").with(Style::Strong, "");
        let written = |color| {
            let mut out = Vec::new();
            line.write(color, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(false), "a b\n");
        assert_eq!(written(true), "a \x1b[1;31mb\x1b[0m\n");
        assert_eq!(line.text(), "a b");
    }

    fn wrapped(text: &str, columns: usize, indent: usize) -> Vec<String> {
        Line::plain(text).wrapped(columns, indent).iter().map(Line::text).collect()
    }

    #[test]
    fn a_line_is_broken_at_its_spaces() {
        assert_eq!(wrapped("short", 20, 2), ["short"]);
        assert_eq!(wrapped("one two three four five six", 20, 2), ["one two three four", "  five six"]);
        let long = "x".repeat(30);
        assert_eq!(wrapped(&format!("abc {long} b c"), 20, 2), ["abc", &format!("  {long}"), "  b c"]);
        // What stands before the indent is a label, which stays with its text.
        assert_eq!(
            wrapped("  label  the text of one label", 20, 9),
            ["  label  the text of one", "         label"]
        );
        assert_eq!(wrapped("日本 日本 日本 日本 日本", 18, 0), ["日本 日本 日本", "日本 日本"]);
    }

    #[test]
    fn a_line_is_never_broken_before_what_could_be_a_command() {
        for text in ["aaaaaaaaaaaaaaa ::error::x yyyyyyyyyyyy", "aaaaaaaaaaaaaaaaaa  ::group::x y"] {
            for columns in 0..60 {
                for line in wrapped(text, columns, 2) {
                    assert!(!line.trim_start().starts_with("::"), "{line}");
                }
            }
        }
    }

    #[test]
    fn what_is_broken_keeps_its_styles_and_words() {
        let line = Line::plain("aaa bbb ").with(Style::Strong, "ccc ddd").with(Style::Faint, " eee fff");
        let lines = line.wrapped(17, 1);
        let texts: Vec<String> = lines.iter().map(Line::text).collect();
        assert_eq!(texts, ["aaa bbb ccc ddd", " eee fff"]);
        assert_eq!(lines[0], Line::plain("aaa bbb ").with(Style::Strong, "ccc ddd"));
    }
}

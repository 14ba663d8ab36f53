//! A line of text in styled pieces: laid out once, written with colours or without.

use std::io;

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

/// The columns that a text takes, near enough for layout: one per character.
pub(crate) fn width(text: &str) -> usize {
    text.chars().count()
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
}

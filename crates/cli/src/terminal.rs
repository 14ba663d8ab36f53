//! What goes to the terminal, and how.
//!
//! Colour follows the usual conventions (`NO_COLOR`, `CLICOLOR_FORCE`, a terminal at the other end): anstream strips it
//! where it isn't wanted. Text from crashes, stores and file names is hostile and is shown escaped.

use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use epitaph_summary::Warning;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const NOTE: Style = AnsiColor::Cyan.on_default().bold();

/// Returns stdout for data that may be coloured. A failure to write to it is told apart from any other: see
/// [`Unread`].
pub(crate) fn stdout() -> impl Write {
    Stdout(anstream::AutoStream::auto(io::stdout().lock()))
}

/// Returns stdout for data as it is, likewise.
pub(crate) fn plain_stdout() -> impl Write {
    Stdout(io::stdout().lock())
}

/// Nobody reads our stdout on, as in `epitaph show … | head`: no failure of ours. A connection to a server can break with
/// the same number, and is one.
#[derive(Debug)]
pub(crate) struct Unread(io::Error);

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "nobody reads standard output on: {}", self.0)
    }
}

impl std::error::Error for Unread {}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Unread {
        Unread(error)
    }
}

struct Stdout<W>(W);

impl<W: Write> Write for Stdout<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(unread)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(unread)
    }
}

fn unread(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        io::Error::new(io::ErrorKind::BrokenPipe, Unread::from(error))
    } else {
        error
    }
}

/// Returns stderr for what may be coloured.
pub(crate) fn stderr() -> impl Write {
    anstream::AutoStream::auto(io::stderr().lock())
}

/// Returns the terminal's width in columns, where stdout is one.
pub(crate) fn width() -> Option<usize> {
    let (terminal_size::Width(columns), _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(usize::from(columns))
}

pub(crate) fn error(text: &str) {
    line(ERROR, "error", text);
}

pub(crate) fn warning(text: &str) {
    line(WARNING, "warning", text);
}

pub(crate) fn hint(text: &str) {
    line(NOTE, "hint", text);
}

/// Says what was done.
pub(crate) fn note(text: &str) {
    let _ = writeln!(stderr(), "epitaph: {}", clean(text));
}

/// Prints warnings that libraries gave as data.
pub(crate) fn warnings(warnings: &[Warning]) {
    for given in warnings {
        warning(&given.text);
    }
}

fn line(style: Style, word: &str, text: &str) {
    // A line that can't be printed can't be complained about either.
    let _ = writeln!(stderr(), "{style}{word}{style:#}: {}", clean(text));
}

/// Escapes what could drive a terminal, or begin a CI system's command on a line of its own.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if c.is_control() || hidden {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out.replace("##", "#\\u{23}")
}

/// Says a number of bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_drive_the_terminal_or_a_ci_system() {
        assert_eq!(clean("a\u{1b}[2Jb\n::error::x"), "a\\u{1b}[2Jb\\u{a}::error::x");
        assert_eq!(clean("##vso[x]"), "#\\u{23}vso[x]");
        assert_eq!(clean("résumé-日本"), "résumé-日本");
    }
}

//! What a caller can choose about the rendering.

use std::path::PathBuf;

use crate::line::Line;

/// The size that Markdown is kept below unless the caller says otherwise.
///
/// GitHub drops a job summary of more than 1 MiB as a whole, and other steps of the job write to it too.
const MARKDOWN_BUDGET: usize = 900 * 1024;

/// The line length that is laid out for where the caller knows no better: what most log viewers show at once.
const USUAL_WIDTH: usize = 120;

/// How to render; every format ignores what doesn't concern it.
///
/// ```
/// let options = epitaph_report::Options { color: true, ..Default::default() };
/// assert_eq!(options.max_bytes, Some(900 * 1024));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether text may hold ANSI colours.
    pub color: bool,
    /// Columns of the terminal that text is laid out for, if known. Nothing is cut to fit it.
    pub width: Option<usize>,
    /// Which threads' stacks are shown.
    pub threads: Threads,
    /// Whether recursions are folded into their first cycle, and long runs of machinery into a line.
    pub fold: bool,
    /// The most bytes that Markdown may have; `None` is no bound.
    pub max_bytes: Option<usize>,
    /// The folder of the job's checkout: files beneath it are named as the repository does, where findings stand beside
    /// lines.
    pub repository: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            color: false,
            width: None,
            threads: Threads::All,
            fold: true,
            max_bytes: Some(MARKDOWN_BUDGET),
            repository: None,
        }
    }
}

impl Options {
    /// The columns to lay text out for.
    pub(crate) fn columns(&self) -> usize {
        self.width.unwrap_or(USUAL_WIDTH)
    }

    /// Breaks a line to fit a terminal, and indents what follows; elsewhere, lines stay whole, so that one can search them.
    pub(crate) fn broken(&self, line: Line, indent: usize) -> Vec<Line> {
        match self.width {
            Some(columns) => line.wrapped(columns, indent),
            None => vec![line],
        }
    }
}

/// Which threads' stacks are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Threads {
    /// Every thread's, equal ones once.
    #[default]
    All,
    /// The crashing thread's only.
    Crashed,
}

//! A thread's stack as lines: numbered frames, what was left out, and why it ends.
//!
//! ```text
//! >  #0  Lexer::peek() const [inlined]  src/lexer.h:40:9
//!        => 40 | return *cursor;
//! >  #1  Lexer::next(int)               src/lexer.cc:88:12
//!  ? #2  __libc_start_main+0x80         libc.so.6
//! ```
//!
//! The program's own frames are brought out, machinery is dimmed or folded. The thread whose story it is shows its source
//! lines where the summary has some.
//!
//! The signs are ASCII on purpose: some log viewers and Java agents still show anything else as `?`.

use std::collections::BTreeSet;

use epitaph_summary::{CrashSummary, Frame, Thread};

use crate::entries::{self, Entry};
use crate::frames;
use crate::line::{Line, Style, width};
use crate::options::Options;
use crate::source::{self, Extent};
use crate::variables;

/// Names up to this width stand in a column, with their places in the next one.
const NAME_COLUMN: usize = 48;

/// Columns before a frame's number: `>` for own code, `?` for a guess, and a space.
const INDENT: &str = "   ";

/// A stack, laid out.
#[derive(Debug)]
pub(crate) struct Stack {
    /// Its lines.
    pub(crate) lines: Vec<Line>,
    /// What its signs mean, for those that it uses.
    pub(crate) legend: Legend,
}

/// Which signs a stack uses.
#[derive(Debug, Default)]
pub(crate) struct Legend {
    own: bool,
    guesses: BTreeSet<&'static str>,
    folded: bool,
}

impl Legend {
    /// Takes in what another stack uses.
    pub(crate) fn extend(&mut self, other: &Legend) {
        self.own |= other.own;
        self.guesses.extend(&other.guesses);
        self.folded |= other.folded;
    }

    /// Returns the sentence that explains the signs, if any was used.
    pub(crate) fn line(&self) -> Option<Line> {
        let mut parts = Vec::new();
        if self.own {
            parts.push("> the program's own code".to_owned());
        }
        if !self.guesses.is_empty() {
            let ways: Vec<&str> = self.guesses.iter().copied().collect();
            parts.push(format!("? found by {}, so it may be wrong", ways.join(" or ")));
        }
        if self.folded {
            parts.push("`epitaph show --frames 0` shows all frames".to_owned());
        }
        (!parts.is_empty()).then(|| Line::plain(INDENT).with(Style::Faint, format!("({})", parts.join("; "))))
    }
}

/// Lays out the stack of `thread`; nothing is cut to fit.
pub(crate) fn stack(summary: &CrashSummary, thread: &Thread, options: &Options) -> Stack {
    lay_out(summary, thread, options, &[])
}

/// Lays out the stack of the thread whose story is told, with source lines.
pub(crate) fn story(summary: &CrashSummary, thread: &Thread, options: &Options) -> Stack {
    let sources = entries::with_source(summary, thread);
    lay_out(summary, thread, options, &sources)
}

/// Lays out a stack; `sources` are the indices of frames whose source is shown, the most interesting first.
fn lay_out(summary: &CrashSummary, thread: &Thread, options: &Options, sources: &[usize]) -> Stack {
    let mut legend = Legend::default();
    let mut rows: Vec<Numbered> = Vec::new();
    for entry in entries::entries(summary, thread, options.fold) {
        rows.push(match entry {
            Entry::Frame { index, number, frame } => {
                legend.own |= frame.in_app == Some(true);
                legend.guesses.extend(frames::guess(frame));
                Numbered::Frame(number, Row::new(summary, frame), frame, source_extent(sources, index))
            }
            Entry::Folded { what, .. } => {
                legend.folded = true;
                Numbered::Others(others(&what))
            }
            Entry::Absent(what) => Numbered::Others(others(&what)),
        });
    }
    let frames = || rows.iter().filter_map(Numbered::frame);
    let layout = Layout {
        number: frames().next_back().map_or(0, |(number, _)| number).to_string().len(),
        name: frames().map(|(_, row)| row.width()).filter(|width| *width <= NAME_COLUMN).max().unwrap_or(0),
        columns: options.columns(),
        terminal: options.width.is_some(),
    };
    let mut lines = Vec::with_capacity(rows.len() + 1);
    for row in rows {
        match row {
            Numbered::Frame(number, row, frame, source) => {
                row.lay_out(number, &layout, &mut lines);
                let before = layout.before();
                lines.extend(
                    source
                        .map(|extent| source::lines(frame, extent, before, options.width))
                        .unwrap_or_default(),
                );
                let variables = variables::lines(frame, before);
                lines.extend(variables.into_iter().flat_map(|line| options.broken(line, before + 4)));
            }
            Numbered::Others(line) => lines.extend(options.broken(line, layout.before())),
        }
    }
    lines.extend(end(thread));
    Stack { lines, legend }
}

/// Returns how much of a frame's source is shown.
fn source_extent(sources: &[usize], index: usize) -> Option<Extent> {
    let position = sources.iter().position(|source| *source == index)?;
    Some(if position == 0 { Extent::Around } else { Extent::Line })
}

/// A frame with its number, or the line that stands for others.
enum Numbered<'a> {
    Frame(u64, Row, &'a Frame, Option<Extent>),
    Others(Line),
}

impl Numbered<'_> {
    fn frame(&self) -> Option<(u64, &Row)> {
        match self {
            Numbered::Frame(number, row, ..) => Some((*number, row)),
            Numbered::Others(_) => None,
        }
    }
}

/// The line that stands for frames that are not shown.
fn others(what: &str) -> Line {
    Line::plain(INDENT).with(Style::Faint, format!("... {what} ..."))
}

struct Layout {
    /// Digits of the highest frame number.
    number: usize,
    /// Width of the column of names.
    name: usize,
    /// Width of the whole.
    columns: usize,
    /// Whether that is a terminal's, which would break a longer line anywhere.
    terminal: bool,
}

impl Layout {
    /// The columns before a name.
    fn before(&self) -> usize {
        INDENT.len() + 1 + self.number + 2
    }
}

/// One frame, before its layout.
struct Row {
    own: bool,
    machinery: bool,
    guessed: bool,
    name: String,
    /// With their values, between parentheses.
    arguments: String,
    note: String,
    location: Option<String>,
}

impl Row {
    fn new(summary: &CrashSummary, frame: &Frame) -> Row {
        Row {
            own: frame.in_app == Some(true),
            machinery: frames::is_machinery(frame),
            guessed: frames::guess(frame).is_some(),
            name: variables::name(frame),
            arguments: variables::arguments(frame),
            note: frames::kind(frame).map(|kind| format!(" [{kind}]")).unwrap_or_default(),
            location: frames::location(summary, frame).map(|location| location.as_str().to_owned()),
        }
    }

    /// The width of the name and what belongs to it.
    fn width(&self) -> usize {
        width(&self.name) + width(&self.arguments) + self.note.len()
    }

    fn lay_out(self, number: u64, layout: &Layout, lines: &mut Vec<Line>) {
        let name_width = self.width();
        let before = layout.before();
        let number = format!("#{number:<width$}  ", width = layout.number);
        let (name_style, location_style) = match (self.own, self.machinery) {
            (true, _) => (Style::Strong, Style::Plain),
            (false, true) => (Style::Faint, Style::Faint),
            (false, false) => (Style::Plain, Style::Faint),
        };
        let line = Line::default()
            .with(Style::Strong, if self.own { ">" } else { "" })
            .with(Style::Plain, if self.own { "" } else { " " })
            .with(Style::Doubt, if self.guessed { "? " } else { "" })
            .with(Style::Plain, if self.guessed { "" } else { "  " })
            .with(Style::Faint, number)
            .with(name_style, self.name)
            .with(if self.machinery { Style::Faint } else { Style::Plain }, self.arguments)
            .with(Style::Faint, self.note);
        let Some(location) = self.location else {
            lines.push(line);
            return;
        };
        let aligned = layout.name.saturating_sub(name_width) + 2;
        let room = layout.columns.saturating_sub(before + name_width + width(&location));
        // A log has no end of the line; a terminal has, and what doesn't fit into its column still fits before it.
        let padding = if layout.terminal || name_width > layout.name { aligned.min(room) } else { aligned };
        if padding >= 2 {
            lines.push(line.with(Style::Plain, " ".repeat(padding)).with(location_style, location));
        } else {
            lines.push(line);
            let indent = " ".repeat(before + 2);
            lines.push(Line::plain(indent).with(Style::Faint, "at ").with(location_style, location));
        }
    }
}

/// Returns the line that says why the stack ends, unless it ends where stacks do.
fn end(thread: &Thread) -> Option<Line> {
    entries::end(thread).map(|text| Line::plain(INDENT).with(Style::Doubt, format!("({text})")))
}

#[cfg(test)]
mod tests {
    use epitaph_summary::{Repeat, Stop};

    use super::*;

    fn frame(function: &str, file: &str) -> Frame {
        Frame { function: Some(function.into()), file: Some(file.into()), line: Some(7), ..Frame::default() }
    }

    fn texts(thread: &Thread, columns: usize) -> Vec<String> {
        let summary = CrashSummary::new("0");
        let options = Options { width: Some(columns), ..Options::default() };
        stack(&summary, thread, &options).lines.iter().map(Line::text).collect()
    }

    #[test]
    fn a_long_name_keeps_its_place_on_the_line_only_if_it_fits() {
        let long = "f".repeat(52);
        let thread = Thread { frames: vec![frame("main", "m.c"), frame(&long, "x.c")], ..Thread::default() };
        assert_eq!(texts(&thread, 80), ["   #0  main  m.c:7".to_owned(), format!("   #1  {long}  x.c:7")]);
        assert_eq!(
            texts(&thread, 60),
            ["   #0  main  m.c:7".to_owned(), format!("   #1  {long}"), "         at x.c:7".to_owned()]
        );
    }

    #[test]
    fn frames_after_a_gap_keep_their_numbers() {
        let frames: Vec<Frame> = ["a", "b", "c"].iter().map(|name| frame(name, "x.c")).collect();
        let mut thread =
            Thread { frames, frames_total: Some(87_203), omitted_after: Some(1), ..Thread::default() };
        assert_eq!(
            texts(&thread, 80),
            [
                "   #0      a  x.c:7",
                "   #1      b  x.c:7",
                "   ... 87,200 frames left out ...",
                "   #87202  c  x.c:7"
            ]
        );
        // Where it isn't said, or can't be, they are missing at the end.
        for after in [None, Some(2), Some(900)] {
            thread.omitted_after = after;
            assert_eq!(texts(&thread, 80).last().unwrap(), "   ... 87,200 frames left out ...");
        }
        thread.frames_total = Some(2);
        assert_eq!(texts(&thread, 80).len(), 3);
    }

    #[test]
    fn a_recursion_is_folded_unless_all_frames_are_wanted() {
        let names = ["raise", "eval", "call", "eval", "call", "eval", "call", "main"];
        let frames: Vec<Frame> = names.iter().map(|name| frame(name, "x.c")).collect();
        let repeats = vec![Repeat { first: 1, period: 2, count: 43_601, exact: true }];
        let mut thread = Thread {
            frames,
            repeats,
            frames_total: Some(87_204),
            omitted_after: Some(4),
            ..Thread::default()
        };
        let text = |thread: &Thread| texts(thread, 80);
        assert_eq!(
            text(&thread),
            [
                "   #0      raise  x.c:7",
                "   #1      eval   x.c:7",
                "   #2      call   x.c:7",
                "   ... 87,200 frames repeat #1-#2 ...",
                "   #87203  main   x.c:7"
            ]
        );
        thread.repeats[0].exact = false;
        assert_eq!(text(&thread)[3], "   ... 87,200 frames repeat the functions of #1-#2 ...");
        thread.repeats = vec![Repeat { first: 1, period: 1, count: 2, exact: true }];
        assert_eq!(text(&thread)[2], "   ... 1 frame repeats #1 ...");
        let options = Options { fold: false, ..Options::default() };
        assert_eq!(stack(&CrashSummary::new("0"), &thread, &options).lines.len(), 9);
    }

    #[test]
    fn a_story_shows_the_source_of_its_first_own_frames_once() {
        let summary = crate::fixtures::assertion();
        let mut thread = summary.threads[0].clone();
        thread.frames.insert(6, thread.frames[5].clone());
        let lines = |stack: Stack| -> Vec<String> { stack.lines.iter().map(Line::text).collect() };
        let options = Options::default();
        let told = lines(story(&summary, &thread, &options));
        assert_eq!(told[0], "   ... #0-#4 abort machinery, up to __assert_fail (libc.so.6) ...");
        let marked: Vec<&String> = told.iter().filter(|line| line.contains("=>")).collect();
        assert_eq!(
            marked,
            ["       => 57 |     assert(queue->count > 0);", "       => 31 | queue_pop(&queue);"]
        );
        assert!(!lines(stack(&summary, &thread, &options)).iter().any(|line| line.contains(" | ")));
        let unfolded = Options { fold: false, ..options };
        assert!(lines(story(&summary, &thread, &unfolded))[0].contains("#0   __pthread_kill_implementation"));
    }

    #[test]
    fn in_a_terminal_a_place_moves_left_before_it_moves_down() {
        let (long, far) = ("f".repeat(30), "x".repeat(40));
        let thread = Thread { frames: vec![frame(&long, "x.c"), frame("g", &far)], ..Thread::default() };
        let at = |columns| texts(&thread, columns)[1].clone();
        assert_eq!(at(90), format!("   #1  g{}  {far}:7", " ".repeat(29)));
        assert_eq!(at(60), format!("   #1  g{}{far}:7", " ".repeat(10)));
        assert_eq!(at(45), "   #1  g");
    }

    #[test]
    fn an_early_end_is_said() {
        let mut thread =
            Thread { frames: vec![frame("a", "x.c")], stop: Some(Stop::End), ..Thread::default() };
        assert_eq!(texts(&thread, 80).len(), 1);
        thread.stop = Some(Stop::NoCfi);
        assert_eq!(texts(&thread, 80)[1], "   (the walk stopped here: no unwind information)");
        thread.stop_detail = Some("no unwind information at 0x7f00".into());
        assert_eq!(texts(&thread, 80)[1], "   (the walk stopped here: no unwind information at 0x7f00)");
        thread.frames.clear();
        assert_eq!(texts(&thread, 80), ["   (no frames: no unwind information at 0x7f00)"]);
        assert_eq!(texts(&Thread::default(), 80), ["   (no frames)"]);
    }
}

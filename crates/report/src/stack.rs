//! A thread's stack as lines: numbered frames, what was left out, and why it ends.
//!
//! ```text
//! >  #0  Lexer::peek() const [inlined]  src/lexer.h:40:9
//! >  #1  Lexer::next(int)               src/lexer.cc:88:12
//!  ? #2  __libc_start_main+0x80         libc.so.6
//! ```
//!
//! The signs are ASCII on purpose: some log viewers and Java agents still show anything else as `?`.

use std::collections::BTreeSet;

use epitaph_summary::{CrashSummary, Frame, Stop, Thread};

use crate::escape::clean;
use crate::frames;
use crate::line::{Line, Style, width};
use crate::quantity::grouped;

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
}

impl Legend {
    /// Takes in what another stack uses.
    pub(crate) fn extend(&mut self, other: &Legend) {
        self.own |= other.own;
        self.guesses.extend(&other.guesses);
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
        (!parts.is_empty()).then(|| Line::plain(INDENT).with(Style::Faint, format!("({})", parts.join("; "))))
    }
}

/// Lays out the stack of `thread` for `columns` columns; nothing is cut to fit.
pub(crate) fn stack(summary: &CrashSummary, thread: &Thread, columns: usize) -> Stack {
    let gap = Gap::of(thread);
    let mut legend = Legend::default();
    let rows: Vec<Row> = thread.frames.iter().map(|frame| Row::new(summary, frame)).collect();
    let last = (rows.len() as u64).saturating_sub(1).saturating_add(gap.count);
    let layout = Layout {
        number: last.to_string().len(),
        name: rows.iter().map(|row| row.width()).filter(|width| *width <= NAME_COLUMN).max().unwrap_or(0),
        columns,
    };
    let mut lines = Vec::with_capacity(rows.len() + 2);
    let mut number = 0u64;
    for (index, (row, frame)) in rows.into_iter().zip(&thread.frames).enumerate() {
        legend.own |= row.own;
        legend.guesses.extend(frames::guess(frame));
        row.lay_out(number, &layout, &mut lines);
        number += 1;
        if gap.after == Some(index) {
            lines.push(gap.line());
            number = number.saturating_add(gap.count);
        }
    }
    lines.extend(end(thread));
    Stack { lines, legend }
}

/// Frames that were left out.
struct Gap {
    /// The index of the frame that they follow; `None` if there are none.
    after: Option<usize>,
    count: u64,
}

impl Gap {
    fn of(thread: &Thread) -> Gap {
        let shown = thread.frames.len();
        let count = u64::from(thread.frames_total.unwrap_or(0)).saturating_sub(shown as u64);
        let last = shown.checked_sub(1);
        let after = thread.omitted_after.map_or(last, |after| last.map(|last| last.min(after as usize)));
        Gap { after: after.filter(|_| count > 0), count }
    }

    fn line(&self) -> Line {
        let frames = if self.count == 1 { "frame" } else { "frames" };
        Line::plain(INDENT).with(Style::Faint, format!("... {} {frames} left out ...", grouped(self.count)))
    }
}

struct Layout {
    /// Digits of the highest frame number.
    number: usize,
    /// Width of the column of names.
    name: usize,
    /// Width of the whole.
    columns: usize,
}

/// One frame, before its layout.
struct Row {
    own: bool,
    guessed: bool,
    name: String,
    inlined: &'static str,
    location: Option<String>,
}

impl Row {
    fn new(summary: &CrashSummary, frame: &Frame) -> Row {
        Row {
            own: frame.in_app == Some(true),
            guessed: frames::guess(frame).is_some(),
            name: frames::name(frame),
            inlined: if frame.inlined { " [inlined]" } else { "" },
            location: frames::location(summary, frame).map(|location| location.as_str().to_owned()),
        }
    }

    /// The width of the name and what belongs to it.
    fn width(&self) -> usize {
        width(&self.name) + self.inlined.len()
    }

    fn lay_out(self, number: u64, layout: &Layout, lines: &mut Vec<Line>) {
        let name_width = self.width();
        let before = INDENT.len() + 1 + layout.number + 2;
        let number = format!("#{number:<width$}  ", width = layout.number);
        let (name_style, location_style) =
            if self.own { (Style::Strong, Style::Plain) } else { (Style::Plain, Style::Faint) };
        let line = Line::default()
            .with(Style::Strong, if self.own { ">" } else { "" })
            .with(Style::Plain, if self.own { "" } else { " " })
            .with(Style::Doubt, if self.guessed { "? " } else { "" })
            .with(Style::Plain, if self.guessed { "" } else { "  " })
            .with(Style::Faint, number)
            .with(name_style, self.name)
            .with(Style::Faint, self.inlined);
        let Some(location) = self.location else {
            lines.push(line);
            return;
        };
        let padding = layout.name.saturating_sub(name_width) + 2;
        if name_width <= layout.name || before + name_width + padding + width(&location) <= layout.columns {
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
    let reason = match thread.stop_detail.as_deref().filter(|detail| !detail.is_empty()) {
        Some(detail) => Some(clean(detail).into_owned()),
        None => thread.stop.map(|stop| reason(stop).to_owned()),
    };
    let text = match (thread.frames.is_empty(), thread.stop, reason) {
        (true, None | Some(Stop::End), _) | (true, _, None) => "(no frames)".to_owned(),
        (true, _, Some(reason)) => format!("(no frames: {reason})"),
        (false, Some(Stop::End), _) | (false, _, None) => return None,
        (false, _, Some(reason)) => format!("(the walk stopped here: {reason})"),
    };
    Some(Line::plain(INDENT).with(Style::Doubt, text))
}

/// Says why a walk ended where the summary has no sentence for it.
fn reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "it is the thread's first frame",
        Stop::NoCfi => "no unwind information",
        Stop::NotDumped => "the rest of the stack was not dumped",
        Stop::Truncated => "the core ends before the rest of the stack",
        Stop::Unmapped => "the stack pointer leads into unmapped memory",
        Stop::BadReturnAddress => "the return address leads nowhere",
        Stop::Loop => "the next frame is the same again",
        Stop::Limit => "the limit on frames",
        Stop::NoRegisters => "the core holds no registers for this thread",
        _ => "a reason that this version doesn't know",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, file: &str) -> Frame {
        Frame { function: Some(function.into()), file: Some(file.into()), line: Some(7), ..Frame::default() }
    }

    fn texts(thread: &Thread, columns: usize) -> Vec<String> {
        let summary = CrashSummary::new("0");
        stack(&summary, thread, columns).lines.iter().map(Line::text).collect()
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

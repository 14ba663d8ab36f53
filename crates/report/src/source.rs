//! Source lines beneath the frames of a story, where the summary has them.
//!
//! ```text
//!         56 | Item *item = head(queue);
//!      => 57 | assert(item != NULL);
//!         58 | return item->value;
//! ```

use epitaph_summary::{Frame, SourceLine};

use crate::escape::brief;
use crate::line::{Line, Style};

/// Lines before and after the one where it happened.
const AROUND: u32 = 2;

/// The most characters of a line.
const LIMIT: usize = 160;

/// The fewest characters that a line is cut to: the most narrow terminal breaks it.
const SHORTEST: usize = 20;

/// How much of a frame's source is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The line, and those around it.
    Around,
    /// The line alone.
    Line,
}

/// Returns the lines beneath a frame; none where its source isn't known, or says nothing of its line.
///
/// They stand behind `indent` columns. In a terminal of `columns`, the one where it happened is broken to fit it, and the
/// others are cut: the file has them whole.
pub(crate) fn lines(frame: &Frame, extent: Extent, indent: usize, columns: Option<usize>) -> Vec<Line> {
    let Some(at) = frame.line else { return Vec::new() };
    let around = if extent == Extent::Around { AROUND } else { 0 };
    let near: Vec<&SourceLine> = frame
        .source
        .iter()
        .filter(|line| line.line.abs_diff(at) <= around)
        .take(2 * AROUND as usize + 1)
        .collect();
    if !near.iter().any(|line| line.line == at && !line.text.trim().is_empty()) {
        return Vec::new();
    }
    let number = near.iter().map(|line| line.line.to_string().len()).max().unwrap_or(0);
    let margin = near.iter().filter_map(|line| margin(&line.text)).min().unwrap_or(0);
    // The mark, the number, and what sets the text apart.
    let before = indent + "=> ".len() + number + " | ".len();
    let limit = columns.map_or(LIMIT, |columns| columns.saturating_sub(before).clamp(SHORTEST, LIMIT));
    let indent = " ".repeat(indent);
    let mut lines = Vec::with_capacity(near.len());
    for line in near {
        let text = line.text.trim_end().replace('\t', TAB);
        let text = text.get(margin..).unwrap_or_default();
        let source = format!(" {:>number$} |", line.line);
        if line.line == at {
            let marked = Line::plain(indent.as_str()).with(Style::Alarm, "=>").with(Style::Faint, source);
            let marked = marked.with(Style::Strong, format!(" {}", brief(text, LIMIT)));
            match columns {
                Some(columns) => lines.extend(marked.wrapped(columns, before + 2)),
                None => lines.push(marked),
            }
        } else {
            let text = if text.is_empty() { String::new() } else { format!(" {}", brief(text, limit)) };
            lines.push(Line::plain(format!("{indent}  ")).with(Style::Faint, format!("{source}{text}")));
        }
    }
    lines
}

/// What a tab is shown as.
const TAB: &str = "    ";

/// Returns how many bytes of indentation a line has, tabs replaced; `None` if it is empty.
fn margin(text: &str) -> Option<usize> {
    let rest = text.trim_start_matches([' ', '\t']);
    let before = text.get(..text.len() - rest.len())?;
    let tabs = before.matches('\t').count();
    (!rest.trim().is_empty()).then(|| before.len() + tabs * (TAB.len() - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(at: u32, source: &[(u32, &str)]) -> Frame {
        let source = source.iter().map(|&(line, text)| SourceLine { line, text: text.into() }).collect();
        Frame { line: Some(at), source, ..Frame::default() }
    }

    fn texts(frame: &Frame, extent: Extent) -> Vec<String> {
        lines(frame, extent, 1, None).iter().map(Line::text).collect()
    }

    #[test]
    fn the_line_is_marked_among_its_neighbours() {
        let frame = frame(
            9,
            &[
                (5, "far"),
                (7, "\tint a;"),
                (8, ""),
                (9, "\tuse(a);\u{1b}[2J"),
                (10, "\t    b();"),
                (12, "far"),
            ],
        );
        assert_eq!(
            texts(&frame, Extent::Around),
            ["     7 | int a;", "     8 |", " =>  9 | use(a);\\x1b[2J", "    10 |     b();"]
        );
        assert_eq!(texts(&frame, Extent::Line), [" => 9 | use(a);\\x1b[2J"]);
    }

    #[test]
    fn source_that_lacks_the_line_is_not_shown() {
        assert!(texts(&frame(9, &[(8, "a"), (10, "b")]), Extent::Around).is_empty());
        assert!(texts(&frame(9, &[(8, "a"), (9, "  ")]), Extent::Around).is_empty());
        let long = "x".repeat(10_000);
        assert!(texts(&frame(9, &[(9, &long)]), Extent::Line)[0].len() < 200);
        let many = vec![(9, "x"); 1000];
        assert_eq!(texts(&frame(9, &many), Extent::Around).len(), 5);
    }
}

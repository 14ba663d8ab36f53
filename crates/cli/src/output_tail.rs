//! The end of what a command wrote: text that reports can show.

use epitaph_capture::Tail;
use epitaph_summary::Masks;

/// The most characters of a line.
const LONGEST_LINE: usize = 1000;

/// Returns the last lines of a tail, at most `most`: masked, without colours and without what a progress bar overwrote.
pub(crate) fn lines(tail: &Tail, most: usize, masks: &Masks) -> Vec<String> {
    let plain = anstream::adapter::strip_str(&String::from_utf8_lossy(tail.lines())).to_string();
    // Before it is cut into lines: a secret may have several.
    let text = masks.apply(&plain);
    let lines: Vec<&str> = text.lines().map(last_version).collect();
    let start = lines.len().saturating_sub(most);
    lines.get(start..).unwrap_or_default().iter().map(|line| shortened(line)).collect()
}

/// What is seen of a line that was written over and over, each time from its start.
fn last_version(line: &str) -> &str {
    let line = line.trim_end();
    line.rsplit('\r').next().unwrap_or(line)
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, most: usize) -> Vec<String> {
        lines(
            &Tail::of(text.as_bytes()),
            most,
            &Masks::new(["sesame-open".to_owned(), "two\nlines".to_owned()]),
        )
    }

    #[test]
    fn the_last_lines_are_plain_text() {
        assert_eq!(of("a\nb\nc\n", 2), ["b", "c"]);
        assert_eq!(of("a\nb", 9), ["a", "b"]);
        assert_eq!(of("\x1b[1;31mred\x1b[0m\r\n10%\r50%\r100%\n", 9), ["red", "100%"]);
        assert_eq!(of("", 9), [""; 0]);
        assert_eq!(of(&"x".repeat(2000), 1)[0].len(), 1003);
    }

    #[test]
    fn secrets_are_masked_also_over_several_lines() {
        assert_eq!(of("key sesame-open\ntwo\nlines\n", 9), ["key ***", "***"]);
    }
}

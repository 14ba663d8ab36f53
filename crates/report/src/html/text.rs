//! Text of a crash as a page shows it: inert, bounded, and said where it was cut. The template escapes it for HTML.

use maud::{Markup, html};

use crate::escape::{clean, shortened};
use crate::line::{Line, Style};
use crate::quantity::grouped;

/// The most characters of one text: names of templates are long, and nobody reads on.
const LIMIT: usize = 700;

/// The most characters of what stands in a heading or a row.
pub(super) const SHORT: usize = 240;

/// The most lines beneath one label.
pub(super) const MOST_SAID: usize = 24;

/// The most characters of a filter's value.
const VALUE: usize = 80;

/// Returns a text as one inert line.
pub(super) fn shown(text: &str) -> Markup {
    shown_to(text, LIMIT)
}

/// Returns at most `limit` characters of a text as one inert line, and says how many there are if these are not all.
pub(super) fn shown_to(text: &str, limit: usize) -> Markup {
    let Some((end, _)) = text.char_indices().nth(limit) else { return html! { (*clean(text)) } };
    let kept = text.get(..end).unwrap_or_default();
    html! {
        (*clean(kept)) "… "
        span.cut { "(cut: " (grouped(text.chars().count() as u64)) " characters)" }
    }
}

/// Returns the start of a text for an attribute or the page's title.
pub(super) fn plain(text: &str) -> String {
    clean(&shortened(text, VALUE)).into_owned()
}

/// Returns a path, or a place in a file, with its folders subdued.
pub(super) fn path(text: &str) -> Markup {
    match text.rfind('/').map(|slash| text.split_at(slash + 1)) {
        Some((folders, name)) if !name.is_empty() => {
            html! { span.dir { (shown_to(folders, SHORT)) } (shown_to(name, SHORT)) }
        }
        _ => shown_to(text, SHORT),
    }
}

/// Returns a line with its styles.
pub(super) fn line(line: &Line) -> Markup {
    pieces(line.pieces())
}

/// Returns pieces of a line with their styles.
pub(super) fn pieces<'a>(pieces: impl Iterator<Item = (Style, &'a str)>) -> Markup {
    html! {
        @for (style, text) in pieces {
            @match style {
                Style::Plain => (shown(text)),
                Style::Strong => b { (shown(text)) },
                Style::Alarm => b.alarm { (shown(text)) },
                Style::Faint => span.faint { (shown(text)) },
                Style::Doubt => span.doubt { (shown(text)) },
            }
        }
    }
}

/// Returns a moment: `2026-11-22 10:15:01 UTC` of `2026-11-22T10:15:01Z`, and anything else as it is.
pub(super) fn moment(time: &str) -> Markup {
    let is_utc = time.len() <= 32
        && time.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            10 => byte == b'T',
            13 | 16 => byte == b':',
            at if at + 1 == time.len() => byte == b'Z',
            19 => byte == b'.',
            _ => byte.is_ascii_digit(),
        });
    match (is_utc, time.get(..10), time.get(11..19)) {
        (true, Some(day), Some(clock)) => html! { time datetime=(time) { (day) " " (clock) " UTC" } },
        _ => shown_to(time, VALUE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(shown_to("größe", 5).into_string(), "größe");
        assert_eq!(
            shown_to("größer", 5).into_string(),
            "größe… <span class=\"cut\">(cut: 6 characters)</span>"
        );
        let long = "<b>".repeat(1 << 20);
        let cut = shown(&long).into_string();
        assert!(cut.len() < 8000 && cut.contains("(cut: 3,145,728 characters)"), "{}", cut.len());
    }

    #[test]
    fn nothing_acts() {
        let hostile = "<img src=x onerror=alert(1)>\u{202e}\u{1b}[2J##vso[x]\"'";
        assert_eq!(
            shown(hostile).into_string(),
            "&lt;img src=x onerror=alert(1)&gt;\\u{202e}\\x1b[2J#\\x23vso[x]&quot;'"
        );
    }

    #[test]
    fn a_moment_is_one_only_in_our_form() {
        let utc = moment("2026-11-22T10:15:01Z").into_string();
        assert_eq!(utc, "<time datetime=\"2026-11-22T10:15:01Z\">2026-11-22 10:15:01 UTC</time>");
        assert!(moment("2026-11-22T10:15:01.123456789Z").into_string().contains("2026-11-22 10:15:01 UTC"));
        for other in ["", "yesterday", "2026-11-22T10:15:01+01:00", "2026-11-22", "\"><script>"] {
            assert!(!moment(other).into_string().contains("<time"), "{other}");
        }
    }

    #[test]
    fn a_file_stands_out_of_its_folders() {
        assert_eq!(path("a/b.c:7").into_string(), "<span class=\"dir\">a/</span>b.c:7");
        assert_eq!(path("b.c").into_string(), "b.c");
        assert_eq!(path("a/").into_string(), "a/");
    }
}

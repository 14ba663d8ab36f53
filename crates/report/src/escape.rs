//! Makes text that comes from a crash inert, for each place where it is shown.
//!
//! A process chooses its name, its command line, the paths that it maps and the names of its functions, and some
//! processes are hostile. [`clean`] comes first and always: its result is one line without anything that a
//! terminal or a CI system acts upon. [`markdown`], [`code_span`] and [`fence`] then guard Markdown. XML is the
//! serializer's job. [`json`] does for JSON what [`clean`] does for text, without changing any value.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What is encoded in a part of a path: all that could end it, or mean something to a browser.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Returns a path as it stands in an address (RFC 3986, 3.3).
pub(crate) fn uri_path(path: &str) -> String {
    let parts: Vec<String> =
        path.split('/').map(|part| utf8_percent_encode(part, PART).to_string()).collect();
    parts.join("/")
}

/// Returns `text` as one inert line.
///
/// Control characters, line separators and characters that are invisible or turn the writing direction become
/// `\n`, `\x1b` or `\u{202e}`. The second `#` of `##` becomes `\x23`: runners of GitHub and Azure Pipelines look
/// for `##[` and `##vso[` anywhere in a line (and compare like .NET does: blind to invisible characters).
/// GitHub's `::` counts only where a line begins, so lines must begin with a character of ours.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    let mut after_hash = false;
    let is_clean = !text.chars().any(|c| {
        let bad = is_active(c) || (after_hash && c == '#');
        after_hash = c == '#';
        bad
    });
    if is_clean {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut after_hash = false;
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '#' if after_hash => out.push_str("\\x23"),
            c if !is_active(c) => out.push(c),
            c => out.push_str(&spelled(c)),
        }
        after_hash = c == '#';
    }
    Cow::Owned(out)
}

/// Spells a character out as Rust does: `\x1b`, `\u{202e}`.
fn spelled(c: char) -> String {
    match u32::from(c) {
        code @ ..=0xff => format!("\\x{code:02x}"),
        code => format!("\\u{{{code:x}}}"),
    }
}

/// Tells whether a character may do something other than be seen: a control character, a line separator, one
/// that is invisible or changes the writing direction (Unicode's Default_Ignorable_Code_Point), or no character.
fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f
            | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164
            | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb
            | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Returns the start of a text as one inert line: of what may be of any length, `limit` characters.
pub(crate) fn brief(text: &str, limit: usize) -> String {
    clean(&shortened(text, limit)).into_owned()
}

/// Returns a text of at most `limit` characters, with `...` where its end was.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    if text.chars().nth(limit).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(3)).collect();
    format!("{kept}...")
}

/// Tells whether cleaned text may begin a line: it begins no CI command and no fold of a log.
pub(crate) fn begins_harmlessly(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '(' | '"' | '\'' | '`'))
}

/// Returns JSON with the same characters (and the second `#` of `##`) written as `\u` escapes.
///
/// They occur only within the strings of serialized JSON, so every value stays what it was.
pub(crate) fn json(serialized: &str) -> String {
    let mut out = String::with_capacity(serialized.len());
    let mut after_hash = false;
    for c in serialized.chars() {
        // The newlines between the tokens of indented JSON are the only raw control characters in it.
        if c != '\n' && (is_active(c) || (after_hash && c == '#')) {
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
        after_hash = c == '#';
    }
    out
}

/// Returns cleaned text for Markdown outside of code.
///
/// Signs that mean something within a line get a backslash. Mentions, references and links (`@user`, `#123`,
/// `!7`, `https://…`) are looked for in the *rendered* text too, where a backslash is gone, so an invisible
/// character goes between the sign and the word.
pub(crate) fn markdown(cleaned: &str) -> String {
    const BREAK: &str = "&#8203;";
    let mut out = String::with_capacity(cleaned.len() + 16);
    let mut chars = cleaned.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '.' && out.ends_with("www") {
            out.push_str(BREAK);
        }
        if matches!(
            c,
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&' | '!' | '@' | '$' | '^'
        ) {
            out.push('\\');
        }
        out.push(c);
        let next = chars.peek().copied().unwrap_or(' ');
        let refers = matches!(c, '@' | '#' | '!' | '$' | '%' | '&' | '~' | '^')
            && (next.is_alphanumeric() || matches!(next, '_' | '"'));
        if refers || (c == ':' && next == '/') {
            out.push_str(BREAK);
        }
    }
    out
}

/// Returns cleaned text as a Markdown code span.
pub(crate) fn code_span(cleaned: &str) -> String {
    if cleaned.is_empty() {
        return String::new();
    }
    let ticks = "`".repeat(longest_run_of_backticks(cleaned) + 1);
    // One space at each end is taken off by the reader; a tick at an end would join the delimiter.
    let blank = |c: char| c == '`' || c == ' ';
    let pad = if cleaned.starts_with(blank) || cleaned.ends_with(blank) { " " } else { "" };
    format!("{ticks}{pad}{cleaned}{pad}{ticks}")
}

/// Returns a fence that no line of `lines` can close.
pub(crate) fn fence<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    "`".repeat(lines.map(longest_run_of_backticks).max().unwrap_or(0).max(2) + 1)
}

fn longest_run_of_backticks(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_is_left_alone() {
        for text in
            ["", "std::vector<int>::push_back(int&&)", "größe/naïve.c", "日本語", "C#", "a \u{fffd} b"]
        {
            assert!(matches!(clean(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn what_drives_a_terminal_is_spelled_out() {
        let cases = [
            ("\u{1b}[2Jx", "\\x1b[2Jx"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{9b}31m\u{7f}", "\\x9b31m\\x7f"),
            ("abc\u{202e}cba\u{2066}", "abc\\u{202e}cba\\u{2066}"),
            ("a\u{2028}b\u{feff}\u{ffff}", "a\\u{2028}b\\u{feff}\\u{ffff}"),
        ];
        for (hostile, shown) in cases {
            assert_eq!(clean(hostile), shown);
        }
    }

    #[test]
    fn no_runner_finds_a_command_in_the_middle_of_a_line() {
        for hostile in ["x ##[error]y", "##vso[task.setvariable]", "#\u{200d}#[group]", "###[x]", "####vso[x"]
        {
            assert!(!clean(hostile).contains("##"), "{hostile}");
        }
        assert_eq!(clean("a##[b"), "a#\\x23[b");
    }

    #[test]
    fn escaped_json_is_the_same_value() {
        let value = serde_json::json!({ "n##[x]": "\u{9b}\u{202e}\u{e0041}##vso[\n\u{7f}é" });
        let inert = json(&serde_json::to_string_pretty(&value).unwrap());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&inert).unwrap(), value);
        assert!(inert.chars().all(|c| c == '\n' || !is_active(c)), "{inert}");
        assert!(!inert.contains("##"));
    }

    #[test]
    fn markdown_punctuation_and_references_mean_nothing() {
        assert_eq!(markdown("a|b `c` <d>"), "a\\|b \\`c\\` \\<d\\>");
        assert_eq!(markdown("@team #12 50%"), "\\@&#8203;team \\#&#8203;12 50%");
        assert_eq!(markdown("[x](https://evil)"), "\\[x\\](https:&#8203;//evil)");
        assert_eq!(markdown("www.evil.com"), "www&#8203;.evil.com");
    }

    #[test]
    fn code_cannot_be_left() {
        assert_eq!(code_span("f"), "`f`");
        assert_eq!(code_span("a``b`"), "``` a``b` ```");
        assert_eq!(code_span("`"), "`` ` ``");
        assert_eq!(fence(["x", "````", "`"].into_iter()), "`````");
        assert_eq!(fence(std::iter::empty()), "```");
    }

    #[test]
    fn shortened_text_keeps_to_its_limit() {
        assert_eq!(shortened("größer", 6), "größer");
        assert_eq!(shortened("größeres", 6), "grö...");
        assert_eq!(shortened("größeres", 2), "...");
    }
}

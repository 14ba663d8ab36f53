//! HTML that hostile text can't break out of.

use std::fmt::Write as _;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use epitaph_report::inert;

/// The most characters of a text that are shown.
const LIMIT: usize = 1000;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:72em;padding:0 1em}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.2em 1em .2em 0;border-bottom:1px solid #8884;\
vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\
td,li,p{overflow-wrap:anywhere}.dim{opacity:.7}.crash{border-left:.3em solid #c33;padding-left:.8em;margin:1em 0}\
code{font:13px ui-monospace,monospace}:root{color-scheme:light dark}";

/// A page that grows from top to bottom.
#[derive(Debug)]
pub(super) struct Html(String);

impl Html {
    /// Begins a page.
    pub(super) fn new(title: &str) -> Self {
        let mut page = Self(String::new());
        page.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
        page.raw("<meta name=\"viewport\" content=\"width=device-width\"><title>")
            .text(title)
            .raw("</title><style>");
        page.raw(STYLE).raw("</style></head>\n<body>\n<h1>").text(title).raw("</h1>\n");
        page
    }

    /// Adds HTML of ours.
    pub(super) fn raw(&mut self, html: &'static str) -> &mut Self {
        self.0.push_str(html);
        self
    }

    /// Adds text of anybody's.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for c in inert(text, LIMIT).chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
        self
    }

    /// Adds a number.
    pub(super) fn number(&mut self, number: impl Into<u64>) -> &mut Self {
        // Writing to a string doesn't fail.
        let _ = write!(self.0, "{}", number.into());
        self
    }

    /// Adds a link; `path` is one of [`crate::link`]'s, with a query of ours or none.
    pub(super) fn link(&mut self, path: &str, text: &str) -> &mut Self {
        self.raw("<a href=\"");
        self.0.extend(path.chars().filter(|c| !matches!(c, '"' | '<' | '>')));
        self.raw("\">").text(text).raw("</a>")
    }

    /// Adds what could not be read.
    pub(super) fn warnings(&mut self, warnings: &[String]) -> &mut Self {
        for warning in warnings {
            self.raw("<p class=\"dim\">Could not be read: ").text(warning).raw("</p>\n");
        }
        self
    }

    /// Ends the page.
    pub(super) fn finish(mut self) -> Response {
        self.raw("</body></html>\n");
        ([(CONTENT_TYPE, "text/html; charset=utf-8")], self.0).into_response()
    }
}

/// Says a number of bytes for people.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = "B";
    for larger in UNITS {
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let mut page = Html::new("<script>alert(1)</script>");
        page.text("a&b \"'\u{202e}\n").link("/x\"onclick=\"y", "<b>");
        assert!(!page.0.contains("<script>") && !page.0.contains("<b>"), "{}", page.0);
        assert!(page.0.contains("a&amp;b &quot;&#39;\\u{202e}\\n"), "{}", page.0);
        assert!(page.0.contains("<a href=\"/xonclick=y\">&lt;b&gt;</a>"), "{}", page.0);
    }

    #[test]
    fn sizes() {
        for (count, text) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 << 30, "3.0 GiB"), (1 << 50, "1024.0 TiB")]
        {
            assert_eq!(bytes(count), text);
        }
    }
}

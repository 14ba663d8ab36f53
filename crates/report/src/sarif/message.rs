//! Messages: plain text in which SARIF itself would see links and placeholders (2.1.0, 3.11.5 and 3.11.6).

use serde_json::{Value, json};

use crate::escape::brief;

/// The most characters of a message: GitHub shows no more than a thousand.
const LIMIT: usize = 1000;

/// Returns text as a message.
pub(super) fn message(text: &str) -> Value {
    json!({ "text": plain(text) })
}

/// Returns one inert line in which nothing is a link (`[text](address)`) or a placeholder (`{0}`).
pub(super) fn plain(text: &str) -> String {
    let text = brief(text, LIMIT).replace("](", "\\](");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        match after.split_at_checked(digits) {
            Some((number, end)) if digits > 0 && end.starts_with('}') => {
                out.push_str("{{");
                out.push_str(number);
                out.push_str("}}");
                rest = end.get(1..).unwrap_or_default();
            }
            _ => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_placeholders_are_text() {
        let cases = [
            ("f(std::vector<int> const&)", "f(std::vector<int> const&)"),
            ("operator[](int)", "operator[\\](int)"),
            ("[click](https://evil.example)", "[click\\](https://evil.example)"),
            ("{closure#0} {0} {12}{x}", "{closure#0} {{0}} {{12}}{x}"),
            ("{", "{"),
            ("{7", "{7"),
            ("größe {0}é", "größe {{0}}é"),
        ];
        for (text, shown) in cases {
            assert_eq!(plain(text), shown);
        }
        assert!(plain(&"x".repeat(5000)).len() <= LIMIT);
    }
}

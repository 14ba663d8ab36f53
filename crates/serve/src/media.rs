//! What an artifact is shown as, by its name alone.
//!
//! Artifacts are hostile: a browser shows only kinds that can't act in it, and those without any rights; everything
//! else is saved to a file. `nosniff` keeps it from thinking otherwise.

/// How a browser is told to treat a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Media {
    /// Its `Content-Type`.
    pub(crate) kind: &'static str,
    /// Whether it is shown rather than saved.
    pub(crate) shown: bool,
}

/// What is no use in a browser.
pub(crate) const BINARY: Media = Media { kind: "application/octet-stream", shown: false };

/// Extensions, and what they are shown as. XML is shown as text: a style sheet can act.
const KINDS: [(&[&str], &str); 7] = [
    (&["html", "htm"], "text/html; charset=utf-8"),
    (&["txt", "log", "md", "out", "err", "xml", "csv", "yml", "yaml", "toml"], "text/plain; charset=utf-8"),
    (&["json", "jsonl"], "application/json"),
    (&["png"], "image/png"),
    (&["jpg", "jpeg"], "image/jpeg"),
    (&["gif"], "image/gif"),
    (&["webp"], "image/webp"),
];

/// Returns how an artifact of that name is treated.
pub(crate) fn of(name: &str) -> Media {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    let known =
        |extensions: &[&str]| extension.as_deref().is_some_and(|extension| extensions.contains(&extension));
    let kind = KINDS.iter().find(|(extensions, _)| known(extensions)).map(|(_, kind)| *kind);
    kind.map_or(BINARY, |kind| Media { kind, shown: true })
}

/// Returns the header that lets a browser save a file under its own name: RFC 6266.
pub(crate) fn attachment(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let fallback: String = name.chars().map(plain).collect();
    let encoded = percent_encoding::utf8_percent_encode(name, crate::link::RESERVED);
    format!("attachment; filename=\"{fallback}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_act_is_not_shown_as_itself() {
        assert_eq!(of("a/b.LOG").kind, "text/plain; charset=utf-8");
        assert_eq!(of("junit.xml").kind, "text/plain; charset=utf-8");
        assert!(of("index.html").shown);
        for name in ["core", "core.4711", "x.svg", "x.js", "x.pdf", "x.swf", "html", "a.html.gz", ""] {
            assert_eq!(of(name), BINARY, "{name}");
        }
    }

    #[test]
    fn a_name_stays_within_its_header() {
        assert_eq!(attachment("core.17"), "attachment; filename=\"core.17\"; filename*=UTF-8''core.17");
        let hostile = attachment("a\"\r\nSet-Cookie: x;é");
        assert_eq!(
            hostile,
            "attachment; filename=\"a___Set-Cookie__x__\"; filename*=UTF-8''a%22%0D%0ASet-Cookie%3A%20x%3B%C3%A9"
        );
    }
}

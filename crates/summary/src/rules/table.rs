//! Many patterns, sorted by what they need to be compared.

/// Patterns, of which most are plain names or beginnings of names.
#[derive(Debug)]
pub(super) struct Table {
    /// Plain names, sorted.
    pub(super) names: &'static [&'static str],
    /// Beginnings of names.
    pub(super) beginnings: &'static [&'static str],
    /// The others: what stands between any texts, before the first and after the last of them too.
    pub(super) others: &'static [&'static [&'static str]],
}

impl Table {
    /// Tells whether one of them matches the whole of `text`.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.names.binary_search(&text).is_ok()
            || self.beginnings.iter().any(|beginning| text.starts_with(beginning))
            || self.others.iter().any(|parts| matches(parts, text))
    }
}

/// Tells whether `text` is made of these parts, in their order, with any text between them.
fn matches(parts: &[&str], text: &str) -> bool {
    let Some((first, rest)) = parts.split_first() else { return false };
    let Some((last, middle)) = rest.split_last() else { return text == *first };
    let inner = text.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
    let after = inner.and_then(|inner| {
        middle.iter().try_fold(inner, |rest, part| rest.split_once(part).map(|(_, after)| after))
    });
    after.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_pattern_matches_the_whole_text() {
        let table = Table {
            names: &["abort", "raise"],
            beginnings: &["std::__throw_"],
            others: &[&["", "LogMessage", "::~", ""], &["", "::main"], &["__", "_chk"]],
        };
        for text in [
            "abort",
            "std::__throw_out_of_range",
            "google::LogMessageFatal::~LogMessageFatal",
            "app::main",
            "__memcpy_chk",
            "___chk",
        ] {
            assert!(table.matches(text), "{text}");
        }
        for text in ["abort_all", "my_abort", "not::std::__throw_x", "::~LogMessage", "main", "__chk", ""] {
            assert!(!table.matches(text), "{text}");
        }
    }
}

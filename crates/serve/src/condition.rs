//! Whether a client has a file already: RFC 9110, 13.

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH, IF_RANGE};

/// What a request's conditions come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The file is to be sent.
    Send,
    /// The client has it: 304.
    Unchanged,
    /// It isn't the file that the client wants any more: 412.
    Changed,
}

/// Judges a request by the file's entity tag, which stands in quotes and is never a weak one.
pub(crate) fn verdict(headers: &HeaderMap, tag: &str) -> Verdict {
    let matches = |name: &HeaderName, weakly: bool| {
        let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).peekable();
        values.peek()?;
        Some(values.any(|value| holds(value, tag, weakly)))
    };
    if matches(&IF_MATCH, false) == Some(false) {
        Verdict::Changed
    } else if matches(&IF_NONE_MATCH, true) == Some(true) {
        Verdict::Unchanged
    } else {
        Verdict::Send
    }
}

/// Tells whether a part may be sent: `If-Range` names this file, or isn't there. A date says nothing about our files.
pub(crate) fn part_allowed(headers: &HeaderMap, tag: Option<&str>) -> bool {
    headers.get(IF_RANGE).is_none_or(|value| tag.is_some_and(|tag| value.as_bytes() == tag.as_bytes()))
}

fn holds(list: &str, tag: &str, weakly: bool) -> bool {
    // No tag of ours has a comma.
    list.split(',')
        .map(str::trim)
        .any(|item| item == "*" || item == tag || (weakly && item.strip_prefix("W/") == Some(tag)))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const TAG: &str = r#""abc""#;

    fn judge(name: HeaderName, value: &'static str) -> Verdict {
        verdict(&HeaderMap::from_iter([(name, HeaderValue::from_static(value))]), TAG)
    }

    #[test]
    fn what_the_client_has_is_not_sent() {
        for value in [r#""abc""#, r#"W/"abc""#, r#""x", "abc""#, "*"] {
            assert_eq!(judge(IF_NONE_MATCH, value), Verdict::Unchanged, "{value}");
        }
        for value in [r#""x""#, "abc", "", r#""abc"#] {
            assert_eq!(judge(IF_NONE_MATCH, value), Verdict::Send, "{value}");
        }
        assert_eq!(verdict(&HeaderMap::new(), TAG), Verdict::Send);
    }

    #[test]
    fn another_file_is_not_sent() {
        assert_eq!(judge(IF_MATCH, r#""abc""#), Verdict::Send);
        assert_eq!(judge(IF_MATCH, "*"), Verdict::Send);
        for value in [r#""x""#, r#"W/"abc""#] {
            assert_eq!(judge(IF_MATCH, value), Verdict::Changed, "{value}");
        }
    }

    #[test]
    fn parts_of_the_same_file_only() {
        let allowed = |value: &'static str, tag| {
            part_allowed(&HeaderMap::from_iter([(IF_RANGE, HeaderValue::from_static(value))]), tag)
        };
        assert!(part_allowed(&HeaderMap::new(), None));
        assert!(allowed(r#""abc""#, Some(TAG)));
        assert!(
            !allowed(r#"W/"abc""#, Some(TAG)) && !allowed(r#""x""#, Some(TAG)) && !allowed(r#""abc""#, None)
        );
        assert!(!allowed("Sun, 22 Nov 2026 10:01:00 GMT", Some(TAG)));
    }
}

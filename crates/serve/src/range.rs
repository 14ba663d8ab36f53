//! Which part of a file a request asks for: RFC 9110, 14.

use std::ops::Range;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of it.
    Whole,
    /// These bytes, at least one.
    Part(Range<u64>),
    /// Bytes that the file doesn't have.
    Nothing,
}

/// Understands a `Range` header for a file of `size` bytes. What isn't understood, and more than one range, may be
/// answered with the whole file.
pub(crate) fn asked(header: &str, size: u64) -> Asked {
    let Some(range) = header.trim().strip_prefix("bytes=").map(str::trim) else { return Asked::Whole };
    let Some((start, end)) = range.split_once('-') else { return Asked::Whole };
    let part = match (number(start), number(end)) {
        (Some(start), None) if end.is_empty() => start..size,
        (Some(start), Some(end)) if start <= end => start..size.min(end.saturating_add(1)),
        (None, Some(last)) if start.is_empty() => size.saturating_sub(last)..size,
        _ => return Asked::Whole,
    };
    if part.is_empty() { Asked::Nothing } else { Asked::Part(part) }
}

/// A number of bytes, which may be too large for any file.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        for (header, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-4", 2..5),
            ("bytes=2-", 2..10),
            ("bytes=2-99", 2..10),
            ("bytes=2-99999999999999999999999", 2..10),
            ("bytes=-3", 7..10),
            ("bytes=-99", 0..10),
            (" bytes= 9-9 ", 9..10),
        ] {
            assert_eq!(asked(header, 10), Asked::Part(part), "{header}");
        }
    }

    #[test]
    fn parts_that_are_not_there() {
        for header in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(asked(header, 10), Asked::Nothing, "{header}");
        }
        assert_eq!(asked("bytes=0-", 0), Asked::Nothing);
    }

    #[test]
    fn what_is_not_understood_is_all_of_it() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=4-2",
            "items=0-1",
            "bytes=0-1,3-4",
            "bytes=+1-2",
            "bytes=a-b",
            "bytes=1-b",
        ] {
            assert_eq!(asked(header, 10), Asked::Whole, "{header}");
        }
    }
}

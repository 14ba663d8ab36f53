//! Secrets that stand beside their names: `NAME=value` in any bytes, `--name value` in arguments.

use std::ops::Range;

use epitaph_summary::Masks;

/// Longest name that is looked at, in bytes.
pub(super) const LONGEST_NAME: usize = 128;
/// Longest value: the kernel's limit for one string of arguments or environment (linux/binfmts.h, `MAX_ARG_STRLEN`).
pub(super) const LONGEST_VALUE: usize = 128 << 10;
/// What ends a value within text.
const ENDS_A_WORD: &[u8] = b"\"'`&;,<>()[]{}";

/// Finds values of `NAME=value` where the name says that they are secret, of those whose `=` is in `within`.
///
/// After a name that begins a string the value is the rest of the string, as in an environment; within text it is the
/// rest of the word. Neither goes on behind what is no text.
pub(super) fn assigned_secrets(bytes: &[u8], within: Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = within.start;
    while let Some(equals) = memchr::memchr(b'=', bytes.get(from..within.end).unwrap_or_default()) {
        let value_start = from + equals + 1;
        from = value_start;
        let before =
            bytes.get(value_start.saturating_sub(LONGEST_NAME + 2)..value_start - 1).unwrap_or_default();
        let name_start = before.iter().rposition(|byte| !is_of_a_name(*byte)).map_or(0, |last| last + 1);
        let name = before.get(name_start..).unwrap_or_default();
        if name.is_empty() || name.len() > LONGEST_NAME || !is_secret_name(name) {
            continue;
        }
        let begins_string =
            name_start.checked_sub(1).and_then(|last| before.get(last)).is_none_or(|byte| !is_text(*byte));
        let rest = bytes.get(value_start..).unwrap_or_default();
        let rest = rest.get(..rest.len().min(LONGEST_VALUE)).unwrap_or_default();
        let len = if begins_string { string_length(rest) } else { word_length(rest) };
        if len > 0 {
            found.push(value_start..value_start + len);
            from += len;
        }
    }
    found
}

/// Finds the secrets among arguments: the index of each, and where in it the secret begins, up to its end.
pub(super) fn secret_arguments<'a>(arguments: impl Iterator<Item = &'a [u8]>) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut value_follows = false;
    for (index, argument) in arguments.enumerate() {
        let equals = memchr::memchr(b'=', argument);
        if value_follows && !argument.is_empty() && !argument.starts_with(b"-") {
            found.push((index, 0));
        } else if let Some(equals) = equals
            && is_secret_name(argument.get(..equals).unwrap_or_default())
        {
            found.push((index, equals + 1));
        }
        value_follows = Masks::is_secret_option(&String::from_utf8_lossy(argument));
    }
    found
}

/// Splits a variable into name and value, if its name says that it is secret.
pub(super) fn secret_variable(variable: &[u8]) -> Option<&[u8]> {
    let equals = memchr::memchr(b'=', variable)?;
    is_secret_name(variable.get(..equals)?).then(|| variable.get(equals + 1..))?
}

fn is_secret_name(name: &[u8]) -> bool {
    Masks::is_secret_name(&String::from_utf8_lossy(name))
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)
}

/// Tells whether a byte is of ASCII text.
fn is_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || b" \t\r\n".contains(&byte)
}

/// How many bytes at the start are text of any language.
fn string_length(bytes: &[u8]) -> usize {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    let string = bytes.get(..end).unwrap_or_default();
    let valid = str::from_utf8(string).map_or_else(|error| error.valid_up_to(), str::len);
    let text = string.get(..valid).unwrap_or_default();
    text.iter().position(|byte| byte.is_ascii() && !is_text(*byte)).unwrap_or(valid)
}

/// How many bytes at the start are one word.
fn word_length(bytes: &[u8]) -> usize {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || ENDS_A_WORD.contains(byte);
    let longest = bytes.iter().position(ends).unwrap_or(bytes.len());
    string_length(bytes.get(..longest).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(bytes: &[u8]) -> Vec<&[u8]> {
        assigned_secrets(bytes, 0..bytes.len()).into_iter().map(|range| &bytes[range]).collect()
    }

    #[test]
    fn values_end_where_their_strings_do() {
        let bytes = b"\0DEPLOY_TOKEN=a b\nc\0HOME=/root\0--api-key=xyz\0key=k\0monkey=no\0X_SECRET=\0TOKEN=\xc3\xa9!\xff9\0";
        assert_eq!(values(bytes), [&b"a b\nc"[..], b"xyz", b"k", "é!".as_bytes()]);
    }

    #[test]
    fn values_within_text_end_with_their_words() {
        assert_eq!(values(b"GET /?user=me&token=abc&x=y"), [b"abc"]);
        assert_eq!(values(b"{\"PASSWORD=abc\"} token=def, secret=ghi'"), [b"abc", b"def", b"ghi"]);
    }

    #[test]
    fn binary_bytes_after_a_value_are_not_of_it() {
        // A buffer without room for a NUL, and a return address behind it.
        assert_eq!(values(b"\0TOKEN=abc\x81\x34\x12\x7f\0\0"), [b"abc"]);
    }

    #[test]
    fn much_that_looks_like_names_takes_little_time() {
        for unit in [&b"token="[..], b"=", b"tokentoken", b"a=\0token=x"] {
            let bytes = unit.repeat(1 << 18);
            assert!(assigned_secrets(&bytes, 0..bytes.len()).len() <= 1 << 18);
        }
    }

    #[test]
    fn arguments_name_their_secrets() {
        let arguments: [&[u8]; 8] =
            [b"prog", b"--password", b"hunter2", b"--token=a b", b"-k", b"x", b"--secret", b"--verbose"];
        assert_eq!(secret_arguments(arguments.into_iter()), [(2, 0), (3, 8)]);
    }
}

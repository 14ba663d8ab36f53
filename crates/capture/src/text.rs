//! Bytes of names as text: they need not be UTF-8, and may hold anything but NUL.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Returns `bytes` as text that loses nothing: what isn't UTF-8 is written as `\xNN`.
///
/// Control characters stay: whoever prints the text escapes them for its medium.
pub(crate) fn lossless(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Returns a path as text that loses nothing, see [`lossless`].
pub(crate) fn path_text(path: &Path) -> String {
    lossless(path.as_os_str().as_bytes())
}

/// Returns `bytes` for a sentence: in backquotes, control characters escaped.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("`");
    for character in lossless(bytes).chars() {
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text.push('`');
    text
}

/// Returns a path for a sentence, see [`quoted`].
pub(crate) fn quoted_path(path: &Path) -> String {
    quoted(path.as_os_str().as_bytes())
}

/// Returns a path as one word of a command for the shell.
pub(crate) fn shell_word(path: &Path) -> String {
    let text = path_text(path);
    let plain = |c: char| c.is_alphanumeric() || "/._-+@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Returns a field of `status` or `fdinfo` in `/proc`, by its name and the colon. The kernel escapes line breaks in names,
/// so the first line that begins so is the field.
pub(crate) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_are_kept_readable() {
        assert_eq!(lossless(b"a\xffb\xc3\xa9\xc3"), "a\\xffb\u{e9}\\xc3");
        assert_eq!(lossless(b"a\nb"), "a\nb");
    }

    #[test]
    fn a_sentence_stays_one_line() {
        assert_eq!(quoted(b"a\nb\x1b[0m\xfe"), "`a\\nb\\u{1b}[0m\\xfe`");
    }

    #[test]
    fn a_path_is_one_word_for_the_shell() {
        assert_eq!(shell_word(Path::new("/var/cores-1")), "/var/cores-1");
        assert_eq!(shell_word(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}

//! Names that every file system, CI system and URL takes as they are.

/// Makes a name of `[A-Za-z0-9._-]` only, of at most `longest` bytes, that neither is empty nor begins with a dot or
/// a dash. Bytes outside of the set become `_`.
pub(crate) fn safe_name(name: &[u8], longest: usize) -> String {
    let safe: String = name
        .iter()
        .take(longest)
        .enumerate()
        .map(|(index, byte)| match byte {
            b'.' | b'-' if index == 0 => '_',
            _ if is_safe_byte(*byte) => char::from(*byte),
            _ => '_',
        })
        .collect();
    if safe.is_empty() { "unnamed".to_owned() } else { safe }
}

/// Tells whether `name` is such a name, of at most `longest` bytes.
pub(crate) fn is_safe_name(name: &str, longest: usize) -> bool {
    !name.is_empty()
        && name.len() <= longest
        && !name.starts_with(['.', '-'])
        && name.bytes().all(is_safe_byte)
}

fn is_safe_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_become_harmless() {
        for (hostile, safe) in [
            (&b"parser"[..], "parser"),
            (b"..", "_."),
            (b".hidden", "_hidden"),
            (b"-rf", "_rf"),
            (b"../../etc/passwd", "_._.._etc_passwd"),
            (b"a\nb\x1b[0m", "a_b__0m"),
            (b"caf\xc3\xa9", "caf__"),
            (b"", "unnamed"),
        ] {
            let made = safe_name(hostile, 100);
            assert_eq!(made, safe);
            assert!(is_safe_name(&made, 100), "{made}");
        }
        assert_eq!(safe_name(&[b'x'; 300], 40).len(), 40);
    }
}

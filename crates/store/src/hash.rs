//! SHA-256 of a stream, taken while it is copied.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

/// Large enough that system calls cost little beside the hashing, small enough for four of them at once.
const BUFFER: usize = 256 * 1024;

/// What went through a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copied {
    /// In bytes.
    pub(crate) size: u64,
    /// Lower-case hex.
    pub(crate) sha256: String,
}

/// Which side of a copy failed.
#[derive(Debug)]
pub(crate) enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

/// Copies all of `from` to `to` in bounded memory, and calls `at` with the position after each piece.
pub(crate) fn copy_hashed(
    from: &mut impl Read,
    to: &mut impl Write,
    mut at: impl FnMut(u64),
) -> Result<Copied, CopyError> {
    let mut buffer = vec![0; BUFFER];
    let mut hasher = Sha256::new();
    let mut size = 0u64;
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(CopyError::Read(error)),
        };
        let piece = buffer.get(..length).unwrap_or_default();
        hasher.update(piece);
        to.write_all(piece).map_err(CopyError::Write)?;
        size += length as u64;
        at(size);
    }
    Ok(Copied { size, sha256: hex(&hasher.finalize()) })
}

/// The SHA-256 of a short text or of bytes in memory, in lower-case hex.
pub(crate) fn sha256_of(text: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(text))
}

/// Whether a text is a SHA-256 in lower-case hex, and so harmless in a path.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_and_hashes() {
        // The one-block message of FIPS 180-2, appendix B.1.
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_of("abc"), known);
        let mut copy = Vec::new();
        let copied = copy_hashed(&mut &b"abc"[..], &mut copy, |_| ()).unwrap();
        assert_eq!(copied, Copied { size: 3, sha256: known.into() });
        assert_eq!(copy, b"abc");
    }

    #[test]
    fn pieces_are_reported() {
        let data = vec![7; 2 * BUFFER + 1];
        let mut positions = Vec::new();
        copy_hashed(&mut data.as_slice(), &mut io::sink(), |at| positions.push(at)).unwrap();
        assert_eq!(positions.last(), Some(&(data.len() as u64)));
        assert!(positions.is_sorted() && positions.len() >= 3);
    }

    #[test]
    fn only_lower_case_hex_is_a_sum() {
        assert!(is_sha256(&sha256_of("")));
        assert!(!is_sha256(&sha256_of("").to_uppercase()));
        assert!(!is_sha256("../../etc/passwd"));
        assert!(!is_sha256(""));
    }
}

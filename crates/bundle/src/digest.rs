//! sha256, as lower-case hex.

use std::io;

use epitaph_elf::ReadAt;
use sha2::{Digest, Sha256};

/// Bytes that are read at a time.
const CHUNK: usize = 256 * 1024;

/// Returns `bytes` as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Hashes all bytes of `source`; returns their sha256 and how many they were.
pub(crate) fn sha256_of(source: &dyn ReadAt) -> io::Result<(String, u64)> {
    let mut hash = Sha256::new();
    let count = for_each_chunk(source, |chunk| {
        hash.update(chunk);
        Ok(())
    })?;
    Ok((hex(&hash.finalize()), count))
}

/// Hands all bytes of `source` to `each`, in order; returns how many they were.
pub(crate) fn for_each_chunk(
    source: &dyn ReadAt,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    let mut buf = vec![0; CHUNK];
    let mut at = 0;
    loop {
        match source.read_at(at, &mut buf) {
            Ok(0) => return Ok(at),
            Ok(count) => {
                each(buf.get(..count).unwrap_or_default())?;
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_known_one() {
        // FIPS 180-2, appendix B.1.
        let (hash, size) = sha256_of(&b"abc".as_slice()).unwrap();
        assert_eq!(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(size, 3);
    }
}

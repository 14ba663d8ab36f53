//! Compressed sections: `SHF_COMPRESSED` (gABI chapter 4: zlib 1, zstd 2), the older `.zdebug_*`, and the xz file in
//! `.gnu_debugdata`.

use std::io::Read;

use thiserror::Error;

/// Largest section that is inflated, in bytes.
const LARGEST: u64 = 4 << 30;

/// Deflate can't do better than 1032 to 1 (RFC 1951: 258 bytes for two bits), zstd's RLE blocks than 128 KiB for
/// four bytes. A header that promises more is lying, and is found out before anything is allocated for it.
const BEST_ZLIB: u64 = 1032;
const BEST_ZSTD: u64 = 32 << 10;

/// How a section is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Zlib,
    Zstd,
}

/// Largest xz file that is unpacked, in bytes; it says nowhere how large it is. Those of distributions have a few
/// hundred kilobytes.
const LARGEST_XZ: u64 = 256 << 20;
/// Most memory that its decoder may ask for, in KiB: `xz -9` needs 65 MiB.
const XZ_MEMORY: u32 = 80 << 10;

/// Why a section could not be inflated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InflateError {
    /// Its header promises more than its bytes can give.
    #[error("its header promises {size} bytes, which {compressed} compressed bytes cannot give")]
    Absurd {
        /// Promised size in bytes.
        size: u64,
        /// Compressed size in bytes.
        compressed: u64,
    },
    /// The compressed bytes are corrupt, or give another size than promised.
    #[error("its compressed bytes are corrupt: {0}")]
    Corrupt(String),
    /// It has more bytes than are unpacked.
    #[error("it has more than {0} bytes when unpacked")]
    TooLarge(u64),
    /// Its compression header is cut short.
    #[error("its compression header is cut short")]
    NoHeader,
    /// A codec that no specification names.
    #[error("it is compressed in an unknown way ({0})")]
    UnknownCodec(u32),
}

/// Inflates the first `len` bytes of the `size` that `compressed` promises: all of them, or fewer.
pub(crate) fn inflate(codec: Codec, compressed: &[u8], size: u64, len: u64) -> Result<Vec<u8>, InflateError> {
    let best = match codec {
        Codec::Zlib => BEST_ZLIB,
        Codec::Zstd => BEST_ZSTD,
    };
    if size > LARGEST || size > (compressed.len() as u64 + 64).saturating_mul(best) {
        return Err(InflateError::Absurd { size, compressed: compressed.len() as u64 });
    }
    // Fresh zero pages cost nothing until they are written, so a lie within the bounds costs nothing either.
    let mut out = vec![0; size.min(len) as usize];
    let corrupt = |error: &dyn std::fmt::Display| InflateError::Corrupt(error.to_string());
    match codec {
        Codec::Zlib => {
            flate2::read::ZlibDecoder::new(compressed)
                .read_exact(&mut out)
                .map_err(|error| corrupt(&error))?;
        }
        Codec::Zstd => ruzstd::decoding::StreamingDecoder::new(compressed)
            .map_err(|error| corrupt(&error))?
            .read_exact(&mut out)
            .map_err(|error| corrupt(&error))?,
    }
    Ok(out)
}

/// Unpacks a whole xz file.
pub(crate) fn unpack_xz(packed: &[u8]) -> Result<Vec<u8>, InflateError> {
    let mut out = Vec::new();
    let reader = lzma_rust2::XzReader::new_mem_limit(packed, true, XZ_MEMORY);
    let read = reader.take(LARGEST_XZ + 1).read_to_end(&mut out);
    read.map_err(|error| InflateError::Corrupt(error.to_string()))?;
    if out.len() as u64 > LARGEST_XZ {
        return Err(InflateError::TooLarge(LARGEST_XZ));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_was_compressed_comes_back() {
        use ruzstd::encoding::{CompressionLevel, compress_to_vec};
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let by_zstd = compress_to_vec(bytes.as_slice(), CompressionLevel::Fastest);
        for (codec, compressed) in [(Codec::Zlib, deflated(&bytes)), (Codec::Zstd, by_zstd)] {
            let inflated = |len| inflate(codec, &compressed, bytes.len() as u64, len).unwrap();
            assert_eq!(inflated(u64::MAX), bytes, "{codec:?}");
            assert_eq!(inflated(1000), bytes[..1000], "{codec:?}");
        }
    }

    #[test]
    fn a_liar_is_found_out() {
        let small = deflated(b"hello");
        assert!(matches!(inflate(Codec::Zlib, &small, 1 << 40, 1), Err(InflateError::Absurd { .. })));
        assert!(matches!(inflate(Codec::Zlib, &small, 6, u64::MAX), Err(InflateError::Corrupt(_))));
        assert!(matches!(inflate(Codec::Zstd, &small, 5, 5), Err(InflateError::Corrupt(_))));
        // The last 4 bytes are the checksum, the one before them ends the last block.
        for len in 0..small.len() - 6 {
            assert!(inflate(Codec::Zlib, &small[..len], 5, 5).is_err(), "{len}");
        }
    }
}

//! Compressed sections: `SHF_COMPRESSED` (gABI chapter 4: zlib 1, zstd 2), the older `.zdebug_*`, and the xz file in
//! `.gnu_debugdata`.

use std::io::{Cursor, Read};
use std::sync::{Mutex, OnceLock, PoisonError};

use thiserror::Error;

use crate::bytes::Bytes;

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

/// How often a section may be asked for a little more of it, before it is inflated whole.
const STAGES: usize = 8;

/// A compressed section's bytes, inflated as far as somebody has asked for them: what comes after is as expensive as
/// what is needed, and there may be far more of it.
#[derive(Default)]
pub(crate) struct Inflated {
    /// Each has the bytes of the one before, and more.
    stages: [OnceLock<Result<Vec<u8>, InflateError>>; STAGES],
    /// What gives the bytes after those of the last stage.
    rest: Mutex<Option<Box<dyn Read + Send>>>,
}

/// How and to what a section is compressed.
#[derive(Debug)]
pub(crate) struct Compressed {
    pub(crate) codec: Codec,
    pub(crate) bytes: Bytes,
    /// How many bytes it has when inflated, as it promises.
    pub(crate) size: u64,
}

impl Inflated {
    /// Returns at least the first `len` bytes, or all of them, if there are fewer.
    pub(crate) fn start(&self, compressed: &Compressed, len: u64) -> Result<&[u8], InflateError> {
        let len = len.min(compressed.size);
        let mut before: &[u8] = &[];
        for (index, stage) in self.stages.iter().enumerate() {
            let wanted = if index + 1 == STAGES { compressed.size } else { len };
            let bytes = stage.get_or_init(|| self.inflate(compressed, before, wanted));
            before = bytes.as_deref().map_err(Clone::clone)?;
            if before.len() as u64 >= len {
                break;
            }
        }
        Ok(before)
    }

    /// Inflates on after what is there, up to `len` bytes in all.
    fn inflate(&self, compressed: &Compressed, before: &[u8], len: u64) -> Result<Vec<u8>, InflateError> {
        let corrupt = |error: std::io::Error| InflateError::Corrupt(error.to_string());
        let mut slot = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = match slot.take() {
            Some(rest) => rest,
            None => compressed.decoder()?,
        };
        // Fresh zero pages cost nothing until they are written, so a lie within the bounds costs nothing either.
        let mut out = vec![0; len as usize];
        let (start, more) = out.split_at_mut_checked(before.len()).unwrap_or_default();
        start.copy_from_slice(before);
        rest.read_exact(more).map_err(corrupt)?;
        *slot = Some(rest).filter(|_| len < compressed.size);
        Ok(out)
    }
}

impl Compressed {
    fn decoder(&self) -> Result<Box<dyn Read + Send>, InflateError> {
        let Compressed { codec, bytes, size } = self;
        let best = match codec {
            Codec::Zlib => BEST_ZLIB,
            Codec::Zstd => BEST_ZSTD,
        };
        if *size > LARGEST || *size > (bytes.len() as u64 + 64).saturating_mul(best) {
            return Err(InflateError::Absurd { size: *size, compressed: bytes.len() as u64 });
        }
        let bytes = Cursor::new(bytes.clone());
        Ok(match codec {
            Codec::Zlib => Box::new(flate2::bufread::ZlibDecoder::new(bytes)),
            Codec::Zstd => Box::new(
                ruzstd::decoding::StreamingDecoder::new(bytes)
                    .map_err(|error| InflateError::Corrupt(error.to_string()))?,
            ),
        })
    }
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

    fn compressed(codec: Codec, bytes: &[u8], size: u64) -> Compressed {
        Compressed { codec, bytes: Bytes::from(bytes.to_vec()), size }
    }

    fn inflate(codec: Codec, bytes: &[u8], size: u64, len: u64) -> Result<Vec<u8>, InflateError> {
        Inflated::default().start(&compressed(codec, bytes, size), len).map(<[u8]>::to_vec)
    }

    #[test]
    fn what_was_compressed_comes_back_as_far_as_it_is_asked_for() {
        use ruzstd::encoding::{CompressionLevel, compress_to_vec};
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let by_zstd = compress_to_vec(bytes.as_slice(), CompressionLevel::Fastest);
        for (codec, packed) in [(Codec::Zlib, deflated(&bytes)), (Codec::Zstd, by_zstd)] {
            let compressed = compressed(codec, &packed, bytes.len() as u64);
            let inflated = Inflated::default();
            for len in [1000, 10, 1000, 1001, 200_000, 200_001, 200_002, 200_003, 200_004, 200_005] {
                let start = inflated.start(&compressed, len).unwrap();
                assert_eq!(start, &bytes[..start.len()], "{codec:?}");
                assert!(start.len() >= len as usize, "{codec:?}");
                assert!(start.len() <= 200_004 || start.len() == bytes.len(), "{codec:?} {}", start.len());
            }
            assert_eq!(inflated.start(&compressed, u64::MAX).unwrap(), bytes, "{codec:?}");
            assert_eq!(inflated.start(&compressed, 10).unwrap().len(), 1000, "what was given out stays");
        }
    }

    #[test]
    fn what_comes_before_the_corrupt_bytes_is_right() {
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let packed = deflated(&bytes);
        let compressed = compressed(Codec::Zlib, &packed[..packed.len() / 2], bytes.len() as u64);
        let inflated = Inflated::default();
        assert_eq!(inflated.start(&compressed, 1000).unwrap(), &bytes[..1000]);
        for _ in 0..2 {
            assert!(matches!(inflated.start(&compressed, u64::MAX), Err(InflateError::Corrupt(_))));
        }
        assert_eq!(inflated.start(&compressed, 1000).unwrap(), &bytes[..1000]);
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

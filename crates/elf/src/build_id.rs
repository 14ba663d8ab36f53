//! The build ID: the linker's name for the bytes of an ELF file.

use std::fmt;
use std::str::FromStr;

/// The longest build ID that is believed, in bytes; sha256, the longest in use, has 32.
const LONGEST: usize = 64;

/// The descriptor of a `NT_GNU_BUILD_ID` note, shown as lower-case hex.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BuildId(Vec<u8>);

impl BuildId {
    /// Makes a build ID of a note's descriptor; `None` if it is empty or absurdly long.
    pub fn new(bytes: &[u8]) -> Option<BuildId> {
        (!bytes.is_empty() && bytes.len() <= LONGEST).then(|| BuildId(bytes.to_vec()))
    }

    /// Returns its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuildId({self})")
    }
}

impl FromStr for BuildId {
    type Err = ();

    /// Parses hex digits of either case, two a byte.
    fn from_str(text: &str) -> Result<BuildId, ()> {
        let digits: Option<Vec<u8>> =
            text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        let digits = digits.filter(|digits| digits.len() % 2 == 0).ok_or(())?;
        let bytes: Vec<u8> =
            digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        BuildId::new(&bytes).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trip() {
        let id: BuildId = "00ffA5".parse().unwrap();
        assert_eq!(id.to_string(), "00ffa5");
        assert_eq!(id.as_bytes(), [0, 0xff, 0xa5]);
    }

    #[test]
    fn what_is_no_build_id_is_refused() {
        for bad in ["", "0", "0g", "é0", &"00".repeat(65)] {
            assert!(bad.parse::<BuildId>().is_err(), "{bad}");
        }
    }
}

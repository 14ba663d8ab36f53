//! What is looked up.

/// Which of the files of a build ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DebuginfodFile {
    /// The program or library.
    Executable,
    /// The file with its debug information.
    Debuginfo,
}

impl DebuginfodFile {
    /// Its name in URLs and in the cache.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Executable => "executable",
            Self::Debuginfo => "debuginfo",
        }
    }
}

/// A file that is looked up.
#[derive(Debug, Clone, Copy)]
pub struct DebuginfodWanted<'a> {
    /// The build ID in lower-case hex.
    pub build_id: &'a str,
    /// Which of its files.
    pub file: DebuginfodFile,
    /// What a [`Progress`](crate::Progress) is told that this is.
    pub name: &'a str,
}

/// The longest build ID that elfutils' client and server take, in hex digits.
const LONGEST_ID: usize = 128;

impl DebuginfodWanted<'_> {
    /// Whether the build ID can be a part of a URL and of a path.
    pub(super) fn is_valid(&self) -> bool {
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        !self.build_id.is_empty() && self.build_id.len() <= LONGEST_ID && self.build_id.bytes().all(hex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_ids_are_hex_and_nothing_else() {
        let is_valid = |build_id: &str| {
            DebuginfodWanted { build_id, file: DebuginfodFile::Executable, name: "x" }.is_valid()
        };
        assert!(is_valid("0a") && is_valid(&"f".repeat(128)));
        for bad in ["", "..", "../aa", "AA", "aa/bb", "aa bb", &"f".repeat(129)] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}

//! Whether the machine has room for an input.

use std::fs;
use std::path::Path;

use nix::sys::statvfs::statvfs;

use crate::BenchError;

/// What is left free of the disk, in bytes: others use it too.
const SPARE_DISK: u64 = 2 << 30;
/// What is left free of the memory, in bytes.
const SPARE_MEMORY: u64 = 512 << 20;

/// What making an input takes at most, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Room {
    /// Of the disk.
    pub disk: u64,
    /// Of the memory.
    pub memory: u64,
}

impl Room {
    /// Checks that there is enough, and something to spare; where nothing is taken there is.
    ///
    /// # Errors
    /// When there is not, or when that can't be found out.
    pub fn check(self, folder: &Path) -> Result<(), BenchError> {
        let disk = statvfs(folder).map_err(|error| BenchError::Io {
            what: format!("looking for free space in {}", folder.display()),
            source: error.into(),
        })?;
        let free = disk.blocks_available().saturating_mul(disk.fragment_size());
        enough("of disk", self.disk, free, SPARE_DISK)?;
        let memory = fs::read_to_string("/proc/meminfo").map_err(BenchError::io("reading /proc/meminfo"))?;
        // A kernel that doesn't say is not asked twice.
        let free = available(&memory).unwrap_or(u64::MAX);
        enough("of memory", self.memory, free, SPARE_MEMORY)
    }
}

fn enough(what: &str, needed: u64, free: u64, spare: u64) -> Result<(), BenchError> {
    if needed == 0 || needed.saturating_add(spare) <= free {
        return Ok(());
    }
    let mib = |bytes: u64| bytes >> 20;
    Err(BenchError::Lacking(format!(
        "it takes {} MiB {what}, and {} MiB to spare; {} are free",
        mib(needed),
        mib(spare),
        mib(free)
    )))
}

/// Reads how much memory can be had without swapping from `/proc/meminfo` (proc_meminfo(5)), in bytes.
fn available(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_word_on_memory_is_read() {
        assert_eq!(available("MemTotal:       24684092 kB\nMemAvailable:   1024 kB\n"), Some(1 << 20));
        assert_eq!(available("MemTotal:       24684092 kB\n"), None);
    }

    #[test]
    fn what_doesnt_fit_is_refused_with_the_figures() {
        assert!(Room::default().check(Path::new("/")).is_ok());
        let error = Room { disk: 1 << 60, memory: 0 }.check(Path::new("/")).unwrap_err();
        assert!(error.to_string().contains("1099511627776 MiB of disk"), "{error}");
    }
}

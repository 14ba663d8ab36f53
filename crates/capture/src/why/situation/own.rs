//! What this process itself has: limits, umask, filter. Whatever a job's step starts inherits them.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use procfs::FromRead as _;
use procfs::process::Limits;
use rustix::process::{Resource, getrlimit};

use crate::host::Host;
use crate::limits::{CoreLimit, bytes};
use crate::text::field;

/// What a process inherits from the step that starts it, and what decides about its core.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inherited {
    /// `RLIMIT_FSIZE` in bytes, where there is one.
    pub file_size_limit: Option<u64>,
    /// The modes that new files don't get.
    pub umask: u32,
    /// `/proc/self/coredump_filter`: which memory goes into a core, where that can be chosen.
    pub dump_filter: Option<u32>,
    /// The process that traces this one, if any does.
    pub tracer: Option<u32>,
    /// The folder where this process stands.
    pub folder: Option<PathBuf>,
    /// Whether that folder was removed.
    pub folder_removed: bool,
}

impl Inherited {
    /// Reads what this process has.
    pub(super) fn of(host: &Host) -> Inherited {
        let own = |name: &str| std::fs::read_to_string(host.path("/proc/self").join(name)).ok();
        let status = own("status").unwrap_or_default();
        let folder = std::fs::read_link(host.path("/proc/self/cwd")).ok();
        Inherited {
            file_size_limit: file_size_limit(host),
            umask: field(&status, "Umask:").and_then(|umask| u32::from_str_radix(umask, 8).ok()).unwrap_or(0),
            dump_filter: own("coredump_filter").and_then(|bits| u32::from_str_radix(bits.trim(), 16).ok()),
            tracer: field(&status, "TracerPid:").and_then(|pid| pid.parse().ok()).filter(|pid| *pid != 0),
            folder_removed: folder.as_ref().is_some_and(|folder| is_removed(host, folder)),
            folder,
        }
    }
}

/// Returns the limit of the core's size, of this process.
pub(super) fn core_limit(host: &Host) -> CoreLimit {
    limits(host).map_or_else(CoreLimit::current, |limits| CoreLimit::from(&limits))
}

fn file_size_limit(host: &Host) -> Option<u64> {
    match limits(host) {
        Some(limits) => bytes(limits.max_file_size.soft_limit),
        None => getrlimit(Resource::Fsize).current,
    }
}

fn limits(host: &Host) -> Option<Limits> {
    Limits::from_file(host.path("/proc/self/limits")).ok()
}

/// Tells whether a folder, of which the kernel says ` (deleted)`, is not only called so.
fn is_removed(host: &Host, folder: &Path) -> bool {
    folder.as_os_str().as_bytes().ends_with(b" (deleted)")
        && std::fs::metadata(host.path("/proc/self/cwd")).map_or(true, |folder| folder.nlink() == 0)
}

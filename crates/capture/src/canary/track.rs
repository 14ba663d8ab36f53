//! Finds the core of a canary, and removes it.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use epitaph_bundle::open_core_file;
use epitaph_elf::CoreFile;

use super::Fate;
use crate::container::evidence;
use crate::handler::OwnPattern;
use crate::host::Host;
use crate::pattern::{CorePattern, Matcher, Specifier};
use crate::search::{Candidate, Rejected, Search, SearchLimits};

/// Programs that take cores and store them a while after the process is gone, as our own handler does.
const COLLECTORS: [&str; 3] = ["systemd-coredump", "apport", "abrt-hook-ccpp"];
/// How long they may take for it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one search of all places may take where a program of somebody else's has got the core.
const SEARCH: Duration = Duration::from_secs(1);
/// Time between two searches of their stores.
const PAUSE: Duration = Duration::from_millis(100);

/// Returns what became of the core of process `pid`, which stood in `cwd`; where there is none, the file that was left
/// instead, which is removed.
pub(super) fn core_of(host: &Host, cwd: &Path, pid: u32, since: SystemTime) -> Result<Fate, Option<PathBuf>> {
    match host.settings().pattern.as_ref().ok().and_then(|pattern| Some((pattern, pattern.matcher()?))) {
        Some((pattern, matcher)) => in_files(host, pattern, &matcher, cwd, pid, since),
        None => in_stores(host, pid, since).ok_or(None),
    }
}

fn in_files(
    host: &Host,
    pattern: &CorePattern,
    matcher: &Matcher,
    cwd: &Path,
    pid: u32,
    since: SystemTime,
) -> Result<Fate, Option<PathBuf>> {
    let relative = pattern.file().and_then(|file| file.relative_folder());
    let folder = match (matcher.folder(), relative) {
        (Some(folder), _) => host.path(folder),
        (None, relative) => cwd.join(relative.unwrap_or_default()),
    };
    // Who has waited for a process finds its core finished.
    let limits = SearchLimits { settle: Duration::ZERO, ..SearchLimits::default() };
    let search = Search::new(host).folder(folder, matcher.depth_below_folder());
    let found = search.newer_than(since).limits(limits).run();
    match found.candidates.iter().find_map(|candidate| Some((candidate, missing(candidate, pid)?))) {
        Some((core, missing)) => Ok(Fate::Core {
            path: core.path.clone(),
            size: core.size,
            missing,
            removed: remove(&core.path, &core.file),
        }),
        None => Err(found.rejected.iter().find_map(|rejected| remove_stub(rejected, matcher, pid))),
    }
}

/// Searches the stores of collectors until the core is there; of one that isn't known, but once.
fn in_stores(host: &Host, pid: u32, since: SystemTime) -> Option<Fate> {
    let is_ours = host.settings().pattern.as_ref().is_ok_and(|pattern| OwnPattern::of(pattern).is_some());
    let known = is_ours || COLLECTORS.iter().any(|name| host.settings().pipes_into(name));
    // From a container, no store is seen.
    let patience = if known && evidence(host).is_none() { PATIENCE } else { Duration::ZERO };
    let deadline = Instant::now() + patience;
    loop {
        let limits = SearchLimits { time: SEARCH, ..SearchLimits::default() };
        let found = Search::new(host).usual_places(None).newer_than(since).limits(limits).run();
        let core = found.candidates.iter().find_map(|core| Some((core, missing(core, pid)?)));
        if let Some((core, missing)) = core {
            return Some(Fate::Core { path: core.path.clone(), size: core.size, missing, removed: false });
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Returns how many bytes the core lacks, if it is that of process `pid`.
fn missing(candidate: &Candidate, pid: u32) -> Option<u64> {
    let opened = open_core_file(&candidate.path, candidate.file.try_clone().ok()?).ok()?;
    let core = CoreFile::open(opened.source).ok()?;
    // One that is cut within its notes has its process id in its name at most.
    let its = core.process().info.as_ref().map(|info| info.pid).or_else(|| candidate.named_pid());
    (its == Some(pid)).then(|| core.missing())
}

/// Removes a file, if it is still the one that was looked at.
fn remove(path: &Path, file: &std::fs::File) -> bool {
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let (Ok(there), Ok(known)) = (path.symlink_metadata().map(identity), file.metadata().map(identity))
    else {
        return false;
    };
    there == known && std::fs::remove_file(path).is_ok()
}

/// Removes a file that is no core and has the canary's process id in its name, and returns its path.
fn remove_stub(rejected: &Rejected, matcher: &Matcher, pid: u32) -> Option<PathBuf> {
    let name = rejected.path.file_name()?.as_bytes();
    let is_its = matcher.match_name(name)?.number(Specifier::Pid) == Some(u64::from(pid));
    let is_file = rejected.path.symlink_metadata().is_ok_and(|file| file.is_file());
    (is_its && is_file && std::fs::remove_file(&rejected.path).is_ok()).then(|| rejected.path.clone())
}

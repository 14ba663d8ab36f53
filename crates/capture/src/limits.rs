//! How large a core this process and its children may leave.

use std::io;
use std::sync::Arc;

use procfs::process::{LimitValue, Limits};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use signal_hook::consts::signal::SIGXFSZ;

use crate::run::ignored;

/// The least limit that makes the kernel write a core to a file (`min_coredump` of its ELF loader).
pub const LEAST_FOR_A_CORE: u64 = 4096;

/// `RLIMIT_CORE`, in bytes; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreLimit {
    /// What holds now.
    pub soft: Option<u64>,
    /// What the soft limit may be raised to.
    pub hard: Option<u64>,
}

impl CoreLimit {
    /// No limit at all.
    pub const UNLIMITED: CoreLimit = CoreLimit { soft: None, hard: None };

    /// Returns the limit of this process.
    pub fn current() -> CoreLimit {
        let limit = getrlimit(Resource::Core);
        CoreLimit { soft: limit.current, hard: limit.maximum }
    }

    /// Returns the limit that a child gets whose soft limit is raised as far as it goes.
    #[must_use]
    pub fn raised(self) -> CoreLimit {
        CoreLimit { soft: self.hard, hard: self.hard }
    }

    fn set(self) -> io::Result<()> {
        Ok(setrlimit(Resource::Core, Rlimit { current: self.soft, maximum: self.hard })?)
    }
}

impl From<&Limits> for CoreLimit {
    fn from(limits: &Limits) -> CoreLimit {
        let limit = &limits.max_core_file_size;
        CoreLimit { soft: bytes(limit.soft_limit), hard: bytes(limit.hard_limit) }
    }
}

/// Returns a limit as the kernel's files tell it; `None` is unlimited.
pub(crate) fn bytes(limit: LimitValue) -> Option<u64> {
    match limit {
        LimitValue::Unlimited => None,
        LimitValue::Value(bytes) => Some(bytes),
    }
}

/// Makes a write beyond the limit on file sizes (`ulimit -f`) fail with an error, instead of ending this process by
/// SIGXFSZ: what can't be stored is then told, and the rest is kept.
///
/// By a handler that does nothing, so that programs which are started later have the signal's default again. Where the
/// signal is ignored, which does as well, that is left as it is: what is started later is to ignore it, too.
pub fn survive_file_size_limit() -> io::Result<()> {
    if getrlimit(Resource::Fsize).current.is_none() || ignored() & (1 << (SIGXFSZ - 1)) != 0 {
        return Ok(());
    }
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map(drop)
}

/// Raises the soft limit of the core's size of a process that was just started here to the hard one.
pub(crate) fn raise_of(process: Pid) -> io::Result<()> {
    // It has been started with this process's own.
    let raised = CoreLimit::current().raised();
    prlimit(Some(process), Resource::Core, Rlimit { current: raised.soft, maximum: raised.hard })?;
    Ok(())
}

/// Lets this process open as many files as it may (`RLIMIT_NOFILE`), up to some thousands; returns how many that are.
///
/// What is started later inherits the limit.
pub fn raise_open_files() -> u64 {
    const ENOUGH: u64 = 8192;
    let limit = getrlimit(Resource::Nofile);
    let (now, most) = (limit.current.unwrap_or(ENOUGH), limit.maximum.unwrap_or(ENOUGH).min(ENOUGH));
    if now >= most {
        return now;
    }
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum });
    raised.map_or(now, |()| most)
}

/// Keeps this process's soft limit at the hard one, and puts it back when dropped.
///
/// A child inherits the limit that holds when it is started. Setting it in the child alone would take code
/// between fork and exec, which no safe interface offers; so it is raised here for the moment of the start.
#[derive(Debug)]
pub(crate) struct Raised {
    before: CoreLimit,
}

impl Raised {
    pub(crate) fn for_a_start() -> io::Result<Raised> {
        let before = CoreLimit::current();
        before.raised().set()?;
        Ok(Raised { before })
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        // Lowering a soft limit to what it was cannot be refused.
        let _ = self.before.set();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_for_a_moment_only() {
        let _one_at_a_time = crate::run::tests::alone();
        let before = CoreLimit::current();
        let raised = Raised::for_a_start().unwrap();
        assert_eq!(CoreLimit::current(), before.raised());
        drop(raised);
        assert_eq!(CoreLimit::current(), before);
    }
}

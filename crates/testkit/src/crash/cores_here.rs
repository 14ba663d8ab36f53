//! The promise that a core lands in the dying program's working folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use nix::fcntl::Flock;

use super::CrashError;
use super::pattern::{PatternFile, PatternGuard};

/// The pattern that is set where the host's own doesn't leave cores in the working folder.
pub const PLAIN_PATTERN: &str = "core.%p.%E";

/// As long as this lives, the kernel leaves cores in the working folder of the program that dies.
///
/// Where the host's pattern does that by itself, many can hold this at once and nothing is changed; elsewhere
/// root sets [`PLAIN_PATTERN`], and one process can hold it at a time.
#[derive(Debug)]
pub struct CoresHere {
    hold: Arc<Hold>,
}

/// What this process holds: whoever asks for it again shares it, or would wait for itself.
static HELD: Mutex<Weak<Hold>> = Mutex::new(Weak::new());

#[derive(Debug)]
enum Hold {
    HostPattern { pattern: String, _lock: Flock<File> },
    OurPattern(PatternGuard),
}

impl CoresHere {
    /// Takes the host's pattern if it will do, or else sets one.
    ///
    /// # Errors
    /// [`CrashError::Unavailable`] where the pattern won't do and can't be set, where the limit on core size can't be
    /// raised, and where the kernel writes no core all the same.
    pub fn acquire() -> Result<CoresHere, CrashError> {
        let here = CoresHere { hold: shared()? };
        can_dump(&here)?;
        Ok(here)
    }

    /// Sets `pattern`, which has to be a plain file name, whatever the host's own is. Needs root.
    ///
    /// # Errors
    /// As [`CoresHere::acquire`].
    ///
    /// # Panics
    /// When cores of this pattern don't land in the working folder.
    pub fn with_pattern(pattern: &str) -> Result<CoresHere, CrashError> {
        assert!(lands_in_working_folder(pattern), "{pattern:?} is not a plain file name");
        let guard = PatternGuard::set(pattern)
            .map_err(|error| CrashError::Unavailable(format!("the core pattern can't be set: {error}")))?;
        let here = CoresHere { hold: Arc::new(Hold::OurPattern(guard)) };
        can_dump(&here)?;
        Ok(here)
    }

    /// Returns the pattern in force.
    pub fn pattern(&self) -> &str {
        match &*self.hold {
            Hold::HostPattern { pattern, .. } => pattern,
            Hold::OurPattern(guard) => guard.pattern(),
        }
    }

    /// Returns the core in `folder`: the file there that the pattern can have made and that is an ELF file.
    pub fn core_in(folder: &Path) -> Option<PathBuf> {
        let entries = std::fs::read_dir(folder).ok()?;
        entries.filter_map(Result::ok).map(|entry| entry.path()).find(|path| is_core(path))
    }
}

fn shared() -> Result<Arc<Hold>, CrashError> {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(hold) = held.upgrade() {
        return Ok(hold);
    }
    let hold = Arc::new(hold()?);
    *held = Arc::downgrade(&hold);
    Ok(hold)
}

fn hold() -> Result<Hold, CrashError> {
    let file = PatternFile::of_the_host();
    let io = CrashError::io("sharing the core pattern");
    let lock = file.share().map_err(io)?;
    let pattern = file.read().map_err(CrashError::io("reading the core pattern"))?;
    if lands_in_working_folder(&pattern) {
        return Ok(Hold::HostPattern { pattern, _lock: lock });
    }
    drop(lock);
    let unavailable = |error| {
        CrashError::Unavailable(format!(
            "the host's core pattern is {pattern:?} and can't be set ({error}): run as root, or set it to \"core\""
        ))
    };
    file.set(PLAIN_PATTERN).map(Hold::OurPattern).map_err(unavailable)
}

/// Tells whether a pattern is a plain file name: not empty (no core), a pipe, a socket or a path.
fn lands_in_working_folder(pattern: &str) -> bool {
    !pattern.is_empty() && !pattern.starts_with(['|', '@']) && !pattern.contains('/')
}

/// Tells whether a file is an ELF file of type `ET_CORE`, whatever its byte order.
fn is_core(path: &Path) -> bool {
    let mut head = [0; 18];
    File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut head)).is_ok()
        && head.starts_with(b"\x7fELF")
        && matches!(head[16..], [4, 0] | [0, 4])
}

/// The canary: once per process, a shell kills itself, and has to leave a core.
fn can_dump(_here: &CoresHere) -> Result<(), CrashError> {
    static REFUSAL: OnceLock<Option<String>> = OnceLock::new();
    match REFUSAL.get_or_init(|| canary().err()) {
        None => Ok(()),
        Some(reason) => Err(CrashError::Unavailable(reason.clone())),
    }
}

fn canary() -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let status = Command::new("sh")
        .args(["-c", "ulimit -c unlimited && kill -SEGV $$"])
        .env_clear()
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("sh can't be started: {error}"))?;
    if std::os::unix::process::ExitStatusExt::signal(&status).is_none() {
        return Err(
            "the hard limit on core size (ulimit -H -c) is not unlimited and can't be raised".to_owned()
        );
    }
    match CoresHere::core_in(folder.path()) {
        Some(_) => Ok(()),
        None => {
            Err("the kernel leaves no core here, though pattern and limit ask for one (a sandbox?)"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_land_in_the_working_folder() {
        for plain in ["core", "core.%p", "core.%p.%E", "%e.core"] {
            assert!(lands_in_working_folder(plain), "{plain}");
        }
        for other in ["", "|/usr/bin/handler %p", "/var/crash/core.%p", "cores/core", "@/run/coredump.socket"]
        {
            assert!(!lands_in_working_folder(other), "{other}");
        }
    }

    #[test]
    fn who_holds_it_gets_it_again() {
        let Some(here) = crate::crash::or_skip(CoresHere::acquire()) else { return };
        let again = CoresHere::acquire().unwrap();
        assert!(Arc::ptr_eq(&here.hold, &again.hold));
    }

    #[test]
    fn a_core_is_told_from_other_files() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(CoresHere::core_in(folder.path()), None);
        std::fs::copy(std::env::current_exe().unwrap(), folder.path().join("core")).unwrap();
        std::fs::write(folder.path().join("core.1"), b"").unwrap();
        assert_eq!(CoresHere::core_in(folder.path()), None);
        let core = folder.path().join("core.2");
        crate::core::CoreBuilder::new().build().write_to(&core).unwrap();
        assert_eq!(CoresHere::core_in(folder.path()), Some(core));
    }
}

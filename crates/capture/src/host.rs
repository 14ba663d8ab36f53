//! The one window on the host: `/proc` and the folders that a core pattern names.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::error::CaptureError;
use crate::pattern::{CorePattern, Rules, Target};

/// The first kernel that sends cores to sockets.
const FIRST_WITH_SOCKETS: (u32, u32) = (6, 16);

/// The build that gVisor says it is, whatever its version (`LinuxVersion` in its sources).
const GVISOR_BUILD: &str = "#1 SMP Sun Jan 10 15:06:54 PST 2016";

/// A host whose settings are read once: this one, or a folder that looks like one.
#[derive(Clone, Debug)]
pub struct Host {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    settings: OnceLock<Settings>,
}

/// The kernel's settings about cores.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `kernel.core_pattern`, understood with the settings beside it.
    pub pattern: Result<CorePattern, CaptureError>,
    /// `kernel.core_uses_pid`.
    pub uses_pid: bool,
}

impl Host {
    /// Returns this host. Its settings are read once per process.
    pub fn real() -> Host {
        static REAL: OnceLock<Host> = OnceLock::new();
        REAL.get_or_init(|| Host::at("/")).clone()
    }

    /// Returns the host whose root folder is `root`.
    pub fn at(root: impl Into<PathBuf>) -> Host {
        Host { inner: Arc::new(Inner { root: root.into(), settings: OnceLock::new() }) }
    }

    /// Returns where the host's absolute path `path` is reached.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.inner.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Returns the host's path of a file that is reached as `path`.
    pub(crate) fn own_path(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.inner.root).map_or_else(|_| path.to_owned(), |path| Path::new("/").join(path))
    }

    /// Returns the kernel's settings about cores.
    pub fn settings(&self) -> &Settings {
        self.inner.settings.get_or_init(|| Settings::read(self))
    }

    /// Tells whether the kernel is gVisor's, which gives a fixed release and build of its own for Linux's.
    pub(crate) fn is_gvisor(&self) -> bool {
        let release = self.sysctl_text("kernel/osrelease").unwrap_or_default();
        let build = std::fs::read_to_string(self.path("/proc/version")).unwrap_or_default();
        release.trim_end().ends_with("-gvisor") || build.contains(GVISOR_BUILD)
    }

    /// Reads `kernel.core_pipe_limit`: how many programs may be given cores at the same time; 0 for any number.
    pub fn pipe_limit(&self) -> Option<u32> {
        self.sysctl_number("kernel/core_pipe_limit")
    }

    /// Reads `fs.suid_dumpable`: whether programs that change their user leave cores (0 no, 1 yes, 2 for root only).
    pub fn suid_dumpable(&self) -> Option<u32> {
        self.sysctl_number("fs/suid_dumpable")
    }

    /// Returns what cores can be given to, where the kernel lists that (`kernel.core_modes`): `file`, `pipe`, `socket`.
    pub fn modes(&self) -> Vec<String> {
        let modes = self.sysctl_text("kernel/core_modes").unwrap_or_default();
        modes.split_whitespace().map(str::to_owned).collect()
    }

    /// Tells whether the kernel gives cores to sockets, by its release where it lists no modes.
    fn knows_sockets(&self) -> bool {
        let modes = self.modes();
        if modes.is_empty() {
            let release = self.sysctl_text("kernel/osrelease");
            release.as_deref().and_then(version).is_none_or(|it| it >= FIRST_WITH_SOCKETS)
        } else {
            modes.iter().any(|mode| mode == "socket")
        }
    }

    fn sysctl(&self, name: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.path(Path::new("proc/sys").join(name)))
    }

    fn sysctl_text(&self, name: &str) -> Option<String> {
        String::from_utf8(self.sysctl(name).ok()?).ok()
    }

    pub(crate) fn sysctl_number(&self, name: &str) -> Option<u32> {
        self.sysctl_text(name)?.trim().parse().ok()
    }
}

impl Settings {
    /// Returns whether cores go to a program of this name, in whatever folder.
    pub(crate) fn pipes_into(&self, name: &str) -> bool {
        self.pattern.as_ref().is_ok_and(|pattern| match pattern.target() {
            Target::Pipe(pipe) => pipe.name() == name.as_bytes(),
            Target::File(_) | Target::Socket(_) => false,
        })
    }

    fn read(host: &Host) -> Settings {
        let uses_pid = host.sysctl_number("kernel/core_uses_pid").is_some_and(|value| value != 0);
        let pattern = match host.sysctl("kernel/core_pattern") {
            Ok(content) => {
                // What begins otherwise is no socket's, whatever the kernel knows.
                let sockets = content.starts_with(b"@") && host.knows_sockets();
                Ok(CorePattern::parse(content, Rules { uses_pid, sockets }))
            }
            Err(error) => {
                let path = PathBuf::from("/proc/sys/kernel/core_pattern");
                Err(if error.kind() == io::ErrorKind::NotFound {
                    CaptureError::NoCorePattern { path }
                } else {
                    CaptureError::Read { path, source: Arc::new(error) }
                })
            }
        };
        Settings { pattern, uses_pid }
    }
}

/// Returns the first two numbers of a kernel release such as `6.12.107+deb13-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.trim().split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

impl CorePattern {
    /// Reads the pattern of the running kernel (once per process).
    pub fn of_this_host() -> Result<CorePattern, CaptureError> {
        CorePattern::of(&Host::real())
    }

    /// Reads the pattern of `host`.
    pub fn of(host: &Host) -> Result<CorePattern, CaptureError> {
        host.settings().pattern.clone()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A host with nothing but the sysctls given, by path beneath `/proc/sys`.
    pub(crate) fn fake(sysctls: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().unwrap();
        for (name, value) in sysctls {
            let path = root.path().join("proc/sys").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, value).unwrap();
        }
        let host = Host::at(root.path());
        (root, host)
    }

    #[test]
    fn settings_are_read_together() {
        let (_root, host) = fake(&[
            ("kernel/core_pattern", "core\n"),
            ("kernel/core_uses_pid", "1\n"),
            ("kernel/core_pipe_limit", "16\n"),
            ("kernel/core_modes", "file\npipe\nsocket\n"),
            ("fs/suid_dumpable", "2\n"),
        ]);
        let settings = host.settings();
        assert!(settings.uses_pid);
        assert_eq!((host.pipe_limit(), host.suid_dumpable()), (Some(16), Some(2)));
        assert_eq!(host.modes(), ["file", "pipe", "socket"]);
        let matcher = CorePattern::of(&host).unwrap().matcher().unwrap();
        assert!(matcher.match_name(b"core.17").is_some(), "core_uses_pid counts");
    }

    #[test]
    fn settings_are_read_once() {
        let (root, host) = fake(&[("kernel/core_pattern", "core\n")]);
        assert_eq!(CorePattern::of(&host).unwrap().raw(), b"core");
        std::fs::write(root.path().join("proc/sys/kernel/core_pattern"), "other\n").unwrap();
        assert_eq!(CorePattern::of(&host).unwrap().raw(), b"core");
    }

    #[test]
    fn a_host_without_cores_says_so() {
        let (_root, host) = fake(&[]);
        let error = CorePattern::of(&host).unwrap_err();
        assert_eq!(error.to_string(), "no core pattern: /proc/sys/kernel/core_pattern does not exist");
        assert!(error.hint().is_some());
    }

    #[test]
    fn a_pattern_that_cannot_be_read_keeps_its_reason() {
        let (root, host) = fake(&[]);
        // A folder in its place cannot be read by anyone, root included.
        std::fs::create_dir_all(root.path().join("proc/sys/kernel/core_pattern")).unwrap();
        let error = CorePattern::of(&host).unwrap_err();
        assert!(matches!(error, CaptureError::Read { .. }));
        assert!(std::error::Error::source(&error).is_some());
    }

    #[test]
    fn sockets_need_a_kernel_that_knows_them() {
        for (modes, release, socket) in [
            (Some("file\npipe\nsocket\n"), "6.1.0", true),
            (Some("file\npipe\n"), "6.18.0", false),
            (None, "6.12.107+deb13-amd64\n", false),
            (None, "6.16.1\n", true),
            (None, "7.0.0-rc1\n", true),
            (None, "odd", true),
        ] {
            let mut sysctls = vec![("kernel/core_pattern", "@/run/x\n"), ("kernel/osrelease", release)];
            sysctls.extend(modes.map(|modes| ("kernel/core_modes", modes)));
            let (_root, host) = fake(&sysctls);
            let pattern = CorePattern::of(&host).unwrap();
            assert_eq!(matches!(pattern.target(), Target::Socket(_)), socket, "{modes:?} {release}");
        }
    }
}

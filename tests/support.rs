//! What every end-to-end test needs: the program in a known environment, and its answers.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use epitaph_testkit::tools;
use serde_json::Value;
use tempfile::TempDir;

/// How long one run of `epitaph` may take: what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the repository's folder.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns a new empty folder. It lies in cargo's own folder for tests: whoever searches the system's temporary
/// folder for cores meanwhile doesn't find ours.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Tells whether the long sweeps were asked for.
pub(crate) fn test_all() -> bool {
    std::env::var_os("EPITAPH_TEST_ALL").is_some_and(|value| !value.is_empty() && value != "0")
}

/// `epitaph`, run as on a machine of its own: an empty home folder, no CI system, no colour, English.
pub(crate) struct Epitaph {
    command: Command,
    _home: TempDir,
}

/// Starts a command line of `epitaph`.
pub(crate) fn epitaph() -> Epitaph {
    Epitaph::of(Command::new(program()))
}

/// Starts a command line of `epitaph` that sees neither the temporary files nor the processes of anybody else, whose
/// crashes it would find as well; `None` where the system doesn't allow that.
pub(crate) fn epitaph_alone() -> Option<Epitaph> {
    let mut command = alone_by(r#"mount -t tmpfs none /tmp && exec "$0" "$@""#)?;
    command.arg(program());
    Some(Epitaph::of(command))
}

/// Starts a command line of `epitaph` that gets so many bytes of address space (`RLIMIT_AS`) and no more.
pub(crate) fn epitaph_within(bytes: u64) -> Epitaph {
    let mut command = Command::new("sh");
    command.args(["-c", &format!(r#"ulimit -v {} && exec "$0" "$@""#, bytes / 1024)]).arg(program());
    Epitaph::of(command)
}

/// Starts a command line of `epitaph` in a shell that has run this script.
pub(crate) fn epitaph_after(script: &str) -> Epitaph {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{script}\nexec \"$0\" \"$@\"")]).arg(program());
    Epitaph::of(command)
}

/// Returns a command that runs a shell script, to be followed by the script's arguments, among mounts of its own and
/// with the right to mount; `None` where the system doesn't allow that.
pub(crate) fn alone_by(script: &str) -> Option<Command> {
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.arg("--mount");
        if effective_user() != Some(0) {
            command.arg("--map-root-user");
        }
        command.args(["sh", "-c", script]);
        command
    };
    // Where the repository itself lies in /tmp, hiding that would hide the program.
    let hidden = program().starts_with("/tmp") || Path::new(env!("CARGO_TARGET_TMPDIR")).starts_with("/tmp");
    let mut probe = unshare("mount -t tmpfs none /tmp");
    probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let works = !hidden && tools::have("unshare") && probe.status().is_ok_and(|status| status.success());
    works.then(|| unshare(script))
}

/// Returns this process's effective user, as `/proc` says it.
fn effective_user() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

/// Tells whether this is root, whom no file's mode stops.
pub(crate) fn is_root() -> bool {
    effective_user() == Some(0)
}

/// Returns the path of `epitaph`.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_epitaph"))
}

impl Epitaph {
    fn of(mut command: Command) -> Epitaph {
        let home = tempfile::tempdir().unwrap();
        plain_environment(&mut command).env("HOME", home.path());
        Epitaph { command, _home: home }
    }

    /// Adds arguments.
    pub(crate) fn args<I, A>(mut self, arguments: I) -> Epitaph
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        self.command.args(arguments);
        self
    }

    /// Adds an argument.
    pub(crate) fn arg(self, argument: impl AsRef<OsStr>) -> Epitaph {
        self.args([argument])
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Epitaph {
        self.command.env(name, value);
        self
    }

    /// Takes a variable out of its environment.
    pub(crate) fn without_env(mut self, name: &str) -> Epitaph {
        self.command.env_remove(name);
        self
    }

    /// Runs it in a folder.
    pub(crate) fn within(mut self, folder: impl AsRef<Path>) -> Epitaph {
        self.command.current_dir(folder);
        self
    }

    /// Gives it something to read from standard input.
    pub(crate) fn stdin(mut self, input: impl Into<Stdio>) -> Epitaph {
        self.command.stdin(input);
        self
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Answer {
        self.start().finish()
    }

    /// Starts it, and lets it run.
    pub(crate) fn start(mut self) -> Running {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        let stdout = drain(child.stdout.take().unwrap());
        let stderr = drain(child.stderr.take().unwrap());
        Running { epitaph: self, child, stdout, stderr }
    }

    /// Starts it with nobody at the other end of its standard output.
    pub(crate) fn run_unread(mut self) -> Answer {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        drop(child.stdout.take());
        let stderr = drain(child.stderr.take().unwrap());
        Running { epitaph: self, child, stdout: drain(std::io::empty()), stderr }.finish()
    }
}

/// Clears a command's environment, but for what every program needs.
pub(crate) fn plain_environment(command: &mut Command) -> &mut Command {
    command.env_clear().stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("LC_ALL", "C.UTF-8").env("NO_COLOR", "1").env("TZ", "UTC");
    if let Some(folder) = std::env::var_os("TMPDIR") {
        command.env("TMPDIR", folder);
    }
    command
}

/// Reads a pipe to its end, beside everything else.
fn drain(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// An `epitaph` that was started.
pub(crate) struct Running {
    epitaph: Epitaph,
    child: Child,
    stdout: JoinHandle<Vec<u8>>,
    stderr: JoinHandle<Vec<u8>>,
}

impl Running {
    /// Returns its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, as a job's time limit does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end, whatever that is: something else may kill it.
    pub(crate) fn end(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Answer {
        let command = format!("{:?}", self.epitaph.command);
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if started.elapsed() > PATIENCE {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                panic!("{command} hangs");
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let (stdout, stderr) = (self.stdout.join().unwrap(), self.stderr.join().unwrap());
        Answer { command, status, stdout, stderr }
    }
}

/// What a run of `epitaph` left.
pub(crate) struct Answer {
    command: String,
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Answer {
    /// Returns standard output, which has to be UTF-8.
    pub(crate) fn stdout(&self) -> &str {
        str::from_utf8(&self.stdout).unwrap()
    }

    /// Returns the bytes of standard output.
    pub(crate) fn raw_stdout(&self) -> &[u8] {
        &self.stdout
    }

    /// Returns the bytes of standard error.
    pub(crate) fn raw_stderr(&self) -> &[u8] {
        &self.stderr
    }

    /// Returns standard error.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Checks the exit code, and that nothing panicked.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Answer {
        assert_eq!(self.status.code(), Some(expected), "{self}");
        assert!(!self.stderr().contains("panicked"), "{self}");
        self
    }

    /// Returns the exit code, having checked that nothing panicked and no signal ended it.
    #[track_caller]
    pub(crate) fn any_code(&self) -> i32 {
        assert!(!self.stderr().contains("panicked"), "{self}");
        self.status.code().unwrap_or_else(|| panic!("{self}"))
    }

    /// Checks that standard output holds each of these texts.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Answer {
        for text in texts {
            assert!(self.stdout().contains(text), "stdout lacks {text:?}\n{self}");
        }
        self
    }

    /// Checks that standard error holds each of these texts.
    #[track_caller]
    pub(crate) fn tells(self, texts: &[&str]) -> Answer {
        for text in texts {
            assert!(self.stderr().contains(text), "stderr lacks {text:?}\n{self}");
        }
        self
    }

    /// Checks that neither stream holds any of these texts.
    #[track_caller]
    pub(crate) fn hides(self, texts: &[&str]) -> Answer {
        for text in texts {
            let shown = self.stdout().contains(text) || self.stderr().contains(text);
            assert!(!shown, "{text:?} is shown\n{self}");
        }
        self
    }

    /// Returns the only JSON object on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.stdout()).unwrap_or_else(|error| panic!("no JSON: {error}\n{self}"))
    }

    /// Returns the JSON objects on standard output, one a line.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        let object =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{self}"));
        self.stdout().lines().map(object).collect()
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stdout = String::from_utf8_lossy(&self.stdout);
        write!(f, "{} ended with {}\n{stdout}\n{}", self.command, self.status, self.stderr())
    }
}

/// Returns a path as the argument and message that it becomes: the tests' folders have plain names.
pub(crate) fn text(path: impl AsRef<Path>) -> String {
    OsString::from(path.as_ref()).into_string().unwrap()
}

/// Returns every regular file below a folder, by its path in it.
pub(crate) fn files(root: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut folders = vec![PathBuf::from(root)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let path = text(entry.path().strip_prefix(root).unwrap());
                found.insert(path, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

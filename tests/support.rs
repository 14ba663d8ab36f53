//! What every end-to-end test needs: the program in a known environment, and its answers.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Returns the repository's folder.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Tells whether the long sweeps were asked for.
pub(crate) fn test_all() -> bool {
    std::env::var_os("EPITAPH_TEST_ALL").is_some_and(|value| !value.is_empty() && value != "0")
}

/// `epitaph`, run as on a machine of its own: an empty home folder, no CI system, no colour, English.
pub(crate) struct Epitaph {
    command: Command,
    _home: tempfile::TempDir,
}

/// Starts a command line of `epitaph`.
pub(crate) fn epitaph() -> Epitaph {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_epitaph"));
    command.env_clear().stdin(Stdio::null());
    command.env("HOME", home.path()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("LC_ALL", "C.UTF-8").env("NO_COLOR", "1").env("TZ", "UTC");
    if let Some(folder) = std::env::var_os("TMPDIR") {
        command.env("TMPDIR", folder);
    }
    Epitaph { command, _home: home }
}

impl Epitaph {
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

    /// Runs it to its end.
    pub(crate) fn run(mut self) -> Answer {
        let output = self.command.output().unwrap();
        Answer { command: format!("{:?}", self.command), output }
    }
}

/// What a run of `epitaph` left.
pub(crate) struct Answer {
    command: String,
    output: Output,
}

impl Answer {
    /// Returns standard output, which has to be UTF-8.
    pub(crate) fn stdout(&self) -> &str {
        str::from_utf8(&self.output.stdout).unwrap()
    }

    /// Returns standard error.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Answer {
        let code = self.output.status.code();
        assert_eq!(code, Some(expected), "{}\n{}\n{}", self.command, self.stdout(), self.stderr());
        self
    }

    /// Returns the only JSON object on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.stdout()).unwrap_or_else(|error| {
            panic!("{} gave no JSON: {error}\n{}\n{}", self.command, self.stdout(), self.stderr())
        })
    }
}

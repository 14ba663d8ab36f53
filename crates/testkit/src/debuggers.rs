//! Debuggers, asked about a core: what they print, so that two cores can be compared.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::tools;

/// How long one answer may take, in seconds: gdb is slow on deep stacks.
const PATIENCE: &str = "300";

/// A debugger.
#[derive(Clone, Copy, Debug)]
pub struct Debugger {
    /// Its command.
    pub program: &'static str,
    arguments: fn(&Path, &Path) -> Vec<String>,
}

/// gdb: every thread's backtrace and registers, shared libraries, the list of threads.
pub const GDB: Debugger = Debugger {
    program: "gdb",
    arguments: |exe, core| {
        let (exe, core) = (exe.display().to_string(), core.display().to_string());
        let start =
            ["-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set auto-load safe-path /"];
        let commands =
            ["info threads", "info sharedlibrary", "thread apply all bt", "thread apply all info registers"];
        let commands = commands.iter().flat_map(|command| ["-ex", command]);
        start.into_iter().chain([&*exe, &*core]).chain(commands).map(str::to_owned).collect()
    },
};

/// lldb: every thread's backtrace, and the images.
pub const LLDB: Debugger = Debugger {
    program: "lldb",
    arguments: |exe, core| {
        let target = format!("target create '{}' --core '{}'", exe.display(), core.display());
        ["-x", "-b", "-o", &target, "-o", "bt all", "-o", "image list"].map(str::to_owned).to_vec()
    },
};

/// eu-stack: every thread's backtrace.
pub const EU_STACK: Debugger = Debugger {
    program: "eu-stack",
    arguments: |exe, core| {
        ["--core".to_owned(), core.display().to_string(), "-e".to_owned(), exe.display().to_string()].to_vec()
    },
};

impl Debugger {
    /// Returns what it prints about a core, on both streams, with the core's path taken out; `None` where it isn't
    /// installed.
    ///
    /// # Panics
    /// When it can't be run.
    pub fn ask(&self, exe: &Path, core: &Path) -> Option<String> {
        if !tools::have(self.program) {
            return None;
        }
        let output = Command::new("timeout")
            .args([PATIENCE, self.program])
            .args((self.arguments)(exe, core))
            .env_remove("DEBUGINFOD_URLS")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("running {}: {error}", self.program));
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Some(without_own_addresses(&text.concat().replace(&core.display().to_string(), "CORE")))
    }
}

/// Takes out where lldb keeps a value that has no address in the process: `@ 0x000000000f19a4d0` is in lldb's own heap.
fn without_own_addresses(text: &str) -> String {
    let mut parts = text.split("@ 0x");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("@ ");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lldbs_own_addresses_are_taken_out() {
        let text = "frame #1: 0x0055 exe`f(x=T @ 0x000000000f19a4d0, y=1) at f.c:1 (T @ 0x77)";
        assert_eq!(without_own_addresses(text), "frame #1: 0x0055 exe`f(x=T @ , y=1) at f.c:1 (T @ )");
    }
}

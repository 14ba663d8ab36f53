//! gdb as an oracle: the stacks of a core as gdb sees them, as data, and where two stacks differ.

mod compare;
mod names;
mod variables;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

pub use compare::{Difference, What, compare};
pub use names::{normalize, same_function};
pub use variables::{FrameVariables, Variable, variables};

/// The script that runs inside gdb.
const SCRIPT: &str = include_str!("oracle.py");

/// How long gdb may take for one core of this machine, in seconds: it is slow on deep stacks.
const PATIENCE: u32 = 300;

/// Why gdb gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum GdbError {
    /// gdb can't be run, or a temporary file can't be written.
    #[error("running gdb: {0}")]
    Io(#[from] std::io::Error),
    /// gdb ended without an answer: a crash of its own, a time-out, no Python.
    #[error("gdb gave no stacks ({status}): {stderr}")]
    NoAnswer {
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it said.
        stderr: String,
    },
    /// The answer isn't what the script writes.
    #[error("gdb's answer can't be read: {0}")]
    Answer(#[from] serde_json::Error),
}

/// All threads of a core.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Oracle {
    /// gdb's version.
    pub version: String,
    /// The thread that gdb selects, which is the one that took the signal.
    pub crashed: Option<u32>,
    /// The threads, the crashed one first.
    pub threads: Vec<Thread>,
}

/// One thread.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Thread {
    /// Thread id.
    pub tid: u32,
    /// Its frames.
    pub stack: Stack,
}

/// Frames, innermost first.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Stack {
    /// The frames; an inlined call is one of its own.
    pub frames: Vec<Frame>,
    /// Whether there are more, which were left out.
    #[serde(default)]
    pub cut: bool,
    /// Why gdb stopped, in its words.
    #[serde(default)]
    pub stop: String,
}

/// One logical frame.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Frame {
    /// The function's name.
    pub function: Option<String>,
    /// The source file, as the debug information names it.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// Whether the call was inlined into the next frame.
    pub inlined: bool,
    /// Whether it is the kernel's signal trampoline.
    #[serde(default)]
    pub signal_trampoline: bool,
    /// Whether the function left by a tail call: it has no frame on the stack, and gdb infers from the debug
    /// information of its callers that it must have been there.
    #[serde(default)]
    pub tail_call: bool,
    /// The program counter: where the machine frame will go on, or faulted.
    pub pc: u64,
    /// Callee-saved registers and `rsp` as they were in this frame; none where gdb doesn't know.
    #[serde(default, skip_serializing)]
    pub registers: BTreeMap<String, Option<u64>>,
}

impl Oracle {
    /// Returns the stack of a thread.
    pub fn stack_of(&self, tid: u32) -> Option<&Stack> {
        self.threads.iter().find(|thread| thread.tid == tid).map(|thread| &thread.stack)
    }

    /// Returns the thread that crashed.
    pub fn crashed_stack(&self) -> Option<&Stack> {
        self.stack_of(self.crashed?)
    }
}

/// A gdb, and where it looks for libraries.
#[derive(Clone, Copy, Debug)]
pub struct Gdb<'a> {
    /// The command: `gdb`, or `gdb-multiarch` for cores of other architectures.
    pub program: &'a str,
    /// The folder that the process's libraries are in, where that isn't this machine's root. Those that it had beside its
    /// executable are looked for there, too.
    pub sysroot: Option<&'a Path>,
    /// How long it may take for one core, in seconds.
    pub patience: u32,
}

/// Asks gdb for up to `max_frames` innermost frames of each thread of `core`, on the machine that it was made on.
pub fn backtrace(exe: &Path, core: &Path, max_frames: usize) -> Result<Oracle, GdbError> {
    Gdb { program: "gdb", sysroot: None, patience: PATIENCE }.backtrace(exe, core, max_frames)
}

impl Gdb<'_> {
    /// Asks for up to `max_frames` innermost frames of each thread of `core`.
    ///
    /// gdb reads no init files, loads no scripts and asks no debuginfod server.
    pub fn backtrace(&self, exe: &Path, core: &Path, max_frames: usize) -> Result<Oracle, GdbError> {
        let folder = tempfile::tempdir()?;
        let script = folder.path().join("oracle.py");
        let answer = folder.path().join("answer.json");
        std::fs::write(&script, SCRIPT)?;
        let beside = exe.parent().unwrap_or(exe).display();
        let libraries = self.sysroot.map(|folder| {
            [format!("set sysroot {}", folder.display()), format!("set solib-search-path {beside}")]
        });
        let output = Command::new("timeout")
            .args([&self.patience.to_string(), self.program, "-nx", "-batch"])
            .args(["-iex", "set debuginfod enabled off", "-iex", "set auto-load off"])
            .args(libraries.iter().flatten().flat_map(|command| ["-iex", command]))
            .arg(exe)
            .arg(core)
            .arg("-x")
            .arg(&script)
            .env("EPITAPH_ORACLE_OUT", &answer)
            .env("EPITAPH_ORACLE_FRAMES", max_frames.to_string())
            .env_remove("DEBUGINFOD_URLS")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()?;
        match std::fs::read(&answer) {
            Ok(json) => Ok(serde_json::from_slice(&json)?),
            Err(_) => Err(GdbError::NoAnswer {
                status: output.status,
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{CoreBuilder, FileMapping, Psinfo, Segment, Siginfo, Thread};

    /// gdb reads what the builder writes: registers, threads, memory and the signal are where it looks for them.
    #[test]
    fn gdb_reads_a_synthetic_core() {
        crate::need_tool!("gdb");
        let stack = 0x7ffd_0000_1000;
        let core = CoreBuilder::new()
            .thread(Thread::new(101).signal(11).register("rip", 0x40_1136).register("rsp", stack + 64))
            .thread(
                Thread::new(102).signal(11).register("rip", 0x40_2000).register("rbx", 0xdead_beef_0bad_cafe),
            )
            .psinfo(Psinfo { pid: 101, ppid: 1, name: "made-up".into(), ..Psinfo::default() })
            .siginfo(Siginfo::fault(11, 1, 0x18))
            .file(FileMapping::new(0x40_0000, 0x40_3000, 0, "/nonexistent/made-up"))
            .segment(Segment::undumped(0x40_0000, 0x3000).flags(5))
            .segment(Segment::data(stack, vec![0x5a; 0x1000]))
            .extended_numbering()
            .build();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("core");
        core.write_to(&path).unwrap();
        let oracle = backtrace(Path::new("/dev/null"), &path, 1).unwrap();
        assert_eq!((oracle.crashed, oracle.threads.len()), (Some(101), 2));
        assert_eq!(oracle.crashed_stack().unwrap().frames[0].pc, 0x40_1136);
        assert_eq!(oracle.crashed_stack().unwrap().frames[0].registers["rsp"], Some(stack + 64));
        assert_eq!(oracle.stack_of(102).unwrap().frames[0].registers["rbx"], Some(0xdead_beef_0bad_cafe));

        let ask = |command: &str| {
            let gdb = Command::new("gdb")
                .args(["-nx", "-batch", "-ex", command, "-c"])
                .arg(&path)
                .output()
                .unwrap();
            String::from_utf8_lossy(&gdb.stdout).into_owned()
        };
        assert!(ask("x/1xg 0x7ffd00001ff8").contains("0x5a5a5a5a5a5a5a5a"));
        assert!(ask("print $_siginfo._sifields._sigfault.si_addr").contains("0x18"));
        assert!(ask("info proc mappings").contains("/nonexistent/made-up"));
    }

    #[test]
    fn what_is_no_core_has_no_answer_and_gdb_says_why() {
        crate::need_tool!("gdb");
        let error = backtrace(Path::new("/dev/null"), Path::new("/dev/null"), 1);
        assert!(error.is_err() || error.unwrap().threads.is_empty());
    }
}

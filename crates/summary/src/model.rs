//! The types of one crash summary.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::collection::Collection;
use crate::core_file::Core;
use crate::module::Module;
use crate::region::Region;
use crate::signal::Signal;
use crate::signature::{self, Signature};
use crate::test_case::TestCase;
use crate::thread::{Frame, FrameRule, Thread};

/// The value of `schema` in every summary of this version.
pub const SCHEMA: &str = "epitaph-crash/1";

/// Everything that is known about one crash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CrashSummary {
    /// The format of this object: `epitaph-crash/1`.
    pub schema: String,
    /// The program that wrote it.
    pub tool: Tool,
    /// The crash's name in its output folder, e.g. `20261122T101501Z-parser-sigsegv-1f2e3d4c5b6a7988`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When the process died (RFC 3339, UTC), as well as it is known: the time the core was last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The core file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core: Option<Core>,
    /// The machine that the process ran on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<System>,
    /// The process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    /// Why it died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What else may have been the cause, or has to do with it, the likeliest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_causes: Vec<Cause>,
    /// What makes this crash the same as another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// The test that it was running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestCase>,
    /// How many threads the core holds; `threads` may hold fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_count: Option<u32>,
    /// The threads, the crashing one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub threads: Vec<Thread>,
    /// Rings of threads of which each waits for a lock that the next one holds: their thread ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deadlocks: Vec<Vec<u32>>,
    /// How many goroutines of a Go program no thread runs; `goroutines` may hold fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goroutine_count: Option<u32>,
    /// The goroutines of a Go program that no thread runs, each as a thread without an id: they wait, or wait for
    /// their turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub goroutines: Vec<Thread>,
    /// The ELF files that were mapped, by load address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<Module>,
    /// The part of the address space that the cause speaks of, by address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region>,
    /// How and where the crash was collected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<Collection>,
    /// Whatever could not be read, or makes a part of this summary less sure than it looks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

impl CrashSummary {
    /// Returns a summary of which only the schema and the writing tool (this epitaph, of `version`) are known.
    pub fn new(version: &str) -> CrashSummary {
        CrashSummary {
            schema: SCHEMA.to_owned(),
            tool: Tool { name: "epitaph".to_owned(), version: version.to_owned() },
            id: None,
            time: None,
            core: None,
            system: None,
            process: None,
            signal: None,
            cause: None,
            other_causes: Vec::new(),
            signature: None,
            test: None,
            thread_count: None,
            threads: Vec::new(),
            deadlocks: Vec::new(),
            goroutine_count: None,
            goroutines: Vec::new(),
            modules: Vec::new(),
            regions: Vec::new(),
            collection: None,
            warnings: Vec::new(),
        }
    }

    /// Returns the thread that took the fatal signal, if the core says which.
    pub fn crashing_thread(&self) -> Option<&Thread> {
        self.threads.iter().find(|thread| thread.crashed)
    }

    /// Returns the module that `frame` runs in, if it is known.
    pub fn module_of(&self, frame: &Frame) -> Option<&Module> {
        self.modules.get(frame.module? as usize)
    }

    /// Returns the frame of `thread` that a crash is blamed on: of those that its story begins with, the first that is the
    /// user's own code and has a name; or else `main` or what it began with; or else the first named one.
    pub fn blamed_frame<'a>(&self, thread: &'a Thread) -> Option<&'a Frame> {
        let first = signature::first_told(self, thread);
        let story = thread.frames.get(first..).unwrap_or_default();
        let mut own = story.iter().filter(|frame| frame.function.is_some() && frame.in_app == Some(true));
        let told = own.clone().find(|frame| !frame.rule.is_some_and(FrameRule::is_machinery));
        let named = || thread.frames.iter().find(|frame| frame.function.is_some());
        told.or_else(|| own.next()).or_else(named)
    }
}

/// The program that wrote a summary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// `epitaph`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The machine that the process ran on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct System {
    /// `x86_64`, `aarch64`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// Bits of an address: 32 or 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<u8>,
    /// Page size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_size: Option<u64>,
}

/// The process that died.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Process {
    /// Process id, in the namespace of whoever wrote the core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Parent's process id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ppid: Option<u32>,
    /// Real user id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Real group id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// `comm`: at most 15 bytes, as the kernel keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The command line, masked, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_line: Option<String>,
    /// Whether `command_line` was cut (the kernel keeps 80 bytes of it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_line_truncated: Option<bool>,
    /// The executable's path, as the process saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
}

/// Something that could not be read, or that makes a part of the summary less sure than it looks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// A stable token: `core_truncated`, `build_id_mismatch`, …
    pub code: String,
    /// A sentence for people, which names the file and what is wrong.
    pub text: String,
}

impl Warning {
    /// Makes a warning of a stable `code` and a sentence.
    pub fn new(code: &str, text: impl Into<String>) -> Warning {
        Warning { code: code.to_owned(), text: text.into() }
    }
}

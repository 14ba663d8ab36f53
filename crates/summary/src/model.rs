//! The types of one crash summary.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::collection::Collection;
use crate::hex::Hex;

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
    /// How many threads the core holds; `threads` may hold fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_count: Option<u32>,
    /// The threads, the crashing one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub threads: Vec<Thread>,
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
            thread_count: None,
            threads: Vec::new(),
            goroutine_count: None,
            goroutines: Vec::new(),
            modules: Vec::new(),
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

    /// Returns the first frame of `thread` that is the user's own code and has a name, or else the first named one.
    pub fn blamed_frame<'a>(&self, thread: &'a Thread) -> Option<&'a Frame> {
        let mut named = thread.frames.iter().filter(|frame| frame.function.is_some());
        named.clone().find(|frame| frame.in_app == Some(true)).or_else(|| named.next())
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

/// The core file behind a summary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Core {
    /// Where the kernel (or whoever wrote it) left it, as it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The stored copy, relative to the output folder, e.g. `crashes/<id>/core.zst`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Apparent size in bytes, holes included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Bytes that it occupied on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_on_disk: Option<u64>,
    /// Size of the stored copy in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_size: Option<u64>,
    /// sha256 of the stored copy (lower-case hex).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_sha256: Option<String>,
    /// Who wrote it: `kernel`, `gcore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer: Option<String>,
    /// How much of what the headers promise is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completeness: Option<Completeness>,
    /// Bytes that the headers promise and the file lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_bytes: Option<u64>,
    /// What the stored copy holds; of a core that was only read, what that holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<CoreContent>,
    /// Of a slim core: what was left out, and of what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slim: Option<Slim>,
    /// Whether secrets were overwritten in the stored copy (or in the core that was read).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scrubbed: Option<bool>,
    /// Bytes of data in the core that was stored, before it was compressed: of its grains of 4096 bytes (the last may
    /// be shorter), those that are not all zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_size: Option<u64>,
    /// Identifies the core that was stored, whatever it is compressed with and wherever it has holes.
    ///
    /// The sha256 (lower-case hex) over a list: for each of the longest runs of grains that are not all zero, in order,
    /// its offset and its length in bytes (8 bytes each, little-endian) and the XXH3-128 of its bytes (seed 0; 16 bytes,
    /// big-endian); then the size of the core in bytes (8 bytes, little-endian).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extents_sha256: Option<String>,
}

/// How much of the process's memory a core holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CoreContent {
    /// All that was dumped.
    Full,
    /// What a debugger needs for the same backtraces.
    Slim,
}

/// What a slim core was made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Slim {
    /// Apparent size in bytes of the core that it was made of, holes included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_size: Option<u64>,
    /// Bytes of memory that the original held and the slim core doesn't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_bytes: Option<u64>,
}

/// How much of a core is there, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Completeness {
    /// Everything that the headers promise.
    Complete,
    /// Every thread's stack, but not all memory.
    Stacks,
    /// The crashing thread's stack, but not every other one.
    CrashingStack,
    /// The notes too: registers and mappings, but not the crashing thread's stack.
    Notes,
    /// The ELF and program headers, and perhaps some of the notes: threads or mappings are not known.
    Headers,
    /// A grade that this version doesn't know.
    #[serde(other)]
    Unknown,
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

/// The signal that ended the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Signal {
    /// Its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i32>,
    /// Its name: `SIGSEGV`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `si_code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// Its name: `SEGV_MAPERR`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_name: Option<String>,
    /// The address that the access faulted at; absent where the signal wasn't a fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault_address: Option<Hex>,
    /// Who sent it, where somebody did (`kill`, `raise`, `abort`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_pid: Option<u32>,
    /// The sender's real user id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_uid: Option<u32>,
    /// One sentence for people: `read or write of unmapped address 0x0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// One thread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Thread {
    /// Thread id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tid: Option<u32>,
    /// Its name, where it is known (a kernel-written core holds only the main thread's).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The goroutine that it stands for, where it is none of the system's threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goroutine: Option<Goroutine>,
    /// Whether it took the fatal signal.
    #[serde(default)]
    pub crashed: bool,
    /// Why the walk of its stack ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// That reason as a sentence, with the address: `no unwind information at 0x7f…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_detail: Option<String>,
    /// How many machine frames the stack has (inlined calls not counted); `frames` may hold fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames_total: Option<u32>,
    /// Where frames were left out: they would follow the frame of this index in `frames`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub omitted_after: Option<u32>,
    /// Recursions: runs of 32 machine frames or more that repeat themselves, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeats: Vec<Repeat>,
    /// Logical frames, innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Frame>,
    /// Registers of the innermost frame by their usual names; kept for the crashing thread only.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub registers: std::collections::BTreeMap<String, Hex>,
}

/// A recursion: frames that repeat themselves. The first cycle is among the thread's `frames`; the others follow it, there
/// or among those that were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Repeat {
    /// Index in `frames` of its first frame.
    #[serde(default)]
    pub first: u32,
    /// How many of the `frames` are one cycle.
    #[serde(default)]
    pub period: u32,
    /// How many times the whole cycle stands there, the first one included.
    #[serde(default)]
    pub count: u32,
    /// Whether it is the same addresses each time. Otherwise it is the same functions, which call each other from several
    /// places.
    #[serde(default)]
    pub exact: bool,
}

/// A goroutine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Goroutine {
    /// Its number, as Go prints it.
    pub id: u64,
    /// What it waits for, or else its state, as Go prints them: `chan receive`, `runnable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// One logical frame: an inlined call is a frame of its own, as gdb prints it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Frame {
    /// The function's name, demangled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The name as the linker knows it, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_name: Option<String>,
    /// Bytes from the function's start, where the name came from a symbol table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function_offset: Option<Hex>,
    /// Source file, as the debug information names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Whether the call was inlined: such a frame has no machine frame of its own.
    #[serde(default)]
    pub inlined: bool,
    /// The program counter: the faulting instruction, or the return address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pc: Option<Hex>,
    /// The canonical frame address: the stack pointer before the call into this frame. Machine frames only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cfa: Option<Hex>,
    /// Index into `modules`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<u32>,
    /// `pc` as the module's file has it (load bias taken off): what `addr2line -e` wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<Hex>,
    /// How the frame was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
    /// Where the name came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol_source: Option<SymbolSource>,
    /// Whether it is the user's own code rather than a system library's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_app: Option<bool>,
}

/// How a frame was found, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trust {
    /// The registers in the core itself.
    Context,
    /// Call frame information, or the sizes of frames that a Go program's own table tells.
    Cfi,
    /// A frame that left nothing on the stack, because its function jumped on: the call before it leads to it, and
    /// it leads to the next one's function.
    TailCall,
    /// Registers that the kernel saved when it delivered a signal.
    Signal,
    /// The function's machine code, followed from its first instruction to the frame's, or from there to its return.
    Prologue,
    /// A return address after a call that leads to this very frame: at the top of the stack, where the call led to no
    /// code or to a stub that pushes nothing, or the nearest one on the stack.
    CallTarget,
    /// The saved frame pointer.
    FramePointer,
    /// A word on the stack that follows a call which may have led to this frame: a guess.
    CallScan,
    /// A word on the stack that points to code: a guess.
    Scan,
    /// A way that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// Why the walk of a stack ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stop {
    /// The thread's first frame: its call frame information says that it has no caller.
    End,
    /// Neither call frame information nor another way leads on.
    NoCfi,
    /// The stack lies in memory that the dumping side left out.
    NotDumped,
    /// The stack lies beyond the end of a truncated core.
    Truncated,
    /// The stack pointer leads into unmapped memory.
    Unmapped,
    /// The return address leads nowhere: it was overwritten.
    BadReturnAddress,
    /// The same frame again.
    Loop,
    /// The frame limit.
    Limit,
    /// The core holds no registers for this thread.
    NoRegisters,
    /// A reason that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// Where a frame's name came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SymbolSource {
    /// DWARF debug information.
    Dwarf,
    /// `.symtab`.
    Symtab,
    /// `.dynsym`.
    Dynsym,
    /// The table that every Go program carries for its runtime (`pclntab`).
    Pclntab,
    /// The relocation of a stub of the procedure linkage table.
    Plt,
    /// A source that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// One ELF file that was mapped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Module {
    /// File name without folders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Path, as the process saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// First mapped address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Hex>,
    /// First address after the last mapped one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Hex>,
    /// What was added to the file's addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_bias: Option<Hex>,
    /// Build ID that the core holds (lower-case hex).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// Whether it is the main executable.
    #[serde(default)]
    pub main: bool,
    /// How sure it is that the file that was read is the one that was mapped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_state: Option<FileState>,
    /// The file that was read, on the machine that read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_found: Option<String>,
    /// How that file was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_origin: Option<FileOrigin>,
    /// The file with its debug information, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug_file: Option<String>,
    /// Where that file was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug_origin: Option<FileOrigin>,
    /// Whether debug information (DWARF) was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_debug_info: Option<bool>,
    /// The stored copy, relative to the output folder: `buildid/<hex>/executable` or `files/<sha256>/<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Stored copies of the files that its debug information continues in (`.dwo`, `.dwp`, and what dwz took out), as far
    /// as frames needed them, relative to the output folder: `files/<sha256>/<name>` or `buildid/<hex>/debuginfo`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub companion_files: Vec<String>,
}

/// How sure it is that a local file is the one that was mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FileState {
    /// Same build ID (or the file is a part of the core itself).
    Verified,
    /// No build ID to compare, but its first page equals the dumped one (or, where none was dumped, its segments fit
    /// where the file was mapped), and it is older than the core.
    Unverified,
    /// Another build.
    Mismatch,
    /// No file was found.
    Missing,
    /// A state that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// How a module's file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FileOrigin {
    /// Named by the user (`--exe`).
    Given,
    /// At the path that the core names.
    RecordedPath,
    /// At that path beneath `--sysroot`.
    Sysroot,
    /// In the output folder that the core lies in, by build ID or content.
    Bundle,
    /// In a debug folder, by build ID.
    BuildId,
    /// In a debug folder, by `.gnu_debuglink`.
    DebugLink,
    /// Beside the core, by name and content.
    Beside,
    /// From a debuginfod server, or the cache of what such servers sent, by build ID.
    Debuginfod,
    /// In the core itself (the vDSO).
    Core,
    /// A way that this version doesn't know.
    #[serde(other)]
    Unknown,
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

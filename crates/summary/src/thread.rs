//! Threads and their frames.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hex::Hex;

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
    /// The system call that it was in, or had just made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syscall: Option<Syscall>,
    /// What it waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_on: Option<WaitsOn>,
}

/// A system call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Syscall {
    /// Its number on this architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What a thread waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitsOn {
    /// `mutex`, `rwlock`, `condition`, `semaphore`, `barrier`, `thread` (its end), `once`; `futex` where it isn't known.
    pub kind: String,
    /// Where the lock lies; of a thread's end, the word that tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Hex>,
    /// The thread that holds it (or whose end is waited for).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_tid: Option<u32>,
    /// Whether that is none of the process's threads: it has ended, or another process shares the lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_gone: Option<bool>,
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
    /// The source file that declares the function, where it is another one: compilers keep the lines of what they inline
    /// or merge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_in: Option<String>,
    /// Line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Whether the call was inlined, or an interpreter runs it: such a frame has no machine frame of its own.
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
    /// What a rule says of it; absent where none speaks of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<FrameRule>,
    /// Source lines around `line`, where the source was at hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<SourceLine>,
    /// The function's arguments, in their order, where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<Variable>,
    /// The locals that were in scope, those of the innermost block first, where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Variable>,
    /// The language of the interpreter that runs it; absent where the machine itself does. Such frames stand before the
    /// machine frame of the interpreter's function that runs them, and have its `pc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// How many of the interpreter's frames were left out behind this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<u32>,
}

/// An argument or a local of a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its type, as the language spells it.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// Its value as text, masked, with its strings between quotes; absent where `state` says why none of it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<VariableState>,
    /// The address in memory that could not be read, where that is why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Hex>,
}

/// Why a variable has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VariableState {
    /// At this instruction the program itself has it nowhere.
    OptimizedOut,
    /// It is in memory that whoever wrote the core left out.
    NotDumped,
    /// It is in memory that was dumped, beyond the end of a core that was cut off.
    Truncated,
    /// It is where nothing is mapped.
    Unmapped,
    /// It is in a register that was not recovered, or found in a way that is not known here.
    Unavailable,
    /// Something that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// A language that an interpreter runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Language {
    /// Python, as CPython runs it.
    Python,
    /// A language that this version doesn't know.
    #[serde(other)]
    Unknown,
}

impl Frame {
    /// The source file whose function this is: it tells whose code it is, whatever the line is of.
    pub fn function_file(&self) -> Option<&str> {
        self.declared_in.as_deref().or(self.file.as_deref())
    }
}

/// What a rule says of a frame: how far it belongs to the machinery of dying or of starting, and not to the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FrameRule {
    /// It and all that it called are how the process died: `abort`, `std::terminate`, a panic's formatting.
    Cut,
    /// It alone says nothing: a trampoline, an adapter.
    Skip,
    /// The thread starts here; what called it says nothing.
    End,
    /// The story starts here, wherever it is; what it called says nothing.
    Sentinel,
    /// A rule that this version doesn't know.
    #[serde(other)]
    Unknown,
}

impl FrameRule {
    /// Tells whether the frame itself says nothing of why the process died.
    pub fn is_machinery(self) -> bool {
        matches!(self, FrameRule::Cut | FrameRule::Skip | FrameRule::End)
    }
}

/// One line of source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceLine {
    /// Its number, from 1.
    pub line: u32,
    /// Its text, without its end.
    pub text: String,
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
    /// The structures of the interpreter that runs it, in memory.
    Interpreter,
    /// A source that this version doesn't know.
    #[serde(other)]
    Unknown,
}

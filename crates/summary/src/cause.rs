//! Why a process died.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hex::Hex;

/// Why a process died, as far as it could be found out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// A stable token: `null_deref:read`, `assertion`, `rust_panic:unwrap_none`, … What follows a colon tells kinds of one
    /// class apart.
    pub class: String,
    /// How sure it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
    /// One sentence for people, at most 200 characters: `null pointer read of the field at +0x148`. Where the process was
    /// then, its crashing thread's frames tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// What the program itself said: an assertion's text, a panic's, an exception's `what()`. Verbatim, masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where that message was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_source: Option<MessageSource>,
    /// The C++ exception that nobody caught.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<Exception>,
    /// The Rust panic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic: Option<Panic>,
    /// The assertion that didn't hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion: Option<Assertion>,
    /// The access to memory that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// The instruction that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction: Option<Instruction>,
    /// What it was concluded from, a sentence each, the weightiest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

impl Cause {
    /// Makes a cause of a class, how sure it is, and a sentence.
    pub fn new(class: impl Into<String>, confidence: Confidence, summary: impl Into<String>) -> Cause {
        Cause {
            class: class.into(),
            confidence: Some(confidence),
            summary: Some(summary.into()),
            ..Cause::default()
        }
    }
}

/// How sure a cause is, surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Confidence {
    /// The evidence allows nothing else.
    High,
    /// The evidence fits, and something else would fit as well.
    Medium,
    /// A guess.
    Low,
    /// A degree that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// Where a message was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MessageSource {
    /// What glibc keeps of its last words (`__abort_msg`).
    AbortMsg,
    /// GLib's (`__glib_assert_msg`).
    GlibAssertMsg,
    /// The exception object.
    CxxException,
    /// The panic's payload or its formatted text.
    RustPayload,
    /// A sanitizer's report, in its own memory.
    Sanitizer,
    /// The Go runtime's panic.
    Go,
    /// What was left of formatted output in memory that is no longer used: a guess.
    Remnant,
    /// The end of what the process wrote.
    Output,
    /// A place that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// A C++ exception.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exception {
    /// Its type, demangled: `std::out_of_range`.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "type")]
    pub type_name: Option<String>,
    /// What its `what()` says; the value of one that is a number or a string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// The language that threw it: `c++`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// A Rust panic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Panic {
    /// Source file, as the program names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The name of the thread that panicked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
}

/// An assertion that didn't hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Assertion {
    /// Its text, as the source has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// Source file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Function, as the program names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
}

/// An access to memory that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Access {
    /// What was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<AccessKind>,
    /// The address: of the operand where the instruction could be read, or else what the kernel tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Hex>,
    /// Its size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// The register that the address is counted from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_register: Option<String>,
    /// What that register held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_value: Option<Hex>,
    /// Bytes from there to the address, as the instruction has it (a scaled index included).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// Index into `regions` of the one that the address is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<u32>,
    /// Index into `regions` of the nearest one, where it is in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest_region: Option<u32>,
    /// Bytes from that one to the address: negative before its start; 0 is the first byte after its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<i64>,
}

/// What an access to memory tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccessKind {
    /// To read.
    Read,
    /// To write.
    Write,
    /// To execute.
    Execute,
    /// Something that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// A machine instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Instruction {
    /// Where it lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Hex>,
    /// Its bytes (lower-case hex).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
    /// Its text, as debuggers write it (on x86 in Intel's syntax).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The registers that it reads, by name, in the order of its text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registers: Vec<String>,
}

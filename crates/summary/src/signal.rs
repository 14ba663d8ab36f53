//! The signal that ended a process.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hex::Hex;
use crate::thread::Syscall;

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
    /// Where this was read; `siginfo` where it isn't said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<SignalOrigin>,
    /// The system call that a filter refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syscall: Option<Syscall>,
    /// The fault before it: the signal whose handler (or the program itself, after it) ended the process by this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Box<Signal>>,
}

/// Where a signal's facts were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SignalOrigin {
    /// In the core's note.
    Siginfo,
    /// In what the kernel put on the stack for a signal handler.
    Sigframe,
    /// In a thread's status, which holds the number alone.
    Prstatus,
    /// A place that this version doesn't know.
    #[serde(other)]
    Unknown,
}

//! Ranges of a process's address space.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hex::Hex;

/// A range of addresses that was mapped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Region {
    /// First address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Hex>,
    /// First address after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Hex>,
    /// `rwx`, with `-` for what is not allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<String>,
    /// What it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RegionKind>,
    /// The mapped file's path, or `thread 4711` of a stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where its first byte is in the mapped file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_offset: Option<Hex>,
    /// Whether the core holds its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_core: Option<bool>,
}

/// What a range of addresses holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RegionKind {
    /// The `brk` heap.
    Heap,
    /// A thread's stack.
    Stack,
    /// Nothing: it is there to fail accesses.
    Guard,
    /// A file.
    File,
    /// What the kernel maps into each process.
    Vdso,
    /// Other memory without a file.
    Anonymous,
    /// Something that this version doesn't know.
    #[serde(other)]
    Unknown,
}

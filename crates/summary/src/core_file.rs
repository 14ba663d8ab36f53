//! The core file behind a summary.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The core file behind a summary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Core {
    /// Where the kernel (or whoever wrote it) left it, as it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The stored copy, relative to the output folder, e.g. `crashes/<id>/core.zst`, or `core.zst.age` if it is encrypted.
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
    /// How the stored copy is encrypted, if it is; who it was encrypted for is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<CoreEncryption>,
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

/// How the stored copy of a core is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CoreEncryption {
    /// With age (<https://age-encryption.org/v1>), around its zstd frames.
    Age,
    /// In a way that a newer version knows.
    #[serde(other)]
    Unknown,
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

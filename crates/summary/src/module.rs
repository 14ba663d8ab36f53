//! The ELF files that were mapped.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hex::Hex;

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

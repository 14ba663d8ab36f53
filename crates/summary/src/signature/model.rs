//! The type of a signature.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Hashes of what is essential in a crash: equal for the same bug, whatever the build, the machine and the run. Each is
/// 16 hex digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Signature {
    /// The version of the rules by which it is made.
    #[serde(default)]
    pub version: u32,
    /// Of the cause's class and the first of the user's own functions, inlined ones too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<String>,
    /// The same, of machine frames alone: what a build without debug information has too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phys: Option<String>,
    /// Of the cause's class and the first of the user's own functions alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loose: Option<String>,
    /// Of build IDs and offsets: equal for the same place in the same build, also without any symbols.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
    /// What the names came from. Signatures of different bases are not to be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// The crash in one line of at most 160 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What died, without what differs from build to build: a test binary's hash, a library's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The lines that `strict` is the hash of: the class, its details, and names of functions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<String>,
    /// Which rules made it: `builtin-2`, and the hash of the user's own where there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
}

/// What the names in a signature came from, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Basis {
    /// Debug information.
    Dwarf,
    /// Symbol tables.
    Symtab,
    /// There are no names, only addresses within modules.
    Address,
    /// A source that this version doesn't know.
    #[serde(other)]
    Unknown,
}

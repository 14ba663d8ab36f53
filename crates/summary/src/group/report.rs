//! What grouping finds, as JSON has it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Tool, Warning};
use crate::signature::Basis;

/// The value of `schema` in every report of this version.
pub const GROUP_SCHEMA: &str = "epitaph-groups/1";

/// Crashes by what they have in common, and what is new among them.
///
/// Readers ignore fields that they don't know; fields are only ever added.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupReport {
    /// The format of this object: `epitaph-groups/1`.
    pub schema: String,
    /// The program that wrote it.
    pub tool: Tool,
    /// How many crashes there were, each counted once.
    #[serde(default)]
    pub crashes: u64,
    /// How many summaries were of a crash that was counted already.
    #[serde(default)]
    pub duplicates: u64,
    /// How many of the crashes are on purpose, by a rule; they are in no group.
    #[serde(default)]
    pub ignored_crashes: u64,
    /// How many different signatures the others have.
    #[serde(default)]
    pub signatures: u64,
    /// How far apart two stacks of a group may be, of 1.
    #[serde(default)]
    pub threshold: f32,
    /// How the crashes compare with the baseline, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineCounts>,
    /// Groups of signatures that are alike: new ones first, then those with most crashes.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// Crashes on purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<Bucket>,
    /// What the baseline has and these crashes have not, nor anything like it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<Bucket>,
    /// Whatever could not be read or compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// How crashes compare with a baseline: numbers of signatures, but for `crashes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineCounts {
    /// How many crashes the baseline has.
    #[serde(default)]
    pub crashes: u64,
    /// How many different signatures they have, crashes on purpose left out.
    #[serde(default)]
    pub signatures: u64,
    /// Signatures that the baseline has neither, nor anything like them.
    #[serde(default)]
    pub new: u64,
    /// Signatures that are like one of the baseline.
    #[serde(default)]
    pub similar: u64,
    /// Signatures that the baseline has too.
    #[serde(default)]
    pub known: u64,
    /// Signatures of the baseline that nothing here has or is like.
    #[serde(default)]
    pub gone: u64,
}

/// Signatures that are alike: most likely one bug.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// The newest state of its signatures; absent without a baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// How many crashes.
    #[serde(default)]
    pub count: u64,
    /// When the first one was (RFC 3339, UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<String>,
    /// When the last one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    /// Its signatures, in the order of groups.
    #[serde(default)]
    pub buckets: Vec<Bucket>,
}

/// The crashes of one subject and signature.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bucket {
    /// Whether the baseline has it; absent without a baseline, and for crashes on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// What it is like in the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similar: Option<Similar>,
    /// The rule by which these crashes are on purpose: its reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
    /// The crash in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The cause's class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The cause of one of them, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The `strict` signature that all have; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The `exact` signature that all have, where there are no names to tell crashes apart by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
    /// What the names came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// The lines that the signature is the hash of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// How many crashes.
    #[serde(default)]
    pub count: u64,
    /// When the first one was (RFC 3339, UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<String>,
    /// When the last one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    /// Jobs that they came from, or files and folders where no job is known: some of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<String>,
    /// How many jobs.
    #[serde(default)]
    pub job_count: u64,
    /// Tests that died: some of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<String>,
    /// How many tests.
    #[serde(default)]
    pub test_count: u64,
    /// Where one of them is blamed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<CrashPlace>,
    /// How many of the crashes have their core with them.
    #[serde(default)]
    pub with_core: u64,
    /// One of them: with its core and program if any has, and the last such one.
    #[serde(default)]
    pub example: Example,
}

/// The function that a crash is blamed on, and where that is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CrashPlace {
    /// The function's name, demangled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Source file, as the debug information names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

/// One crash of many.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Example {
    /// The file that its summary was read from.
    #[serde(default)]
    pub path: String,
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Whether its core was kept.
    #[serde(default)]
    pub core: bool,
    /// Whether its program was kept.
    #[serde(default)]
    pub program: bool,
}

/// How a signature compares with a baseline, what is to be looked at first coming first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// The baseline has nothing like it.
    New,
    /// The baseline has one that is like it.
    Similar,
    /// The baseline has it.
    Known,
    /// Only the baseline has it.
    Gone,
    /// A state that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// What a signature is like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Similar {
    /// The other's signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The other's subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The other's title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// In what they are alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<SimilarBy>,
    /// How far apart their stacks are, of 1, where they are alike by their stacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<f32>,
}

/// In what two signatures are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SimilarBy {
    /// The same place in the same build, with other names.
    Exact,
    /// The same signature, of another subject or without names.
    Signature,
    /// The same machine frames, one with debug information and one without.
    Phys,
    /// The stacks.
    Stack,
    /// A way that this version doesn't know.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The committed schema is the generated one. `UPDATE_SCHEMA=1` rewrites it.
    #[test]
    fn the_committed_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/group-report.v1.json");
        let generated = serde_json::to_string_pretty(&schemars::schema_for!(GroupReport)).unwrap() + "\n";
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(path, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == generated, "{path} is stale: run the tests once with UPDATE_SCHEMA=1");
    }

    #[test]
    fn a_newer_writer_is_read() {
        let newer = r#"{"schema":"epitaph-groups/1","tool":{"name":"epitaph","version":"9"},"mood":1,
            "groups":[{"status":"reborn","buckets":[{"similar":{"by":"smell"}}]}]}"#;
        let report: GroupReport = serde_json::from_str(newer).unwrap();
        assert_eq!(report.groups[0].status, Some(Status::Unknown));
    }
}

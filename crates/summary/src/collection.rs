//! How a crash was collected: facts about the job, not about the process.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ci::CiJob;

/// How and where a crash was collected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Collection {
    /// The command that collected it: `collect` or `run`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// `/proc/sys/kernel/core_pattern` at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core_pattern: Option<String>,
    /// The CI job that it was collected in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci: Option<CiJob>,
    /// The exit status of the command that `run` ran (128 + signal where a signal ended it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<i32>,
    /// The end of what that command wrote to standard error, a line each, masked; only where it was to be kept
    /// (`run --output-tail`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output_tail: Vec<String>,
    /// Why the core was looked for where it was found: the pattern's folder, the working folder, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<CoreSource>,
    /// What the core's file name says, where it was made by a core pattern: specifier letter and value.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub name_fields: std::collections::BTreeMap<String, String>,
    /// Who kept the core: `systemd-coredump`, `apport`, `abrt`, `wsl`; `kernel log` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collector: Option<String>,
    /// What that collector says of the crash besides what `process`, `signal` and `time` tell: `hostname`, `package`,
    /// `reason`, …
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub collector_facts: std::collections::BTreeMap<String, String>,
}

/// Why a core was looked for where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CoreSource {
    /// The user named it.
    Given,
    /// It lies where the host's core pattern puts cores.
    Pattern,
    /// Its name is one of the usual ones (`core`, `core.PID`, `PID.core`, …).
    UsualName,
    /// It lies in the store of another collector, or has a name that only such a collector makes.
    Store,
    /// `run` wrote it while the process stood still.
    Traced,
    /// A reason that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// One place that was searched for cores, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SearchedPlace {
    /// The folder.
    pub path: String,
    /// Cores found beneath it.
    pub cores: u32,
    /// Why it could not be searched (wholly), if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

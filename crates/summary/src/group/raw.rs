//! A summary's JSON, as far as grouping looks at it. Unknown fields are skipped, not stored.

use serde::Deserialize;

use super::frames::CrashingThread;
use super::modules::KeptProgram;
use super::text::{LastPart, Lines, Present, Text};
use crate::signature::Basis;

/// The most bytes that are kept of a name, a title and a sentence.
pub(super) const NAME: usize = 128;
const TITLE: usize = 200;
const SENTENCE: usize = 240;

/// A summary.
#[derive(Deserialize)]
pub(super) struct Raw {
    pub(super) schema: Option<Text<64>>,
    pub(super) id: Option<Text<NAME>>,
    pub(super) time: Option<Text<64>>,
    #[serde(default)]
    pub(super) process: RawProcess,
    pub(super) cause: Option<RawCause>,
    #[serde(default)]
    pub(super) signature: RawSignature,
    pub(super) test: Option<RawTest>,
    #[serde(default)]
    pub(super) threads: CrashingThread,
    pub(super) core: Option<RawCore>,
    #[serde(default)]
    pub(super) modules: KeptProgram,
}

#[derive(Default, Deserialize)]
pub(super) struct RawProcess {
    pub(super) pid: Option<u32>,
    pub(super) name: Option<Text<NAME>>,
    pub(super) executable: Option<LastPart>,
}

#[derive(Deserialize)]
pub(super) struct RawCause {
    pub(super) class: Text<NAME>,
    pub(super) summary: Option<Text<SENTENCE>>,
}

#[derive(Default, Deserialize)]
pub(super) struct RawSignature {
    pub(super) strict: Option<Text<NAME>>,
    pub(super) phys: Option<Text<NAME>>,
    pub(super) exact: Option<Text<NAME>>,
    pub(super) basis: Option<Basis>,
    pub(super) title: Option<Text<TITLE>>,
    pub(super) subject: Option<Text<NAME>>,
    #[serde(default)]
    pub(super) frames: Lines,
    pub(super) rules: Option<Text<NAME>>,
}

#[derive(Deserialize)]
pub(super) struct RawTest {
    pub(super) name: Text<NAME>,
}

#[derive(Deserialize)]
pub(super) struct RawCore {
    pub(super) file: Option<Present>,
}

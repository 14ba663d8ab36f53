//! The crashes of one subject and signature, as they are counted.

use super::digest::Digest;
use super::few::Few;
use super::grouping::Source;
use super::report::{Bucket, CrashPlace, Example};
use super::trace::Trace;
use crate::signature::Basis;

/// What crashes of one bucket have in common, and no others have.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Crashes on purpose are counted apart, even those of a signature that others have too.
    pub(super) ignored: bool,
    pub(super) subject: Option<String>,
    pub(super) basis: Option<Basis>,
    pub(super) strict: Option<String>,
    /// Where there are no names, a signature is of little more than the class, and this tells crashes apart.
    pub(super) exact: Option<String>,
    /// Where there is no signature, it is all there is.
    pub(super) class: Option<String>,
}

impl Key {
    /// Returns the key of a crash.
    pub fn of(digest: &Digest) -> Key {
        let nameless = digest.strict.is_none() || digest.basis == Some(Basis::Address);
        Key {
            ignored: digest.ignored.is_some(),
            subject: digest.subject.clone(),
            basis: digest.basis,
            strict: digest.strict.clone(),
            exact: digest.exact.clone().filter(|_| nameless),
            class: digest.class.clone().filter(|_| digest.strict.is_none()),
        }
    }

    /// Returns the key of the crashes that a bucket counts.
    pub fn of_bucket(bucket: &Bucket) -> Key {
        Key {
            ignored: bucket.ignored.is_some(),
            subject: bucket.subject.clone(),
            basis: bucket.basis,
            strict: bucket.signature.clone(),
            exact: bucket.exact.clone(),
            class: bucket.class.clone().filter(|_| bucket.signature.is_none()),
        }
    }

    /// Returns the key of the same crashes where a rule says that they are on purpose.
    #[must_use]
    pub fn on_purpose(self) -> Key {
        Key { ignored: true, ..self }
    }

    /// Returns what names it to people and other programs, without what may change while the crashes stay the same: the
    /// hashes, or else the class, and the subject.
    pub fn parts(&self) -> [Option<&str>; 4] {
        [&self.strict, &self.exact, &self.class, &self.subject].map(Option::as_deref)
    }

    /// Tells whether the crashes have a signature; those that have none have little in common.
    pub fn is_signed(&self) -> bool {
        self.strict.is_some() || self.exact.is_some()
    }
}

/// What was counted, and one crash that stands for all.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) trace: Trace,
    pub(super) title: Option<String>,
    pub(super) phys: Option<String>,
    pub(super) exact: Option<String>,
    class: Option<String>,
    cause: Option<String>,
    lines: Vec<String>,
    ignored: Option<String>,
    pub(super) count: u64,
    first_seen: Option<String>,
    last_seen: Option<String>,
    jobs: Few,
    tests: Few,
    with_core: u64,
    place: Option<CrashPlace>,
    example: Example,
}

impl Tally {
    /// Starts with the crash that stands for all, without counting it.
    pub(super) fn of(digest: &Digest) -> Tally {
        Tally {
            trace: digest.trace.clone(),
            title: digest.title.clone(),
            phys: digest.phys.clone(),
            exact: digest.exact.clone(),
            class: digest.class.clone(),
            cause: digest.cause.clone(),
            lines: digest.lines.clone(),
            ignored: digest.ignored.clone(),
            count: 0,
            first_seen: None,
            last_seen: None,
            jobs: Few::default(),
            tests: Few::default(),
            with_core: 0,
            place: digest.place.clone(),
            example: Example::default(),
        }
    }

    /// Counts a crash.
    pub(super) fn add(&mut self, digest: Digest, source: &Source) {
        self.count += 1;
        if let Some(time) = &digest.time {
            if self.first_seen.as_ref().is_none_or(|first| time < first) {
                self.first_seen = Some(time.clone());
            }
            if self.last_seen.as_ref().is_none_or(|last| time > last) {
                self.last_seen = Some(time.clone());
            }
        }
        if let Some(job) = &source.job {
            self.jobs.add(job);
        }
        if let Some(test) = &digest.test {
            self.tests.add(test);
        }
        self.with_core += u64::from(digest.core);
        let rank = |example: &Example| (example.core && example.program, example.core, example.time.clone());
        let Digest { id, time, core, program, .. } = digest;
        let example = Example { path: source.path.clone(), id, time, core, program };
        if self.count == 1 || rank(&example) > rank(&self.example) {
            self.example = example;
        }
    }

    pub(super) fn to_bucket(&self, key: &Key) -> Bucket {
        Bucket {
            status: None,
            similar: None,
            ignored: self.ignored.clone(),
            title: self.title.clone(),
            subject: key.subject.clone(),
            class: self.class.clone(),
            cause: self.cause.clone(),
            signature: key.strict.clone(),
            exact: key.exact.clone(),
            basis: key.basis,
            lines: self.lines.clone(),
            count: self.count,
            first_seen: self.first_seen.clone(),
            last_seen: self.last_seen.clone(),
            job_count: self.jobs.count(),
            jobs: self.jobs.kept().to_vec(),
            test_count: self.tests.count(),
            tests: self.tests.kept().to_vec(),
            with_core: self.with_core,
            place: self.place.clone(),
            example: self.example.clone(),
        }
    }
}

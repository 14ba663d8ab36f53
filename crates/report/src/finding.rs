//! A kind of crash as a list of findings has it: in a title, a message and one place in the sources, without its story.
//!
//! CI systems that show errors beside lines of a change know no stacks and no cores. What they are told is the same for all
//! of them, whether whole summaries are at hand or what grouping has kept of them.

use std::path::{Component, Path};

use epitaph_summary::group::{Bucket, BucketKey, GroupReport, Status};
use epitaph_summary::{CrashSummary, Frame};

use crate::escape::{brief, clean};
use crate::groups::facts;
use crate::headline::{Headline, UNKNOWN_SIGNAL, program, signal_name};
use crate::kinds::{Kind, kinds};
use crate::place::{Place, blamed_frame, main_thread};
use crate::quantity::grouped;

/// The most characters of a title, and of a message: GitHub shows as many of it.
const TITLE: usize = 120;
const MESSAGE: usize = 600;

/// The most characters of a class, a program and a function.
const WORD: usize = 200;

/// The class of a crash of which no cause is known.
const UNKNOWN: &str = "crash";

/// One kind of crash. All texts are clean.
#[derive(Debug)]
pub(crate) struct Finding<'a> {
    /// `parser died of SIGSEGV`
    pub(crate) title: String,
    /// What died of what, where, how often, and whether that is new.
    pub(crate) message: String,
    /// The cause's class, or else the signal.
    pub(crate) class: String,
    /// The program.
    pub(crate) subject: String,
    /// The function that it is blamed on.
    pub(crate) function: Option<String>,
    /// Where that is, as the debug information names it; not clean.
    pub(crate) file: Option<&'a str>,
    /// Line, from 1.
    pub(crate) line: Option<u32>,
    /// Column, from 1; only with a line.
    pub(crate) column: Option<u32>,
    /// How many crashes.
    pub(crate) count: u64,
    /// When the first and the last one were, as the summaries say it; not clean.
    pub(crate) seen: (Option<&'a str>, Option<&'a str>),
    /// What tells the kind from others, the same from run to run and from build to build.
    pub(crate) fingerprint: String,
    /// Whether a baseline has it.
    pub(crate) status: Option<Status>,
    /// The rule by which it is on purpose: its reason.
    pub(crate) ignored: Option<String>,
    /// One of the crashes as a whole, where it is at hand.
    pub(crate) crash: Option<&'a CrashSummary>,
}

/// Returns the kinds of crashes, as `groups` has them.
pub(crate) fn of_summaries<'a>(summaries: &'a [CrashSummary], groups: &'a GroupReport) -> Vec<Finding<'a>> {
    kinds(summaries, groups).iter().map(Finding::of_kind).collect()
}

/// Returns the kinds of crashes that grouping has found: what is on purpose comes last.
pub(crate) fn of_groups(report: &GroupReport) -> Vec<Finding<'_>> {
    let buckets = report.groups.iter().flat_map(|group| &group.buckets);
    buckets.chain(&report.ignored).map(Finding::of_bucket).collect()
}

/// Returns what only the baseline has.
pub(crate) fn gone(report: &GroupReport) -> Vec<Finding<'_>> {
    report.gone.iter().map(Finding::of_bucket).collect()
}

impl<'a> Finding<'a> {
    fn of_kind(kind: &Kind<'a>) -> Finding<'a> {
        let summary = kind.newest;
        let headline = Headline::of(summary);
        let place = Place::of(summary);
        let whole = place.as_ref().map(|place| format!(", {}", place.whole_phrase())).unwrap_or_default();
        let frame = blamed(summary);
        let class = summary.cause.as_ref().map(|cause| cause.class.as_str());
        let class = class.filter(|class| !matches!(*class, "" | UNKNOWN_SIGNAL)).map(str::to_owned);
        let class = class.or_else(|| summary.signal.as_ref().and_then(signal_name));
        let line = frame.and_then(|frame| frame.line).filter(|line| *line > 0);
        let subject = headline.subject.as_deref().unwrap_or("A process");
        let times = || kind.all().filter_map(|crash| crash.time.as_deref());
        Finding {
            title: brief(&format!("{subject} {}", headline.fate), TITLE),
            message: message(&format!("{}{whole}", headline.sentence()), kind.count(), kind.bucket),
            class: brief(class.as_deref().unwrap_or(UNKNOWN), WORD),
            subject: program(summary).map(|name| brief(&name, WORD)).unwrap_or_default(),
            function: place.and_then(|place| place.function).map(|name| brief(&name, WORD)),
            file: frame.and_then(|frame| frame.file.as_deref()).filter(|file| !file.is_empty()),
            line,
            column: frame.and_then(|frame| frame.column).filter(|column| *column > 0 && line.is_some()),
            count: kind.count(),
            seen: (times().min(), times().max()),
            fingerprint: fingerprint(summary, kind.bucket),
            status: kind.bucket.and_then(|bucket| bucket.status),
            ignored: kind.bucket.and_then(|bucket| bucket.ignored.as_deref()).map(|why| brief(why, MESSAGE)),
            crash: Some(summary),
        }
    }

    fn of_bucket(bucket: &'a Bucket) -> Finding<'a> {
        let place = bucket.place.as_ref();
        let subject = facts::subject(bucket).unwrap_or_default();
        let line = place.and_then(|place| place.line).filter(|line| *line > 0);
        let what = facts::title(bucket);
        let told = if subject.is_empty() { what.clone() } else { format!("{subject}: {what}") };
        Finding {
            title: brief(&told, TITLE),
            message: message(&told, bucket.count, Some(bucket)),
            class: brief(bucket.class.as_deref().filter(|class| !class.is_empty()).unwrap_or(UNKNOWN), WORD),
            subject,
            function: place.and_then(|place| place.function.as_deref()).map(|name| brief(name, WORD)),
            file: place.and_then(|place| place.file.as_deref()).filter(|file| !file.is_empty()),
            line,
            column: place.and_then(|place| place.column).filter(|column| *column > 0 && line.is_some()),
            count: bucket.count,
            seen: (bucket.first_seen.as_deref(), bucket.last_seen.as_deref()),
            fingerprint: of_key(&BucketKey::of_bucket(bucket)),
            status: bucket.status,
            ignored: bucket.ignored.as_deref().map(|why| brief(why, MESSAGE)),
            crash: None,
        }
    }

    /// Returns its file as the repository names it, clean; `None` where it isn't in the repository, the folder of the job's
    /// checkout.
    pub(crate) fn in_repository(&self, repository: Option<&Path>) -> Option<String> {
        inside(self.file?, repository).map(|file| clean(file).into_owned())
    }
}

/// Returns a file as the repository names it, if it is in there; not clean.
pub(crate) fn inside<'a>(file: &'a str, repository: Option<&Path>) -> Option<&'a str> {
    let file = Path::new(file);
    let inside = if file.is_absolute() { file.strip_prefix(repository?).ok()? } else { file };
    let is_plain = inside.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let file = inside.to_str().filter(|_| is_plain)?;
    let file = file.strip_prefix("./").unwrap_or(file);
    (!file.is_empty()).then_some(file)
}

/// The frame that a crash is blamed on.
fn blamed(summary: &CrashSummary) -> Option<&Frame> {
    let (_, thread) = main_thread(summary)?;
    thread.frames.get(blamed_frame(summary, thread)?)
}

fn message(what: &str, count: u64, bucket: Option<&Bucket>) -> String {
    let times = if count > 1 { format!(" ({} times)", grouped(count)) } else { String::new() };
    let standing =
        bucket.and_then(facts::standing).map(|standing| format!("{standing}: ")).unwrap_or_default();
    let like = bucket.and_then(facts::likeness).map(|like| format!("; {like}")).unwrap_or_default();
    brief(&format!("{standing}{what}{times}{like}"), MESSAGE)
}

/// What names a kind. A crash that nothing has in common with others is named by its own id.
fn fingerprint(summary: &CrashSummary, bucket: Option<&Bucket>) -> String {
    if let Some(bucket) = bucket {
        return of_key(&BucketKey::of_bucket(bucket));
    }
    let signature = summary.signature.as_ref();
    let hash = signature.and_then(|signature| signature.strict.as_deref().or(signature.exact.as_deref()));
    let id = || summary.id.as_deref().unwrap_or(UNKNOWN);
    brief(hash.unwrap_or_else(id), WORD)
}

/// The signature; with the program, since one signature may be of several; with places, where it has no names.
fn of_key(key: &BucketKey) -> String {
    let parts = key.parts();
    let told: Vec<&str> = parts.into_iter().flatten().collect();
    brief(&told.join("/"), WORD)
}

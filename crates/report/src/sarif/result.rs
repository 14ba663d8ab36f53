//! One kind of crash as a result (SARIF 2.1.0, 3.27).

use std::path::Path;

use epitaph_summary::group::Status;
use epitaph_summary::{CrashSummary, Thread};
use serde_json::{Map, Value, json};

use super::location::{self, SOURCE_ROOT, SourcePlace};
use super::message::{message, plain};
use super::rule::Level;
use crate::escape::{brief, uri_path};
use crate::finding::Finding;
use crate::frames;
use crate::headline::is_crash;
use crate::place::{blamed_frame, main_thread};
use crate::threads::{title, total};

/// The most frames of a stack, and steps of a code flow: GitHub shows a thousand.
const MOST_FRAMES: usize = 200;
/// The most places beside the one that is blamed.
const MOST_RELATED: usize = 8;
/// The longest time that is one.
const LONGEST_TIME: usize = 32;
/// The most characters of a fact.
const FACT: usize = 400;

/// What of a result is known before how much room there is for it.
pub(super) struct Made {
    /// What every result has.
    pub(super) base: Map<String, Value>,
    /// The stack, the way to the crash and places beside it, where there is room for them.
    pub(super) details: Map<String, Value>,
}

/// Makes the result of a finding; `rule` is its rule's id, index and level.
pub(super) fn make(
    finding: &Finding<'_>,
    rule: (&str, usize, Level),
    repository: Option<&Path>,
    gone: bool,
) -> Made {
    let (id, index, level) = rule;
    let mut base = Map::new();
    base.insert("ruleId".into(), id.into());
    base.insert("ruleIndex".into(), index.into());
    base.insert("kind".into(), if gone { "pass" } else { "fail" }.into());
    base.insert("level".into(), if gone { "none" } else { level.name() }.into());
    base.insert("message".into(), message(&finding.message));
    base.insert("locations".into(), json!([primary(finding, repository)]));
    base.insert(
        "partialFingerprints".into(),
        json!({
            // What GitHub compares by; a crash is the same wherever its line has moved to.
            "primaryLocationLineHash": format!("{}:1", finding.fingerprint),
            "epitaphSignature/v1": finding.fingerprint,
        }),
    );
    base.insert("occurrenceCount".into(), finding.count.max(1).into());
    base.extend(baseline_state(finding, gone).map(|state| ("baselineState".to_owned(), state.into())));
    if let Some(reason) = &finding.ignored {
        let suppression = json!({ "kind": "external", "status": "accepted", "justification": plain(reason) });
        base.insert("suppressions".into(), json!([suppression]));
    }
    let provenance = provenance(finding);
    if !provenance.is_empty() {
        base.insert("provenance".into(), provenance.into());
    }
    base.insert("properties".into(), properties(finding).into());
    Made { base, details: finding.crash.map(|crash| details(crash, repository)).unwrap_or_default() }
}

/// How a kind compares with the baseline, in SARIF's words.
fn baseline_state(finding: &Finding<'_>, gone: bool) -> Option<&'static str> {
    Some(match finding.status {
        _ if gone => "absent",
        Some(Status::New) => "new",
        Some(Status::Similar) => "updated",
        Some(Status::Known) => "unchanged",
        Some(Status::Gone) => "absent",
        _ => return None,
    })
}

/// Where it is. GitHub refuses a result without a file and a line: where there are no sources, that is the program, whose
/// line means nothing.
fn primary(finding: &Finding<'_>, repository: Option<&Path>) -> Value {
    let thread = finding.crash.and_then(|crash| Some((crash, main_thread(crash)?.1)));
    let frame = thread.and_then(|(crash, thread)| thread.frames.get(blamed_frame(crash, thread)?));
    let source = frame.map(|frame| frame.source.as_slice()).unwrap_or_default();
    let place =
        finding.file.map(|file| SourcePlace { file, line: finding.line, column: finding.column, source });
    let physical = place.and_then(|place| place.physical(repository));
    let program = || {
        let path = finding.crash.and_then(|crash| crash.process.as_ref()?.executable.as_deref());
        let artifact = path.and_then(|path| location::artifact(path, repository));
        let named = || json!({ "uri": uri_path(if finding.subject.is_empty() { "crash" } else { &finding.subject }) });
        json!({ "artifactLocation": artifact.unwrap_or_else(named), "region": { "startLine": 1 } })
    };
    let mut location = Map::new();
    location.insert("physicalLocation".into(), physical.unwrap_or_else(program));
    let logical = match (finding.crash, frame, &finding.function) {
        (Some(crash), Some(frame), _) => location::logical(crash, frame),
        (_, _, Some(function)) => vec![json!({ "fullyQualifiedName": function, "kind": "function" })],
        _ => Vec::new(),
    };
    if !logical.is_empty() {
        location.insert("logicalLocations".into(), logical.into());
    }
    location.into()
}

/// When the first and the last one were.
fn provenance(finding: &Finding<'_>) -> Map<String, Value> {
    let (first, last) = finding.seen;
    let is_utc = |time: &&str| {
        time.len() <= LONGEST_TIME
            && time.ends_with('Z')
            && time.bytes().zip(b"0000-00-00T00:00:00".iter()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                other => byte == *other,
            })
            && time.len() >= "0000-00-00T00:00:00Z".len()
            && time.bytes().skip(19).all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'Z')
    };
    let times = [("firstDetectionTimeUtc", first), ("lastDetectionTimeUtc", last)];
    times
        .into_iter()
        .filter_map(|(name, time)| Some((name.to_owned(), time.filter(is_utc)?.into())))
        .collect()
}

/// What has no field of its own.
fn properties(finding: &Finding<'_>) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut add = |name: &str, value: Option<Value>| {
        properties.extend(value.map(|value| (name.to_owned(), value)));
    };
    add("class", Some(finding.class.as_str().into()));
    add("program", (!finding.subject.is_empty()).then(|| finding.subject.as_str().into()));
    if let Some(crash) = finding.crash {
        let text = |text: &str| Value::from(brief(text, FACT));
        add("id", crash.id.as_deref().map(text));
        let confidence = crash.cause.as_ref().and_then(|cause| cause.confidence);
        add("confidence", confidence.and_then(|confidence| serde_json::to_value(confidence).ok()));
        add("test", crash.test.as_ref().map(|test| text(&test.name)));
        let said = crash.cause.as_ref().and_then(|cause| cause.message.as_deref());
        add("said", said.map(text));
    }
    properties
}

/// The stack, the way to the crash, places beside it, and what is kept.
fn details(crash: &CrashSummary, repository: Option<&Path>) -> Map<String, Value> {
    let mut details = Map::new();
    if let Some((index, thread)) = main_thread(crash).filter(|(_, thread)| !thread.frames.is_empty()) {
        details.insert("stacks".into(), json!([stack(crash, index, thread, repository)]));
        details.extend(code_flow(crash, thread, repository).map(|flow| ("codeFlows".to_owned(), flow)));
    }
    let related = related(crash, repository);
    if !related.is_empty() {
        details.insert("relatedLocations".into(), related.into());
    }
    let core = crash.core.as_ref().and_then(|core| core.file.as_deref());
    let is_ours = |file: &&str| {
        let is_name = |part: &str| !matches!(part, "" | "." | "..");
        file.len() <= FACT && file.split('/').all(is_name)
    };
    if let Some(core) = core.filter(is_ours) {
        let artifact = json!({ "uri": uri_path(core), "uriBaseId": super::OUTPUT });
        let description = json!({ "text": "The core, among the job's artifacts" });
        details.insert(
            "attachments".into(),
            json!([{ "description": description, "artifactLocation": artifact }]),
        );
    }
    details
}

/// The crashing thread's stack.
fn stack(crash: &CrashSummary, index: usize, thread: &Thread, repository: Option<&Path>) -> Value {
    let heading = title(thread, index + 1, total(crash), thread.crashed && is_crash(crash)).text();
    let frames: Vec<Value> = thread
        .frames
        .iter()
        .take(MOST_FRAMES)
        .map(|frame| {
            let mut object = Map::new();
            let mut location = location::of_frame(crash, frame, repository);
            if let Value::Object(location) = &mut location {
                location.insert("message".into(), message(&frames::name(frame)));
            }
            object.insert("location".into(), location);
            object.extend(frames::module_name(crash, frame).map(|name| ("module".to_owned(), name.into())));
            object.extend(thread.tid.map(|tid| ("threadId".to_owned(), tid.into())));
            object.into()
        })
        .collect();
    json!({ "message": message(heading.trim_end_matches(':')), "frames": frames })
}

/// The calls that led to the crash, the outermost first: those of them whose sources are in the repository.
fn code_flow(crash: &CrashSummary, thread: &Thread, repository: Option<&Path>) -> Option<Value> {
    let blamed = blamed_frame(crash, thread);
    let steps: Vec<Value> = thread
        .frames
        .iter()
        .enumerate()
        .take(MOST_FRAMES)
        .filter(|(_, frame)| frame.in_app == Some(true))
        .filter_map(|(index, frame)| {
            let place = SourcePlace::of(frame)?;
            crate::finding::inside(place.file, repository)?;
            let physical = place.physical(repository)?;
            let location = json!({ "physicalLocation": physical, "message": message(&frames::name(frame)) });
            let importance = if Some(index) == blamed { "essential" } else { "important" };
            Some(json!({ "location": location, "importance": importance }))
        })
        .collect();
    let steps: Vec<Value> = steps.into_iter().rev().collect();
    (!steps.is_empty()).then(|| json!([{ "threadFlows": [{ "locations": steps }] }]))
}

/// Places that have to do with it: where an assertion or a panic stands, and the user's own callers.
fn related(crash: &CrashSummary, repository: Option<&Path>) -> Vec<Value> {
    let cause = crash.cause.as_ref();
    let assertion = cause
        .and_then(|cause| cause.assertion.as_ref())
        .map(|it| (it.file.as_deref(), it.line, "the assertion"));
    let panic =
        cause.and_then(|cause| cause.panic.as_ref()).map(|it| (it.file.as_deref(), it.line, "the panic"));
    let said = [assertion, panic].into_iter().flatten().filter_map(|(file, line, what)| {
        let place = SourcePlace { file: file?, line, column: None, source: &[] };
        Some((place.physical(repository)?, what.to_owned()))
    });
    let thread = main_thread(crash).map(|(_, thread)| thread);
    let callers = thread.into_iter().flat_map(|thread| {
        let blamed = blamed_frame(crash, thread).unwrap_or(0);
        let callers = thread.frames.iter().skip(blamed + 1).filter(|frame| frame.in_app == Some(true));
        callers.filter_map(|frame| {
            let physical = SourcePlace::of(frame)?.physical(repository)?;
            Some((physical, format!("called by {}", frames::name(frame))))
        })
    });
    said.chain(callers)
        .take(MOST_RELATED)
        .zip(1..)
        .map(|((physical, what), id)| json!({ "id": id, "physicalLocation": physical, "message": message(&what) }))
        .collect()
}

/// What names the folders that addresses are relative to.
pub(super) fn bases() -> Value {
    json!({
        SOURCE_ROOT: { "description": { "text": "The checkout of the repository" } },
        super::OUTPUT: { "description": { "text": "The output folder, as the job's artifacts have it" } },
    })
}

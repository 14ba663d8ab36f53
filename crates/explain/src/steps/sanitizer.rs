//! Errors that a sanitizer found (AddressSanitizer and its like), and ended the process for.

use epitaph_summary::{Cause, Confidence, MessageSource};

use super::abort;
use crate::hunt::hunt;
use crate::names::Names;
use crate::peek::Peek;
use crate::remnant::Remnant;
use crate::runtime::globals;
use crate::scene::Scene;
use crate::sentence::sentence;

/// A sanitizer.
struct Tool {
    /// Its name in its reports, and without the last word in classes.
    name: &'static str,
    /// Its functions that report.
    functions: &'static [&'static str],
    /// The variable that points to the report's text (of its runtime as it is linked into a program).
    buffer: &'static str,
    /// What its errors are where only functions tell.
    kinds: &'static [(&'static str, &'static str)],
}

const fn tool(name: &'static str, functions: &'static [&'static str]) -> Tool {
    Tool { name, functions, buffer: "", kinds: &[] }
}

/// Every sanitizer.
const TOOLS: [Tool; 6] = [
    Tool {
        buffer: "_ZN8__hwasanL20error_message_bufferE",
        ..tool("HWAddressSanitizer", &["__hwasan::*", "__hwasan_*"])
    },
    Tool {
        buffer: "_ZN6__asanL20error_message_bufferE",
        kinds: &[
            ("__asan::ReportDoubleFree*", "double-free"),
            ("__asan::ReportFreeNotMalloced*", "bad-free"),
            ("__asan::ReportNewDeleteTypeMismatch*", "new-delete-type-mismatch"),
            ("__asan::ReportAllocTypeMismatch*", "alloc-dealloc-mismatch"),
            ("__asan::ReportDeadlySignal*", "SEGV"),
        ],
        ..tool("AddressSanitizer", &["__asan::*", "__asan_report_*"])
    },
    Tool { kinds: &[("__lsan::*", "leak")], ..tool("LeakSanitizer", &["__lsan::*"]) },
    Tool { kinds: &[("__tsan::ReportRace", "data-race")], ..tool("ThreadSanitizer", &["__tsan::*"]) },
    Tool {
        kinds: &[("__msan_warning*", "use-of-uninitialized-value")],
        ..tool("MemorySanitizer", &["__msan_*", "__msan::*"])
    },
    tool("UndefinedBehaviorSanitizer", &["__ubsan_handle_*", "__ubsan::*"]),
];

/// What every sanitizer ends a process by.
const DEATH: [&str; 2] = ["__sanitizer::Die", "__sanitizer::Abort"];
/// The libraries of sanitizers.
const LIBRARIES: [&str; 8] = [
    "libasan.so",
    "libhwasan.so",
    "liblsan.so",
    "libtsan.so",
    "libubsan.so",
    "libclang_rt.",
    "libmsan.so",
    "librustc",
];
/// Bytes of memory that are searched for a report.
const HUNTED: u64 = 256 << 20;
/// Most places that are looked at.
const MOST_PLACES: usize = 64;

/// Recognizes them by their functions; what they found, their report tells, which is still in memory.
pub(super) fn find(scene: &Scene<'_>, _: &[Cause]) -> Option<Cause> {
    if !abort::ended(scene) {
        return None;
    }
    let names = Names::new(&scene.thread()?.frames);
    let death = names.find(&DEATH)?;
    // The innermost functions above its end are the sanitizer's own: what runs below may be checked code.
    let tool = TOOLS
        .iter()
        .filter_map(|tool| Some((names.find(tool.functions).filter(|index| *index > death)?, tool)))
        .min_by_key(|(index, _)| *index)?
        .1;
    let report = Report::find(scene, names, tool);
    let said = report.summary.as_deref().and_then(|summary| summary.strip_prefix("SUMMARY: "));
    let kind = match ubsan_kind(names) {
        Some(kind) => Some(kind),
        None => kind_of(tool, names, said, report.error.as_deref()),
    };
    let message = report.undefined.clone().or(report.summary.clone()).or(report.error.clone());
    let source = if report.undefined.is_some() { MessageSource::Remnant } else { MessageSource::Sanitizer };
    let line = report.undefined.as_deref().or(said).or(report.error.as_deref());
    let summary = match (line, &kind) {
        (Some(line), _) if line.contains("Sanitizer: ") => line.to_owned(),
        (Some(line), _) => format!("{}: {line}", tool.name),
        (None, Some(kind)) => format!("{}: {kind}", tool.name),
        (None, None) => format!("{} found an error", tool.name),
    };
    let sure = if kind.is_some() { Confidence::High } else { Confidence::Medium };
    let class = kind.unwrap_or_else(|| tool.name.trim_end_matches("Sanitizer").to_lowercase());
    let mut evidence = vec![format!("{}'s functions are on the stack", tool.name)];
    evidence.extend(report.error);
    evidence.extend(report.access);
    Some(Cause {
        message_source: message.as_ref().map(|_| source),
        message,
        evidence,
        ..Cause::new(format!("sanitizer:{class}"), sure, sentence(&summary))
    })
}

/// Names what UndefinedBehaviorSanitizer found: its handlers are named by it.
fn ubsan_kind(names: Names<'_>) -> Option<String> {
    let handler = names.find_text(&["__ubsan_handle_*", "__ubsan::__ubsan_handle_*"])?;
    let (_, name) = handler.split_once("__ubsan_handle_")?;
    let name = name.strip_suffix("_abort").unwrap_or(name);
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches("_v");
    Some(name.replace('_', "-"))
}

/// Names what another sanitizer found: by its report's words in front of the place, or else by its functions.
fn kind_of(tool: &Tool, names: Names<'_>, summary: Option<&str>, error: Option<&str>) -> Option<String> {
    let by_report = [summary, error].into_iter().flatten().find_map(|line| {
        let (_, rest) = line.split_once(": ").filter(|(name, _)| name.ends_with("Sanitizer"))?;
        let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_alphabetic() || c == '-');
        let words: Vec<&str> = rest.split(' ').take_while(is_word).take_while(|word| *word != "on").collect();
        (!words.is_empty() && words.len() < 5).then(|| words.join("-"))
    });
    let by_function = tool.kinds.iter().find(|(function, _)| names.has(&[function]));
    match tool.name {
        "LeakSanitizer" => by_function.map(|(_, kind)| (*kind).to_owned()),
        _ => by_report.or_else(|| by_function.map(|(_, kind)| (*kind).to_owned())),
    }
}

/// The lines of a report that tell most.
#[derive(Debug, Default)]
struct Report {
    /// `AddressSanitizer: heap-use-after-free on address 0x…`
    error: Option<String>,
    /// `READ of size 1 at 0x… thread T0`
    access: Option<String>,
    /// `SUMMARY: AddressSanitizer: heap-use-after-free FILE:LINE in FUNCTION`
    summary: Option<String>,
    /// `FILE:LINE:COLUMN: runtime error: …`
    undefined: Option<String>,
}

impl Report {
    /// Finds the report of a sanitizer: where its runtime says, in what is left on the stack, or anywhere in memory.
    fn find(scene: &Scene<'_>, names: Names<'_>, tool: &Tool) -> Report {
        let mut report = Report::default();
        let peek = Peek::new(scene);
        let buffer = (!tool.buffer.is_empty())
            .then(|| globals::variable(scene.loaded, &LIBRARIES, tool.buffer))
            .flatten()
            .and_then(|pointer| peek.word(pointer))
            .and_then(|buffer| peek.long_text(buffer, LONGEST_REPORT));
        if let Some(text) = buffer {
            report.take(&text, tool);
        }
        let sp = scene.process.threads.first().and_then(|thread| thread.registers.get(scene.process.arch.sp));
        if let Some(sp) = sp.filter(|_| !report.is_whole(tool)) {
            let end = names.find(tool.functions).and_then(|index| names.end_of(index)).unwrap_or(sp);
            let remnant = Remnant::read(peek, sp, end);
            for part in [tool.name, ": runtime error: "] {
                // A line without an end was written over.
                let whole = remnant
                    .texts_with(part)
                    .map(|text| text.rsplit_once('\n').map(|(lines, _)| lines.to_owned()));
                whole.flatten().for_each(|text| report.take(&text, tool));
            }
        }
        if !report.is_whole(tool) {
            for place in hunt(scene, tool.name.as_bytes(), HUNTED, MOST_PLACES) {
                let text = peek.long_text(place, LONGEST_REPORT).unwrap_or_default();
                let start = peek.bytes(place.saturating_sub(SUMMARY.len() as u64), SUMMARY.len());
                let summary = start.is_some_and(|start| start == SUMMARY.as_bytes());
                let text = if summary { format!("{SUMMARY}{text}") } else { text };
                report.take(&text, tool);
                if report.is_whole(tool) {
                    break;
                }
            }
        }
        report
    }

    fn is_whole(&self, tool: &Tool) -> bool {
        self.summary.is_some() && (self.error.is_some() || tool.name.starts_with("Undefined"))
    }

    /// Takes the lines that are still missing.
    fn take(&mut self, text: &str, tool: &Tool) {
        let named = format!("{}: ", tool.name);
        for line in text.lines() {
            // AddressSanitizer tells of leaks by its own name.
            if line.starts_with(SUMMARY) && line.contains("Sanitizer: ") {
                self.summary.get_or_insert_with(|| line.to_owned());
            } else if line.contains(": runtime error: ") {
                self.undefined.get_or_insert_with(|| line.to_owned());
            } else if let Some(at) = line.find(&named) {
                let error = line.get(at..).unwrap_or_default();
                self.error.get_or_insert_with(|| error.to_owned());
            } else if line.starts_with("READ of size ") || line.starts_with("WRITE of size ") {
                self.access.get_or_insert_with(|| line.to_owned());
            }
        }
    }
}

/// What the last line of a report begins with.
const SUMMARY: &str = "SUMMARY: ";
/// Longest report that is read, in bytes: the size of the runtimes' own buffers.
const LONGEST_REPORT: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_name_their_kind() {
        for (name, line, kind) in [
            (
                "AddressSanitizer",
                "AddressSanitizer: heap-use-after-free src/san.c:7:57 in use",
                "heap-use-after-free",
            ),
            ("AddressSanitizer", "AddressSanitizer: SEGV (/tmp/x+0x1) in main", "SEGV"),
            ("ThreadSanitizer", "ThreadSanitizer: data race src/san.c:6:64 in w", "data-race"),
            ("AddressSanitizer", "AddressSanitizer: stack-overflow on address 0x7ff", "stack-overflow"),
        ] {
            let tool = TOOLS.iter().find(|tool| tool.name == name).unwrap();
            assert_eq!(kind_of(tool, Names::new(&[]), Some(line), None).as_deref(), Some(kind));
        }
    }
}

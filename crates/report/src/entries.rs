//! A thread's stack before its layout: its frames with their numbers, what stands for those that are not shown, and why it
//! ends.

use std::collections::HashSet;
use std::ops::Range;

use epitaph_summary::{CrashSummary, Frame, Stop, Thread};

use crate::escape::clean;
use crate::fold::{self, Part};
use crate::machinery;
use crate::place::blamed_frame;
use crate::quantity::plural;

/// The most frames whose source is shown: the blamed one, and those that called it.
const MOST_SOURCES: usize = 3;

/// A part of a stack, innermost first.
#[derive(Debug)]
pub(crate) enum Entry<'a> {
    /// A frame that is shown.
    Frame {
        /// Its index in the thread's frames.
        index: usize,
        /// Its number in the whole stack.
        number: u64,
        /// The frame.
        frame: &'a Frame,
    },
    /// Machinery that one line stands for.
    Folded {
        /// `#0-#4 abort machinery, up to abort (libc.so.6)`, clean.
        what: String,
        /// The indices of its frames in the thread's.
        frames: Range<usize>,
        /// The first one's number in the whole stack.
        number: u64,
    },
    /// What the summary doesn't have, or what repeats what was shown: `87,000 frames repeat #0-#1`.
    Absent(String),
}

/// Divides a thread's stack. Without `fold`, all frames are shown that the summary has.
pub(crate) fn entries<'a>(summary: &CrashSummary, thread: &'a Thread, fold: bool) -> Vec<Entry<'a>> {
    let mut parts = fold::parts(thread, fold);
    if fold {
        parts = machinery::folded(summary, thread, parts);
    }
    let mut entries = Vec::new();
    for part in parts {
        match part {
            Part::Shown { frames, number } => {
                for (number, index) in (number..).zip(frames) {
                    let Some(frame) = thread.frames.get(index) else { break };
                    entries.push(Entry::Frame { index, number, frame });
                }
            }
            Part::Machinery { frames, number, kind } => {
                let run = thread.frames.get(frames.clone()).unwrap_or_default();
                let last = number.saturating_add(run.len().saturating_sub(1) as u64);
                let what = format!("#{number}-#{last} {}", machinery::describe(summary, run, kind));
                entries.push(Entry::Folded { what, frames, number });
            }
            Part::LeftOut(count) => {
                entries.push(Entry::Absent(format!("{} left out", plural(count, "frame"))));
            }
            Part::Repeats { count, first, last, exact } => {
                let what = if exact { "" } else { "the functions of " };
                let verb = if count == 1 { "repeats" } else { "repeat" };
                let range = if first == last { format!("#{first}") } else { format!("#{first}-#{last}") };
                entries.push(Entry::Absent(format!("{} {verb} {what}{range}", plural(count, "frame"))));
            }
        }
    }
    entries
}

/// Returns the indices of the frames whose source belongs to the story, the blamed one first.
pub(crate) fn with_source(summary: &CrashSummary, thread: &Thread) -> Vec<usize> {
    let blamed = blamed_frame(summary, thread).unwrap_or(0);
    let own = |index: &usize| {
        *index == blamed || thread.frames.get(*index).is_some_and(|it| it.in_app == Some(true))
    };
    let mut seen = HashSet::new();
    let mut new = |index: &usize| {
        thread.frames.get(*index).is_some_and(|frame| seen.insert((frame.file.as_deref(), frame.line)))
    };
    (blamed..thread.frames.len()).filter(own).filter(&mut new).take(MOST_SOURCES).collect()
}

/// Says why a stack ends, unless it ends where stacks do; clean.
pub(crate) fn end(thread: &Thread) -> Option<String> {
    let reason = match thread.stop_detail.as_deref().filter(|detail| !detail.is_empty()) {
        Some(detail) => Some(clean(detail).into_owned()),
        None => thread.stop.map(|stop| reason(stop).to_owned()),
    };
    match (thread.frames.is_empty(), thread.stop, reason) {
        (true, None | Some(Stop::End), _) | (true, _, None) => Some("no frames".to_owned()),
        (true, _, Some(reason)) => Some(format!("no frames: {reason}")),
        (false, Some(Stop::End), _) | (false, _, None) => None,
        (false, _, Some(reason)) => Some(format!("the walk stopped here: {reason}")),
    }
}

/// Says why a walk ended where the summary has no sentence for it.
fn reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "it is the thread's first frame",
        Stop::NoCfi => "no unwind information",
        Stop::NotDumped => "the rest of the stack was not dumped",
        Stop::Truncated => "the core ends before the rest of the stack",
        Stop::Unmapped => "the stack pointer leads into unmapped memory",
        Stop::BadReturnAddress => "the return address leads nowhere",
        Stop::Loop => "the next frame is the same again",
        Stop::Limit => "the limit on frames",
        Stop::NoRegisters => "the core holds no registers for this thread",
        _ => "a reason that this version doesn't know",
    }
}

//! Runs of frames that tell little: how a process died, how a thread started, and a library's between two of the program's
//! own. Where they are long, one line stands for them.

use std::ops::Range;

use epitaph_summary::{CrashSummary, Frame, FrameRule, Thread};

use crate::escape::shortened;
use crate::fold::{Kind, Part};
use crate::frames;
use crate::place::is_abort;

/// The fewest frames that one line stands for: two say more than such a line.
const FEWEST: usize = 3;

/// The most characters of a function's name in such a line.
const NAME_LIMIT: usize = 60;

/// The most modules that are named in such a line.
const MOST_MODULES: usize = 3;

/// Replaces long runs of machinery among the shown parts of a stack. A stack without any of the program's own frames stays
/// as it is: there, machinery is all that there is to see.
pub(crate) fn folded(summary: &CrashSummary, thread: &Thread, parts: Vec<Part>) -> Vec<Part> {
    if !thread.frames.iter().any(|frame| frame.in_app == Some(true)) {
        return parts;
    }
    let bounds = Bounds::of(thread, is_abort(summary));
    let mut out = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::Shown { frames, number } => bounds.divide(thread, frames, number, &mut out),
            other => out.push(other),
        }
    }
    out
}

/// Says what a run of machinery is: `abort machinery, up to __assert_fail (libc.so.6)`.
pub(crate) fn describe(summary: &CrashSummary, run: &[Frame], kind: Kind) -> String {
    let what = match kind {
        Kind::Dying if is_abort(summary) => "abort machinery",
        Kind::Dying => "machinery",
        Kind::Between => "library code",
        Kind::Starting => "start of the thread",
    };
    let outermost = run.iter().rev().find_map(frames::function).filter(|_| kind != Kind::Starting);
    let outermost =
        outermost.map(|name| format!(", up to {}", shortened(frames::plain_name(&name), NAME_LIMIT)));
    let mut modules: Vec<String> = Vec::new();
    for name in run.iter().filter_map(|frame| frames::module_name(summary, frame)) {
        if !modules.contains(&name) && modules.len() < MOST_MODULES {
            modules.push(name);
        }
    }
    let modules = if modules.is_empty() { String::new() } else { format!(" ({})", modules.join(", ")) };
    format!("{what}{}{modules}", outermost.unwrap_or_default())
}

/// Where the machinery lies in a stack.
struct Bounds {
    /// Index after the last frame of dying.
    dying: usize,
    /// Index of the first frame of starting, which may be `main`: the program's own.
    starting: usize,
    /// Index of the first of a library's, which nothing of the story called.
    started: usize,
    /// From the program's first own frame to its last.
    own: Range<usize>,
    /// Whether the innermost frame may be folded: it may not where it is the one that faulted.
    innermost: bool,
}

impl Bounds {
    fn of(thread: &Thread, innermost: bool) -> Bounds {
        let count = thread.frames.len();
        let ruled = |frame: &Frame, rule| frame.rule == Some(rule);
        let last_cut = thread.frames.iter().rposition(|frame| ruled(frame, FrameRule::Cut));
        let end = |own: bool| {
            let is_end = |frame: &Frame| ruled(frame, FrameRule::End) && (frame.in_app == Some(true)) == own;
            thread.frames.iter().position(is_end).unwrap_or(count)
        };
        let (own, library) = (end(true), end(false));
        let is_own = |frame: &Frame| frame.in_app == Some(true);
        let last_own = thread.frames.iter().rposition(is_own).unwrap_or(0);
        let between = thread.frames.iter().position(is_own).unwrap_or(count)..last_own.min(library);
        let dying = last_cut.map_or(0, |last| last + 1);
        Bounds { dying, starting: own.min(library), started: library, own: between, innermost }
    }

    /// What may be folded of a frame, if anything: neither a guess nor a signal handler's call.
    fn kind(&self, index: usize, frame: &Frame) -> Option<Kind> {
        let own = frame.in_app == Some(true) && index < self.started;
        if own || frames::guess(frame).is_some() || frames::is_trampoline(frame) {
            return None;
        }
        match frame.rule {
            _ if index >= self.starting => Some(Kind::Starting),
            _ if index < self.dying => Some(Kind::Dying).filter(|_| index > 0 || self.innermost),
            Some(FrameRule::Skip) => Some(Kind::Between),
            _ => Some(Kind::Between).filter(|_| self.own.contains(&index)),
        }
    }

    fn divide(&self, thread: &Thread, shown: Range<usize>, number: u64, out: &mut Vec<Part>) {
        let numbered = |index: usize| number.saturating_add((index - shown.start) as u64);
        let mut plain = shown.start;
        let mut index = shown.start;
        while index < shown.end {
            let kind_at = |index: usize| thread.frames.get(index).and_then(|frame| self.kind(index, frame));
            let Some(kind) = kind_at(index) else {
                index += 1;
                continue;
            };
            let end = (index..shown.end).find(|next| kind_at(*next) != Some(kind)).unwrap_or(shown.end);
            if end - index >= FEWEST {
                if plain < index {
                    out.push(Part::Shown { frames: plain..index, number: numbered(plain) });
                }
                out.push(Part::Machinery { frames: index..end, number: numbered(index), kind });
                plain = end;
            }
            index = end;
        }
        if plain < shown.end {
            out.push(Part::Shown { frames: plain..shown.end, number: numbered(plain) });
        }
    }
}

#[cfg(test)]
mod tests {
    use epitaph_summary::{Signal, Trust};

    use super::*;
    use crate::fold;

    const SIGABRT: i32 = 6;

    /// Frames by letters: `c`ut, `s`kip, `e`nd, `o`wn, `m`ain (own, and an end), `l`ibrary, `g`uessed, `t`rampoline.
    fn thread(letters: &str) -> Thread {
        let frame = |letter: char| Frame {
            function: Some(if letter == 't' { "<signal handler called>".into() } else { letter.to_string() }),
            in_app: Some(matches!(letter, 'o' | 'm')),
            rule: match letter {
                'c' | 'g' => Some(FrameRule::Cut),
                's' => Some(FrameRule::Skip),
                'e' | 'm' => Some(FrameRule::End),
                _ => None,
            },
            trust: (letter == 'g').then_some(Trust::Scan),
            ..Frame::default()
        };
        Thread { frames: letters.chars().map(frame).collect(), ..Thread::default() }
    }

    /// What is shown of a stack: letters, with capital ones in brackets for what is folded.
    fn shown(signal: i32, letters: &str) -> String {
        let thread = thread(letters);
        let mut summary = CrashSummary::new("0");
        summary.signal = Some(Signal { number: Some(signal), ..Signal::default() });
        let parts = folded(&summary, &thread, fold::parts(&thread, true));
        let text = |frames: Range<usize>| letters.get(frames).unwrap().to_owned();
        let part = |part: Part| match part {
            Part::Shown { frames, .. } => text(frames),
            Part::Machinery { frames, kind, .. } => format!("[{kind:?} {}]", text(frames)),
            other => panic!("{other:?}"),
        };
        parts.into_iter().map(part).collect()
    }

    #[test]
    fn long_runs_of_machinery_are_folded() {
        assert_eq!(shown(SIGABRT, "cccooml"), "[Dying ccc]ooml");
        assert_eq!(shown(SIGABRT, "ccoomlll"), "ccoom[Starting lll]");
        // A Rust program has a `main` beyond its own, of which it knows nothing.
        assert_eq!(shown(SIGABRT, "oolelmll"), "ool[Starting elmll]");
        assert_eq!(shown(SIGABRT, "olclsosssom"), "olclsossso".replace("sss", "[Between sss]") + "m");
    }

    #[test]
    fn what_a_cut_frame_called_belongs_to_it() {
        assert_eq!(shown(SIGABRT, "llcom"), "[Dying llc]om");
        assert_eq!(shown(SIGABRT, "lllom"), "lllom");
    }

    #[test]
    fn library_code_between_own_frames_is_folded() {
        assert_eq!(shown(11, "lllollollls"), "lllollollls");
        assert_eq!(shown(11, "lllolslom"), "lllo[Between lsl]om");
        // Not where it isn't known whether the outer frames are own ones.
        assert_eq!(shown(11, "lolll"), "lolll");
    }

    #[test]
    fn the_frame_that_faulted_is_never_folded() {
        assert_eq!(shown(11, "cccom"), "cccom");
        assert_eq!(shown(11, "ccccom"), "c[Dying ccc]om");
    }

    #[test]
    fn guesses_handlers_and_strangers_stacks_are_shown() {
        assert_eq!(shown(SIGABRT, "cgcom"), "cgcom");
        assert_eq!(shown(SIGABRT, "otcccom"), "ot[Dying ccc]om");
        assert_eq!(shown(SIGABRT, "ccccclle"), "ccccclle");
    }

    #[test]
    fn a_run_is_named_by_its_outermost_function_and_its_modules() {
        let mut summary = CrashSummary::new("0");
        let name = Some("libc.so.6".to_owned());
        summary.modules = vec![epitaph_summary::Module { name, ..Default::default() }];
        summary.signal = Some(Signal { number: Some(SIGABRT), ..Signal::default() });
        let mut run = thread("lc").frames;
        run[1].function = Some("__assert_fail".into());
        run[0].module = Some(0);
        run[1].module = Some(0);
        let text = describe(&summary, &run, Kind::Dying);
        assert_eq!(text, "abort machinery, up to __assert_fail (libc.so.6)");
        assert_eq!(describe(&summary, &run, Kind::Starting), "start of the thread (libc.so.6)");
    }
}

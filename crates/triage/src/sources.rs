//! Source lines for the frames that matter: the blamed one, and the next ones of the user's own code.

use std::fmt::Debug;

use epitaph_summary::{CrashSummary, SourceLine, Warning};

/// Most frames that get their source lines.
const MOST_FRAMES: usize = 3;

/// A place in a source file, as the debug information has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourcePlace<'a> {
    /// The file's path on the machine that compiled it.
    pub file: &'a str,
    /// The line, from 1.
    pub line: u32,
}

/// What was found of the sources of some places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundSources {
    /// For each place in turn the lines around it; none where its file is not at hand.
    pub lines: Vec<Vec<SourceLine>>,
    /// What makes these lines less sure than they look: a sentence each, with the file's name.
    pub problems: Vec<String>,
}

/// Gives lines of source files.
pub trait Sources: Debug + Send + Sync {
    /// Returns the lines around places of one crash.
    fn around(&self, places: &[SourcePlace<'_>]) -> FoundSources;
}

/// Adds source lines to the frames of the first thread, and what is wrong with them to the warnings.
pub(crate) fn add(sources: &dyn Sources, summary: &mut CrashSummary) {
    let wanted = wanted(summary);
    let Some(thread) = summary.threads.first_mut() else { return };
    let places: Vec<SourcePlace<'_>> = wanted
        .iter()
        .filter_map(|index| {
            let frame = thread.frames.get(*index)?;
            Some(SourcePlace { file: frame.file.as_deref()?, line: frame.line? })
        })
        .collect();
    if places.is_empty() {
        return;
    }
    let found = sources.around(&places);
    for (index, lines) in wanted.into_iter().zip(found.lines) {
        if let Some(frame) = thread.frames.get_mut(index) {
            frame.source = lines;
        }
    }
    summary.warnings.extend(found.problems.into_iter().map(|text| Warning::new("source_doubtful", text)));
}

/// Returns the indices of the frames whose lines are wanted: of the user's own code, from the blamed one on, each place
/// once.
fn wanted(summary: &CrashSummary) -> Vec<usize> {
    let Some(thread) = summary.threads.first() else { return Vec::new() };
    let blamed = summary.blamed_frame(thread);
    let blamed =
        thread.frames.iter().position(|frame| blamed.is_some_and(|blamed| std::ptr::eq(frame, blamed)));
    let mut wanted: Vec<usize> = Vec::new();
    for (index, frame) in thread.frames.iter().enumerate().skip(blamed.unwrap_or(thread.frames.len())) {
        let is_known = |other: &usize| {
            thread
                .frames
                .get(*other)
                .is_some_and(|other| (&other.file, other.line) == (&frame.file, frame.line))
        };
        if frame.in_app == Some(true)
            && frame.file.is_some()
            && frame.line.is_some()
            && !wanted.iter().any(is_known)
        {
            wanted.push(index);
        }
        if wanted.len() == MOST_FRAMES {
            break;
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use epitaph_summary::{Frame, Thread};

    use super::*;

    /// Has every line of every file, but no other than the one asked for.
    #[derive(Debug)]
    struct All;

    impl Sources for All {
        fn around(&self, places: &[SourcePlace<'_>]) -> FoundSources {
            let line = |place: &SourcePlace<'_>| SourceLine { line: place.line, text: place.file.to_owned() };
            FoundSources {
                lines: places.iter().map(|place| vec![line(place)]).collect(),
                problems: vec!["a.c is newer".to_owned()],
            }
        }
    }

    fn frame(function: &str, in_app: bool, line: u32) -> Frame {
        Frame {
            function: Some(function.to_owned()),
            in_app: Some(in_app),
            file: Some("a.c".to_owned()),
            line: Some(line),
            ..Frame::default()
        }
    }

    #[test]
    fn the_first_places_of_the_users_own_code_get_their_lines() {
        let mut summary = CrashSummary::new("0.0.0");
        let frames = [
            frame("abort", false, 1),
            frame("visit", true, 2),
            frame("visit", true, 2),
            frame("qsort", false, 3),
            Frame { file: None, ..frame("stripped", true, 4) },
            frame("walk", true, 5),
            frame("main", true, 6),
            frame("outer", true, 7),
        ];
        summary.threads.push(Thread { frames: frames.to_vec(), ..Thread::default() });
        add(&All, &mut summary);
        let told: Vec<u32> =
            summary.threads[0].frames.iter().flat_map(|frame| &frame.source).map(|line| line.line).collect();
        assert_eq!(told, [2, 5, 6]);
        assert_eq!(summary.warnings, [Warning::new("source_doubtful", "a.c is newer")]);
    }

    #[test]
    fn frames_of_the_system_get_none() {
        let mut summary = CrashSummary::new("0.0.0");
        summary.threads.push(Thread { frames: vec![frame("abort", false, 1)], ..Thread::default() });
        add(&All, &mut summary);
        assert!(summary.threads[0].frames[0].source.is_empty() && summary.warnings.is_empty());
    }
}

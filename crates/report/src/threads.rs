//! Threads: their titles, and those beside the one that crashed, of which equal stacks are shown once. A Go program's
//! goroutines follow them.

use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};

use epitaph_summary::{CrashSummary, Frame, Thread};

use crate::escape::clean;
use crate::line::{Line, Style};
use crate::options::{Options, Threads};
use crate::place::main_thread;
use crate::quantity::{grouped, plural};
use crate::stack::{self, Legend};
use crate::waits::Waits;

/// Threads whose stacks look the same.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    /// One of them.
    pub(crate) thread: &'a Thread,
    /// Who they are.
    pub(crate) title: Line,
    /// What they wait for.
    pub(crate) waits: Vec<Line>,
    /// Their stack.
    pub(crate) stack: Vec<Line>,
}

impl Group<'_> {
    /// Returns the whole as text.
    pub(crate) fn texts(&self) -> impl Iterator<Item = String> {
        std::iter::once(&self.title).chain(&self.waits).chain(&self.stack).map(Line::text)
    }
}

/// The threads beside the main one.
#[derive(Debug)]
pub(crate) struct Others<'a> {
    /// Groups in the order of their first threads.
    pub(crate) groups: Vec<Group<'a>>,
    /// What the signs in their stacks mean.
    pub(crate) legend: Legend,
    /// How many threads the core has whose stacks are in no group.
    hidden: u64,
    /// How many goroutines.
    hidden_goroutines: u64,
}

impl<'a> Others<'a> {
    /// Gathers the threads beside the main one, as far as `options` want them.
    pub(crate) fn of(summary: &'a CrashSummary, options: &Options) -> Others<'a> {
        let main = main_thread(summary).map(|(index, _)| index);
        let mut others =
            Others { groups: Vec::new(), legend: Legend::default(), hidden: 0, hidden_goroutines: 0 };
        let mut shown = u64::from(main.is_some());
        if options.threads == Threads::All {
            let threads = summary.threads.iter().enumerate().filter(|(index, _)| Some(*index) != main);
            let members = gather(summary, threads, options, &mut others.legend);
            shown += members.iter().map(|members| members.threads.len() as u64).sum::<u64>();
            let waits = Waits::of(summary);
            others.groups =
                members.into_iter().filter_map(|members| members.named(total(summary), &waits)).collect();
            others.add_goroutines(summary, options);
        }
        others.hidden = total(summary).saturating_sub(shown);
        others
    }

    /// Gathers the goroutines that no thread runs.
    fn add_goroutines(&mut self, summary: &'a CrashSummary, options: &Options) {
        let total = u64::from(summary.goroutine_count.unwrap_or(0));
        self.hidden_goroutines = total.saturating_sub(summary.goroutines.len() as u64);
        let goroutines = summary.goroutines.iter().enumerate();
        let members = gather(summary, goroutines, options, &mut self.legend);
        self.groups.extend(members.into_iter().filter_map(Members::named_as_goroutines));
    }

    /// Says how many threads and goroutines are not shown, if any.
    pub(crate) fn hidden(&self) -> Option<String> {
        let sentence = |count: u64, what: &str| {
            let verb = if count == 1 { "is" } else { "are" };
            (count > 0).then(|| format!("{} of the core {verb} not shown.", plural(count, what)))
        };
        let sentences =
            [sentence(self.hidden, "more thread"), sentence(self.hidden_goroutines, "more goroutine")];
        let sentences: Vec<String> = sentences.into_iter().flatten().collect();
        (!sentences.is_empty()).then(|| sentences.join(" "))
    }
}

/// Returns how many threads a core has, as far as the summary knows.
pub(crate) fn total(summary: &CrashSummary) -> u64 {
    u64::from(summary.thread_count.unwrap_or(0)).max(summary.threads.len() as u64)
}

/// Threads of one stack.
struct Members<'a> {
    threads: Vec<(usize, &'a Thread)>,
    lines: Vec<Line>,
}

/// Groups threads by what is shown of their stacks, so that the one that is shown is true of each.
fn gather<'a>(
    summary: &CrashSummary,
    threads: impl Iterator<Item = (usize, &'a Thread)>,
    options: &Options,
    legend: &mut Legend,
) -> Vec<Members<'a>> {
    // Of thousands of threads nearly all are alike, and a stack takes long to lay out.
    let mut alike: HashMap<Alike<'_>, Vec<(usize, &Thread)>> = HashMap::new();
    for (index, thread) in threads {
        alike.entry(Alike(thread)).or_default().push((index, thread));
    }
    let mut by_lines: HashMap<Vec<Line>, Vec<(usize, &Thread)>> = HashMap::new();
    for (Alike(thread), threads) in alike {
        let stack = stack::stack(summary, thread, options);
        legend.extend(&stack.legend);
        by_lines.entry(stack.lines).or_default().extend(threads);
    }
    let mut groups: Vec<Members<'_>> = by_lines
        .into_iter()
        .map(|(lines, mut threads)| {
            threads.sort_unstable_by_key(|(index, _)| *index);
            Members { threads, lines }
        })
        .collect();
    groups.sort_by_key(|group| group.threads.first().map(|(index, _)| *index));
    groups
}

/// A thread, equal to others whose stacks differ only in what is never shown of them.
struct Alike<'a>(&'a Thread);

impl PartialEq for Alike<'_> {
    fn eq(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.0, other.0);
        let of_frame = |(ours, theirs): (&Frame, &Frame)| {
            (ours.pc, ours.inlined, ours.line, ours.column)
                == (theirs.pc, theirs.inlined, theirs.line, theirs.column)
                && (ours.trust, ours.in_app, ours.rule) == (theirs.trust, theirs.in_app, theirs.rule)
                && (ours.module, ours.offset, ours.function_offset)
                    == (theirs.module, theirs.offset, theirs.function_offset)
                && (&ours.function, &ours.raw_name, &ours.file)
                    == (&theirs.function, &theirs.raw_name, &theirs.file)
        };
        (ours.stop, ours.frames_total, ours.omitted_after, &ours.stop_detail, &ours.repeats)
            == (theirs.stop, theirs.frames_total, theirs.omitted_after, &theirs.stop_detail, &theirs.repeats)
            && ours.frames.len() == theirs.frames.len()
            && ours.frames.iter().zip(&theirs.frames).all(of_frame)
    }
}

impl Eq for Alike<'_> {}

impl Hash for Alike<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for frame in &self.0.frames {
            (frame.pc.map(|pc| pc.0), frame.line, frame.inlined).hash(state);
        }
        self.0.frames_total.hash(state);
    }
}

impl<'a> Members<'a> {
    fn named(self, total: u64, waits: &Waits<'_>) -> Option<Group<'a>> {
        let (_, thread) = *self.threads.first()?;
        let threads: Vec<&Thread> = self.threads.iter().map(|(_, thread)| *thread).collect();
        let waits = waits.lines(&threads);
        let title = match self.threads.as_slice() {
            [(index, thread)] => title(thread, index + 1, total, thread.crashed),
            threads => {
                let numbers: Vec<usize> = threads.iter().map(|(index, _)| index + 1).collect();
                group_title(&ranges(&numbers), threads.len(), common_name(threads))
            }
        };
        Some(Group { thread, title, waits, stack: self.lines })
    }

    /// Titles goroutines as Go does: `Goroutine 18 [chan receive]:`, `Goroutines 18-20 (3 goroutines) [select]:`.
    fn named_as_goroutines(self) -> Option<Group<'a>> {
        let (_, thread) = *self.threads.first()?;
        let goroutines = self.threads.iter().filter_map(|(_, thread)| thread.goroutine.as_ref());
        let mut numbers = Vec::new();
        let mut states = BTreeSet::new();
        for goroutine in goroutines {
            numbers.push(usize::try_from(goroutine.id).unwrap_or(usize::MAX));
            states.extend(goroutine.state.as_deref().map(clean));
        }
        numbers.sort_unstable();
        let (plural_s, count) = match numbers.len() {
            1 => ("", String::new()),
            more => ("s", format!(" ({})", plural(more as u64, "goroutine"))),
        };
        let states = states.into_iter().collect::<Vec<_>>().join(", ");
        let title = format!("Goroutine{plural_s} {}{count} [{states}]:", ranges(&numbers));
        let title = Line::default().with(Style::Strong, title);
        Some(Group { thread, title, waits: Vec::new(), stack: self.lines })
    }
}

/// Returns a thread's title: `Thread 1 of 4 (tid 4711, "worker") crashed:`.
///
/// `number` counts from 1 in the summary's order.
pub(crate) fn title(thread: &Thread, number: usize, total: u64, crashed: bool) -> Line {
    let of = if total > 1 && crashed { format!(" of {}", grouped(total)) } else { String::new() };
    let mut notes = Vec::new();
    notes.extend(thread.tid.map(|tid| format!("tid {tid}")));
    notes.extend(quoted_name(thread));
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    let crashed = if crashed { " crashed" } else { "" };
    Line::default().with(Style::Strong, format!("Thread {number}{of}{notes}{crashed}:"))
}

/// Returns the title of a group of threads: `Threads 2-5, 7 (5 threads, "worker"):`.
fn group_title(numbers: &str, count: usize, name: Option<String>) -> Line {
    let name = name.map(|name| format!(", {name}")).unwrap_or_default();
    let count = plural(count as u64, "thread");
    Line::default().with(Style::Strong, format!("Threads {numbers} ({count}{name}):"))
}

/// Returns a thread's name, clean and in quotes.
fn quoted_name(thread: &Thread) -> Option<String> {
    let name = thread.name.as_deref().filter(|name| !name.is_empty())?;
    Some(format!("\"{}\"", clean(name)))
}

/// Returns the name that all of `threads` have, if they have one.
fn common_name(threads: &[(usize, &Thread)]) -> Option<String> {
    let mut names = threads.iter().map(|(_, thread)| quoted_name(thread));
    let first = names.next()??;
    names.all(|name| name.as_ref() == Some(&first)).then_some(first)
}

/// Most ranges of numbers in a title: who wants to know which thousand threads it is looks into the JSON.
const MOST_RANGES: usize = 12;

/// Returns rising numbers in ranges, the first ones where they are many: `2-5, 7`.
fn ranges(numbers: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == number => *end = number,
            _ => ranges.push((number, number)),
        }
    }
    let more = if ranges.len() > MOST_RANGES { ", ..." } else { "" };
    let texts: Vec<String> = ranges
        .into_iter()
        .take(MOST_RANGES)
        .map(|(start, end)| if start == end { start.to_string() } else { format!("{start}-{end}") })
        .collect();
    format!("{}{more}", texts.join(", "))
}

#[cfg(test)]
mod tests {
    use epitaph_summary::{Frame, FrameRule, Goroutine, Hex, Repeat, Stop, Trust};

    use super::*;

    fn thread(function: &str, name: Option<&str>) -> Thread {
        let frame = Frame { function: Some(function.into()), ..Frame::default() };
        Thread { name: name.map(str::to_owned), frames: vec![frame], ..Thread::default() }
    }

    fn titles(summary: &CrashSummary) -> Vec<String> {
        Others::of(summary, &Options::default()).groups.iter().map(|group| group.title.text()).collect()
    }

    #[test]
    fn equal_stacks_are_one_group() {
        let mut summary = CrashSummary::new("0");
        summary.threads = vec![
            Thread { crashed: true, ..thread("wait", None) },
            thread("wait", Some("io")),
            thread("poll", None),
            thread("wait", Some("io")),
            thread("wait", Some("io")),
        ];
        assert_eq!(titles(&summary), ["Threads 2, 4-5 (3 threads, \"io\"):", "Thread 3:"]);
        summary.threads[4].name = None;
        assert_eq!(titles(&summary), ["Threads 2, 4-5 (3 threads):", "Thread 3:"]);
    }

    #[test]
    fn what_differs_in_anything_that_is_shown_is_not_alike() {
        let one = thread("wait", None);
        let mut frame_differs: Vec<Thread> = vec![one.clone(); 13];
        let frame = |index: usize| -> Frame {
            let mut frame = one.frames[0].clone();
            match index {
                0 => frame.function = Some("poll".into()),
                1 => frame.raw_name = Some("wait".into()),
                2 => frame.function_offset = Some(Hex(1)),
                3 => frame.file = Some("a.c".into()),
                4 => frame.line = Some(1),
                5 => frame.column = Some(1),
                6 => frame.inlined = true,
                7 => frame.pc = Some(Hex(1)),
                8 => frame.module = Some(1),
                9 => frame.offset = Some(Hex(1)),
                10 => frame.trust = Some(Trust::Scan),
                11 => frame.rule = Some(FrameRule::Skip),
                _ => frame.in_app = Some(true),
            }
            frame
        };
        for (index, thread) in frame_differs.iter_mut().enumerate() {
            thread.frames[0] = frame(index);
        }
        let thread_differs = [
            Thread { stop: Some(Stop::End), ..one.clone() },
            Thread { stop_detail: Some("x".into()), ..one.clone() },
            Thread { frames_total: Some(2), ..one.clone() },
            Thread { omitted_after: Some(0), ..one.clone() },
            Thread { repeats: vec![Repeat::default()], ..one.clone() },
            Thread { frames: Vec::new(), ..one.clone() },
        ];
        for other in frame_differs.iter().chain(&thread_differs) {
            assert!(Alike(&one) != Alike(other), "{other:?}");
        }
        // What no format shows doesn't count.
        let mut same = Thread { tid: Some(7), name: Some("io".into()), ..one.clone() };
        same.frames[0].cfa = Some(Hex(7));
        assert!(Alike(&one) == Alike(&same));
    }

    #[test]
    fn a_title_holds_the_first_numbers_only() {
        let numbers: Vec<usize> = (1..=12).map(|number| number * 2).collect();
        assert_eq!(ranges(&numbers), "2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24");
        let more: Vec<usize> = numbers.into_iter().chain([25, 30]).collect();
        assert_eq!(ranges(&more), "2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24-25, ...");
    }

    #[test]
    fn goroutines_follow_the_threads() {
        let goroutine = |id, state: &str, function| {
            let state = Some(state.to_owned());
            Thread { goroutine: Some(Goroutine { id, state }), ..thread(function, None) }
        };
        let mut summary = CrashSummary::new("0");
        summary.threads = vec![thread("wait", None)];
        summary.goroutines = vec![
            goroutine(21, "chan receive", "park"),
            goroutine(7, "run\x1b[31m", "work"),
            goroutine(20, "select", "park"),
        ];
        summary.goroutine_count = Some(4);
        let expected =
            ["Goroutines 20-21 (2 goroutines) [chan receive, select]:", "Goroutine 7 [run\\x1b[31m]:"];
        assert_eq!(titles(&summary), expected);
        let hidden = Others::of(&summary, &Options::default()).hidden().unwrap();
        assert_eq!(hidden, "1 more goroutine of the core is not shown.");
    }

    #[test]
    fn threads_that_are_not_shown_are_counted() {
        let mut summary = CrashSummary::new("0");
        summary.threads = vec![thread("a", None), thread("b", None)];
        assert_eq!(Others::of(&summary, &Options::default()).hidden(), None);
        let crashed = Options { threads: Threads::Crashed, ..Options::default() };
        assert_eq!(
            Others::of(&summary, &crashed).hidden().unwrap(),
            "1 more thread of the core is not shown."
        );
        summary.thread_count = Some(2002);
        let text = Others::of(&summary, &Options::default()).hidden().unwrap();
        assert_eq!(text, "2,000 more threads of the core are not shown.");
    }
}

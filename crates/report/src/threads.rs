//! Threads: their titles, and those beside the one that crashed, of which equal stacks are shown once. A Go program's
//! goroutines follow them.

use std::collections::{BTreeSet, HashMap};

use epitaph_summary::{CrashSummary, Thread};

use crate::escape::clean;
use crate::headline::main_thread;
use crate::line::{Line, Style};
use crate::options::{Options, Threads};
use crate::quantity::{grouped, plural};
use crate::stack::{self, Legend};

/// Threads whose stacks look the same.
#[derive(Debug)]
pub(crate) struct Group {
    /// Who they are.
    pub(crate) title: Line,
    /// Their stack.
    pub(crate) lines: Vec<Line>,
}

/// The threads beside the main one.
#[derive(Debug)]
pub(crate) struct Others {
    /// Groups in the order of their first threads.
    pub(crate) groups: Vec<Group>,
    /// What the signs in their stacks mean.
    pub(crate) legend: Legend,
    /// How many threads the core has whose stacks are in no group.
    hidden: u64,
    /// How many goroutines.
    hidden_goroutines: u64,
}

impl Others {
    /// Gathers the threads beside the main one, as far as `options` want them.
    pub(crate) fn of(summary: &CrashSummary, options: &Options) -> Others {
        let main = main_thread(summary).map(|(index, _)| index);
        let mut others =
            Others { groups: Vec::new(), legend: Legend::default(), hidden: 0, hidden_goroutines: 0 };
        let mut shown = u64::from(main.is_some());
        if options.threads == Threads::All {
            let threads = summary.threads.iter().enumerate().filter(|(index, _)| Some(*index) != main);
            let members = gather(summary, threads, options.columns(), &mut others.legend);
            shown += members.iter().map(|members| members.threads.len() as u64).sum::<u64>();
            others.groups = members.into_iter().map(|members| members.named(total(summary))).collect();
            others.add_goroutines(summary, options.columns());
        }
        others.hidden = total(summary).saturating_sub(shown);
        others
    }

    /// Gathers the goroutines that no thread runs.
    fn add_goroutines(&mut self, summary: &CrashSummary, columns: usize) {
        let total = u64::from(summary.goroutine_count.unwrap_or(0));
        self.hidden_goroutines = total.saturating_sub(summary.goroutines.len() as u64);
        let goroutines = summary.goroutines.iter().enumerate();
        let members = gather(summary, goroutines, columns, &mut self.legend);
        self.groups.extend(members.into_iter().map(Members::named_as_goroutines));
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

/// Threads of one stack; never empty.
struct Members<'a> {
    threads: Vec<(usize, &'a Thread)>,
    lines: Vec<Line>,
}

/// Groups threads by what is shown of their stacks, so that the one that is shown is true of each.
fn gather<'a>(
    summary: &CrashSummary,
    threads: impl Iterator<Item = (usize, &'a Thread)>,
    columns: usize,
    legend: &mut Legend,
) -> Vec<Members<'a>> {
    let mut by_lines: HashMap<Vec<Line>, Vec<(usize, &Thread)>> = HashMap::new();
    for (index, thread) in threads {
        let stack = stack::stack(summary, thread, columns);
        legend.extend(&stack.legend);
        by_lines.entry(stack.lines).or_default().push((index, thread));
    }
    let mut groups: Vec<Members<'_>> =
        by_lines.into_iter().map(|(lines, threads)| Members { threads, lines }).collect();
    groups.sort_by_key(|group| group.threads.first().map(|(index, _)| *index));
    groups
}

impl Members<'_> {
    fn named(self, total: u64) -> Group {
        let title = match self.threads.as_slice() {
            [(index, thread)] => title(thread, index + 1, total),
            threads => {
                let numbers: Vec<usize> = threads.iter().map(|(index, _)| index + 1).collect();
                group_title(&ranges(&numbers), threads.len(), common_name(threads))
            }
        };
        Group { title, lines: self.lines }
    }

    /// Titles goroutines as Go does: `Goroutine 18 [chan receive]:`, `Goroutines 18-20 (3 goroutines) [select]:`.
    fn named_as_goroutines(self) -> Group {
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
        Group { title: Line::default().with(Style::Strong, title), lines: self.lines }
    }
}

/// Returns a thread's title: `Thread 1 of 4 (tid 4711, "worker") crashed:`.
///
/// `number` counts from 1 in the summary's order.
pub(crate) fn title(thread: &Thread, number: usize, total: u64) -> Line {
    let of = if total > 1 && thread.crashed { format!(" of {}", grouped(total)) } else { String::new() };
    let mut notes = Vec::new();
    notes.extend(thread.tid.map(|tid| format!("tid {tid}")));
    notes.extend(quoted_name(thread));
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    let crashed = if thread.crashed { " crashed" } else { "" };
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

/// Returns rising numbers in ranges: `2-5, 7`.
fn ranges(numbers: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == number => *end = number,
            _ => ranges.push((number, number)),
        }
    }
    let texts: Vec<String> = ranges
        .into_iter()
        .map(|(start, end)| if start == end { start.to_string() } else { format!("{start}-{end}") })
        .collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use epitaph_summary::{Frame, Goroutine};

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

//! What threads wait for, and the rings of threads that wait for each other.

use std::collections::HashMap;

use epitaph_summary::{CrashSummary, Thread, WaitsOn};

use crate::escape::brief;
use crate::line::{Line, Style};
use crate::quantity::{grouped, plural};

/// The most deadlocks that are told, and threads of each.
const MOST: usize = 8;

/// The most ways in which threads of one group are said to wait.
const MOST_WAYS: usize = 3;

/// The most characters of a name.
const NAME_LIMIT: usize = 40;

/// The system calls that send a signal to a thread or a process.
const SENDING: [&str; 5] = ["kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"];

/// Tells what threads wait for. Knows their numbers: thread 1 is the summary's first.
#[derive(Debug)]
pub(crate) struct Waits<'a> {
    numbers: HashMap<u32, (usize, &'a Thread)>,
}

impl<'a> Waits<'a> {
    /// Takes the threads' numbers.
    pub(crate) fn of(summary: &'a CrashSummary) -> Waits<'a> {
        let threads = summary.threads.iter().enumerate();
        let numbers =
            threads.filter_map(|(index, thread)| Some((thread.tid?, (index + 1, thread)))).collect();
        Waits { numbers }
    }

    /// Says what threads of one stack wait for, a line each way: `waits for the mutex at 0x5580 that thread 3 (tid 4713)
    /// holds`.
    pub(crate) fn lines(&self, threads: &[&Thread]) -> Vec<Line> {
        let mut ways: Vec<(String, u64)> = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        for way in threads.iter().filter_map(|thread| self.way(thread, threads.len() > 1)) {
            let index = *seen.entry(way).or_insert_with_key(|way| {
                ways.push((way.clone(), 0));
                ways.len() - 1
            });
            if let Some((_, count)) = ways.get_mut(index) {
                *count += 1;
            }
        }
        let all = threads.len() as u64;
        let more = ways.len().saturating_sub(MOST_WAYS);
        let told = ways.into_iter().take(MOST_WAYS).map(|(way, count)| {
            let count = if count == all { String::new() } else { format!("{} ", grouped(count)) };
            format!("{count}{way}")
        });
        let more = (more > 0).then(|| format!("... and in {} ...", plural(more as u64, "more way")));
        told.chain(more).map(|text| Line::plain(format!("   {text}"))).collect()
    }

    /// Tells the rings of threads that wait for each other.
    pub(crate) fn deadlocks(&self, rings: &[Vec<u32>]) -> Vec<Line> {
        let mut lines = Vec::new();
        for ring in rings.iter().filter(|ring| !ring.is_empty()).take(MOST) {
            let title = match ring.len() {
                1 => "Deadlock: a thread waits for a lock that it holds itself:".to_owned(),
                count => format!("Deadlock: {} wait for each other:", plural(count as u64, "thread")),
            };
            lines.extend([Line::default(), Line::default().with(Style::Alarm, title)]);
            lines.extend(ring.iter().take(MOST).map(|tid| {
                let waits = self.numbers.get(tid).and_then(|(_, thread)| self.way(thread, false));
                let waits = waits.unwrap_or_else(|| "waits".to_owned());
                Line::plain(format!("  {} {waits}", self.called(*tid)))
            }));
            lines.extend(more(ring.len(), "thread"));
        }
        if !lines.is_empty() {
            lines.extend(more(rings.len(), "deadlock"));
        }
        lines
    }

    /// Says what a thread waits for, or which system call it is in; of one, or of each of several.
    fn way(&self, thread: &Thread, each: bool) -> Option<String> {
        let Some(waits) = &thread.waits_on else {
            let call = thread.syscall.as_ref()?;
            let name = call.name.as_deref().filter(|name| !name.is_empty());
            // What died of a signal that it sent is described by that signal.
            if thread.crashed && name.is_some_and(|name| SENDING.contains(&name)) {
                return None;
            }
            let name = name.map(|name| brief(name, NAME_LIMIT));
            let name = name.or_else(|| call.number.map(|number| number.to_string()))?;
            return Some(format!("in the system call {name}"));
        };
        let verb = if each { "waiting" } else { "waits" };
        Some(format!("{verb} for {}", self.awaited(thread, waits)))
    }

    /// `the mutex at 0x5580 that thread 3 (tid 4713) holds`.
    fn awaited(&self, thread: &Thread, waits: &WaitsOn) -> String {
        let kind = brief(&waits.kind, NAME_LIMIT);
        if kind == "thread" {
            return match waits.owner_tid {
                Some(tid) => format!("the end of {}", self.called(tid)),
                None => "the end of a thread".to_owned(),
            };
        }
        let what = match kind.as_str() {
            "once" => "end of an initialization".to_owned(),
            "rwlock" => "read-write lock".to_owned(),
            "condition" => "condition variable".to_owned(),
            _ => kind,
        };
        let at = waits.address.map(|address| format!(" at {address}")).unwrap_or_default();
        let owner = match waits.owner_tid {
            Some(tid) if Some(tid) == thread.tid => " that it holds itself".to_owned(),
            Some(tid) if waits.owner_gone == Some(true) => {
                format!(" that tid {tid} held, which is no thread of it")
            }
            Some(tid) => format!(" that {} holds", self.called(tid)),
            None => String::new(),
        };
        format!("the {what}{at}{owner}")
    }

    /// `thread 3 (tid 4713, "worker")`; its id alone where it is none of the summary's.
    fn called(&self, tid: u32) -> String {
        let Some((number, thread)) = self.numbers.get(&tid) else { return format!("tid {tid}") };
        let name = thread.name.as_deref().filter(|name| !name.is_empty());
        let name = name.map(|name| format!(", \"{}\"", brief(name, NAME_LIMIT)));
        format!("thread {number} (tid {tid}{})", name.unwrap_or_default())
    }
}

/// Says how many are not told.
fn more(count: usize, noun: &str) -> Option<Line> {
    let more = count.saturating_sub(MOST);
    (more > 0).then(|| Line::plain(format!("  ... {} ...", plural(more as u64, &format!("more {noun}")))))
}

#[cfg(test)]
mod tests {
    use epitaph_summary::{Hex, Syscall};

    use super::*;

    fn waiting(tid: u32, kind: &str, owner: Option<u32>) -> Thread {
        let waits =
            WaitsOn { kind: kind.into(), address: Some(Hex(0x5580)), owner_tid: owner, ..WaitsOn::default() };
        Thread { tid: Some(tid), waits_on: Some(waits), ..Thread::default() }
    }

    fn told(summary: &CrashSummary, threads: &[usize]) -> Vec<String> {
        let threads: Vec<&Thread> = threads.iter().map(|index| &summary.threads[*index]).collect();
        Waits::of(summary).lines(&threads).iter().map(Line::text).collect()
    }

    fn four() -> CrashSummary {
        let mut summary = CrashSummary::new("0");
        summary.threads = vec![
            waiting(1, "mutex", Some(2)),
            Thread { name: Some("io\u{1b}".into()), ..waiting(2, "mutex", Some(1)) },
            waiting(3, "thread", Some(9)),
            Thread {
                tid: Some(4),
                syscall: Some(Syscall { number: Some(7), name: Some("poll".into()) }),
                ..Thread::default()
            },
        ];
        summary
    }

    #[test]
    fn a_thread_says_what_it_waits_for_and_who_has_it() {
        let summary = four();
        assert_eq!(
            told(&summary, &[0]),
            ["   waits for the mutex at 0x5580 that thread 2 (tid 2, \"io\\x1b\") holds"]
        );
        assert_eq!(told(&summary, &[2]), ["   waits for the end of tid 9"]);
        assert_eq!(told(&summary, &[3]), ["   in the system call poll"]);
        let mut sent = four();
        sent.threads[3].syscall = Some(Syscall { number: Some(234), name: Some("tgkill".into()) });
        assert_eq!(told(&sent, &[3]), ["   in the system call tgkill"]);
        sent.threads[3].crashed = true;
        assert!(told(&sent, &[3]).is_empty(), "the signal says it");
        let mut own = four();
        own.threads[0] = waiting(1, "mutex", Some(1));
        assert_eq!(told(&own, &[0]), ["   waits for the mutex at 0x5580 that it holds itself"]);
    }

    #[test]
    fn threads_that_wait_alike_are_said_once() {
        let mut summary = four();
        summary.threads.extend((5..25).map(|tid| waiting(tid, "condition", None)));
        let all: Vec<usize> = (0..summary.threads.len()).collect();
        assert_eq!(told(&summary, &all[4..]), ["   waiting for the condition variable at 0x5580"]);
        assert_eq!(told(&summary, &all)[3], "   ... and in 2 more ways ...");
        assert!(told(&summary, &all)[0].starts_with("   1 waiting for the mutex"));
    }

    #[test]
    fn a_ring_is_told_thread_by_thread() {
        let summary = four();
        let lines = |rings: &[Vec<u32>]| -> Vec<String> {
            Waits::of(&summary).deadlocks(rings).iter().map(Line::text).collect()
        };
        let two = lines(&[vec![1, 2]]);
        assert_eq!(two[1], "Deadlock: 2 threads wait for each other:");
        assert_eq!(
            two[3],
            "  thread 2 (tid 2, \"io\\x1b\") waits for the mutex at 0x5580 that thread 1 (tid 1) holds"
        );
        assert!(lines(&[vec![], vec![]]).is_empty());
        let many = lines(&vec![(0..1000).collect(); 1000]);
        assert_eq!(many.len(), 8 * 11 + 1);
        assert_eq!(many.last().unwrap(), "  ... 992 more deadlocks ...");
    }
}

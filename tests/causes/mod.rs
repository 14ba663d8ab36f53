//! `epitaph show`, asked why programs died of which it is known: see [`epitaph_testkit::causes`].
//!
//! `make causes` asks about all programs in all their builds, and about COUNT generated ones from SEED on; it prints the
//! tables, and leaves them in `target/tmp`, with the sources of what it found something wrong with.

use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use epitaph_summary::{Confidence, CrashSummary};
use epitaph_testkit::causes::{self, Case};
use epitaph_testkit::crash::{CoresHere, CrashError, or_skip};
use epitaph_testkit::skip;

use crate::support::{epitaph, test_all};
use confusion::Confusion;
use judge::Said;
use separation::Separation;

mod confusion;
mod judge;
mod separation;

/// What came of some programs.
#[derive(Default)]
struct Outcome {
    said: Vec<Said>,
    /// What this machine lacks to make them.
    missing: Vec<String>,
    /// What went wrong in making them.
    failed: Vec<String>,
}

/// How many generated programs there are in a short run and in a long one.
const SHORT: u64 = 24;
const LONG: u64 = 192;

/// At most so many of a hundred causes of generated programs may be guesses.
const GUESSES: usize = 25;

#[test]
fn generated_programs_are_told_why_they_died() {
    let Some(_here) = or_skip(CoresHere::acquire()) else { return };
    let first = number("EPITAPH_CAUSES_SEED").unwrap_or(1);
    let count = number("EPITAPH_CAUSES_COUNT").unwrap_or(if test_all() { LONG } else { SHORT });
    let outcome =
        examine_all(&(first..first + count).map(|seed| vec![Case::of_seed(seed)]).collect::<Vec<_>>());
    let confusion = Confusion::of(&outcome.said);
    let guessed = outcome.wrong(|said| !said.is_right() && said.confidence != Confidence::High);
    print("generated-causes.md", &format!("{confusion}\n{}\n", guessed.join("\n")));
    let surely_wrong = |said: &&Said| said.is_right() || said.confidence == Confidence::High;
    let mut wrong = outcome.wrong(surely_wrong);
    let guesses = outcome.said.iter().filter(|said| said.confidence >= Confidence::Low).count();
    if guesses * 100 >= outcome.said.len() * GUESSES && guesses > 0 {
        wrong.push(format!("{guesses} of {} causes are guesses", outcome.said.len()));
    }
    outcome.judge(&wrong);
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn every_program_is_told_why_it_died() {
    let Some(_here) = or_skip(CoresHere::acquire()) else { return };
    let mut groups = causes::groups();
    if !test_all() {
        groups = one_build_each(groups);
    }
    let outcome = examine_all(&groups);
    let separation = Separation::of(&outcome.said);
    print("causes.md", &format!("{}\n{separation}", Confusion::of(&outcome.said)));
    let mut wrong = outcome.wrong(|_| true);
    wrong.extend(
        separation.collisions().into_iter().map(|line| format!("two bugs have one signature: {line}")),
    );
    let odd = separation.odd_builds().into_iter().filter(|(_, explained)| !explained);
    wrong.extend(odd.map(|(line, _)| format!("one bug has two signatures: {line}")));
    outcome.judge(&wrong);
}

/// One executable of each kind of build of each source, another one for each source: there are too many for every run.
fn one_build_each(groups: Vec<Vec<Case>>) -> Vec<Vec<Case>> {
    let mut chosen: Vec<Vec<Vec<Case>>> = Vec::new();
    for group in groups {
        let bugs = |group: &[Case]| group.iter().map(|case| case.bug.clone()).collect::<Vec<_>>();
        match chosen.iter_mut().find(|same| bugs(&same[0]) == bugs(&group)) {
            Some(same) => same.push(group),
            None => chosen.push(vec![group]),
        }
    }
    let pick = |(index, mut same): (usize, Vec<Vec<Case>>)| same.swap_remove(index % same.len());
    chosen.into_iter().enumerate().map(pick).collect()
}

/// Lets all of them crash, as many at a time as there are processors, and asks about each.
fn examine_all(groups: &[Vec<Case>]) -> Outcome {
    let next = AtomicUsize::new(0);
    let outcome = Mutex::new(Outcome::default());
    let work = || {
        while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
            for case in group {
                let answer = examine(case);
                let mut outcome = outcome.lock().unwrap();
                match answer {
                    Ok(said) => outcome.said.push(said),
                    Err(CrashError::Unavailable(why)) => outcome.missing.push(why),
                    Err(error) => {
                        keep(case);
                        outcome.failed.push(format!("{} by {}: {error}", case.bug, case.build));
                    }
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        (0..workers).for_each(|_| drop(scope.spawn(work)));
    });
    outcome.into_inner().unwrap()
}

fn examine(case: &Case) -> Result<Said, CrashError> {
    let crash = case.crash()?;
    let answer = epitaph().args(["show", "--json", "--exe"]).arg(&crash.exe).arg(&crash.core).run().code(0);
    let summary: CrashSummary =
        serde_json::from_str(answer.stdout()).unwrap_or_else(|error| panic!("{error}: {answer}"));
    Ok(Said::of(case.clone(), summary))
}

/// Prints a report where everybody sees it, and keeps it in cargo's folder for tests.
fn print(name: &str, report: &str) {
    // The harness would keep back what goes through `println!`; a closed stream is nobody's trouble.
    let _ = std::io::stderr().write_all(report.as_bytes());
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), report).unwrap();
}

/// Keeps the sources of a program that something is wrong with, where they were made up.
fn keep(case: &Case) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("causes").join(case.bug.replace(' ', "-"));
    for (name, text) in case.files() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), text).unwrap();
    }
}

impl Outcome {
    /// What is wrong with what was said of those that count.
    fn wrong(&self, counts: impl Fn(&&Said) -> bool) -> Vec<String> {
        let wrong = self.said.iter().filter(counts).filter(|said| !said.wrong.is_empty());
        wrong
            .map(|said| {
                let Case { bug, build, .. } = &said.case;
                let surely = if said.confidence == Confidence::High { " with high confidence" } else { "" };
                keep(&said.case);
                format!("{bug} by {build}{surely}: {}", said.wrong.join("; "))
            })
            .collect()
    }

    /// Fails where something is wrong, and says what couldn't be tried.
    fn judge(&self, wrong: &[String]) {
        let mut missing = self.missing.clone();
        missing.sort_unstable();
        missing.dedup();
        for why in missing {
            let times = self.missing.iter().filter(|one| **one == why).count();
            skip::skipped(&format!("{times} programs with a known cause: {why}"));
        }
        let all: Vec<&str> = self.failed.iter().chain(wrong).map(String::as_str).collect();
        print("wrong-causes.txt", &all.iter().flat_map(|line| ["wrong: ", line, "\n"]).collect::<String>());
        assert!(all.is_empty(), "{} things are wrong:\n{}", all.len(), all.join("\n"));
    }
}

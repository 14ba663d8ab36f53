//! `epitaph show` and gdb, asked about programs that nobody wrote: see [`epitaph_testkit::sweep`].
//!
//! `make sweep SEED=N COUNT=M` asks about the programs of these seeds, and keeps the folder of each that fails.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use epitaph_testkit::crash::{Crash, CrashError};
use epitaph_testkit::gdb;
use epitaph_testkit::sweep::Case;
use epitaph_testkit::{need_tool, skip};
use serde_json::Value;

use crate::agreement::{Disagreement, disagreements, shows, stack_of};
use crate::evidence::{Evidence, has_symbol};
use crate::support::{epitaph, test_all};
use rules::RULES;

mod rules;

/// How many programs there are in a short sweep and in a long one, and how long it may take: what is left then is
/// said to be skipped.
const SHORT: (u64, Duration) = (16, Duration::from_secs(60));
const LONG: (u64, Duration) = (320, Duration::from_secs(600));

/// Frames of each thread that are compared.
const DEPTH: usize = 250;

/// What came of one program.
#[derive(Default)]
struct Outcome {
    /// How many differences each rule explains.
    explained: BTreeMap<&'static str, usize>,
    /// What nothing explains.
    unexplained: Vec<String>,
    /// What this machine lacks to make it.
    missing: Option<String>,
}

/// What came of all of them.
#[derive(Default)]
struct Tally {
    equal: usize,
    explained: usize,
    failed: Vec<String>,
    by_rule: BTreeMap<&'static str, usize>,
    missing: BTreeMap<String, usize>,
}

#[test]
fn generated_programs_are_told_as_gdb_tells_them() {
    need_tool!("gdb", "gcc", "addr2line", "nm", "objdump");
    let (count, patience) = if test_all() { LONG } else { SHORT };
    let first = number("EPITAPH_SWEEP_SEED").unwrap_or(1);
    let count = number("EPITAPH_SWEEP_COUNT").unwrap_or(count);
    let begun = Instant::now();
    let next = AtomicU64::new(0);
    let tally = Mutex::new(Tally::default());
    let work = || {
        while begun.elapsed() < patience || number("EPITAPH_SWEEP_COUNT").is_some() {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            if nth >= count {
                break;
            }
            let case = Case::of_seed(first + nth);
            let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| examine(&case)));
            tally.lock().unwrap().add(&case, outcome.unwrap_or_else(|panic| panicked(&*panic)));
        }
    };
    std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        (0..workers).for_each(|_| drop(scope.spawn(work)));
    });
    tally.into_inner().unwrap().judge(count);
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn panicked(panic: &(dyn Any + Send)) -> Outcome {
    let said = panic.downcast_ref::<String>().cloned();
    Outcome { unexplained: vec![said.unwrap_or_else(|| "a panic".to_owned())], ..Outcome::default() }
}

/// Makes a program, lets it crash, and compares what epitaph, gdb and its maker say about it.
fn examine(case: &Case) -> Outcome {
    let mut outcome = Outcome::default();
    let crash = match case.crash() {
        Ok(crash) => crash,
        Err(CrashError::Unavailable(why)) => return Outcome { missing: Some(why), ..outcome },
        Err(error) => {
            case.write(&kept(case)).unwrap();
            return Outcome { unexplained: vec![error.to_string()], ..outcome };
        }
    };
    let oracle = gdb::backtrace(&crash.exe, &crash.core, DEPTH).unwrap();
    let answer = epitaph().args(["show", "--json", "--exe"]).arg(&crash.exe).arg(&crash.core).run().code(0);
    let summary = answer.json();
    for disagreement in disagreements(&summary, &oracle) {
        let rule = match &disagreement {
            Disagreement::Threads(_) => None,
            Disagreement::Frame(tid, difference) => {
                let evidence = Evidence::new(&summary, *tid, difference);
                RULES.iter().find(|rule| (rule.applies)(&evidence))
            }
        };
        match rule {
            Some(rule) => *outcome.explained.entry(rule.name).or_default() += 1,
            None => outcome.unexplained.push(disagreement.to_string()),
        }
    }
    outcome.unexplained.extend(untrue(case, &crash, &summary));
    if !outcome.unexplained.is_empty() {
        keep(case, &crash);
    }
    outcome
}

/// What the crashed thread's backtrace says against what is known from the program's making.
fn untrue(case: &Case, crash: &Crash, summary: &Value) -> Vec<String> {
    let stack = stack_of(&summary["threads"][0]);
    let names: Vec<&str> = stack.frames.iter().filter_map(|frame| frame.function.as_deref()).collect();
    let mut wrong = Vec::new();
    if !stack.cut && !shows(&stack, case.told()) {
        // Some linkers throw all local symbols away when they are told to leave debug information out.
        let named: Vec<&String> = case.told().iter().filter(|name| has_symbol(&crash.exe, name)).collect();
        if !shows(&stack, &named) {
            wrong.push(format!("the program went through {named:?}, and we show {names:?}"));
        }
    }
    if !case.in_order(&names) {
        wrong.push(format!("these functions didn't call each other in this order: {names:?}"));
    }
    wrong
}

/// Keeps a program whose backtrace is wrong, with its core, for whoever looks into it.
fn keep(case: &Case, crash: &Crash) {
    let kept = kept(case);
    for from in [crash.exe.parent().unwrap(), &crash.work] {
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), kept.join(entry.file_name())).unwrap();
        }
    }
}

/// Makes the folder in which a program is kept, empty.
fn kept(case: &Case) -> PathBuf {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sweep").join(case.seed().to_string());
    let _gone = std::fs::remove_dir_all(&kept);
    std::fs::create_dir_all(&kept).unwrap();
    kept
}

impl Tally {
    fn add(&mut self, case: &Case, outcome: Outcome) {
        if let Some(missing) = outcome.missing {
            *self.missing.entry(missing).or_default() += 1;
        } else if !outcome.unexplained.is_empty() {
            self.failed.push(format!("{case}\n{}\n", outcome.unexplained.join("\n")));
        } else if outcome.explained.is_empty() {
            self.equal += 1;
        } else {
            self.explained += 1;
        }
        for (rule, count) in outcome.explained {
            *self.by_rule.entry(rule).or_default() += count;
        }
    }

    /// Says what came of it, and fails where a difference is left that nothing explains.
    fn judge(self, count: u64) {
        let Tally { equal, explained, failed, by_rule, missing } = self;
        let mut lines = vec![format!("{equal} equal, {explained} explained, {} not\n", failed.len())];
        lines.extend(RULES.iter().map(|rule| {
            let times = by_rule.get(rule.name).copied().unwrap_or_default();
            format!("{times:6} {}: {}\n", rule.name, rule.why)
        }));
        let report = lines.concat();
        // The harness would keep back what goes through `println!`; a closed stream is nobody's trouble.
        let _ = std::io::stderr().write_all(report.as_bytes());
        for (why, times) in &missing {
            skip::skipped(&format!("{times} generated programs: {why}"));
        }
        let done = equal + explained + failed.len() + missing.values().sum::<usize>();
        if (done as u64) < count {
            skip::skipped(&format!(
                "{} of {count} generated programs: the time was over",
                count - done as u64
            ));
        }
        assert!(failed.is_empty(), "{report}\n{}", failed.join("\n"));
    }
}

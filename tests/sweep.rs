//! `epitaph show` and gdb, asked about programs that nobody wrote: see [`epitaph_testkit::sweep`].
//!
//! `make sweep SEED=N COUNT=M` asks about the programs of these seeds alone, and keeps what differs.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use epitaph_testkit::crash::CrashError;
use epitaph_testkit::gdb;
use epitaph_testkit::sweep::Case;
use epitaph_testkit::{need_tool, skip};

use crate::agreement::{disagreements, shows, stack_of};
use crate::support::{epitaph, test_all};

#[test]
fn generated_programs() {
    need_tool!("gdb", "gcc");
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let first = number("EPITAPH_SWEEP_SEED").unwrap_or(1);
    let count = number("EPITAPH_SWEEP_COUNT").unwrap_or(if test_all() { 320 } else { 16 });
    let next = AtomicU64::new(first);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    let case = Case::of_seed(seed);
                    let said = std::panic::catch_unwind(|| examine(&case))
                        .unwrap_or_else(|e| vec![format!("PANIC {:?}", e.downcast_ref::<String>())]);
                    if !said.is_empty() {
                        failures.lock().unwrap().push(format!("{case}\n{}\n", said.join("\n")));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    std::fs::write("/tmp/sweep.txt", failures.join("\n")).unwrap();
    assert!(failures.is_empty(), "{} of {count} differ", failures.len());
}

fn examine(case: &Case) -> Vec<String> {
    let crash = match case.crash() {
        Ok(c) => c,
        Err(e) => return vec![format!("NOCRASH {e}")],
    };
    let oracle = match gdb::backtrace(&crash.exe, &crash.core, 300) {
        Ok(o) => o,
        Err(e) => return vec![format!("GDB {e}")],
    };
    let answer = epitaph().args(["show", "--json", "--exe"]).arg(&crash.exe).arg(&crash.core).run().code(0);
    let json = answer.json();
    let mut out: Vec<String> = disagreements(&json, &oracle).iter().map(|d| d.to_string()).collect();
    let ours = stack_of(&json["threads"][0]);
    if !ours.cut && !shows(&ours, case.told()) {
        out.push(format!("TOLD ours lacks {:?}", case.told()));
    }
    let theirs = oracle.crashed_stack().unwrap();
    if !theirs.cut && !shows(theirs, case.told()) {
        out.push(format!("TOLD gdb lacks {:?}", case.told()));
    }
    if !out.is_empty() {
        let d = format!("/tmp/sweepkeep/{}", case.to_string().split(':').next().unwrap().replace(' ', "_"));
        let _ = std::fs::remove_dir_all(&d);
        std::fs::create_dir_all("/tmp/sweepkeep").unwrap();
        std::process::Command::new("cp").args(["-rp"]).arg(crash.dir.path()).arg(&d).status().unwrap();
    }
    out
}

//! The table of comparisons.

use super::{Case, Goal, NAMED, Work};
use crate::inputs::{self, Input};
use crate::tools::Tool;

/// Returns every comparison.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            goals: vec![Goal::CpuMs(5.0), Goal::MemoryMb(10.0)],
            ..read("small", "small core, 5 threads, no compressed debug files", inputs::small())
        },
        Case {
            goals: vec![
                Goal::CpuMs(30.0),
                Goal::MemoryMb(25.0),
                Goal::TimesFaster(Tool::EuStackInlines, 2.0),
                Goal::TimesFaster(Tool::Gdb, 10.0),
            ],
            ..read(
                "small-libc-debug",
                "the same with Debian's compressed libc debug file",
                inputs::small_with_libc_debug(),
            )
        },
        Case {
            goals: vec![Goal::CpuMs(15.0), Goal::MemoryMb(20.0)],
            ..read("heap-172m", "172 MB core, 9 threads", inputs::heap_172m())
        },
        Case {
            goals: vec![Goal::CpuMs(150.0), Goal::MemoryMb(60.0)],
            heavy: true,
            ..read("threads-2000", "2,000 threads, 17 GB sparse", many_threads())
        },
        Case {
            goals: vec![Goal::CpuMs(100.0), Goal::MemoryMb(30.0)],
            work: Work::ReadRecursion,
            // It dies of going too deep, and not in the function that the others die in.
            says: &["descend", "main"],
            ..read("overflow", "stack overflow, 262k frames", inputs::deep("overflow", 0))
        },
        Case {
            goals: vec![Goal::CpuMs(120.0), Goal::MemoryMb(100.0)],
            heavy: true,
            ..read(
                "debug-800m",
                "binary with 800 MB of debug info, 25 frames in 24 units",
                inputs::debug_info("debug-800m", 800),
            )
        },
        Case {
            goals: vec![Goal::CpuMs(20.0), Goal::MemoryMb(20.0)],
            heavy: true,
            ..read("heap-4g", "4 GiB heap", inputs::heap_4g())
        },
        Case {
            // What one pass keeps for a triage is 32 MiB; a slim core does with less.
            goals: vec![Goal::MemoryMb(64.0)],
            work: Work::ReadPiped,
            ..read("pipe", "172 MB core through a pipe", inputs::heap_172m())
        },
        Case {
            goals: vec![Goal::ShareOfSpeed(Tool::Zstd, 0.9), Goal::MemoryMb(64.0)],
            work: Work::Seal,
            ..read("seal", "compress and seal 172 MB of data", inputs::heap_172m())
        },
        Case {
            goals: vec![Goal::ShareOfSpeed(Tool::Zstd, 0.9), Goal::MemoryMb(64.0)],
            work: Work::Seal,
            heavy: true,
            ..read("seal-sparse", "compress and seal 17 GB sparse", many_threads())
        },
        Case {
            goals: vec![Goal::CpuMs(60.0), Goal::MemoryMb(32.0)],
            work: Work::Slim,
            ..read("slim", "make a slim core of 172 MB", inputs::heap_172m())
        },
        Case {
            goals: vec![Goal::BytesPerSecond(1e9), Goal::MemoryMb(32.0)],
            work: Work::SlimPiped,
            ..read("slim-pipe", "the same through a pipe", inputs::heap_172m())
        },
        Case {
            goals: vec![Goal::BytesPerSecond(1e9), Goal::MemoryMb(32.0)],
            work: Work::SlimPiped,
            heavy: true,
            ..read("slim-pipe-4g", "the same of 4 GiB through a pipe", inputs::heap_4g())
        },
    ]
}

fn many_threads() -> Input {
    inputs::busy("threads-2000", 0, 2000, 8192)
}

/// Reading all backtraces of a core that is quickly made, with nothing promised.
fn read(name: &'static str, title: &'static str, input: Input) -> Case {
    Case { name, title, input, work: Work::Read, says: NAMED, goals: Vec::new(), heavy: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn every_case_has_a_name_of_its_own_and_a_promise() {
        let names: BTreeSet<&str> = cases().iter().map(|case| case.name).collect();
        assert_eq!(names.len(), cases().len());
        assert!(cases().iter().all(|case| !case.goals.is_empty()));
    }

    #[test]
    fn one_name_of_an_input_is_one_input() {
        let mut rules = BTreeMap::new();
        for case in cases() {
            let rule = (case.input.rule, case.input.arguments);
            let first = rules.entry(case.input.name.clone()).or_insert(rule.clone());
            assert_eq!(*first, rule, "{}", case.input.name);
        }
    }
}

//! What a process gets from the step that starts it, and what keeps its core from arriving whole.

use super::{Row, Situation, file, words};
use crate::limits::LEAST_FOR_A_CORE;

/// The owner's rights to read and write, without which the kernel doesn't write into the core it created.
const OWNERS_RIGHTS: u32 = 0o600;
/// What `coredump_filter` is when nobody changed it, without the pages of hidden or special use: private and shared
/// anonymous memory, and ELF headers (core(5)).
const NEEDED_MEMORY: u32 = 0x13;

pub(super) const ROWS: &[Row] = &[
    Row::reason("limit_hard_zero", |situation| {
        file(situation)?;
        (situation.limit.hard == Some(0)).then_some(())?;
        words(
            format!("{} is 0, hard limit included, so the kernel writes no core", whose_limit(situation)),
            "raise the hard limit where it is set: docker run --ulimit core=-1, or limits.conf; this \
             process may not",
        )
    }),
    Row::reason("limit_zero", |situation| {
        file(situation)?;
        (situation.limit.soft == Some(0)).then_some(())?;
        words(
            format!("{} is 0, so the kernel writes no core", whose_limit(situation)),
            "put `ulimit -c unlimited` into the very step that crashes, or start its command with \
             `epitaph run --`",
        )
    }),
    Row::reason("limit_too_small", |situation| {
        file(situation)?;
        let soft = situation.limit.soft.filter(|soft| *soft < LEAST_FOR_A_CORE)?;
        words(
            format!(
                "{} is {soft} bytes, and below {LEAST_FOR_A_CORE} the kernel writes no core",
                whose_limit(situation)
            ),
            "put `ulimit -c unlimited` into the very step that crashes; where that is refused, raise the \
             hard limit",
        )
    }),
    Row::reason("file_size_limit_too_small", |situation| {
        file(situation)?;
        let limit = situation.inherited.file_size_limit.filter(|limit| *limit < LEAST_FOR_A_CORE)?;
        words(
            format!("files may have {limit} bytes at most (ulimit -f), which is too little for a core"),
            "put `ulimit -f unlimited` into the step that crashes",
        )
    }),
    Row::reason("umask_hides_core", |situation| {
        file(situation)?;
        let umask = Some(situation.inherited.umask).filter(|umask| umask & OWNERS_RIGHTS != 0)?;
        words(
            format!(
                "the umask {umask:04o} takes the owner's right to read or write, and the kernel then leaves an \
                 empty file instead of a core"
            ),
            "put `umask 022` into the step that crashes",
        )
    }),
    Row::risk("limit_finite", |situation| {
        file(situation)?;
        let soft = situation.limit.soft.filter(|soft| *soft >= LEAST_FOR_A_CORE)?;
        words(
            format!("{} is {soft} bytes: larger cores are cut there, stacks first", whose_limit(situation)),
            "put `ulimit -c unlimited` into the step that crashes; where that is refused, put stacks first: \
             sudo sysctl kernel.core_sort_vma=1",
        )
    }),
    Row::risk("file_size_limit", |situation| {
        file(situation)?;
        let limit = situation.inherited.file_size_limit.filter(|limit| *limit >= LEAST_FOR_A_CORE)?;
        words(
            format!("files may have {limit} bytes at most (ulimit -f): larger cores are cut there"),
            "put `ulimit -f unlimited` into the step that crashes",
        )
    }),
    Row::risk("dump_filter", |situation| {
        let filter =
            situation.inherited.dump_filter.filter(|filter| filter & NEEDED_MEMORY != NEEDED_MEMORY)?;
        words(
            format!("the memory filter of cores is {filter:#x}, so they lack memory that explains a crash"),
            "put `echo 0x3f > /proc/self/coredump_filter` into the step that crashes",
        )
    }),
    Row::risk("traced", |situation| {
        let tracer = situation.inherited.tracer?;
        words(
            format!("process {tracer} traces this one, and a debugger or tracer may keep a signal to itself"),
            "run the job without the tracer",
        )
    }),
];

/// Limits are set per process: ours is the crasher's only where we started it.
fn whose_limit(situation: &Situation) -> &'static str {
    match situation.command {
        Some(_) => "the command's core size limit (ulimit -c)",
        None => "the core size limit (ulimit -c) of this step, and probably of the one that crashed,",
    }
}

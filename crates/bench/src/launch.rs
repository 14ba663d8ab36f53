//! The launcher: a small process of its own around each measured one.
//!
//! The kernel counts the processor time and peak memory of a process's children together, so that each measured process
//! needs a parent of its own. A process that is started also begins with its parent's peak of memory (it runs in the
//! parent's memory until it is replaced: `execve(2)`, `getrusage(2)`), which a small launcher keeps small.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde::{Deserialize, Serialize};

use crate::{BenchError, Sample};

/// What a launcher reports.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Launched {
    /// The exit status, as a shell gives it: 128 and the signal's number where a signal ended the process.
    pub(crate) status: i32,
    /// What it took.
    pub(crate) sample: Sample,
}

/// Runs a command in this process's environment, and writes what it took to the file `report`, as JSON.
///
/// # Errors
/// When it can't be started, or the report not be written.
pub fn launch(report: &Path, program: &OsString, arguments: &[OsString]) -> Result<(), BenchError> {
    let begin = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .status()
        .map_err(BenchError::io(format!("starting {}", program.display())))?;
    let wall = begin.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|error| BenchError::Io {
        what: "asking what a process took".to_owned(),
        source: error.into(),
    })?;
    let cpu = usage.user_time() + usage.system_time();
    let launched = Launched {
        status: status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1),
        sample: Sample {
            cpu: cpu.num_microseconds() as f64 / 1e6,
            wall,
            rss: usage.max_rss() as f64 * 1024.0,
        },
    };
    let text = serde_json::to_vec(&launched).map_err(BenchError::json("a launcher's report"))?;
    std::fs::write(report, text).map_err(BenchError::io(format!("writing {}", report.display())))
}

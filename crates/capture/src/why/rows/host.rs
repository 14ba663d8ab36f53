//! What the kernel's settings forbid outright.

use super::{Row, file, pattern, send_cores_to_files, words};
use crate::error::CaptureError;
use crate::pattern::FilePattern;

pub(super) const ROWS: &[Row] = &[
    Row::reason("gvisor", |situation| {
        situation.gvisor.then_some(())?;
        words(
            "this is a gVisor sandbox, which writes no cores of the programs in it",
            "run the job in an ordinary container (runtime runc) or on a virtual machine",
        )
    }),
    Row::reason("no_core_pattern", |situation| match &situation.pattern {
        Err(error @ CaptureError::NoCorePattern { .. }) => words(
            format!("this kernel writes no cores ({error})"),
            "run the job on a kernel with CONFIG_COREDUMP and with /proc mounted",
        ),
        _ => None,
    }),
    Row::reason("core_pattern_unreadable", |situation| match &situation.pattern {
        Err(error @ CaptureError::Read { source, .. }) => words(
            format!("it is unknown where cores go: {error}: {source}"),
            "make /proc/sys/kernel/core_pattern readable, or name the folder of the cores as an argument",
        ),
        _ => None,
    }),
    Row::reason("pattern_empty", |situation| {
        file(situation).filter(|file| FilePattern::is_empty(file))?;
        words("the kernel's core pattern is empty, so it writes no cores", send_cores_to_files(situation))
    }),
    Row::risk("name_hidden", |situation| {
        let matcher = situation.pattern.as_ref().ok()?.matcher()?;
        matcher.is_hidden().then_some(())?;
        words(
            format!(
                "the names of cores begin with a dot, so that `ls` and globs pass them over: the core pattern is {}",
                pattern(situation)
            ),
            "begin the core pattern with a word: echo 'core.%p' | sudo tee /proc/sys/kernel/core_pattern",
        )
    }),
];

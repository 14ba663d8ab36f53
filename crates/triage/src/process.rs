//! The process and its machine.

use epitaph_elf::{LoadedModules, Memory, Process, read_string};
use epitaph_summary::{self as summary, CrashSummary};

/// Longest path that Linux has (PATH_MAX).
const LONGEST_PATH: usize = 4096;

/// Fills in who the process was.
pub(crate) fn describe(
    process: &Process,
    loaded: &LoadedModules<'_>,
    memory: &dyn Memory,
    summary: &mut CrashSummary,
) {
    summary.system = Some(summary::System {
        arch: Some(process.arch.name.to_owned()),
        bits: Some(process.arch.bits()),
        page_size: process.auxv.page_size(),
    });
    let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
    let info = process.info.as_ref();
    let main = loaded.modules().iter().find(|entry| entry.module.main);
    let executable =
        main.map(|entry| text(entry.module.path.as_os_str())).or_else(|| started_as(process, memory));
    summary.process = Some(summary::Process {
        pid: info.map(|info| info.pid),
        ppid: info.map(|info| info.ppid),
        uid: info.map(|info| info.uid),
        gid: info.map(|info| info.gid),
        name: info.map(|info| text(&info.name)),
        command_line: info.map(|info| text(&info.args)).filter(|args| !args.is_empty()),
        command_line_truncated: info.map(|info| info.args_cut),
        executable,
    });
    summary.thread_count = u32::try_from(process.threads.len()).ok();
}

/// Reads the path that the program was started by, from the top of its stack.
fn started_as(process: &Process, memory: &dyn Memory) -> Option<String> {
    let bytes = read_string(memory, process.auxv.executable_name()?, LONGEST_PATH);
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

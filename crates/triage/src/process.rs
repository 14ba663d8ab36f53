//! The process and its machine.

use epitaph_elf::{LoadedModules, Memory, Process, ProcessInfo, read_string};
use epitaph_summary::{self as summary, CrashSummary};

/// Longest path that Linux has (PATH_MAX).
const LONGEST_PATH: usize = 4096;

/// Fills in who the process was: by the core, or else by what was `told` of it.
pub(crate) fn describe(
    process: &Process,
    loaded: &LoadedModules<'_>,
    memory: &dyn Memory,
    told: &summary::Process,
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
    let (command_line, command_line_truncated) = command_line(info, told);
    summary.process = Some(summary::Process {
        pid: info.map(|info| info.pid).or(told.pid),
        ppid: info.map(|info| info.ppid).or(told.ppid),
        uid: info.map(|info| info.uid).or(told.uid),
        gid: info.map(|info| info.gid).or(told.gid),
        name: info.map(|info| text(&info.name)).or_else(|| told.name.clone()),
        command_line,
        command_line_truncated,
        executable: executable.or_else(|| told.executable.clone()),
    });
    summary.thread_count = u32::try_from(process.threads.len()).ok();
}

/// Returns the command line, and whether it is cut. One that was told counts where the core's is the first part of it:
/// the kernel keeps 80 bytes.
fn command_line(info: Option<&ProcessInfo>, told: &summary::Process) -> (Option<String>, Option<bool>) {
    let own = info.map(|info| info.args.to_string_lossy().into_owned()).filter(|own| !own.is_empty());
    let cut = info.map(|info| info.args_cut);
    match (own, &told.command_line) {
        (Some(own), Some(told)) if cut == Some(true) && told.starts_with(own.trim_end()) => {
            (Some(told.clone()), Some(false))
        }
        (Some(own), _) => (Some(own), cut),
        (None, Some(told)) => (Some(told.clone()), Some(false)),
        (None, None) => (None, cut),
    }
}

/// Reads the path that the program was started by, from the top of its stack.
fn started_as(process: &Process, memory: &dyn Memory) -> Option<String> {
    let bytes = read_string(memory, process.auxv.executable_name()?, LONGEST_PATH);
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_that_was_told_counts_where_the_cores_is_cut_or_missing() {
        let line = |own: Option<(&str, bool)>, told: Option<&str>| {
            let info = own.map(|(args, args_cut)| ProcessInfo {
                pid: 1,
                ppid: 1,
                session: 1,
                uid: 0,
                gid: 0,
                name: "a".into(),
                args: args.into(),
                args_cut,
            });
            let told = told.map(str::to_owned);
            let told = summary::Process { command_line: told, ..summary::Process::default() };
            let (line, cut) = command_line(info.as_ref(), &told);
            (line.unwrap_or_default(), cut)
        };
        assert_eq!(line(Some(("a -b ", true)), Some("a -b -c")), ("a -b -c".to_owned(), Some(false)));
        assert_eq!(line(Some(("a -b", true)), Some("x -b -c")), ("a -b".to_owned(), Some(true)));
        assert_eq!(line(Some(("a -b", false)), Some("a -b -c")), ("a -b".to_owned(), Some(false)));
        assert_eq!(line(None, Some("a -b")), ("a -b".to_owned(), Some(false)));
        assert_eq!(line(None, None), (String::new(), None));
    }
}

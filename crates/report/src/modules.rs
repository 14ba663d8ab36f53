//! The mapped files that leave a stack incomplete or in doubt, so that one can look for them.

use epitaph_summary::{CrashSummary, FileOrigin, FileState, Module};

use crate::escape::clean;
use crate::frames::basename;
use crate::line::{Line, Style};
use crate::options::{Options, Threads};
use crate::place::main_thread;
use crate::quantity::plural;

/// What the list is about.
pub(crate) const TITLE: &str = "Files that are missing, doubtful or without debug information:";

/// Returns the list of such files: the crashing stack's first, then those of other shown stacks.
///
/// Missing debug information counts only where it would tell more of the crash: for the program's own frames and
/// for those without a name. Elsewhere it is how system libraries are.
pub(crate) fn lines(summary: &CrashSummary, options: &Options) -> Vec<Line> {
    let (on_main_stack, on_other_stacks) = used(summary, options);
    let wanting = wanting_debug_info(summary);
    let mut problems: Vec<Problem> = Vec::new();
    for (index, module) in summary.modules.iter().enumerate() {
        if on_main_stack.contains(&index) {
            let debug_info = || Problem::of_debug_info(module).filter(|_| wanting.contains(&index));
            problems.extend(Problem::of_file(module).or_else(debug_info));
        }
    }
    let mut elsewhere = 0u64;
    for (index, module) in summary.modules.iter().enumerate() {
        if on_main_stack.contains(&index) {
            continue;
        }
        let problem = Problem::of_file(module);
        if on_other_stacks.contains(&index) {
            problems.extend(problem);
        } else {
            elsewhere += u64::from(problem.is_some());
        }
    }
    let width = problems.iter().map(|problem| problem.status.len()).max().unwrap_or(0);
    let mut lines: Vec<Line> = problems.iter().map(|problem| problem.line(width)).collect();
    if elsewhere > 0 {
        let files = plural(elsewhere, "mapped file");
        let text = format!("  {files} on no shown stack, missing or doubtful");
        lines.push(Line::default().with(Style::Faint, text));
    }
    lines
}

/// Returns the indexes of the modules on the main thread's stack, and on the other shown ones.
fn used(summary: &CrashSummary, options: &Options) -> (Vec<usize>, Vec<usize>) {
    let main = main_thread(summary).map(|(index, _)| index);
    let mut on_main_stack = vec![];
    let mut on_other_stacks = vec![];
    for (index, thread) in summary.threads.iter().enumerate() {
        let indexes = thread.frames.iter().filter_map(|frame| frame.module).map(|module| module as usize);
        if Some(index) == main {
            on_main_stack.extend(indexes);
        } else if options.threads == Threads::All {
            on_other_stacks.extend(indexes);
        }
    }
    for list in [&mut on_main_stack, &mut on_other_stacks] {
        list.sort_unstable();
        list.dedup();
    }
    (on_main_stack, on_other_stacks)
}

/// Returns the indexes of the modules whose debug information would tell more of the crashing stack.
fn wanting_debug_info(summary: &CrashSummary) -> Vec<usize> {
    let frames = main_thread(summary).map(|(_, thread)| thread.frames.as_slice()).unwrap_or_default();
    let poor = frames.iter().filter(|frame| frame.in_app == Some(true) || frame.function.is_none());
    poor.filter_map(|frame| frame.module).map(|module| module as usize).collect()
}

/// Says what is wrong with a module's file, or that it has no debug information.
pub(crate) fn status(module: &Module) -> Option<&'static str> {
    Problem::of_file(module).or_else(|| Problem::of_debug_info(module)).map(|problem| problem.status)
}

struct Problem {
    status: &'static str,
    text: String,
}

impl Problem {
    /// What is wrong with the module's file, if anything.
    fn of_file(module: &Module) -> Option<Problem> {
        let (status, verb) = match module.file_state? {
            FileState::Missing => ("missing", None),
            FileState::Mismatch => ("another build", Some("found")),
            FileState::Unverified => ("unverified", Some("read")),
            _ => return None,
        };
        let found = verb.zip(module.file_found.as_deref());
        let found = found.map(|(verb, path)| format!(", {verb} {}", clean(path))).unwrap_or_default();
        let text = format!("{}{found}", identity(module));
        Some(Problem { status, text })
    }

    /// That the module has no debug information, if it could have any: the vDSO can't.
    fn of_debug_info(module: &Module) -> Option<Problem> {
        let lacks = module.has_debug_info == Some(false) && module.file_origin != Some(FileOrigin::Core);
        lacks.then(|| Problem { status: "no debug info", text: identity(module) })
    }

    fn line(&self, width: usize) -> Line {
        Line::plain("  ")
            .with(Style::Doubt, format!("{:<width$}", self.status))
            .with(Style::Plain, format!("  {}", self.text))
    }
}

/// Path (or name) and build ID.
fn identity(module: &Module) -> String {
    let path = module.path.as_deref().or(module.name.as_deref()).filter(|path| !basename(path).is_empty());
    let path = path.map_or_else(|| "a file without a name".into(), clean);
    match module.build_id.as_deref() {
        Some(id) => format!("{path}, build ID {}", clean(id)),
        None => format!("{path}, no build ID"),
    }
}

#[cfg(test)]
mod tests {
    use epitaph_summary::{Frame, Thread};

    use super::*;

    fn module(path: &str, state: FileState, debug: bool) -> Module {
        Module {
            path: Some(path.into()),
            build_id: Some("abcd".into()),
            file_state: Some(state),
            has_debug_info: Some(debug),
            ..Module::default()
        }
    }

    fn thread(crashed: bool, modules: &[u32]) -> Thread {
        let frames =
            modules.iter().map(|module| Frame { module: Some(*module), ..Frame::default() }).collect();
        Thread { crashed, frames, ..Thread::default() }
    }

    #[test]
    fn the_crashing_stacks_files_come_first_and_idle_ones_are_only_counted() {
        let mut summary = CrashSummary::new("0");
        summary.modules = vec![
            module("/lib/other.so", FileState::Missing, false),
            module("/lib/mine.so", FileState::Mismatch, true),
            module("/lib/libc.so.6", FileState::Verified, false),
            module("/lib/idle.so", FileState::Missing, false),
            module("/lib/fine.so", FileState::Verified, true),
            module("/lib/quiet.so", FileState::Verified, false),
            module("/ci/stripped", FileState::Verified, false),
        ];
        summary.modules[1].file_found = Some("/usr/lib/mine.so".into());
        summary.threads = vec![thread(false, &[0, 1, 5]), thread(true, &[1, 2, 2, 4, 6, 99])];
        // libc's frames have names, which is all that one needs of them.
        for frame in &mut summary.threads[1].frames {
            frame.function = (frame.module == Some(2)).then(|| "raise".to_owned());
        }
        let texts =
            |options: &Options| -> Vec<String> { lines(&summary, options).iter().map(Line::text).collect() };
        assert_eq!(
            texts(&Options::default()),
            [
                "  another build  /lib/mine.so, build ID abcd, found /usr/lib/mine.so",
                "  no debug info  /ci/stripped, build ID abcd",
                "  missing        /lib/other.so, build ID abcd",
                "  1 mapped file on no shown stack, missing or doubtful",
            ]
        );
        let crashed = Options { threads: Threads::Crashed, ..Options::default() };
        assert_eq!(texts(&crashed)[2], "  2 mapped files on no shown stack, missing or doubtful");
    }

    #[test]
    fn the_vdso_is_not_looked_for() {
        let mut summary = CrashSummary::new("0");
        summary.modules = vec![Module {
            file_origin: Some(FileOrigin::Core),
            ..module("linux-vdso.so.1", FileState::Verified, false)
        }];
        summary.threads = vec![thread(true, &[0])];
        assert!(lines(&summary, &Options::default()).is_empty());
    }
}

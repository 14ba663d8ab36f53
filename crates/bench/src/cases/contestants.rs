//! Who does what a case asks for, and how.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Case, Work};
use crate::inputs::Made;
use crate::rounds::{Contestant, Proof};
use crate::run::Task;
use crate::tools::{Tool, Tools};

/// Fails unless the kept core `$1` holds what the core `$2` does.
const SAME_BYTES: &str = r#"zstd -dcq "$1"/crashes/*/core.zst | cmp - "$2""#;

/// Fails unless gdb prints the same backtraces of the small core `$1` as of the core `$2`, by program `$3`.
const SAME_BACKTRACE: &str = r#"
stacks() { gdb -nx -batch -ex 'thread apply all bt' "$1" "$2" 2>/dev/null | sed -n '/^Thread /,$p'; }
stacks "$3" "$2" >"$1.whole"
stacks "$3" "$1" >"$1.slim"
grep -q '^#0' "$1.whole"
cmp "$1.whole" "$1.slim" >&2
"#;

/// Returns who competes at a case, epitaph first. What they make goes into `folder`.
pub fn contestants(case: &Case, tools: &Tools, made: &Made, folder: &Path) -> Vec<Contestant> {
    let ours = |words: &[&str], others: &[&Path]| {
        let arguments = words.iter().map(OsString::from).chain(others.iter().map(OsString::from)).collect();
        task(tools, Tool::Epitaph, arguments)
    };
    let contestant = |tool, task| Contestant { tool, task, says: case.says, proof: None };
    let core = made.core.as_path();
    match case.work {
        Work::Read | Work::ReadRecursion => {
            let reader = |tool| contestant(tool, task(tools, tool, tool.arguments(made, case.work.stacks())));
            Tool::READERS.into_iter().map(reader).collect()
        }
        Work::ReadPiped => {
            let task = ours(&["show", "-"], &[]);
            let task = task.map(|task| Task { piped: Some(core.to_owned()), ..task });
            vec![contestant(Tool::Epitaph, task)]
        }
        Work::Seal => {
            let (sealed, compressed) = (folder.join("sealed"), folder.join("compressed.zst"));
            let seal = ours(&["collect", "--core", "full", "--out"], &[&sealed, core]);
            let options = ["-q", "-T2", "-o"].iter().map(OsString::from);
            let paths = [&compressed, core].map(OsString::from);
            let compress = task(tools, Tool::Zstd, options.chain(paths).collect());
            vec![
                Contestant {
                    proof: Some(Proof {
                        script: SAME_BYTES,
                        arguments: vec![sealed.clone(), core.to_owned()],
                    }),
                    ..contestant(Tool::Epitaph, making(seal, sealed))
                },
                Contestant { says: &[], ..contestant(Tool::Zstd, making(compress, compressed)) },
            ]
        }
        Work::Slim | Work::SlimPiped => {
            let slim = folder.join("slim.core");
            let piped = (case.work == Work::SlimPiped).then(|| core.to_owned());
            let from = if piped.is_some() { Path::new("-") } else { core };
            let task = making(ours(&["slim", "-o"], &[&slim, from]), slim.clone());
            let task = task.map(|task| Task { piped, ..task });
            let arguments = vec![slim, core.to_owned(), made.exe.clone()];
            let proof = Some(Proof { script: SAME_BACKTRACE, arguments });
            vec![Contestant { says: &[], proof, ..contestant(Tool::Epitaph, task) }]
        }
    }
}

fn task(tools: &Tools, tool: Tool, arguments: Vec<OsString>) -> Option<Task> {
    Some(Task { program: tools.program(tool)?.to_owned(), arguments, ..Task::default() })
}

fn making(task: Option<Task>, path: PathBuf) -> Option<Task> {
    task.map(|task| Task { makes: Some(path), ..task })
}

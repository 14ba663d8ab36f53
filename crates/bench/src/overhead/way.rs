//! The ways in which `epitaph run` gets cores.

use std::path::Path;

use epitaph_testkit::crash::PatternGuard;
use serde::Serialize;

use crate::run::Task;

/// How `epitaph run` gets cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// From the one folder that an absolute core pattern names.
    OnePlace,
    /// From wherever a crasher stands: the core pattern is relative.
    AnyPlace,
    /// It traces the command.
    Traced,
}

impl Way {
    /// All ways.
    pub const ALL: [Way; 3] = [Way::OnePlace, Way::AnyPlace, Way::Traced];

    /// Returns what it is called.
    pub fn name(self) -> &'static str {
        match self {
            Way::OnePlace => "absolute core pattern",
            Way::AnyPlace => "relative core pattern",
            Way::Traced => "traced",
        }
    }

    /// Sets the kernel's core pattern as long as what is returned lives, where the way depends on it; says why it can't.
    pub(super) fn prepare(self, folder: &Path) -> Result<Option<PatternGuard>, String> {
        let pattern = match self {
            Way::OnePlace => {
                let cores = folder.join("cores");
                std::fs::create_dir_all(&cores).map_err(|error| format!("{}: {error}", cores.display()))?;
                format!("{}/core.%p", cores.display())
            }
            Way::AnyPlace => "core.%p".to_owned(),
            Way::Traced => return Ok(None),
        };
        let set = PatternGuard::set(&pattern);
        set.map(Some).map_err(|error| format!("the core pattern can't be set: {error}"))
    }

    /// Returns a command under `epitaph run`.
    pub(super) fn task(self, epitaph: &Path, folder: &Path, command: &Task) -> Task {
        let capture = if self == Way::Traced { "ptrace" } else { "auto" };
        let mut arguments = ["run", "--capture", capture, "--out"].map(Into::into).to_vec();
        arguments.extend([folder.join("out").into(), "--".into(), command.program.clone().into()]);
        arguments.extend(command.arguments.iter().cloned());
        Task { program: epitaph.to_owned(), arguments, ..Task::default() }
    }
}

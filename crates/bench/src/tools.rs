//! The tools that are compared: where they are, which version, and how each is asked for the backtraces in a core.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;

use crate::inputs::Made;

/// A tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    /// Ours.
    Epitaph,
    /// The GNU debugger.
    Gdb,
    /// elfutils' `eu-stack`, with lines and inlined calls: what is closest to what epitaph prints.
    EuStackInlines,
    /// `eu-stack` with symbols only.
    EuStack,
    /// LLVM's debugger.
    Lldb,
    /// Another triage tool in Rust.
    Coretriage,
    /// The compressor, with two threads.
    Zstd,
}

/// How much of a core's stacks is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stacks {
    /// All frames of all threads.
    All,
    /// The crashing thread's: walked whole, and printed from both ends, as epitaph prints an endless recursion.
    BothEnds,
}

impl Tool {
    /// Those that read backtraces from cores.
    pub const READERS: [Tool; 6] =
        [Tool::Epitaph, Tool::Gdb, Tool::EuStackInlines, Tool::EuStack, Tool::Lldb, Tool::Coretriage];

    /// Returns its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Epitaph => "epitaph",
            Tool::Gdb => "gdb",
            Tool::EuStackInlines => "eu-stack -i -s",
            Tool::EuStack => "eu-stack",
            Tool::Lldb => "lldb",
            Tool::Coretriage => "coretriage",
            Tool::Zstd => "zstd -T2",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Tool::EuStackInlines | Tool::EuStack => "eu-stack",
            Tool::Zstd => "zstd",
            other => other.name(),
        }
    }

    /// Tells whether an exit status means that it did what it could.
    pub fn accepts(self, status: i32) -> bool {
        // eu-stack's 1 says that some thread's stack has no proper end.
        status == 0 || matches!(self, Tool::EuStack | Tool::EuStackInlines) && status == 1
    }

    /// Returns the arguments with which it prints the backtraces of a core.
    pub fn arguments(self, made: &Made, stacks: Stacks) -> Vec<OsString> {
        let (exe, core) = (made.exe.as_os_str(), made.core.as_os_str());
        let joined = |option: &str, path: &Path| {
            let mut word = OsString::from(option);
            word.push(path);
            word
        };
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        match self {
            Tool::Epitaph | Tool::Zstd => [words(&["show"]), vec![core.to_owned()]].concat(),
            Tool::Gdb => {
                let asked = match stacks {
                    Stacks::All => words(&["-nx", "-batch", "-ex", "thread apply all bt"]),
                    Stacks::BothEnds => words(&["-nx", "-batch", "-ex", "bt 256", "-ex", "bt -64"]),
                };
                [asked, vec![exe.to_owned(), core.to_owned()]].concat()
            }
            Tool::EuStackInlines | Tool::EuStack => {
                let mut arguments = words(if self == Tool::EuStack { &[] } else { &["-i", "-s"] });
                arguments.extend(words(&["-n", "0"]));
                arguments.extend([joined("--core=", &made.core), joined("--executable=", &made.exe)]);
                arguments
            }
            Tool::Lldb => {
                let mut arguments = words(&["--no-lldbinit", "--batch", "--core"]);
                arguments.extend([core.to_owned(), exe.to_owned()]);
                arguments.extend(words(&["--one-line", "thread backtrace all"]));
                arguments
            }
            Tool::Coretriage => {
                let mut arguments = words(&["--top", "0", "--exe"]);
                arguments.extend([exe.to_owned(), core.to_owned()]);
                arguments
            }
        }
    }
}

/// Where the tools are.
#[derive(Debug)]
pub struct Tools {
    found: Vec<(Tool, PathBuf)>,
}

impl Tools {
    /// Looks for the tools in `PATH` and then in `beside`; `epitaph` is given.
    pub fn find(epitaph: &Path, beside: &Path) -> Tools {
        let mut found = vec![(Tool::Epitaph, epitaph.to_owned())];
        for tool in Tool::READERS.into_iter().skip(1).chain([Tool::Zstd]) {
            let here = beside.join(tool.program());
            let program = epitaph_testkit::tools::find(tool.program()).or(here.is_file().then_some(here));
            found.extend(program.map(|program| (tool, program)));
        }
        Tools { found }
    }

    /// Returns the program of a tool that is there.
    pub fn program(&self, tool: Tool) -> Option<&Path> {
        self.found.iter().find(|(found, _)| *found == tool).map(|(_, program)| program.as_path())
    }

    /// Returns the version of each program that is there, as it says itself.
    pub fn versions(&self) -> Vec<String> {
        let mut versions: Vec<String> = self.found.iter().map(|(tool, path)| version(*tool, path)).collect();
        versions.dedup();
        versions
    }
}

fn version(tool: Tool, program: &Path) -> String {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let line = said.lines().next().unwrap_or_default();
    // "GNU gdb (Debian 13.1-3) 13.1", "eu-stack (elfutils) 0.188", "*** Zstandard CLI (64-bit) v1.5.4, by …"
    let number = |word: &&str| word.trim_start_matches('v').starts_with(|first: char| first.is_ascii_digit());
    let number = line.split_whitespace().rev().find(number).unwrap_or("of an unknown version");
    format!("{} {}", tool.program(), number.trim_start_matches('v').trim_end_matches([',', ')']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epitaph_is_given_and_what_is_missing_is_not_there() {
        let tools = Tools::find(Path::new("/nowhere/epitaph"), Path::new("/nowhere"));
        assert_eq!(tools.program(Tool::Epitaph), Some(Path::new("/nowhere/epitaph")));
        let made = Made { exe: "/e".into(), core: "/c".into(), size: 0 };
        assert_eq!(Tool::Epitaph.arguments(&made, Stacks::All), ["show", "/c"]);
        assert_eq!(Tools { found: Vec::new() }.program(Tool::Gdb), None);
    }

    #[test]
    fn an_endless_recursion_is_asked_of_gdb_from_both_ends() {
        let made = Made { exe: "/e".into(), core: "/c".into(), size: 0 };
        assert!(Tool::Gdb.arguments(&made, Stacks::BothEnds).contains(&"bt -64".into()));
        assert!(Tool::Gdb.arguments(&made, Stacks::All).contains(&"thread apply all bt".into()));
    }
}

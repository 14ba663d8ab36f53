//! The kernel's core pattern: what it means, which name a crash gets, and which crash a name stands for.
//!
//! The rules are those of core(5) and of `format_corename` in Linux's `fs/coredump.c`. A pattern is parsed
//! once ([`CorePattern::parse`]), then used in both directions: [`CorePattern::expand`] gives the name that a
//! crash would get, [`CorePattern::matcher`] recognises such names and reads the values back out of them.

mod expand;
mod matcher;
mod parse;
mod specifier;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

pub use expand::Facts;
pub use matcher::{Matcher, NameFields};
pub use specifier::Specifier;

/// The most bytes of a pattern that the kernel keeps (`CORENAME_MAX_SIZE` without the final NUL).
pub const LONGEST_PATTERN: usize = 127;

/// `/proc/sys/kernel/core_pattern`, as the kernel understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorePattern {
    raw: Vec<u8>,
    target: Target,
}

/// Where the kernel sends a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Into a file, as seen by the process that crashed: its working folder, root folder and mounts.
    File(FilePattern),
    /// Into the standard input of a program that it starts as root of the host, outside of any container.
    Pipe(Pipe),
    /// Into a socket that a server of the host listens on (since Linux 6.16).
    Socket(Socket),
}

/// The name of a core file: text, and values of the crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePattern {
    tokens: Vec<Token>,
}

/// The program that is given cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipe {
    /// Its path; empty where the pattern is a lone `|`. A relative path is taken from the host's `/`.
    pub program: Vec<u8>,
    /// Its arguments, their specifiers not expanded.
    pub arguments: Vec<Vec<u8>>,
}

/// The socket that is given cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Its path. The kernel expands nothing in it.
    pub path: Vec<u8>,
    /// Whether kernel and server first agree on who writes the core (`@@`, since Linux 6.17).
    pub handshake: bool,
}

/// A piece of a file pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// Stands for itself.
    Text(Vec<u8>),
    /// Stands for a value of the crash.
    Value(Specifier),
}

/// What else decides how the kernel reads a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// `core_uses_pid`: `.PID` is appended to file names whose pattern has no `%p`.
    pub uses_pid: bool,
    /// Whether the kernel knows sockets; an older one takes `@/run/x` for a file name.
    pub sockets: bool,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { uses_pid: false, sockets: true }
    }
}

impl CorePattern {
    /// Parses the content of `/proc/sys/kernel/core_pattern`: every content means something to the kernel.
    pub fn parse(content: impl AsRef<[u8]>, rules: Rules) -> CorePattern {
        parse::parse(content.as_ref(), rules)
    }

    /// Returns the pattern's own bytes, without the newline that reading the file adds.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Returns where the kernel sends cores.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Returns the file pattern, unless cores go to a program or a socket.
    pub fn file(&self) -> Option<&FilePattern> {
        match &self.target {
            Target::File(file) => Some(file),
            Target::Pipe(_) | Target::Socket(_) => None,
        }
    }

    /// Returns the path that the core of a crash gets: relative to the crasher's working folder, or absolute.
    ///
    /// `None` where cores don't become files.
    pub fn expand(&self, facts: &Facts) -> Option<Vec<u8>> {
        self.file().map(|file| file.expand(facts))
    }

    /// Returns what recognises the names of this pattern's cores; `None` where cores don't become files.
    pub fn matcher(&self) -> Option<Matcher> {
        self.file().map(Matcher::new)
    }
}

impl Pipe {
    /// Returns the program's file name.
    pub fn name(&self) -> &[u8] {
        self.program.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }
}

impl FilePattern {
    /// Returns whether cores go to a fixed folder rather than to wherever the crasher stood.
    pub fn is_absolute(&self) -> bool {
        matches!(self.tokens.first(), Some(Token::Text(text)) if text.first() == Some(&b'/'))
    }

    /// Returns whether the pattern makes an empty name, so that the kernel writes nothing.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Returns the one path that all cores get, where no value of the crash is in it.
    pub fn fixed(&self) -> Option<&[u8]> {
        match self.tokens.as_slice() {
            [Token::Text(path)] => Some(path),
            _ => None,
        }
    }

    /// Returns the folder beneath the crasher's own that a relative pattern names, up to the first one named by a value;
    /// `None` where the pattern is absolute.
    pub fn relative_folder(&self) -> Option<PathBuf> {
        if self.is_absolute() {
            return None;
        }
        let start = match self.tokens.first() {
            Some(Token::Text(text)) => text.as_slice(),
            _ => &[],
        };
        let folders = start.iter().rposition(|byte| *byte == b'/').and_then(|end| start.get(..end));
        Some(PathBuf::from(OsStr::from_bytes(folders.unwrap_or_default())))
    }

    /// Returns whether `specifier` occurs in the pattern.
    pub fn uses(&self, specifier: Specifier) -> bool {
        self.tokens.contains(&Token::Value(specifier))
    }

    /// Returns whether two crashes can hardly get the same name: it holds a process id, thread id or the
    /// time.
    pub fn is_distinct(&self) -> bool {
        use Specifier::{HostPid, HostTid, Pid, Tid, Time};
        [Pid, HostPid, Tid, HostTid, Time].into_iter().any(|specifier| self.uses(specifier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_parts_of_a_path_are_known() {
        let file = |text: &str| CorePattern::parse(text, Rules::default()).file().unwrap().clone();
        assert_eq!(file("/cores/core").fixed().unwrap(), b"/cores/core");
        assert_eq!(file("core.%p").fixed(), None);
        for (pattern, folder) in [
            ("core", Some("")),
            ("cores/a/core.%p", Some("cores/a")),
            ("%e/core", Some("")),
            ("/tmp/core", None),
        ] {
            assert_eq!(file(pattern).relative_folder(), folder.map(PathBuf::from), "{pattern}");
        }
    }
}

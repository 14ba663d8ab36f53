//! The programs of `testdata/variables`: what they hold when they die is known from their sources.

use std::path::{Path, PathBuf};

use crate::crash::{Built, CoresHere, Crash, CrashError};
use crate::tools;

/// One way of building one of the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    /// The source in `testdata/variables`.
    pub source: &'static str,
    /// The command, without the source and the output.
    pub command: &'static str,
    /// The signal that kills it.
    pub signal: i32,
}

const ABORT: i32 = 6;
const SEGV: i32 = 11;

const fn build(source: &'static str, command: &'static str, signal: i32) -> Build {
    Build { source, command, signal }
}

/// Every build; those of `make test` come first.
pub const BUILDS: &[Build] = &[
    build("values.c", "gcc -g -O0", ABORT),
    build("values.c", "gcc -g -O2", ABORT),
    build("values.c", "clang -g -O2", ABORT),
    build("calls.c", "gcc -g -O2", SEGV),
    build("calls.c", "clang -g -O2", SEGV),
    build("classes.cpp", "g++ -g -O0", ABORT),
    build("classes.cpp", "g++ -g -O0 -gsplit-dwarf", ABORT),
    build("classes.cpp", "g++ -g -O0 -fdebug-types-section", ABORT),
    build("classes.cpp", "clang++ -g -O2", ABORT),
    build("containers.cpp", "g++ -std=c++17 -g -O0", ABORT),
    build("values.rs", "rustc -g -C opt-level=0 --edition 2021", ABORT),
    build("corrupt.cpp", "g++ -std=c++17 -g -O0", ABORT),
    build("values.c", "gcc -g -Og", ABORT),
    build("values.c", "gcc -gdwarf-4 -O0", ABORT),
    build("values.c", "gcc -gdwarf-4 -O2", ABORT),
    build("values.c", "gcc -gdwarf-2 -gno-strict-dwarf -O0", ABORT),
    build("values.c", "gcc -g -O3", ABORT),
    build("values.c", "gcc -g -O2 -flto", ABORT),
    build("values.c", "clang -g -O0", ABORT),
    build("values.c", "clang -g -Og", ABORT),
    build("values.c", "clang -gdwarf-4 -O0", ABORT),
    build("values.c", "clang -g -O0 -gsplit-dwarf", ABORT),
    build("calls.c", "gcc -g -O0", SEGV),
    build("calls.c", "gcc -g -Og", SEGV),
    build("calls.c", "gcc -g -O1", SEGV),
    build("calls.c", "gcc -gdwarf-4 -O2", SEGV),
    build("calls.c", "clang -g -O0", SEGV),
    build("calls.c", "clang -g -Og", SEGV),
    build("classes.cpp", "g++ -g -Og", ABORT),
    build("classes.cpp", "g++ -g -O2", ABORT),
    build("classes.cpp", "clang++ -g -O0", ABORT),
    build("classes.cpp", "clang++ -g -Og", ABORT),
    build("containers.cpp", "g++ -std=c++17 -g -Og", ABORT),
    build("containers.cpp", "clang++ -std=c++17 -g -O0", ABORT),
    build("values.rs", "rustc -g -C opt-level=1 --edition 2021", ABORT),
    build("values.rs", "rustc -g -C opt-level=2 --edition 2021", ABORT),
];

/// How many of them, from the first on, `make test` asks about.
pub const FEW: usize = 12;

impl Build {
    /// Builds it, or takes the build of an earlier call, and lets it crash.
    ///
    /// # Errors
    /// [`CrashError::Unavailable`] where this machine lacks what it takes.
    pub fn crash(&self) -> Result<Crash, CrashError> {
        let tool = self.command.split_whitespace().next().unwrap_or_default();
        if !tools::have(tool) {
            return Err(CrashError::Unavailable(format!("not installed: {tool} (make setup installs it)")));
        }
        let source = folder().join(self.source);
        let words = self.command.split_whitespace().map(Into::into);
        let step = words.chain(["-o".into(), "exe".into(), source.clone().into()]).collect();
        let name = format!("variables-{}", self.source.replace('.', "-"));
        Built::kept(&name, self.signal, &[step], &[source])?.crash(&CoresHere::acquire()?)
    }
}

fn folder() -> PathBuf {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/variables"));
    folder.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

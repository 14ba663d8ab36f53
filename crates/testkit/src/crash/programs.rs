//! The table of crashing programs: how each is built, how it dies, and the story that its core must tell.

use std::path::{Path, PathBuf};

use super::go_programs::GO_PROGRAMS;
use super::test_programs::TEST_PROGRAMS;

/// Marks a word of a build step as a file of `testdata/programs`.
pub(super) const SOURCE_MARK: char = '@';

/// One way of building one program.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name here and in `testdata/README.md`.
    pub name: &'static str,
    /// Commands, run one after the other in an empty folder; `@NAME` is a file of `testdata/programs`.
    pub build: &'static [&'static str],
    /// The file that the build makes.
    pub executable: &'static str,
    /// Arguments that it is run with.
    pub arguments: &'static [&'static str],
    /// The signal that kills it.
    pub signal: i32,
    /// Functions of the crashing thread, innermost first, as the source has it: some of the frames, in this order.
    pub chain: &'static [&'static str],
}

impl Program {
    /// Returns the tools that the build steps call.
    pub fn tools(&self) -> impl Iterator<Item = &'static str> {
        self.build.iter().filter_map(|step| step.split_whitespace().next())
    }

    /// Returns the files of `testdata/programs` that the build steps read.
    pub fn sources(&self) -> impl Iterator<Item = &'static str> {
        self.build
            .iter()
            .flat_map(|step| step.split_whitespace())
            .filter_map(|word| word.strip_prefix(SOURCE_MARK))
    }
}

/// Returns `testdata/programs`.
///
/// # Panics
/// When the repository that this crate was built in is gone.
pub fn sources_folder() -> PathBuf {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/programs"));
    folder.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

/// Returns the program of this name.
///
/// # Panics
/// When there is none.
pub fn program(name: &str) -> &'static Program {
    every_table()
        .find(|program| program.name == name)
        .unwrap_or_else(|| panic!("no program {name:?} in the table"))
}

/// Goes through the tables.
fn every_table() -> impl Iterator<Item = &'static Program> {
    PROGRAMS.iter().chain(GO_PROGRAMS).chain(TEST_PROGRAMS)
}

pub(super) const SIGABRT: i32 = 6;
const SIGSYS: i32 = 31;
const SIGTRAP: i32 = 5;
const SIGFPE: i32 = 8;
pub(super) const SIGSEGV: i32 = 11;

/// The frames of `inlined.c`, two levels of recursion deep.
const INLINED: &[&str] = &["weigh", "weigh_all", "score", "score", "score", "rank", "main"];

/// The frames of `no_frames.c`.
const NO_FRAMES: &[&str] = &["fetch", "weigh", "score", "score", "score", "score", "main"];

/// The frames of `nested_signals.c`.
const NESTED: &[&str] = &["abort", "on_segv", "touch", "on_usr1", "kill", "compute", "main"];

/// A program of one step, without arguments.
const fn plain(
    name: &'static str,
    build: &'static [&'static str],
    signal: i32,
    chain: &'static [&'static str],
) -> Program {
    Program { name, build, executable: "exe", arguments: &[], signal, chain }
}

/// Every program.
pub const PROGRAMS: &[Program] = &[
    Program {
        executable: "dump",
        ..plain("dump", &["gcc -o dump @dump.c"], SIGABRT, &["abort", "give_up", "main"])
    },
    Program {
        executable: "dump",
        ..plain(
            "dump_no_build_id",
            &["gcc -Wl,--build-id=none -o dump @dump.c"],
            SIGABRT,
            &["abort", "give_up", "main"],
        )
    },
    plain("null_deref", &["gcc -g -O0 -o exe @null_deref.c"], SIGSEGV, &["quantity_of", "price_of", "main"]),
    plain("assert", &["gcc -g -O0 -o exe @assert.c"], SIGABRT, &["check_age", "main"]),
    plain(
        "stack_overflow",
        &["gcc -g -O0 -o exe @stack_overflow.c"],
        SIGSEGV,
        &["ping", "pong", "ping", "pong"],
    ),
    plain(
        "deep_recursion",
        &["gcc -g -O0 -o exe @deep_recursion.c"],
        SIGABRT,
        &["abort", "descend", "descend", "descend"],
    ),
    plain("null_call", &["gcc -g -O0 -o exe @null_call.c"], SIGSEGV, &["notify", "main"]),
    plain("breakpoint", &["gcc -g -O1 -o exe @breakpoint.c"], SIGTRAP, &["give_up", "check", "main"]),
    plain("wild_jump", &["gcc -g -O0 -o exe @wild_jump.c"], SIGSEGV, &["dispatch", "main"]),
    plain(
        "signal_handler",
        &["gcc -g -O0 -o exe @signal_handler.c"],
        SIGSEGV,
        &["write_log", "on_usr1", "kill", "compute", "main"],
    ),
    plain("alt_stack", &["gcc -g -O0 -o exe @alt_stack.c"], SIGABRT, &["abort", "on_segv", "touch", "main"]),
    plain("divide", &["gcc -g -O0 -o exe @divide.c"], SIGFPE, &["average", "report", "main"]),
    plain(
        "threads",
        &["gcc -g -O1 -fno-inline -pthread -o exe @threads.c"],
        SIGSEGV,
        &["scribble", "worker"],
    ),
    plain(
        "many_threads",
        &["gcc -g -O0 -pthread -o exe @many_threads.c"],
        SIGABRT,
        &["abort", "settle", "main"],
    ),
    plain("mappings", &["gcc -g -O0 -o exe @mappings.c"], SIGSEGV, &["write_first", "main"]),
    Program {
        arguments: &["ring", "3"],
        ..plain("waits", &["gcc -g -O0 -pthread -o exe @waits.c"], SIGABRT, &["main"])
    },
    plain(
        "filtered",
        &["gcc -g -O0 -pthread -o exe @filtered.c"],
        SIGSYS,
        &["syscall", "ask_parent", "main"],
    ),
    plain(
        "plugin",
        &["gcc -g -O0 -fPIC -shared -o plugin.so @plugin.c", "gcc -g -O0 -o exe @plugin_host.c -ldl"],
        SIGSEGV,
        &["first_word", "plugin_handle", "call_plugin", "main"],
    ),
    plain(
        "big_heap",
        &["gcc -g -O0 -o exe @big_heap.c"],
        SIGSEGV,
        &["sum_of", "sum_of", "sum_of", "tally", "main"],
    ),
    plain("vdso", &["gcc -g -O0 -o exe @vdso.c"], SIGSEGV, &["read_clock", "main"]),
    plain(
        "frame_pointers",
        &[
            "gcc -g -O1 -fno-omit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables -o exe @frame_pointers.c",
            "objcopy --remove-section .debug_frame exe",
        ],
        SIGSEGV,
        &["fetch", "gather", "main"],
    ),
    plain(
        "no_frames",
        &[
            "gcc -O2 -fomit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables -o exe @no_frames.c",
        ],
        SIGSEGV,
        NO_FRAMES,
    ),
    plain(
        "no_frames_clang",
        &[
            "clang -O2 -fomit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables -o exe @no_frames.c",
        ],
        SIGSEGV,
        NO_FRAMES,
    ),
    plain(
        "musl_abort",
        &["musl-gcc -static -O2 -o exe @musl_abort.c"],
        SIGABRT,
        &["raise", "abort", "on_segv", "touch", "worker", "start", "__clone"],
    ),
    plain("musl_nested_signals", &["musl-gcc -static -O2 -o exe @nested_signals.c"], SIGABRT, NESTED),
    plain("musl_nested_signals_dynamic", &["musl-gcc -O2 -o exe @nested_signals.c"], SIGABRT, NESTED),
    plain("generated", &["gcc -g -O0 -o exe @generated.c"], SIGSEGV, &["run", "main"]),
    plain("smashed_return", &["gcc -g -O1 -fno-stack-protector -o exe @smashed_return.c"], SIGSEGV, &[]),
    plain(
        "smashed_stack",
        &["gcc -g -O1 -fno-stack-protector -o exe @smashed_stack.c"],
        SIGSEGV,
        &["copy_name"],
    ),
    plain("libc_fault", &["gcc -g -O0 -o exe @libc_fault.c"], SIGSEGV, &["measure", "main"]),
    plain("callback", &["gcc -g -O0 -o exe @callback.c"], SIGSEGV, &["compare", "sort_words", "main"]),
    plain(
        "secrets",
        &["gcc -g -O0 -pthread -o exe @secrets.c"],
        SIGABRT,
        &["abort", "give_up", "handle", "main"],
    ),
    plain("inlined", &["gcc -g -O2 -o exe @inlined.c"], SIGSEGV, INLINED),
    plain("inlined_dwarf4", &["gcc -gdwarf-4 -O3 -o exe @inlined.c"], SIGSEGV, INLINED),
    plain("inlined_clang", &["clang -g -O2 -o exe @inlined.c"], SIGSEGV, INLINED),
    plain("inlined_no_pie", &["gcc -g -O2 -no-pie -fno-pie -o exe @inlined.c"], SIGSEGV, INLINED),
    plain("inlined_static", &["gcc -g -O2 -static -o exe @inlined.c"], SIGSEGV, INLINED),
    plain("inlined_compressed", &["gcc -g -O2 -gz=zlib -o exe @inlined.c"], SIGSEGV, INLINED),
    plain(
        "inlined_debug_frame",
        &["gcc -g -O2 -fno-asynchronous-unwind-tables -fno-unwind-tables -o exe @inlined.c"],
        SIGSEGV,
        INLINED,
    ),
    plain(
        "mini_debug_frame",
        &[
            "gcc -g -O2 -fno-asynchronous-unwind-tables -fno-unwind-tables -o exe @inlined.c",
            "objcopy --only-keep-debug exe exe.debug",
            "objcopy --strip-debug --keep-section=.debug_frame exe.debug mini",
            "xz mini",
            "strip exe",
            "objcopy --add-section=.gnu_debugdata=mini.xz exe",
            "rm exe.debug",
        ],
        SIGSEGV,
        &["score", "rank", "main"],
    ),
    plain(
        "inlined_debuglink",
        &[
            "gcc -g -O2 -o exe @inlined.c",
            "objcopy --only-keep-debug exe exe.debug",
            "strip exe",
            "objcopy --add-gnu-debuglink=exe.debug exe",
        ],
        SIGSEGV,
        INLINED,
    ),
    plain(
        "inlined_package",
        &[
            "gcc -gdwarf-4 -O2 -gsplit-dwarf -c -o inlined.o @inlined.c",
            "gcc -o exe inlined.o",
            "dwp -e exe -o exe.dwp",
            "rm inlined.o inlined.dwo",
        ],
        SIGSEGV,
        INLINED,
    ),
    plain(
        "inlined_dwz",
        &["gcc -gdwarf-4 -O2 -o exe @inlined.c", "cp exe other", "dwz -m common -M common exe other"],
        SIGSEGV,
        INLINED,
    ),
    plain("inlined_lto", &["gcc -g -O2 -flto -o exe @inlined.c"], SIGSEGV, INLINED),
    plain("inlined_static_pie", &["gcc -g -O2 -static-pie -o exe @inlined.c"], SIGSEGV, INLINED),
    plain("inlined_stripped", &["gcc -g -O2 -o exe @inlined.c", "strip exe"], SIGSEGV, &[]),
    plain(
        "cxx_exception",
        &["g++ -g -O0 -o exe @cxx_exception.cpp"],
        SIGABRT,
        &["abort", "std::terminate", "__cxa_throw", "bank::Account::withdraw", "bank::pay", "main"],
    ),
    plain(
        "cxx_templates",
        &["g++ -g -O2 -o exe @cxx_templates.cpp"],
        SIGSEGV,
        &["operator()", "grid::apply", "grid::Table::sum", "grid::total", "main"],
    ),
    plain(
        "rust_panic",
        &["rustc --edition 2024 -g -C panic=abort -o exe @rust_panic.rs"],
        SIGABRT,
        &["abort", "rust_panic::parse", "rust_panic::main"],
    ),
    plain(
        "rust_unwrap",
        &["rustc --edition 2024 -g -C panic=abort -C opt-level=2 -o exe @rust_unwrap.rs"],
        SIGABRT,
        &["abort", "core::option::unwrap_failed", "rust_unwrap::price_all", "rust_unwrap::main"],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_table_and_the_folder_and_the_readme_agree() {
        let listed: BTreeSet<String> = every_table().flat_map(Program::sources).map(str::to_owned).collect();
        let there: BTreeSet<String> = std::fs::read_dir(sources_folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(listed, there);
        let readme = std::fs::read_to_string(sources_folder().join("../README.md")).unwrap();
        for program in every_table() {
            let row = readme.lines().find(|line| line.starts_with(&format!("| `{}` |", program.name)));
            let row = row.unwrap_or_else(|| panic!("testdata/README.md has no row for {}", program.name));
            for step in program.build {
                let step = step.replace(SOURCE_MARK, "");
                assert!(
                    row.contains(&format!("`{step}`")),
                    "testdata/README.md builds {} otherwise",
                    program.name
                );
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<&str> = every_table().map(|program| program.name).collect();
        assert_eq!(names.len(), every_table().count());
    }
}

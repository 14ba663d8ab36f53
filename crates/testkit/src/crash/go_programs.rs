//! The table of crashing Go programs. They are apart from the others because gdb can't tell their story: it stops, or
//! goes wrong, at the runtime's signal handler. The runtime itself tells it, on standard error.

use super::programs::{Program, SIGABRT};

/// The user's frames of `goroutines.go` without an argument.
const SETTLE: &[&str] = &["weigh", "settle", "settle", "settle", "func2", "each", "main", "main", "goexit"];

const fn go(
    name: &'static str,
    build: &'static [&'static str],
    arguments: &'static [&'static str],
    chain: &'static [&'static str],
) -> Program {
    Program { name, build, executable: "exe", arguments, signal: SIGABRT, chain }
}

/// Every Go program. Names in chains are without package and type.
pub const GO_PROGRAMS: &[Program] = &[
    go("go_nil", &["go build -o exe @goroutines.go"], &[], SETTLE),
    go("go_stripped", &["go build -ldflags=-s -o exe @goroutines.go"], &[], SETTLE),
    go("go_pie", &["go build -buildmode=pie -ldflags=-s -o exe @goroutines.go"], &[], SETTLE),
    go(
        "go_linked_by_gcc",
        &["go build -buildmode=pie -ldflags=-linkmode=external -o exe @goroutines.go", "strip exe"],
        &[],
        SETTLE,
    ),
    go(
        "go_overflow",
        &["go build -o exe @goroutines.go"],
        &["overflow"],
        &["newstack", "morestack", "descend", "descend"],
    ),
    go(
        "go_fatal",
        &["go build -ldflags=-s -o exe @goroutines.go"],
        &["unlock"],
        &["systemstack", "fatalthrow", "Unlock", "release", "main", "main", "goexit"],
    ),
    go(
        "go_cgo",
        &["go build -o exe @cgo.go"],
        &[],
        &[
            "sigpanic",
            "read_through",
            "asmcgocall",
            "cgocall",
            "visit",
            "cgocallback",
            "crosscall2",
            "walk",
            "asmcgocall",
            "start",
            "main",
            "main",
            "goexit",
        ],
    ),
];

//! What is kept of a core explains the crash as the whole core does: in a file, through a pipe, in an output folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use epitaph_testkit::crash::{Crash, program};
use serde_json::{Map, Value};

use crate::fixtures::only_sealed;
use crate::support::{epitaph, folder};

/// Programs that say why they die in memory of several kinds.
const PROGRAMS: [&str; 8] = [
    "assert",
    "waits",
    "cxx_exception",
    "rust_panic",
    "rust_unwrap",
    "null_deref",
    "stack_overflow",
    "signal_handler",
];

/// What `epitaph show` says of why a process died, what its threads waited for, and which test it was.
fn explanation(exe: &Path, core: &Path) -> Value {
    let summary = epitaph().args(["show", "--json", "--exe"]).arg(exe).arg(core).run().code(0).json();
    let mut told: Map<String, Value> = ["cause", "other_causes", "deadlocks", "signature", "test"]
        .into_iter()
        .map(|field| (field.to_owned(), summary[field].clone()))
        .collect();
    let threads = summary["threads"].as_array().unwrap().iter();
    let waits: Vec<Value> = threads
        .map(|thread| [&thread["tid"], &thread["syscall"], &thread["waits_on"]].map(Clone::clone).into())
        .collect();
    told.insert("waits".to_owned(), waits.into());
    told.into()
}

fn slim(crash: &Crash) -> PathBuf {
    let slim = crash.core.with_file_name("slim");
    epitaph().arg("slim").arg(&crash.core).arg("-o").arg(&slim).run().code(0);
    slim
}

fn slim_through_pipe(crash: &Crash) -> PathBuf {
    let slim = crash.core.with_file_name("piped");
    let core = File::open(&crash.core).unwrap();
    let mut cat = Command::new("cat").stdin(core).stdout(Stdio::piped()).spawn().unwrap();
    let from = cat.stdout.take().unwrap();
    epitaph().args(["slim", "-", "-o"]).arg(&slim).stdin(from).run().code(0);
    assert!(cat.wait().unwrap().success());
    slim
}

/// What `collect` keeps, away from the summary that it keeps with it.
fn collected(crash: &Crash) -> PathBuf {
    let out = folder();
    epitaph().args(["collect", "--core", "slim", "--out"]).arg(out.path()).arg(&crash.core).run().code(0);
    let (_, summary) = only_sealed(out.path());
    let alone = crash.core.with_file_name("collected.zst");
    std::fs::copy(out.path().join(summary["core"]["file"].as_str().unwrap()), &alone).unwrap();
    alone
}

#[test]
fn what_is_kept_explains_the_crash() {
    for name in PROGRAMS {
        let Some(crash) = Crash::of_or_skip(program(name)) else { return };
        let whole = explanation(&crash.exe, &crash.core);
        assert!(whole["cause"]["class"].is_string(), "{name}: {whole:#}");
        for (how, kept) in [
            ("slim", slim(&crash)),
            ("slim, through a pipe", slim_through_pipe(&crash)),
            ("collected", collected(&crash)),
        ] {
            let own = explanation(&crash.exe, &kept);
            assert_eq!(own, whole, "{name}, {how}");
        }
    }
}

//! Signatures of real crashes: the same for one bug however it was built, and different for different bugs.

use std::collections::BTreeMap;
use std::sync::Arc;

use epitaph_summary::{Basis, CrashSummary, Rules, Settings, Signature, sign};
use epitaph_symbols::{FileSearch, SearchOptions};
use epitaph_testkit::crash::{Crash, Program, program};
use epitaph_triage::{Options, Silent, triage};

use crate::support::{Nothing, open, summary};

/// Programs, and what is to be said of their signatures.
const PROGRAMS: [(&str, &str); 17] = [
    ("null_deref", "gcc"),
    ("assert", "gcc"),
    ("stack_overflow", "gcc"),
    ("null_call", "gcc"),
    ("wild_jump", "gcc"),
    ("divide", "gcc"),
    ("alt_stack", "gcc"),
    ("threads", "gcc"),
    ("vdso", "gcc"),
    ("big_heap", "gcc"),
    ("libc_fault", "gcc"),
    ("callback", "gcc"),
    ("signal_handler", "gcc"),
    ("inlined", "gcc"),
    ("many_threads", "gcc"),
    ("cxx_exception", "g++"),
    ("cxx_templates", "g++"),
];

/// Builds a program of the table with another compiler and at another level.
fn variant(name: &'static str, compiler: &'static str, level: &str) -> Program {
    let original = program(name);
    let mark = original.build.last().unwrap().split(' ').find(|word| word.starts_with('@')).unwrap();
    let step: &'static str = Box::leak(format!("{compiler} -g {level} -pthread -o exe {mark}").into_boxed_str());
    Program { build: Box::leak(Box::new([step])), ..*original }
}

fn signature(crash: &CrashSummary) -> &Signature {
    crash.signature.as_ref().unwrap()
}

#[test]
fn one_bug_has_one_signature_however_it_was_built() {
    let all = std::env::var_os("EPITAPH_TEST_ALL").is_some();
    let levels: &[&str] = if all { &["-O0", "-O1", "-O2", "-O3"] } else { &["-O0", "-O2"] };
    let files = FileSearch::new(SearchOptions::default());
    for (name, compiler) in PROGRAMS {
        let clang = if compiler == "g++" { "clang++" } else { "clang" };
        for compiler in [compiler, clang] {
            for level in levels {
                let program = variant(name, compiler, level);
                let Ok(crash) = Crash::of(&program) else { println!("{name} {compiler} {level}: none"); continue };
                let summary = summary(&open(&crash.core), &files);
                let signature = signature(&summary);
                println!("{name:16} {compiler:8} {level} {} {:?}", signature.strict.as_ref().unwrap(), signature.frames);
            }
        }
    }
}

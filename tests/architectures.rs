//! Cores of other architectures than this machine's.
//!
//! `testdata/cores` keeps one small core of each, with its executable and gdb's answer. `EPITAPH_TEST_ALL=1` also builds
//! programs with the cross compilers, lets them crash in qemu's user emulation, and asks gdb-multiarch about them anew.

use std::path::Path;

use epitaph_testkit::cross::{CrossCrash, FIXTURES, RECIPES, Recipe, Runner, Target, recipe, target};
use epitaph_testkit::gdb::{self, Difference, Gdb, Oracle, What};
use epitaph_testkit::need_tool;
use serde_json::Value;

use crate::oracle::{shows, stack_of};
use crate::support::{epitaph, repository, test_all};

/// Frames of each thread that are compared.
const DEPTH: usize = 64;
/// How long gdb may take for one core, in seconds.
const PATIENCE: u32 = 20;

/// A difference between our answer and gdb's that is not a mistake of ours, and why. What isn't listed here is one.
struct Excuse {
    applies: fn(&Target, &Difference) -> bool,
    why: &'static str,
}

const EXCUSES: [Excuse; 4] = [
    Excuse {
        applies: |target, difference| {
            target.name == "ppc64le" && [What::Pc, What::Extra].contains(&difference.what)
        },
        why: "gdb is wrong: it knows a signal return by instructions that neither qemu nor today's kernels write, and \
              takes it for a function with a frame",
    },
    Excuse {
        applies: |target, difference| {
            let gdb = difference.gdb.as_ref();
            target.name == "ppc64le" && gdb.is_some_and(|gdb| gdb.pc == 0 && difference.what == What::Missing)
        },
        why: "gdb is wrong: where a stack's chain of frames ends, it shows a frame at address 0",
    },
    Excuse {
        applies: |target, difference| target.name == "s390x" && difference.what == What::Extra,
        why: "gdb is wrong: it gives up at a signal frame of qemu's, whose system call is not where it looks for it",
    },
    Excuse {
        applies: |target, difference| target.name == "aarch64_pac" && difference.what == What::Extra,
        why: "gdb is wrong: without NT_ARM_PAC_MASK, which qemu doesn't write, it gives up; an address tells where its \
              signature is",
    },
];

#[test]
fn a_core_of_each_architecture_tells_its_story() {
    for (target_name, recipe_name) in FIXTURES {
        let folder = repository().join("testdata/cores").join(target_name).join(recipe_name);
        let (target, recipe) = (target(target_name), recipe(recipe_name));
        let answer = epitaph()
            .args(["show", "--json", "--exe"])
            .args([folder.join("exe"), folder.join("core.zst")])
            .run()
            .code(0);
        let summary = answer.json();
        let oracle = std::fs::read(folder.join("gdb.json")).ok();
        let oracle = oracle.map(|json| serde_json::from_slice(&json).unwrap());
        let wrong = disagreements(target, recipe, &summary, oracle.as_ref());
        assert!(wrong.is_empty(), "{}: {}", folder.display(), wrong.join("\n"));
    }
}

/// One test per target, so that each one fails by name.
macro_rules! cross_built {
    ($($target:ident)+) => {
        $(#[test]
        fn $target() {
            if test_all() {
                agree_on(target(stringify!($target)));
            }
        })+
    };
}

cross_built! { aarch64 aarch64_pac arm arm_a32 i386 i386_kernel ppc64le s390x riscv64 }

/// Lets each program crash on `target`, and compares what epitaph and gdb say about it.
fn agree_on(target: &'static Target) {
    need_tool!("gdb-multiarch");
    // Only qemu's own cores hold what a loader and a C library leave behind.
    let fits = |recipe: &&Recipe| recipe.bare || matches!(target.runner, Runner::Qemu(_));
    let mut wrong = Vec::new();
    for recipe in RECIPES.iter().filter(fits) {
        let Some(crash) = CrossCrash::of_or_skip(target, recipe) else { continue };
        let sysroot = target.sysroot();
        let answer = epitaph()
            .args(["show", "--json", "--sysroot"])
            .args([&sysroot, Path::new("--exe"), &crash.exe, &crash.core])
            .run()
            .code(0);
        let gdb = Gdb { program: "gdb-multiarch", sysroot: Some(&sysroot), patience: PATIENCE };
        let oracle = gdb.backtrace(&crash.exe, &crash.core, DEPTH).ok();
        let found = disagreements(target, recipe, &answer.json(), oracle.as_ref());
        wrong.extend(found.into_iter().map(|what| format!("{}: {what}", recipe.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Compares a summary with the source, and with gdb where that gave an answer.
fn disagreements(target: &Target, recipe: &Recipe, summary: &Value, oracle: Option<&Oracle>) -> Vec<String> {
    let mut wrong = Vec::new();
    let crashed = &summary["threads"][0];
    if !shows(&stack_of(crashed), recipe.chain) || crashed["stop"] != "end" {
        wrong.push(format!("the chain {:?} and an end are not in {crashed:#}", recipe.chain));
    }
    wrong.extend(oracle.into_iter().flat_map(|oracle| differences(target, summary, oracle)));
    wrong
}

/// Compares all threads.
fn differences(target: &Target, summary: &Value, oracle: &Oracle) -> Vec<String> {
    let threads = summary["threads"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut found = Vec::new();
    for theirs in &oracle.threads {
        let Some(ours) = threads.iter().find(|thread| thread["tid"] == theirs.tid) else {
            found.push(format!("no thread {}", theirs.tid));
            continue;
        };
        let wrong = gdb::compare(&stack_of(ours), &theirs.stack);
        let wrong = wrong.iter().filter(|difference| excuse(target, difference).is_none());
        found.extend(wrong.map(|difference| format!("thread {} {difference}", theirs.tid)));
    }
    found
}

/// Returns why this difference is not a mistake of ours, if it is known not to be.
fn excuse(target: &Target, difference: &Difference) -> Option<&'static str> {
    let excuse = EXCUSES.iter().find(|excuse| (excuse.applies)(target, difference));
    excuse.map(|excuse| excuse.why)
}

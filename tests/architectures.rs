//! Cores of other architectures than this machine's.
//!
//! `testdata/cores` keeps one small core of each, with its executable and gdb's answer. `EPITAPH_TEST_ALL=1` also builds
//! programs with the cross compilers, lets them crash in qemu's user emulation, and asks gdb-multiarch about them anew.

use std::path::Path;

use epitaph_testkit::cross::{CrossCrash, FIXTURES, RECIPES, Recipe, Runner, Target, recipe, target};
use epitaph_testkit::gdb::{self, Difference, Frame, Gdb, Oracle, What};
use epitaph_testkit::need_tool;
use serde_json::Value;

use crate::agreement::{shows, stack_of};
use crate::support::{epitaph, repository, test_all};

/// Frames of each thread that are compared.
const DEPTH: usize = 64;
/// How long gdb may take for one core, in seconds: on 64-bit Arm it never comes through a signal frame of qemu's.
const PATIENCE: u32 = 10;

/// A difference between our answer and gdb's that is not a mistake of ours, and why. What isn't listed here is one.
struct Excuse {
    applies: fn(&Target, &Difference) -> bool,
    why: &'static str,
}

const EXCUSES: [Excuse; 9] = [
    Excuse {
        applies: |target, difference| target.name == "ppc64le" && gdb_shows(difference, What::Missing, 0),
        why: "gdb is wrong: where a stack's chain of frames ends, it shows a frame at address 0",
    },
    Excuse {
        applies: |target, difference| {
            target.name == "ppc64le" && [What::Pc, What::Extra].contains(&difference.what)
        },
        why: "gdb is wrong: it knows a signal return by instructions that neither qemu nor today's kernels write, and \
              takes it for a function with a frame",
    },
    Excuse {
        applies: |target, difference| {
            let function = difference.gdb.as_ref().and_then(|gdb| gdb.function.as_deref());
            target.name == "ppc64le" && difference.what == What::Line && function == Some("weigh_all")
        },
        why: "gdb is wrong: it names the caller, and a line of the function that was inlined into it; the line table has \
              both for this address",
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
    Excuse {
        applies: |target, difference| target.name.starts_with("arm") && gdb_shows(difference, What::Pc, 0),
        why: "gdb is misled: qemu's signal frame without siginfo lacks the mark that tells its layout from that of \
              before Linux 2.6.18",
    },
    Excuse {
        applies: |target, difference| target.name.starts_with("arm") && difference.what == What::Extra,
        why: "gdb is wrong: where exception tables alone unwind a function, it doesn't use them for one that was interrupted",
    },
    Excuse {
        applies: |_, difference| {
            let (ours, gdb) = (difference.ours.as_ref(), difference.gdb.as_ref());
            let name = |frame: Option<&Frame>| frame.and_then(|frame| frame.function.clone());
            let (Some(ours), Some(gdb)) = (name(ours), name(gdb)) else { return false };
            difference.what == What::Function
                && ours.trim_start_matches('_') == gdb.trim_end_matches("_impl").trim_start_matches('_')
        },
        why: "both right: two symbols of one address",
    },
    Excuse {
        applies: |_, difference| {
            let ours = difference.ours.as_ref();
            difference.what == What::TailCall && ours.is_some_and(|frame| frame.file.is_none())
        },
        why: "we know more: gdb infers tail calls from debug information, which there is none of here",
    },
];

/// Tells whether the difference is of this kind, and gdb has a frame at this address.
fn gdb_shows(difference: &Difference, what: What, pc: u64) -> bool {
    difference.what == what && difference.gdb.as_ref().is_some_and(|gdb| gdb.pc == pc)
}

/// Where a walk can't come to the end of the stack, and why.
const INCOMPLETE: [(&str, &[&str], &str); 3] = [
    (
        "s390x",
        &[
            "bare_unoptimized",
            "bare_tables_unoptimized",
            "null_deref",
            "null_deref_pie",
            "signal_handler",
            "plugin",
        ],
        "a function that calls nothing keeps its caller's registers in floating-point ones, which qemu doesn't write",
    ),
    ("arm", &["threads"], "the exception tables say of a thread's first function that it can't be unwound"),
    ("arm_a32", &["threads"], "as above: the C library is the same"),
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
        let oracle = gdb.backtrace(&crash.exe, &crash.core, DEPTH).ok().filter(|_| recipe.fixed);
        let found = disagreements(target, recipe, &answer.json(), oracle.as_ref());
        wrong.extend(found.into_iter().map(|what| format!("{}: {what}", recipe.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Compares a summary with the source, and with gdb where that gave an answer.
fn disagreements(target: &Target, recipe: &Recipe, summary: &Value, oracle: Option<&Oracle>) -> Vec<String> {
    let mut wrong = Vec::new();
    let crashed = &summary["threads"][0];
    let ends_early =
        INCOMPLETE.iter().any(|(name, recipes, _why)| *name == target.name && recipes.contains(&recipe.name));
    if ends_early {
        if crashed["stop"] != "no_cfi" {
            wrong.push(format!("the stack's end should be out of reach: {crashed:#}"));
        }
    } else if !shows(&stack_of(crashed), recipe.chain) || crashed["stop"] != "end" {
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

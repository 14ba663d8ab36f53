//! Signatures of real crashes: the same for one bug however it was built, and different for different bugs.

use std::collections::BTreeMap;
use std::sync::Arc;

use epitaph_elf::{CompanionWanted, DebugWanted, Locate, Located, Wanted};
use epitaph_summary::{Basis, Cause, Confidence, CrashSummary, Rules, Settings, Signature, sign};
use epitaph_symbols::{FileSearch, SearchOptions};
use epitaph_testkit::crash::{Crash, Program, or_skip, program};
use epitaph_triage::{Options, Silent, triage};

use crate::support::{Nothing, open, summary};

/// Programs that crash alike at every level of optimization.
const PROGRAMS: [&str; 12] = [
    "null_deref",
    "assert",
    "stack_overflow",
    "wild_jump",
    "alt_stack",
    "vdso",
    "libc_fault",
    "callback",
    "signal_handler",
    "inlined",
    "cxx_exception",
    "cxx_templates",
];

/// Where a compiler moves the access that faults out of an inlined function, and its debug information doesn't say so: the
/// function is missing in the stack (gdb doesn't have it either).
const LOST: [(&str, &str, &str); 2] = [("null_deref", "gcc", "-O1"), ("inlined", "clang", "-O3")];

/// Builds a program of the table in another way.
fn variant(name: &str, compiler: &str, flags: &str) -> Program {
    let original = program(name);
    let source = original.build.last().unwrap().split(' ').find(|word| word.starts_with('@')).unwrap();
    let compiler = match (compiler, source.contains("cxx_")) {
        ("gcc", true) => "g++",
        ("clang", true) => "clang++",
        _ => compiler,
    };
    let step: &'static str = format!("{compiler} {flags} -pthread -o exe {source}").leak();
    Program { build: vec![step].leak(), ..*original }
}

/// What a triage says of a crash; that a stack was full is given, since here only the signature is tested.
fn told(crash: &Crash, files: &dyn Locate) -> CrashSummary {
    let mut summary = summary(&open(&crash.core), files);
    let repeats = &summary.crashing_thread().unwrap().repeats;
    if repeats.iter().any(|repeat| repeat.count > 10_000) {
        summary.cause = Some(Cause::new("stack_overflow", Confidence::High, ""));
        summary.signature = sign(&summary, &Rules::default());
    }
    summary
}

fn signature(crash: &CrashSummary) -> &Signature {
    crash.signature.as_ref().unwrap()
}

fn strict(crash: &CrashSummary) -> (Option<String>, Vec<String>) {
    (signature(crash).strict.clone(), signature(crash).frames.clone())
}

fn files() -> FileSearch<'static> {
    FileSearch::new(SearchOptions::default())
}

#[test]
fn one_bug_has_one_signature_however_it_was_built() {
    let all = std::env::var_os("EPITAPH_TEST_ALL").is_some();
    let mut ways: Vec<(&str, &str)> = vec![("gcc", "-O0"), ("clang", "-O2")];
    if all {
        ways = ["gcc", "clang"]
            .into_iter()
            .flat_map(|compiler| ["-O0", "-O1", "-O2", "-O3"].map(|level| (compiler, level)))
            .collect();
    }
    let mut known: BTreeMap<Option<String>, &str> = BTreeMap::new();
    for name in PROGRAMS {
        let mut first = None;
        for (compiler, level) in &ways {
            let Some(crash) = or_skip(Crash::of(&variant(name, compiler, &format!("-g {level}")))) else {
                return;
            };
            let summary = told(&crash, &files());
            if LOST.contains(&(name, compiler, level)) {
                continue;
            }
            assert_eq!(signature(&summary).basis, Some(Basis::Dwarf));
            let first = first.get_or_insert_with(|| strict(&summary)).clone();
            assert_eq!(strict(&summary), first, "{name} {compiler} {level}");
        }
        let (strict, frames) = first.unwrap();
        if let Some(other) = known.insert(strict, name) {
            panic!("{name} and {other} are told to be the same: {frames:?}");
        }
    }
}

/// Finds files, but none with debug information apart: distributions' libraries have only that.
struct NoDebugFiles(FileSearch<'static>);

impl Locate for NoDebugFiles {
    fn image(&self, wanted: &Wanted<'_>) -> Located {
        self.0.image(wanted)
    }

    fn debug(&self, _: &DebugWanted<'_>) -> Located {
        Located::Missing { tried: Vec::new() }
    }

    fn companion(&self, wanted: &CompanionWanted<'_>) -> Located {
        self.0.companion(wanted)
    }
}

#[test]
fn what_is_known_of_libraries_and_what_a_build_moves_changes_nothing() {
    for name in ["assert", "libc_fault", "callback", "cxx_exception"] {
        let Some(crash) = or_skip(Crash::of(&variant(name, "gcc", "-g -O2"))) else { return };
        let usual = summary(&open(&crash.core), &files());
        let bare = summary(&open(&crash.core), &NoDebugFiles(files()));
        assert_eq!(strict(&bare), strict(&usual), "{name}: without the libraries' debug information");
        assert_eq!(signature(&bare).exact, signature(&usual).exact);
        let Some(again) = or_skip(Crash::of(&variant(name, "gcc", "-g -O2 -falign-functions=256"))) else {
            return;
        };
        let again = summary(&open(&again.core), &files());
        assert_eq!(strict(&again), strict(&usual), "{name}: at other addresses");
        assert_ne!(signature(&again).exact, signature(&usual).exact, "{name}");
    }
}

#[test]
fn builds_without_debug_information_are_compared_by_machine_frames() {
    for name in ["inlined", "cxx_templates"] {
        let Some(whole) = or_skip(Crash::of(&variant(name, "gcc", "-g -O1"))) else { return };
        let Some(plain) = or_skip(Crash::of(&variant(name, "gcc", "-O1"))) else { return };
        let (whole, plain) = (told(&whole, &files()), told(&plain, &files()));
        assert_eq!(signature(&plain).phys, signature(&whole).phys, "{name}: {:?}", strict(&plain));
        assert_eq!(
            (signature(&whole).basis, signature(&plain).basis),
            (Some(Basis::Dwarf), Some(Basis::Symtab))
        );
    }
}

#[test]
fn without_any_names_addresses_tell_crashes_apart() {
    let crashes = ["null_deref", "callback"].map(|name| Crash::of_or_skip(program(name)));
    let [Some(one), Some(other)] = crashes else { return };
    let [one, other] = [one, other].map(|crash| summary(&open(&crash.core), &Nothing));
    assert_eq!(
        (signature(&one).basis, signature(&other).basis),
        (Some(Basis::Address), Some(Basis::Address))
    );
    assert_ne!(signature(&one).strict, signature(&other).strict);
    assert!(signature(&one).frames[1].starts_with("exe+0x"), "{:?}", signature(&one).frames);
}

#[test]
fn how_much_is_shown_changes_no_signature() {
    for name in ["deep_recursion", "many_threads"] {
        let Some(crash) = Crash::of_or_skip(program(name)) else { return };
        let core = open(&crash.core);
        let run = |options: &Options| triage(core.process(), &core, &files(), options, &mut Silent).summary;
        let usual = run(&Options::default());
        assert_eq!(signature(&usual).rules.as_deref(), Some("builtin-2"));
        for (inner_frames, outer_frames, crashed_thread_only) in [(0, 0, false), (3, 1, false), (1, 0, true)]
        {
            let options = Options { inner_frames, outer_frames, crashed_thread_only, ..Options::default() };
            assert_eq!(run(&options).signature, usual.signature, "{name}: {inner_frames}");
        }
        // A summary that was kept can be signed anew.
        assert_eq!(sign(&usual, &Rules::default()), usual.signature, "{name}");
    }
}

#[test]
fn a_projects_rules_say_where_the_story_begins() {
    let Some(crash) = Crash::of_or_skip(program("cxx_exception")) else { return };
    let core = open(&crash.core);
    let settings = Settings::parse("[frames]\ncut = [\"bank::Account::withdraw\"]").unwrap();
    let options = Options { rules: Arc::new(Rules::with(settings)), ..Options::default() };
    let cut = triage(core.process(), &core, &files(), &options, &mut Silent).summary;
    assert_eq!(signature(&cut).frames[1], "bank::pay");
    let blamed = cut.blamed_frame(cut.crashing_thread().unwrap()).unwrap();
    assert!(blamed.function.as_ref().unwrap().starts_with("bank::pay"), "{blamed:?}");
    assert!(signature(&cut).rules.as_ref().unwrap().starts_with("builtin-2+"));
}

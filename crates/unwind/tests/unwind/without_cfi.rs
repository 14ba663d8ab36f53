//! Real crashes in code without CFI, stripped, generated, or not there at all.

use std::path::Path;
use std::sync::Arc;

use epitaph_elf::{Bytes, CompanionWanted, DebugWanted, Locate, Located, Object, SymbolTable, Wanted};
use epitaph_testkit::crash::{Crash, Program, program};
use epitaph_unwind::{Stop, Trust};

use crate::support::{RecordedPaths, Walk, open, walk};

/// The files of this machine, but for those of one name: this is not the machine that the core is from.
struct Without(&'static str);

impl Locate for Without {
    fn image(&self, wanted: &Wanted<'_>) -> Located {
        let name = wanted.module.name();
        if name.starts_with(self.0) {
            Located::Missing { tried: Vec::new() }
        } else {
            RecordedPaths.image(wanted)
        }
    }

    fn debug(&self, wanted: &DebugWanted<'_>) -> Located {
        RecordedPaths.debug(wanted)
    }

    fn companion(&self, wanted: &CompanionWanted<'_>) -> Located {
        RecordedPaths.companion(wanted)
    }
}

/// The symbols of a program at a fixed address, or loaded at `bias`.
struct Names(Vec<(u64, u64, String)>);

impl Names {
    fn of(exe: &Path, bias: u64) -> Names {
        let object = Object::parse(Bytes::from(std::fs::read(exe).unwrap())).unwrap();
        let symbols = object.symbols(SymbolTable::Static);
        let named = symbols.map(|symbol| {
            let name = String::from_utf8_lossy(symbol.name()).into_owned();
            (symbol.address + bias, symbol.address + bias + symbol.size, name)
        });
        Names(named.collect())
    }

    /// Names the frames that are in one of these functions, with the trust of each.
    fn among<'n>(&'n self, walk: &Walk, functions: &[&str]) -> Vec<(&'n str, Trust)> {
        let frames = walk.frames.iter().filter_map(|(frame, _)| {
            let lookup = frame.address.lookup();
            let here = |(start, end, _): &&(u64, u64, String)| (*start..*end).contains(&lookup);
            let (_, _, name) =
                self.0.iter().filter(here).find(|(_, _, name)| functions.contains(&name.as_str()))?;
            Some((name.as_str(), frame.trust))
        });
        frames.collect()
    }
}

fn bias(crash: &Crash, main: &str) -> u64 {
    let core = open(&crash.core);
    let process = core.process();
    let start =
        process.mappings.iter().find(|mapping| mapping.path.to_string_lossy().ends_with(main)).unwrap();
    start.start - start.offset
}

#[test]
fn code_without_cfi_and_frame_pointers_is_left_as_it_says() {
    for name in ["no_frames", "no_frames_clang"] {
        let Some(crash) = Crash::of_or_skip(program(name)) else { return };
        let walk = walk(&open(&crash.core), &RecordedPaths);
        let trusts: Vec<Trust> = walk.frames.iter().map(|(frame, _)| frame.trust).collect();
        assert_eq!(
            trusts[..7],
            [[Trust::Context].as_slice(), &[Trust::Prologue; 6]].concat(),
            "{name}: {walk:x?}"
        );
        assert_eq!(walk.stop, Stop::End, "{name}");
    }
}

/// Nothing tells where functions start but the calls that lead to them.
#[test]
fn a_stripped_static_program_without_cfi_is_walked_to_its_first_frame() {
    let stripped = Program {
        name: "musl_abort_stripped",
        build: &["musl-gcc -static -O2 -o whole @musl_abort.c", "strip -o exe whole"],
        ..*program("musl_abort")
    };
    let Some(crash) = Crash::of_or_skip(&stripped) else { return };
    let walk = walk(&open(&crash.core), &RecordedPaths);
    let chain = ["raise", "abort", "on_segv", "touch", "worker", "start"];
    let names = Names::of(&crash.exe.with_file_name("whole"), 0);
    let found = names.among(&walk, &chain);
    let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, chain, "{walk:x?}");
    assert!(found.iter().all(|(_, trust)| *trust < Trust::FramePointer), "{found:?}");
}

/// Beyond main is the shared C library, stripped and without CFI; it was jumped to by the program's entry.
#[test]
fn a_walk_through_a_stripped_shared_library_without_cfi_ends_at_the_entry() {
    let builds: [&[&str]; 2] =
        [&["musl-gcc -O2 -o exe @nested_signals.c"], &["musl-gcc -O2 -s -o exe @nested_signals.c"]];
    for build in builds {
        let nested = Program { build, ..*program("musl_nested_signals_dynamic") };
        let Some(crash) = Crash::of_or_skip(&nested) else { return };
        let walk = walk(&open(&crash.core), &RecordedPaths);
        assert_eq!(walk.stop, Stop::End, "{walk:x?}");
        assert!(walk.frames.iter().all(|(frame, _)| frame.trust < Trust::FramePointer), "{walk:x?}");
        let signals = walk.frames.iter().filter(|(frame, _)| frame.signal_trampoline).count();
        assert_eq!(signals, 2, "{walk:x?}");
    }
}

#[test]
fn generated_code_is_left_as_it_says() {
    let Some(crash) = Crash::of_or_skip(program("generated")) else { return };
    let walk = walk(&open(&crash.core), &RecordedPaths);
    let trusts: Vec<Trust> = walk.frames.iter().map(|(frame, _)| frame.trust).collect();
    assert_eq!(trusts[..3], [Trust::Context, Trust::Prologue, Trust::Cfi]);
    assert_eq!(walk.stop, Stop::End);
}

#[test]
fn where_a_return_led_astray_the_walk_ends_and_says_so() {
    let Some(crash) = Crash::of_or_skip(program("smashed_return")) else { return };
    let walk = walk(&open(&crash.core), &RecordedPaths);
    assert_eq!(walk.pcs(), [0x4141_4141_4141]);
    assert_eq!(walk.stop, Stop::BadReturnAddress { found: 0x4141_4141_4141 });
}

/// The C library is not on this machine: a frame of ours beyond it is found by the call that led there, and marked.
#[test]
fn frames_beyond_a_missing_library_are_found_by_the_call_and_marked() {
    for (name, chain) in
        [("libc_fault", &["measure", "main"][..]), ("callback", &["compare", "sort_words", "main"][..])]
    {
        let Some(crash) = Crash::of_or_skip(program(name)) else { return };
        let walk = walk(&open(&crash.core), &Without("libc.so"));
        let names = Names::of(&crash.exe, bias(&crash, "/exe"));
        let found = names.among(&walk, chain);
        let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, chain, "{name}: {walk:x?}");
        let beyond = walk.frames.iter().skip_while(|(frame, _)| frame.trust <= Trust::Cfi);
        let guess = beyond.clone().next().map(|(frame, _)| frame.trust);
        assert!(matches!(guess, Some(Trust::CallScan | Trust::FramePointer)), "{name}: {guess:?} {walk:x?}");
    }
}

/// Nothing of the program is on this machine: what is said is marked, and there is little of it.
#[test]
fn without_any_file_nothing_is_claimed() {
    let Some(crash) = Crash::of_or_skip(program("no_frames")) else { return };
    let bytes = std::fs::read(&crash.core).unwrap();
    let core = epitaph_elf::CoreFile::open(Arc::new(bytes)).unwrap();
    let walk = walk(&core, &Without(""));
    assert!(walk.frames[1..].iter().all(|(frame, _)| frame.trust >= Trust::FramePointer), "{walk:x?}");
    assert!(walk.frames.len() <= 3, "{walk:x?}");
    assert_ne!(walk.stop, Stop::End);
}

//! One program, built in every way that puts its debug information somewhere else: the same frames each time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use epitaph_elf::{LoadedModules, Module};
use epitaph_symbols::{FileSearch, Problem, SearchOptions, SourceFrame, Symbolizer};
use epitaph_testkit::scratch::Scratch;
use epitaph_testkit::{need_tool, skip, tools};

use crate::support::{BASE, Given, core_of, functions, object, symbolize};

/// Two units that share a type; calls that are inlined two levels deep; a part that is split off (cold); functions
/// that nobody calls, and two that a linker may fold into one.
const FIRST: &str = r"
    struct load { int weight; struct load *next; };
    int shared(int n);
    extern void give_up(void) __attribute__((cold, noreturn));
    static inline int weigh(const struct load *l) { if (l->weight > 1000) give_up(); return shared(l->weight) * 3; }
    static inline int weigh_all(const struct load *l) { int n = 0; for (; l; l = l->next) n += weigh(l); return n; }
    int score(const struct load *l) { return weigh_all(l) + weigh(l->next); }
    int unused(int n) { return shared(n) + shared(n + 1); }
    int rank(const struct load *l) { return score(l) % 7; }
    void _start(void) { rank(0); }
";
const SECOND: &str = r"
    struct load { int weight; struct load *next; };
    extern void (*hook)(int);
    static int twice(int n) { return n + n; }
    int shared(int n) { hook(n); return twice(n) ^ 5; }
    int weight_of(const struct load *l) { return twice(l->weight); }
    void give_up(void) { hook(-1); __builtin_trap(); }
    void (*hook)(int);
";
/// The functions that every build has.
const FUNCTIONS: [&str; 4] = ["score", "rank", "shared", "give_up"];

/// A way to build the program.
struct Way {
    name: &'static str,
    /// What `OPTIONS` stands for in the steps.
    options: &'static str,
    /// Commands, run in a folder `DIR`; `HOME` is the folder in it for what they make, `CC` the compiler.
    steps: Vec<&'static str>,
    /// A section that the file, or the one that tells where the functions are, must have for the way to have been
    /// gone.
    proof: Option<&'static str>,
}

impl Way {
    fn with(self, section: &'static str) -> Way {
        Way { proof: Some(section), ..self }
    }
}

const COMPILE: &str = "CC -g -O2 -fPIC OPTIONS -c -o HOME/first.o first.c";
const COMPILE_SECOND: &str = "CC -g -O2 -fPIC OPTIONS -c -o HOME/second.o second.c";
const LINK: &str = "CC -shared -nostdlib OPTIONS -o HOME/lib.so HOME/first.o HOME/second.o";
/// As it is linked.
const AS_LINKED: [&str; 3] = [COMPILE, COMPILE_SECOND, LINK];
/// The file that tells where the functions are, where `lib.so` doesn't any more.
const UNSTRIPPED: &str = "unstripped.so";

fn way(name: &'static str, options: &'static str) -> Way {
    then(name, options, &AS_LINKED)
}

fn then(name: &'static str, options: &'static str, steps: &[&'static str]) -> Way {
    Way { name, options, steps: steps.to_vec(), proof: None }
}

/// The frames at each address of the functions, by function and offset.
type Frames = BTreeMap<(String, u64), Vec<(Option<String>, Option<String>, Option<u32>, bool)>>;

struct Built {
    frames: Frames,
    problems: Vec<Problem>,
}

/// Builds the program in one way; `None` if this machine's tools can't.
fn build(scratch: &Scratch, compiler: &str, way: &Way) -> Option<String> {
    let home = format!("{compiler}-{}", way.name);
    scratch.write("first.c", FIRST);
    scratch.write("second.c", SECOND);
    std::fs::create_dir_all(scratch.path(&home)).unwrap();
    for step in &way.steps {
        let tool = step.split(' ').next().unwrap();
        if tool != "CC" && !tools::have_or_skip(&[tool]) {
            return None;
        }
        let folder = scratch.folder().display().to_string();
        let step = step.replace("OPTIONS", way.options).replace("CC", compiler);
        let step = step.replace("HOME", &home).replace("DIR", &folder);
        if let Err(said) = scratch.try_run(&step) {
            skip::skipped(&format!("{compiler} {}: {step}: {said}", way.name));
            return None;
        }
    }
    if let Some(section) = way.proof {
        let files = ["lib.so", UNSTRIPPED].map(|name| std::fs::read(scratch.path(&format!("{home}/{name}"))));
        let has = files.iter().flatten().any(|file| object(file).sections_named(section).next().is_some());
        assert!(has, "{compiler} {}: no {section}", way.name);
    }
    Some(home)
}

fn ask(scratch: &Scratch, home: &str, options: SearchOptions<'_>) -> Built {
    let image = scratch.path(&format!("{home}/lib.so"));
    let file = std::fs::read(&image).unwrap();
    let unstripped = scratch.path(&format!("{home}/{UNSTRIPPED}"));
    let functions = functions(&std::fs::read(unstripped).unwrap_or_else(|_| file.clone()));
    let mut wanted = BTreeMap::new();
    for name in FUNCTIONS {
        let (start, size) = *functions.get(name).unwrap_or_else(|| panic!("{home}: {functions:?}"));
        wanted.extend((0..size).map(|offset| (start + offset, (name.to_owned(), offset))));
    }
    let core = core_of(&file, &image, true);
    let search = FileSearch::new(options);
    let loaded = LoadedModules::new(Module::all(core.process(), &core), core.process().arch, &search);
    let lookups: BTreeSet<u64> = wanted.keys().map(|address| BASE + address).collect();
    let (frames, problems) = Symbolizer::new(&loaded).symbolize(0, &lookups);
    let frames = wanted
        .into_iter()
        .map(|(address, place)| {
            let frames = frames.get(&(BASE + address)).map(Vec::as_slice).unwrap_or_default();
            let told = |frame: &SourceFrame| {
                let file = frame.file.as_deref().map(|file| Path::new(file).file_name().unwrap().to_owned());
                let file = file.map(|file| file.into_string().unwrap());
                (frame.function.clone(), file, frame.line, frame.inlined)
            };
            (place, frames.iter().map(told).collect())
        })
        .collect();
    Built { frames, problems }
}

fn options(scratch: &Scratch) -> SearchOptions<'static> {
    SearchOptions { debug_dirs: vec![scratch.path("debug")], ..SearchOptions::default() }
}

/// Requires the same frames of each way as of the first.
fn same(compiler: &str, plain: &Way, ways: &[Way]) {
    if !tools::have_or_skip(&[compiler]) {
        return;
    }
    let scratch = Scratch::new();
    let home = build(&scratch, compiler, plain).expect("the plain build");
    let expected = ask(&scratch, &home, options(&scratch));
    assert_eq!(expected.problems, []);
    assert!(expected.frames.values().any(|frames| frames.len() == 3), "nothing was inlined twice");
    assert!(expected.frames.values().all(|frames| !frames.is_empty() && frames[0].2 != Some(0)));
    for way in ways {
        let Some(home) = build(&scratch, compiler, way) else { continue };
        let got = ask(&scratch, &home, options(&scratch));
        assert_eq!(got.problems, [], "{compiler} {}", way.name);
        assert_eq!(got.frames.len(), expected.frames.len(), "{compiler} {}: other code", way.name);
        for (place, frames) in &expected.frames {
            assert_eq!(got.frames.get(place), Some(frames), "{compiler} {} {place:?}", way.name);
        }
    }
}

const DWO: &str = "rm HOME/first.dwo HOME/second.dwo";

#[test]
fn gcc_and_its_sections() {
    let packed = |codec| [COMPILE, COMPILE_SECOND, LINK, codec];
    let ways = [
        way("dwarf2", "-gdwarf-2"),
        way("dwarf3", "-gdwarf-3 -gstrict-dwarf"),
        way("dwarf4", "-gdwarf-4"),
        way("dwarf64", "-gdwarf64"),
        way("types4", "-gdwarf-4 -fdebug-types-section").with(".debug_types"),
        way("types5", "-gdwarf-5 -fdebug-types-section"),
        way("zlib", "-gz=zlib"),
        then("zstd", "", &packed("objcopy --compress-debug-sections=zstd HOME/lib.so")),
        then("zdebug", "", &packed("objcopy --compress-debug-sections=zlib-gnu HOME/lib.so"))
            .with(".zdebug_info"),
    ];
    same("gcc", &way("plain", "-gdwarf-5"), &ways);
}

#[test]
fn gcc_and_split_debug_information() {
    let package = [COMPILE, COMPILE_SECOND, LINK, "dwp -e HOME/lib.so -o HOME/lib.so.dwp", DWO];
    let debug = [
        COMPILE,
        COMPILE_SECOND,
        LINK,
        "cp HOME/lib.so HOME/unstripped.so",
        "objcopy --only-keep-debug HOME/lib.so HOME/lib.so.debug",
        "strip HOME/lib.so",
        "objcopy --add-gnu-debuglink=HOME/lib.so.debug HOME/lib.so",
    ];
    let ways = [
        way("split4", "-gdwarf-4 -gsplit-dwarf"),
        way("split5", "-gdwarf-5 -gsplit-dwarf"),
        way("split4_types", "-gdwarf-4 -gsplit-dwarf -fdebug-types-section"),
        way("split5_types", "-gdwarf-5 -gsplit-dwarf -fdebug-types-section"),
        way("split_zlib", "-gsplit-dwarf -gz=zlib"),
        then("package", "-gdwarf-4 -gsplit-dwarf", &package),
        then("package_types", "-gdwarf-4 -gsplit-dwarf -fdebug-types-section", &package),
        then("split_debuglink", "-gsplit-dwarf", &debug),
    ];
    same("gcc", &way("plain", "-gdwarf-5"), &ways);
}

#[test]
fn clang_and_split_debug_information() {
    let package = [COMPILE, COMPILE_SECOND, LINK, "llvm-dwp -e HOME/lib.so -o HOME/lib.so.dwp", DWO];
    let gnu_package = [COMPILE, COMPILE_SECOND, LINK, "dwp -e HOME/lib.so -o HOME/lib.so.dwp", DWO];
    let ways = [
        way("dwarf4", "-gdwarf-4"),
        way("dwarf64", "-gdwarf64"),
        way("types", "-fdebug-types-section"),
        way("aranges", "-gdwarf-aranges"),
        way("split4", "-gdwarf-4 -gsplit-dwarf"),
        way("split5", "-gdwarf-5 -gsplit-dwarf"),
        way("split5_types", "-gdwarf-5 -gsplit-dwarf -fdebug-types-section"),
        way("split5_inlining", "-gdwarf-5 -gsplit-dwarf -fsplit-dwarf-inlining"),
        // Without files of their own: the split part is in the object files, so that only these can be asked.
        then("package4", "-gdwarf-4 -gsplit-dwarf", &gnu_package),
        then("package5", "-gdwarf-5 -gsplit-dwarf", &package),
        then("package5_types", "-gdwarf-5 -gsplit-dwarf -fdebug-types-section", &package),
    ];
    same("clang", &way("plain", "-gdwarf-5"), &ways);
}

#[test]
fn what_dwz_takes_out() {
    let copy = "cp HOME/lib.so HOME/other.so";
    let one = [COMPILE, COMPILE_SECOND, LINK, "dwz HOME/lib.so"];
    let common = [COMPILE, COMPILE_SECOND, LINK, copy, "dwz -m DIR/HOME/common HOME/lib.so HOME/other.so"];
    let relative =
        [COMPILE, COMPILE_SECOND, LINK, copy, "dwz -r -m DIR/HOME/common HOME/lib.so HOME/other.so"];
    let sup =
        [COMPILE, COMPILE_SECOND, LINK, copy, "dwz --dwarf-5 -m DIR/HOME/common HOME/lib.so HOME/other.so"];
    let debug = [
        COMPILE,
        COMPILE_SECOND,
        LINK,
        copy,
        "cp HOME/lib.so HOME/unstripped.so",
        "dwz -r -m DIR/HOME/common HOME/lib.so HOME/other.so",
        "objcopy --only-keep-debug HOME/lib.so HOME/lib.so.debug",
        "strip HOME/lib.so",
        "objcopy --add-gnu-debuglink=HOME/lib.so.debug HOME/lib.so",
    ];
    let ways = [
        then("dwz4", "-gdwarf-4", &one),
        then("dwz5", "-gdwarf-5", &one),
        then("common4", "-gdwarf-4", &common).with(".gnu_debugaltlink"),
        then("common5", "-gdwarf-5", &common).with(".gnu_debugaltlink"),
        then("common_relative", "-gdwarf-4", &relative).with(".gnu_debugaltlink"),
        then("sup", "-gdwarf-5", &sup).with(".debug_sup"),
        then("common_types", "-gdwarf-4 -fdebug-types-section", &common).with(".gnu_debugaltlink"),
        then("common_debuglink", "-gdwarf-4", &debug),
    ];
    same("gcc", &way("plain", "-gdwarf-5"), &ways);
}

/// Layouts of other linkers; addresses that are not what they are in the file; functions that were thrown away, whose
/// debug information stays behind.
#[test]
fn linkers_and_layouts() {
    let sections = "-ffunction-sections -Wl,--gc-sections,-u,rank,-u,shared";
    let prelinked = "-Wl,-Ttext-segment=0x41000000";
    let rebased = [COMPILE, COMPILE_SECOND, LINK, "objcopy --change-section-address .text+0 HOME/lib.so"];
    let ways = [
        way("bfd", "-fuse-ld=bfd"),
        way("gold", "-fuse-ld=gold"),
        way("lld", "-fuse-ld=lld"),
        way("mold", "-fuse-ld=mold"),
        way("prelinked", prelinked),
        way("one_segment", "-Wl,-z,noseparate-code"),
        way("gold_sections", "-fuse-ld=gold -ffunction-sections -Wl,--gc-sections"),
        way("lld_sections", "-fuse-ld=lld -ffunction-sections -Wl,--gc-sections"),
        way("gold_icf", "-fuse-ld=gold -ffunction-sections -Wl,--icf=all"),
        way("lld_icf", "-fuse-ld=lld -ffunction-sections -Wl,--icf=all"),
        way("mold_icf", "-fuse-ld=mold -ffunction-sections -Wl,--icf=all"),
        way("sections", sections),
        then("objcopied", "", &rebased),
    ];
    same("gcc", &way("plain", ""), &ways);
}

/// Executables, with and without a fixed address; what they don't need is thrown away.
#[test]
fn executables() {
    const PIE: &str = "CC -nostdlib OPTIONS -o HOME/lib.so HOME/first.o HOME/second.o";
    let link = [COMPILE, COMPILE_SECOND, PIE];
    let plain = then("plain", "", &link);
    let ways = [
        then("pie", "-pie", &link),
        then("no_pie", "-no-pie", &link),
        then("static", "-static", &link),
        then("static_pie", "-static-pie", &link),
        then("gc", "-no-pie -ffunction-sections -Wl,--gc-sections", &link),
        then("gc_low", "-static-pie -ffunction-sections -Wl,--gc-sections -Wl,-z,noseparate-code", &link),
        then("lld_gc", "-fuse-ld=lld -ffunction-sections -Wl,--gc-sections", &link),
    ];
    same("gcc", &plain, &ways);
}

/// Of two functions that a linker made one, the same one is named each time, with its own file and line.
#[test]
fn functions_folded_into_one_are_one_of_them() {
    const BODY: &str = "(int n) { return n * 7 + n / 3; }";
    need_tool!("gcc", "ld.lld");
    let scratch = Scratch::new();
    scratch.write("one.c", format!("\nint one{BODY}\n"));
    scratch.write("two.c", format!("\n\nint two{BODY}\nvoid _start(void) {{}}\n"));
    scratch.run(
        "gcc -g -O2 -static -nostdlib -fuse-ld=lld -ffunction-sections -Wl,--icf=all -o lib.so one.c two.c",
    );
    let file = scratch.read("lib.so");
    let functions = functions(&file);
    let (start, size) = functions["one"];
    assert_eq!(functions["two"].0, start, "they were not folded");
    let core = core_of(&file, scratch.path("lib.so"), true);
    let all: BTreeSet<u64> = (start..start + size).collect();
    let (frames, problems) = symbolize(&core, &Given::image(file.clone()), &all);
    assert_eq!((frames.len(), problems), (all.len(), Vec::new()));
    let name = frames[&start][0].function.clone();
    let place = match name.as_deref() {
        Some("one") => ("one.c", 2),
        Some("two") => ("two.c", 3),
        other => panic!("{other:?}"),
    };
    for (address, frames) in &frames {
        let frame = &frames[0];
        assert_eq!(frame.function, name, "{address:#x}");
        assert!(frame.file.as_ref().is_some_and(|file| file.ends_with(place.0)), "{address:#x} {frame:?}");
        assert_eq!(frame.line, Some(place.1), "{address:#x}");
        let (alone, _) = symbolize(&core, &Given::image(file.clone()), &BTreeSet::from([*address]));
        assert_eq!(alone.get(address), Some(frames), "{address:#x}");
    }
}

//! The files that debug information continues in: where they are looked for, and what is said where they are missing,
//! broken or others.

use std::collections::{BTreeMap, BTreeSet};

use epitaph_elf::{LoadedModules, Module};
use epitaph_symbols::{FileSearch, Problem, SearchOptions, SourceFrame, Symbolizer};
use epitaph_testkit::need_tool;
use epitaph_testkit::scratch::Scratch;

use crate::support::{BASE, core_of, functions};

const SOURCE: &str = r"
    static inline int weigh(const volatile int *p) { return p[0] ? p[1] * p[2] : p[3]; }
    int score(const volatile int *p) { return weigh(p) ^ weigh(p + 4); }
";

/// Builds `obj/a.o` (and what comes with it) and `bin/lib.so`.
fn build(scratch: &Scratch, options: &str, source: &str) {
    scratch.write("a.c", source);
    scratch.run("mkdir -p obj bin");
    scratch.run(&format!("gcc -g -O2 -fPIC {options} -c -o obj/a.o a.c"));
    scratch.run("gcc -shared -nostdlib -o bin/lib.so obj/a.o");
}

fn ask(scratch: &Scratch, options: SearchOptions<'_>) -> (BTreeMap<u64, Vec<SourceFrame>>, Vec<Problem>) {
    let image = scratch.path("bin/lib.so");
    let file = std::fs::read(&image).unwrap();
    let (start, size) = functions(&file)["score"];
    let core = core_of(&file, &image, true);
    let options = SearchOptions { executable: Some(image), ..options };
    let search = FileSearch::new(options);
    let loaded = LoadedModules::new(Module::all(core.process(), &core), core.process().arch, &search);
    let lookups: BTreeSet<u64> = (start..start + size).map(|address| BASE + address).collect();
    Symbolizer::new(&loaded).symbolize(0, &lookups)
}

fn names(frames: &BTreeMap<u64, Vec<SourceFrame>>) -> BTreeSet<&str> {
    frames.values().flatten().filter_map(|frame| frame.function.as_deref()).collect()
}

const ALL: [&str; 2] = ["score", "weigh"];

/// Requires all names and no complaint.
fn assert_whole(scratch: &Scratch, options: SearchOptions<'_>, place: &str) {
    let (frames, problems) = ask(scratch, options);
    assert_eq!(problems, [], "{place}");
    assert_eq!(names(&frames), BTreeSet::from(ALL), "{place}");
}

/// Requires what the file itself knows, and one complaint; returns that.
fn assert_partial(scratch: &Scratch, options: SearchOptions<'_>) -> Problem {
    let (frames, mut problems) = ask(scratch, options);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(names(&frames), BTreeSet::from(["score"]));
    let lines = frames.values().filter(|frames| frames[0].line.is_some()).count();
    assert_eq!(lines, frames.len(), "the lines are in the file itself");
    problems.remove(0)
}

#[test]
fn split_debug_information_is_looked_for_where_it_may_be() {
    need_tool!("gcc");
    for options in ["-gdwarf-4 -gsplit-dwarf", "-gdwarf-5 -gsplit-dwarf"] {
        let scratch = Scratch::new();
        build(&scratch, options, SOURCE);
        assert_whole(&scratch, SearchOptions::default(), "where it was compiled");
        scratch.run("mv obj/a.dwo kept.dwo");
        let compiled_at = scratch.folder().display().to_string();
        let debug_dirs =
            || SearchOptions { debug_dirs: vec![scratch.path("debug")], ..SearchOptions::default() };
        let beside = || SearchOptions { beside: Some(scratch.path("cores")), ..SearchOptions::default() };
        let under = format!("debug{compiled_at}/obj/a.dwo");
        let places: [(&str, &dyn Fn() -> SearchOptions<'static>); 4] = [
            ("bin/a.dwo", &SearchOptions::default),
            ("bin/obj/a.dwo", &SearchOptions::default),
            (&under, &debug_dirs),
            ("cores/a.dwo", &beside),
        ];
        for (place, options) in places {
            let path = scratch.write(place, scratch.read("kept.dwo"));
            assert_whole(&scratch, options(), place);
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn beneath_a_sysroot_it_is_looked_for_there() {
    need_tool!("gcc");
    let scratch = Scratch::new();
    build(&scratch, "-gsplit-dwarf", SOURCE);
    let elsewhere = scratch.path("root");
    std::fs::create_dir(&elsewhere).unwrap();
    let sysroot = || SearchOptions { sysroot: Some(elsewhere.clone()), ..SearchOptions::default() };
    let problem = assert_partial(&scratch, sysroot());
    assert_eq!(problem.code, "split_dwarf_missing");
    let there = format!("root{}/obj/a.dwo", scratch.folder().display());
    scratch.write(&there, scratch.read("obj/a.dwo"));
    assert_whole(&scratch, sysroot(), "beneath the sysroot");
}

#[test]
fn what_is_missing_is_named_with_the_places() {
    need_tool!("gcc");
    let scratch = Scratch::new();
    build(&scratch, "-gsplit-dwarf", SOURCE);
    scratch.run("rm obj/a.dwo");
    let problem = assert_partial(&scratch, SearchOptions::default());
    assert_eq!(problem.code, "split_dwarf_missing");
    let place = scratch.path("obj/a.dwo").display().to_string();
    assert!(problem.text.contains(&place), "{}", problem.text);
}

#[test]
fn split_debug_information_of_another_build_is_refused() {
    need_tool!("gcc");
    for options in
        ["-gdwarf-4 -gsplit-dwarf", "-gdwarf-5 -gsplit-dwarf", "-gsplit-dwarf -fdebug-types-section"]
    {
        let other = Scratch::new();
        build(&other, options, &SOURCE.replace("weigh", "other"));
        let scratch = Scratch::new();
        build(&scratch, options, SOURCE);
        let path = scratch.write("obj/a.dwo", other.read("obj/a.dwo"));
        let problem = assert_partial(&scratch, SearchOptions::default());
        assert_eq!(problem.code, "split_dwarf_missing");
        assert!(problem.text.contains(&path.display().to_string()), "{}", problem.text);
        assert_eq!(problem.text.matches("(ID ").count(), 2, "both IDs: {}", problem.text);
        // And what is no split debug information at all.
        for wrong in ["bin/lib.so", "a.c", "obj/a.o"] {
            scratch.write("obj/a.dwo", scratch.read(wrong));
            let problem = assert_partial(&scratch, SearchOptions::default());
            assert!(problem.text.contains("obj/a.dwo"), "{wrong}: {}", problem.text);
        }
    }
}

#[test]
fn a_package_without_the_unit_leaves_the_search_to_its_file() {
    need_tool!("gcc", "dwp");
    let other = Scratch::new();
    build(&other, "-gdwarf-4 -gsplit-dwarf", &SOURCE.replace("weigh", "other"));
    other.run("dwp -e bin/lib.so -o bin/lib.so.dwp");
    let scratch = Scratch::new();
    build(&scratch, "-gdwarf-4 -gsplit-dwarf", SOURCE);
    scratch.write("bin/lib.so.dwp", other.read("bin/lib.so.dwp"));
    assert_whole(&scratch, SearchOptions::default(), "the file");
    scratch.run("rm obj/a.dwo");
    assert_partial(&scratch, SearchOptions::default());
    scratch.write("bin/lib.so.dwp", "no package");
    assert_partial(&scratch, SearchOptions::default());
}

/// Builds `bin/lib.so`, whose debug information refers to `obj/common`.
fn with_common(scratch: &Scratch, source: &str) {
    build(scratch, "-gdwarf-4", source);
    scratch.run("cp bin/lib.so bin/other.so");
    let common = scratch.path("obj/common").display().to_string();
    scratch.run(&format!("dwz -m {common} -M ../obj/common bin/lib.so bin/other.so"));
}

#[test]
fn what_dwz_took_out_is_looked_for_by_path_and_build_id() {
    need_tool!("gcc", "dwz");
    let scratch = Scratch::new();
    with_common(&scratch, SOURCE);
    assert_whole(&scratch, SearchOptions::default(), "relative to the file");
    let common = scratch.read("obj/common");
    let id = crate::support::object(&common).build_id().unwrap().to_string();
    std::fs::remove_file(scratch.path("obj/common")).unwrap();
    let debug_dirs = || SearchOptions { debug_dirs: vec![scratch.path("debug")], ..SearchOptions::default() };
    for place in [format!("debug/.build-id/{}/{}.debug", &id[..2], &id[2..]), "debug/.dwz/common".to_owned()]
    {
        let path = scratch.write(&place, &common);
        assert_whole(&scratch, debug_dirs(), &place);
        std::fs::remove_file(path).unwrap();
    }
    let (frames, problems) = ask(&scratch, SearchOptions::default());
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].code == "supplementary_missing" && problems[0].text.contains("obj/common"));
    assert!(frames.values().all(|frames| frames[0].line.is_some()));
}

#[test]
fn what_dwz_took_out_of_others_is_refused() {
    need_tool!("gcc", "dwz");
    let other = Scratch::new();
    with_common(&other, &SOURCE.replace("weigh", "other"));
    let scratch = Scratch::new();
    with_common(&scratch, SOURCE);
    let path = scratch.write("obj/common", other.read("obj/common"));
    let (frames, problems) = ask(&scratch, SearchOptions::default());
    assert!(!names(&frames).contains("other") && names(&frames).contains("score"));
    let text = path.file_name().unwrap().to_str().unwrap();
    assert!(problems.len() == 1 && problems[0].text.contains(text), "{problems:?}");
    assert!(problems[0].text.contains("a different build"), "{problems:?}");
}

/// `.symtab` packed with xz into a stripped file.
#[test]
fn mini_debug_info_has_the_names_that_are_not_exported() {
    need_tool!("gcc", "strip", "objcopy", "xz");
    let scratch = Scratch::new();
    build(&scratch, "-fvisibility=hidden", SOURCE);
    let whole = scratch.read("bin/lib.so");
    let (start, size) = functions(&whole)["score"];
    scratch.run("objcopy --strip-debug bin/lib.so mini");
    scratch.run("xz -f mini");
    scratch.run("strip bin/lib.so");
    let ask = |scratch: &Scratch| {
        let image = scratch.path("bin/lib.so");
        let core = core_of(&scratch.read("bin/lib.so"), &image, true);
        let search = FileSearch::new(SearchOptions::default());
        let loaded = LoadedModules::new(Module::all(core.process(), &core), core.process().arch, &search);
        Symbolizer::new(&loaded).symbolize(0, &(start..start + size).map(|address| BASE + address).collect())
    };
    let (frames, problems) = ask(&scratch);
    assert!(frames.is_empty() && problems.is_empty(), "{frames:?}");
    scratch.run("objcopy --add-section .gnu_debugdata=mini.xz bin/lib.so");
    let (frames, problems) = ask(&scratch);
    assert_eq!((names(&frames), problems), (BTreeSet::from(["score"]), Vec::new()));
    assert!(frames.values().all(|frames| frames[0].offset.is_some()));
    // Cut short.
    let packed = scratch.read("mini.xz");
    scratch.write("mini.xz", &packed[..packed.len() / 2]);
    scratch.run("objcopy --update-section .gnu_debugdata=mini.xz bin/lib.so");
    let (frames, problems) = ask(&scratch);
    assert!(frames.is_empty() && problems.len() == 1, "{problems:?}");
    assert!(problems[0].text.contains(".gnu_debugdata"), "{problems:?}");
}

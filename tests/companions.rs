//! Debug information that continues in other files travels with a collected crash.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use epitaph_testkit::crash::{Built, CoresHere, Crash, or_skip};
use epitaph_testkit::skip::skipped;
use epitaph_testkit::tools;
use serde_json::Value;

use crate::fixtures::{assert_consistent, functions, only_sealed};
use crate::support::{epitaph, files, folder, text};

/// Two units whose files have one name.
const MAIN: &str = "
    int score(volatile int *p);
    static inline int ask(volatile int *p) { return score(p) * 2; }
    int main(int argc, char **argv) { (void)argv; return ask((volatile int *)(long)(argc - 1)); }
";
const SCORE: &str = "
    static inline int weigh(volatile int *p) { return p[1] * p[2]; }
    int score(volatile int *p) { return weigh(p) + 1; }
";
const CHAIN: [&str; 4] = ["weigh", "score", "ask", "main"];
const SIGSEGV: i32 = 11;

/// How a program is built from `one/part.c` and `two/part.c`, and what its core is kept with.
struct Way {
    name: &'static str,
    tools: &'static [&'static str],
    script: &'static str,
    kept: &'static [&'static str],
}

const WAYS: [Way; 8] = [
    Way {
        name: "gcc, DWARF 4, .dwo",
        tools: &["gcc"],
        script: "OPTIONS='-O2 -gdwarf-4 -gsplit-dwarf' CC=gcc; build",
        kept: &["part.dwo", "part.dwo"],
    },
    Way {
        name: "gcc, DWARF 5, compressed .dwo",
        tools: &["gcc"],
        script: "OPTIONS='-O2 -gdwarf-5 -gsplit-dwarf -gz' CC=gcc; build",
        kept: &["part.dwo", "part.dwo"],
    },
    Way {
        name: "clang, DWARF 5, .dwo",
        tools: &["clang"],
        script: "OPTIONS='-O2 -gdwarf-5 -gsplit-dwarf' CC=clang; build",
        kept: &["part.dwo", "part.dwo"],
    },
    Way {
        name: "gcc, no build ID, .dwp",
        tools: &["gcc", "dwp"],
        script: "OPTIONS='-O2 -gdwarf-4 -gsplit-dwarf -Wl,--build-id=none' CC=gcc; build; dwp -e exe -o exe.dwp",
        kept: &["exe.dwp"],
    },
    Way {
        name: "clang, DWARF 5, .dwp of llvm-dwp beside the debug file",
        tools: &["clang", "llvm-dwp", "objcopy", "strip"],
        script: "OPTIONS='-O2 -gdwarf-5 -gsplit-dwarf -Wl,--build-id' CC=clang; build
            llvm-dwp -e exe -o exe.debug.dwp; objcopy --only-keep-debug exe exe.debug; strip exe
            objcopy --add-gnu-debuglink=exe.debug exe",
        kept: &["exe.dwp"],
    },
    Way {
        name: "dwz",
        tools: &["gcc", "dwz"],
        script: "OPTIONS='-O2 -gdwarf-5' CC=gcc; build; cp exe other; dwz -m common -M common exe other",
        kept: &["debuginfo"],
    },
    Way {
        name: "dwz of a debug file",
        tools: &["gcc", "dwz", "objcopy", "strip"],
        script: "OPTIONS='-O2 -gdwarf-4' CC=gcc; build; objcopy --only-keep-debug exe exe.debug; strip exe
            objcopy --add-gnu-debuglink=exe.debug exe
            cp exe.debug other; dwz -m common -M ../bin/common exe.debug other",
        kept: &["debuginfo"],
    },
    Way {
        name: "dwz with .debug_sup",
        tools: &["gcc", "dwz"],
        script: "OPTIONS='-O2 -gdwarf-5' CC=gcc; build; cp exe other; dwz --dwarf-5 -m common -M common exe other",
        kept: &["debuginfo"],
    },
];

/// Compiles both units where `$CC` and `$OPTIONS` say, and links them.
const BUILD: &str = "set -e
    build() {
        $CC $OPTIONS -c -o one/part.o one/part.c; $CC $OPTIONS -c -o two/part.o two/part.c
        $CC $OPTIONS -o exe one/part.o two/part.o
    }
    ";

/// Builds a program by a shell script and lets it crash; nothing, if this machine can't.
fn crash(name: &str, script: &str) -> Option<Crash> {
    let built = Built::by(name, SIGSEGV, |bin| {
        for (folder, source) in [("one", MAIN), ("two", SCORE)] {
            fs::create_dir(bin.join(folder)).unwrap();
            fs::write(bin.join(folder).join("part.c"), source).unwrap();
        }
        let script = format!("{BUILD}{script}");
        let output = Command::new("sh").args(["-c", &script]).current_dir(bin).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    });
    let here = or_skip(CoresHere::acquire())?;
    or_skip(built.and_then(|built| built.crash(&here)))
}

/// What is known of each frame of each thread.
fn frames(summary: &Value) -> Value {
    let keys = ["function", "raw_name", "file", "line", "column", "inlined", "pc", "trust", "symbol_source"];
    let frame = |frame: &Value| -> Value { keys.iter().map(|key| frame[key].clone()).collect() };
    let thread = |thread: &Value| thread["frames"].as_array().unwrap().iter().map(frame).collect::<Value>();
    summary["threads"].as_array().unwrap().iter().map(thread).collect()
}

/// The codes of a summary's warnings: their texts name paths.
fn warnings(summary: &Value) -> Vec<&Value> {
    let warnings = summary["warnings"].as_array().map(Vec::as_slice).unwrap_or_default();
    warnings.iter().map(|warning| &warning["code"]).collect()
}

/// Shows what lies at `path` as another machine would, where nothing of this one's files is.
fn show_elsewhere(path: &Path) -> Value {
    let empty = folder();
    epitaph().args(["show", "--json"]).arg(path).env("EPITAPH_SYSROOT", empty.path()).run().code(0).json()
}

/// Removes the kept summaries: what is shown must come from the files.
fn forget_summaries(tree: &Path) {
    for path in files(tree).keys().filter(|path| path.ends_with("summary.json")) {
        fs::remove_file(tree.join(path)).unwrap();
    }
}

/// Puts all files of a tree into one folder, as `xargs wget` does.
fn flatten(tree: &Path, heap: &Path) {
    for (path, bytes) in files(tree) {
        let name = path.rsplit('/').next().unwrap();
        let free = |number: &u32| !heap.join(numbered(name, *number)).exists();
        let number = (0..100).find(free).unwrap();
        fs::write(heap.join(numbered(name, number)), bytes).unwrap();
    }
}

fn numbered(name: &str, number: u32) -> String {
    if number == 0 { name.to_owned() } else { format!("{name}.{number}") }
}

/// The names under which companions were kept; each is in the folder.
fn kept_names(out: &Path, summary: &Value) -> Vec<String> {
    let main = summary["modules"].as_array().unwrap().iter().find(|module| module["main"] == true).unwrap();
    let listed = main["companion_files"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |path: &Value| {
        let path = PathBuf::from(path.as_str().unwrap());
        assert!(out.join(&path).is_file(), "{}", path.display());
        text(path.file_name().unwrap())
    };
    listed.iter().map(name).collect()
}

#[test]
fn a_crash_is_shown_elsewhere_as_it_was_here() {
    for way in WAYS {
        let name = way.name;
        if let Some(tool) = way.tools.iter().find(|tool| !tools::have(tool)) {
            skipped(&format!("{name}: {tool} is not installed"));
            continue;
        }
        let Some(crash) = crash(name, way.script) else { return };
        let (out, store, pulled, heap) = (folder(), folder(), folder(), folder());
        let here = epitaph().args(["show", "--json"]).arg(&crash.core).run().code(0).json();
        assert_eq!(functions(&here)[..4], CHAIN, "{name}");
        epitaph().args(["collect", "--out"]).arg(out.path()).arg(&crash.core).run().code(0);
        fs::remove_dir_all(crash.dir.path()).unwrap();

        let (_, kept) = only_sealed(out.path());
        assert_consistent(out.path());
        assert_eq!(frames(&kept), frames(&here), "{name}");
        assert_eq!(kept_names(out.path(), &kept), way.kept, "{name}");

        epitaph().args(["push", "--destination=d"]).arg(out.path()).arg(store.path()).run().code(0);
        epitaph().arg("pull").arg(store.path()).arg(pulled.path()).run().code(0);
        flatten(out.path(), heap.path());
        fs::remove_dir_all(out.path()).unwrap();
        for place in [pulled.path(), heap.path()] {
            forget_summaries(place);
            let there = show_elsewhere(place);
            assert_eq!(frames(&there), frames(&here), "{name}, {}: {there:#}", place.display());
            assert_eq!(warnings(&there), warnings(&here), "{name}");
        }
    }
}

#[test]
fn without_what_was_kept_the_names_are_missing() {
    let Some(crash) = crash("control", WAYS[0].script) else { return };
    let out = folder();
    epitaph().args(["collect", "--out"]).arg(out.path()).arg(&crash.core).run().code(0);
    fs::remove_dir_all(crash.dir.path()).unwrap();
    forget_summaries(out.path());
    // Files of the right name that are each other's: the IDs tell.
    let split: Vec<PathBuf> = files(out.path())
        .keys()
        .filter(|path| path.ends_with("part.dwo"))
        .map(|path| out.path().join(path))
        .collect();
    assert_eq!(split.len(), 2);
    let (first, second) = (fs::read(&split[0]).unwrap(), fs::read(&split[1]).unwrap());
    fs::write(&split[0], &second).unwrap();
    fs::write(&split[1], &first).unwrap();
    assert_eq!(functions(&show_elsewhere(out.path()))[..4], CHAIN);
    fs::write(&split[1], &second).unwrap();
    let one_only = show_elsewhere(out.path());
    let inlined =
        functions(&one_only).iter().filter(|name| ["weigh", "ask"].contains(&name.as_str())).count();
    assert_eq!(inlined, 1, "{one_only:#}");
    let warnings = one_only["warnings"].as_array().unwrap();
    let missing: Vec<&Value> =
        warnings.iter().filter(|warning| warning["code"] == "split_dwarf_missing").collect();
    assert_eq!(missing.len(), 1, "{one_only:#}");
    let told = missing[0]["text"].as_str().unwrap();
    assert!(told.contains("split debug information of another build"), "{told}");
}

#[test]
fn a_hostile_name_stays_in_the_folder() {
    let outside = folder();
    let evil = outside.path().join("a\u{1b}[31m\nb.o");
    let script = format!(
        "OPTIONS='-O2 -g -gsplit-dwarf' CC=gcc; build
        gcc $OPTIONS -c -o '{}' one/part.c; mkdir deep; cd deep; gcc $OPTIONS -c -o ../.hidden.o ../two/part.c; cd ..
        gcc -o exe '{}' .hidden.o",
        evil.display(),
        evil.display()
    );
    let Some(crash) = crash("hostile names", &script) else { return };
    let parent = folder();
    let out = parent.path().join("deep/out");
    let before = files(outside.path());
    let answer = epitaph().args(["collect", "--out"]).arg(&out).arg(&crash.core).run().code(0);
    assert!(!answer.raw_stdout().contains(&0x1b) && !answer.stderr().contains('\u{1b}'), "{answer}");
    assert_eq!(files(outside.path()), before);
    assert!(files(parent.path()).keys().all(|path| path.starts_with("deep/out/")));
    let (_, kept) = only_sealed(&out);
    assert_eq!(kept_names(&out, &kept), ["a__31m_b.dwo", "_hidden.dwo"]);
    fs::remove_dir_all(crash.dir.path()).unwrap();
    fs::remove_dir_all(outside.path()).unwrap();
    forget_summaries(&out);
    assert_eq!(functions(&show_elsewhere(&out))[..4], CHAIN);
}

//! Debug information with bent bytes: never a panic, never without end, and never more than a module's worth of frames.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use epitaph_testkit::need_tool;
use epitaph_testkit::scratch::Scratch;

use crate::support::{Given, core_of, functions, section, symbolize};

const SOURCE: &str = r"
    struct edge { struct edge *next; int weight; };
    static inline int weigh(const struct edge *e) { return e->weight; }
    static inline int all(const struct edge *e) { int n = 0; for (; e; e = e->next) n += weigh(e); return n; }
    int score(const struct edge *e, int n) { return n ? score(e, n - 1) + all(e) : weigh(e); }
";

fn library(tool: &str, options: &str) -> Vec<u8> {
    let scratch = Scratch::new();
    scratch.write("a.c", SOURCE);
    scratch.run(&format!("{tool} -g -O2 -shared -nostdlib -fPIC {options} -o lib.so a.c"));
    scratch.read("lib.so")
}

/// Bends each byte of these sections of the library, in one way after the other.
fn sweep(tool: &str, options: &str, sections: &[&str], patterns: &[u8]) {
    bend(Given::image(library(tool, options)), |given| &mut given.image, sections, patterns);
}

/// Bends each byte of these sections of one of the files, in one way after the other.
fn bend(mut given: Given, file: fn(&mut Given) -> &mut Vec<u8>, sections: &[&str], patterns: &[u8]) {
    let core = core_of(&given.image, "/lib.so", true);
    let (start, size) = functions(&given.image)["score"];
    let addresses: BTreeSet<u64> = (start..start + size).step_by(5).chain([0, start + size]).collect();
    let (right, problems) = symbolize(&core, &given, &addresses);
    assert!(problems.is_empty() && right.values().any(|frames| frames.len() > 1), "{problems:?} {right:?}");
    let whole = file(&mut given).clone();
    let (mut flips, mut different) = (0, 0);
    let begun = Instant::now();
    for name in sections {
        for (at, pattern) in section(&whole, name).zip(patterns.iter().cycle()) {
            file(&mut given)[at] ^= pattern;
            let asked = Instant::now();
            let (frames, problems) = symbolize(&core, &given, &addresses);
            assert!(asked.elapsed() < Duration::from_secs(5), "{name} {at:#x}: {:?}", asked.elapsed());
            assert!(frames.keys().all(|address| addresses.contains(address)));
            assert!(frames.values().all(|frames| (1..=1000).contains(&frames.len())));
            assert!(problems.iter().all(|problem| !problem.text.is_empty()));
            flips += 1;
            different += usize::from(frames != right);
            file(&mut given)[at] ^= pattern;
        }
    }
    assert!(
        different > flips / 20,
        "{different} of {flips} flips made a difference: these are the wrong bytes"
    );
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn bent_dwarf_5() {
    need_tool!("gcc");
    let sections = [
        ".debug_info",
        ".debug_abbrev",
        ".debug_line",
        ".debug_rnglists",
        ".debug_aranges",
        ".debug_line_str",
    ];
    sweep("gcc", "-gdwarf-5", &sections, &[0x01, 0x80, 0xff]);
}

#[test]
fn bent_dwarf_4() {
    need_tool!("gcc");
    sweep(
        "gcc",
        "-gdwarf-4",
        &[".debug_info", ".debug_abbrev", ".debug_line", ".debug_ranges"],
        &[0x04, 0xff],
    );
}

#[test]
fn bent_dwarf_of_clang() {
    need_tool!("clang");
    let sections = [
        ".debug_info",
        ".debug_abbrev",
        ".debug_line",
        ".debug_addr",
        ".debug_str_offsets",
        ".debug_rnglists",
    ];
    sweep("clang", "-gdwarf-5", &sections, &[0x02, 0xff]);
}

/// A library, and what its compiler and `then` made beside it.
fn with_files(tool: &str, options: &str, then: &[&str]) -> (Scratch, Given) {
    let scratch = Scratch::new();
    scratch.write("a.c", SOURCE);
    scratch.run(&format!("{tool} -g -O2 -fPIC {options} -c -o a.o a.c"));
    scratch.run(&format!("{tool} -shared -nostdlib -o lib.so a.o"));
    for step in then {
        scratch.run(step);
    }
    let given = Given::image(scratch.read("lib.so"));
    (scratch, given)
}

#[test]
fn bent_split_debug_information() {
    need_tool!("gcc");
    for version in ["-gdwarf-4", "-gdwarf-5 -fdebug-types-section"] {
        let (scratch, given) = with_files("gcc", &format!("{version} -gsplit-dwarf"), &[]);
        let given = Given { split: Some(scratch.read("a.dwo")), ..given };
        let sections =
            [".debug_info.dwo", ".debug_abbrev.dwo", ".debug_str_offsets.dwo", ".debug_rnglists.dwo"];
        bend(given.clone(), |given| given.split.as_mut().unwrap(), &sections, &[0x01, 0xff]);
        bend(
            given,
            |given| &mut given.image,
            &[".debug_info", ".debug_abbrev", ".debug_addr"],
            &[0x01, 0xff],
        );
    }
}

#[test]
fn bent_packages() {
    need_tool!("gcc", "dwp");
    let (scratch, given) = with_files("gcc", "-gdwarf-4 -gsplit-dwarf", &["dwp -e lib.so -o lib.dwp"]);
    let given = Given { package: Some(scratch.read("lib.dwp")), ..given };
    let sections = [".debug_cu_index", ".debug_info.dwo", ".debug_abbrev.dwo", ".debug_str_offsets.dwo"];
    bend(given, |given| given.package.as_mut().unwrap(), &sections, &[0x01, 0x80, 0xff]);
}

#[test]
fn bent_supplementary_files() {
    need_tool!("gcc", "dwz");
    let steps = ["cp lib.so other.so", "dwz -m common lib.so other.so"];
    let (scratch, given) = with_files("gcc", "-gdwarf-4", &steps);
    let given = Given { supplementary: Some(scratch.read("common")), ..given };
    let sections = [".debug_info", ".debug_abbrev", ".debug_str"];
    bend(given.clone(), |given| given.supplementary.as_mut().unwrap(), &sections, &[0x01, 0xff]);
    bend(given, |given| &mut given.image, &[".debug_info", ".debug_abbrev"], &[0x01, 0xff]);
}

/// What would take forever, or all memory, if it were believed.
#[test]
fn units_that_all_claim_everything_are_not_all_read() {
    need_tool!("gcc");
    let scratch = Scratch::new();
    scratch.write("a.c", SOURCE);
    scratch.run("gcc -g -O2 -fPIC -gdwarf-4 -c -o a.o a.c");
    scratch.run("gcc -shared -nostdlib -o lib.so a.o");
    let once = scratch.read("lib.so");
    let info = once[section(&once, ".debug_info")].to_vec();
    scratch.write("info", info.repeat(5_000));
    scratch.run("objcopy --remove-section .debug_aranges --update-section .debug_info=info lib.so");
    let (start, size) = functions(&once)["score"];
    let core = core_of(&once, "/lib.so", true);
    let addresses: BTreeSet<u64> = (start..start + size).collect();
    let asked = Instant::now();
    let (frames, _) = symbolize(&core, &Given::image(scratch.read("lib.so")), &addresses);
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    assert_eq!(frames.len(), addresses.len());
}

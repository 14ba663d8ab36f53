//! Debug information with bent bytes: never a panic, never without end, and never more than a module's worth of frames.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use epitaph_testkit::need_tool;
use epitaph_testkit::scratch::Scratch;

use crate::support::{Given, core_of, functions, object, symbolize};

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

/// Where a section lies in the file.
fn section(file: &[u8], name: &str) -> std::ops::Range<usize> {
    let object = object(file);
    let Some(bytes) = object.section(name).unwrap() else { return 0..0 };
    let start = bytes.as_ptr() as usize - object.bytes().as_ptr() as usize;
    start..start + bytes.len()
}

/// Bends each byte of these sections in these ways.
fn sweep(tool: &str, options: &str, sections: &[&str], patterns: &[u8]) {
    let whole = library(tool, options);
    let core = core_of(&whole, "/lib.so", true);
    let (start, size) = functions(&whole)["score"];
    let addresses: BTreeSet<u64> = (start..start + size).step_by(5).chain([0, start + size]).collect();
    let (right, problems) = symbolize(&core, &Given::image(whole.clone()), &addresses);
    assert!(problems.is_empty() && right.values().any(|frames| frames.len() > 1), "{right:?}");
    let (mut file, mut flips, mut different) = (whole.clone(), 0, 0);
    let begun = Instant::now();
    for name in sections {
        for at in section(&whole, name) {
            for pattern in patterns {
                file[at] ^= pattern;
                let asked = Instant::now();
                let (frames, problems) = symbolize(&core, &Given::image(file.clone()), &addresses);
                assert!(asked.elapsed() < Duration::from_secs(5), "{name} {at:#x}: {:?}", asked.elapsed());
                assert!(frames.keys().all(|address| addresses.contains(address)));
                assert!(frames.values().all(|frames| (1..=1000).contains(&frames.len())));
                assert!(problems.iter().all(|problem| !problem.text.is_empty()));
                flips += 1;
                different += usize::from(frames != right);
                file[at] ^= pattern;
            }
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

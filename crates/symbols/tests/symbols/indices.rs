//! Indices of units by their addresses: with one, without one, and with one that lies, the same frames.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use epitaph_symbols::{Problem, SourceFrame};
use epitaph_testkit::need_tool;
use epitaph_testkit::scratch::Scratch;

use crate::support::{Given, core_of, functions, object, symbolize};

/// How many units the program has.
const UNITS: usize = 24;

/// A program of some units, each with functions of its own and one that is inlined.
fn write_units(scratch: &Scratch) -> String {
    let mut objects = String::new();
    for unit in 0..UNITS {
        let source = format!(
            "static inline __attribute__((always_inline)) int twice_{unit}(int n) {{ return n + n; }}\n\
             int first_{unit}(int n) {{ return twice_{unit}(n) ^ {unit}; }}\n\
             int second_{unit}(int n) {{ return n / {}; }}\n",
            unit + 3
        );
        scratch.write(&format!("unit_{unit}.c"), source);
        write!(objects, " unit_{unit}.c").unwrap();
    }
    objects
}

/// The frames of all functions of a file, of which nothing may be unreadable.
fn frames(file: &[u8], path: &str) -> BTreeMap<u64, Vec<SourceFrame>> {
    let (frames, problems) = frames_and_problems(file, path);
    assert_eq!(problems, []);
    frames
}

fn frames_and_problems(file: &[u8], path: &str) -> (BTreeMap<u64, Vec<SourceFrame>>, Vec<Problem>) {
    let addresses: BTreeSet<u64> =
        functions(file).values().flat_map(|(start, size)| *start..start + size).collect();
    let (frames, problems) = symbolize(&core_of(file, path, true), &Given::image(file.to_vec()), &addresses);
    assert_eq!(frames.len(), addresses.len());
    assert!(frames.values().any(|frames| frames.len() == 2), "nothing was inlined");
    (frames, problems)
}

/// Overwrites, in each entry of an index's part, the number at `at` by that of the entry before.
fn shift(file: &mut [u8], part: std::ops::Range<usize>, entry: usize, at: usize) {
    let numbers: Vec<[u8; 4]> =
        file[part.clone()].chunks_exact(entry).map(|entry| entry[at..at + 4].try_into().unwrap()).collect();
    let mut before = *numbers.last().unwrap();
    for (chunk, number) in file[part].chunks_exact_mut(entry).zip(numbers) {
        chunk[at..at + 4].copy_from_slice(&before);
        before = number;
    }
}

/// Where a section is in its file.
fn place(file: &[u8], name: &str) -> std::ops::Range<usize> {
    let object = object(file);
    let section = object.section(name).unwrap().unwrap_or_else(|| panic!("no {name}"));
    let start = section.as_ptr() as usize - object.bytes().as_ptr() as usize;
    start..start + section.len()
}

#[test]
fn an_index_changes_nothing_whether_it_is_there_or_lies() {
    need_tool!("gcc", "objcopy", "gdb", "gdb-add-index");
    let scratch = Scratch::new();
    let sources = write_units(&scratch);
    scratch.run(&format!("gcc -g -O1 -fPIC -shared -o lib.so {sources}"));
    scratch.run("objcopy --remove-section .debug_aranges lib.so bare.so");
    scratch.run("cp bare.so indexed.so");
    scratch.run("gdb-add-index indexed.so");
    let [with_aranges, bare, indexed] = ["lib.so", "bare.so", "indexed.so"].map(|name| scratch.read(name));
    let expected = frames(&with_aranges, "/lib.so");
    assert!(frames(&bare, "/lib.so") == expected, "the scan differs");
    assert!(frames(&indexed, "/lib.so") == expected, ".gdb_index differs");

    // Each set of aranges is another unit's: the offset of the unit stands at 6. All sets are of one length here.
    let aranges = place(&with_aranges, ".debug_aranges");
    let len = u32::from_le_bytes(with_aranges[aranges.start..][..4].try_into().unwrap()) as usize + 4;
    assert_eq!(aranges.len(), len * UNITS);
    let mut lying = with_aranges.clone();
    shift(&mut lying, aranges, len, 6);
    assert!(frames(&lying, "/lib.so") == expected, "aranges that lie");

    let index = place(&indexed, ".gdb_index");
    let word = |at: usize| u32::from_le_bytes(indexed[index.start + at..][..4].try_into().unwrap()) as usize;
    let area = index.start + word(12)..index.start + word(16);
    assert!(area.len() >= 20 * UNITS, "gdb knows no addresses");
    let mut lying = indexed.clone();
    shift(&mut lying, area.clone(), 20, 16);
    assert!(frames(&lying, "/lib.so") == expected, "a .gdb_index that lies");

    // Whatever number of its header is wrong, it is no more than a help.
    for at in (0..24).step_by(4) {
        let mut broken = indexed.clone();
        broken[index.start + at] ^= 0x7f;
        assert!(frames_and_problems(&broken, "/lib.so").0 == expected, "the number at {at}");
    }
}

/// clang writes no index of its own accord, and `.debug_names` has no addresses.
#[test]
fn what_clang_and_its_linker_write_changes_nothing() {
    need_tool!("clang", "ld.lld", "objcopy");
    for options in ["-gdwarf-4", "-gdwarf-5", "-gdwarf-5 -gpubnames", "-gdwarf-5 -ffunction-sections"] {
        let scratch = Scratch::new();
        let sources = write_units(&scratch);
        scratch.run(&format!(
            "clang -O1 -fPIC -shared -fuse-ld=lld -ggnu-pubnames -Wl,--gdb-index {options} -o lib.so {sources}"
        ));
        scratch.run("objcopy --remove-section .gdb_index lib.so bare.so");
        let [indexed, bare] = ["lib.so", "bare.so"].map(|name| scratch.read(name));
        assert!(object(&indexed).has_section(".gdb_index"), "{options}");
        assert!(frames(&indexed, "/lib.so") == frames(&bare, "/lib.so"), "{options}");
    }
}

//! Functions that keep their return address in the link register, and have no CFI.

use epitaph_elf::{Bytes, CoreFile, Object, SymbolTable};
use epitaph_testkit::cross::{CrossCrash, Recipe, target};
use epitaph_unwind::Trust;

use crate::support::{Given, Walk, open, walk};

const LEAF: Recipe = Recipe {
    name: "leaf",
    build: &[
        "CC -O2 -static -no-pie -fno-omit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables \
         -o exe @cores/src/leaf.c",
    ],
    bare: false,
    fixed: true,
    signal: 11,
    chain: &["leaf", "middle", "outer", "main"],
};

/// Names the frames by the symbols of the executable, which is at a fixed address.
fn named(walk: &Walk, exe: &[u8]) -> Vec<(String, Trust)> {
    let object = Object::parse(Bytes::from(exe.to_vec())).unwrap();
    let name = |address: u64| {
        let symbols = object.symbols(SymbolTable::Static);
        let mut here =
            symbols.filter(|symbol| address.checked_sub(symbol.address).is_some_and(|at| at < symbol.size));
        here.next().map_or_else(String::new, |symbol| String::from_utf8_lossy(symbol.name()).into_owned())
    };
    walk.frames.iter().map(|(frame, _)| (name(frame.address.lookup()), frame.trust)).collect()
}

/// Crashes in the leaf on a target, and walks.
fn leaf_on(target_name: &str) -> Option<Vec<(String, Trust)>> {
    let crash = CrossCrash::of_or_skip(target(target_name), &LEAF)?;
    let exe = std::fs::read(&crash.exe).unwrap();
    let core: CoreFile = open(&crash.core);
    Some(named(&walk(&core, &Given(exe.clone())), &exe))
}

#[test]
fn the_caller_of_a_leaf_is_not_passed_over() {
    for name in ["aarch64", "aarch64_pac", "riscv64", "ppc64le", "s390x"] {
        let Some(frames) = leaf_on(name) else { return };
        let innermost: Vec<(&str, Trust)> =
            frames.iter().take(2).map(|(name, trust)| (name.as_str(), *trust)).collect();
        assert_eq!(
            innermost,
            [("leaf", Trust::Context), ("middle", Trust::CallTarget)],
            "{name}: {frames:?}"
        );
    }
}

/// The leaf moved nothing: what is further out is found by the frame pointer.
#[test]
fn the_frames_beyond_a_leaf_follow_by_the_frame_pointer() {
    for name in ["aarch64", "aarch64_pac"] {
        let Some(frames) = leaf_on(name) else { return };
        let names: Vec<&str> = frames.iter().take(LEAF.chain.len()).map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, LEAF.chain, "{frames:?}");
    }
}

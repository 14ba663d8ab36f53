//! Records of tests in memory: which of several is the one that runs.

use std::collections::{BTreeMap, BTreeSet};

use epitaph_elf::{Arch, read_vec};

use super::Scene;
use crate::scrub::read_from;

/// Most bytes of an object in which a pointer to the running test is looked for: gtest's `UnitTestImpl` has it at about
/// 400.
const LARGEST: u64 = 1024;
/// Most objects that are looked at.
const MOST: usize = 512;

/// Chooses among records of tests, name by address: the only name there is, or else the only one that an object which
/// `pointers` lead to points to. A framework keeps the running test in a field of an object of a class with virtual
/// functions; pointers that earlier tests left on the stack, and lists of all tests, are not in such.
pub(super) fn running(
    scene: &Scene<'_>,
    pointers: &BTreeSet<u64>,
    records: &BTreeMap<u64, String>,
) -> Option<String> {
    let mut names: BTreeSet<&String> = records.values().collect();
    if names.len() > 1 {
        names = pointers.iter().take(MOST).filter_map(|object| only_field(scene, *object, records)).collect();
    }
    only(names).cloned()
}

/// Returns the name of the record that an object's fields point to, if it is one.
fn only_field<'r>(scene: &Scene<'_>, object: u64, records: &'r BTreeMap<u64, String>) -> Option<&'r String> {
    let arch = scene.process.arch;
    let word = usize::from(arch.bits() / 8);
    let table = arch.word_in(&read_vec(scene.memory, object, word).ok()?, 0)?;
    // The table of virtual functions is constant data of the program or a library.
    scene.loaded.find(table).filter(|_| !scene.memory.is_executable(table))?;
    let bytes = read_from(scene.memory, object, size(scene, arch, object) as usize);
    let fields = (0..bytes.len()).step_by(word).filter_map(|offset| arch.word_in(&bytes, offset));
    only(fields.filter_map(|field| records.get(&field)).collect())
}

/// Returns the size of an object as its allocator has it: glibc keeps that of a chunk, and three flags, in the word
/// before it (malloc/malloc.c, `struct malloc_chunk`). What comes after is another object.
fn size(scene: &Scene<'_>, arch: &Arch, object: u64) -> u64 {
    let word = u64::from(arch.bits() / 8);
    let before =
        object.checked_sub(word).and_then(|before| read_vec(scene.memory, before, word as usize).ok());
    let chunk = before.and_then(|before| arch.word_in(&before, 0)).unwrap_or_default() & !7;
    if (4 * word..=LARGEST).contains(&chunk) { chunk - word } else { LARGEST }
}

fn only(names: BTreeSet<&String>) -> Option<&String> {
    let mut names = names.into_iter();
    names.next().filter(|_| names.next().is_none())
}

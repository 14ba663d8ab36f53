//! Addresses, named by an object file of arbitrary bytes. Seeds: any small file that a compiler made with `-g`.
#![no_main]

use std::collections::BTreeSet;

use crafted::{BASE, CODE, Given};
use epitaph_elf::LoadedModules;
use epitaph_symbols::Symbolizer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (core, files) = (crafted::core(&crafted::object(&[]), &[], &[]), Given(bytes.to_vec()));
    let loaded = LoadedModules::new(crafted::modules(&core), core.process().arch, &files);
    let lookups: BTreeSet<u64> = (0..2 * CODE).step_by(32).map(|offset| BASE + offset).collect();
    let (frames, _) = Symbolizer::new(&loaded).symbolize(0, &lookups);
    assert!(frames.keys().all(|lookup| lookups.contains(lookup)));
});

//! Addresses, named by arbitrary debug information.
#![no_main]

use std::collections::BTreeSet;

use crafted::{BASE, CODE, Given};
use epitaph_elf::LoadedModules;
use epitaph_symbols::Symbolizer;
use libfuzzer_sys::fuzz_target;

const SECTIONS: [&str; 8] = [
    ".debug_info",
    ".debug_abbrev",
    ".debug_line",
    ".debug_aranges",
    ".debug_rnglists",
    ".debug_ranges",
    ".debug_str",
    ".symtab",
];

fuzz_target!(|contents: [Vec<u8>; 8]| {
    let sections: Vec<(&str, &[u8])> = SECTIONS.into_iter().zip(contents.iter().map(Vec::as_slice)).collect();
    let file = crafted::object(&sections);
    let (core, files) = (crafted::core(&file, &[], &[]), Given(file));
    let loaded = LoadedModules::new(crafted::modules(&core), core.process().arch, &files);
    let lookups: BTreeSet<u64> = (0..CODE).step_by(64).map(|offset| BASE + CODE + offset).collect();
    let (frames, _) = Symbolizer::new(&loaded).symbolize(0, &lookups);
    assert!(frames.keys().all(|lookup| lookups.contains(lookup)));
});

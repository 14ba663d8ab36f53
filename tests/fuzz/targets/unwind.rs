//! Arbitrary registers, stack and call frame information.
#![no_main]

use crafted::{Given, lead};
use epitaph_elf::{LoadedModules, PageCache, ProcessMemory};
use epitaph_unwind::{Limits, Unwinder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: ([u64; 5], Vec<u64>, Vec<u8>, bool)| {
    let (registers, stack, cfi, eh_frame) = input;
    let file = crafted::object(&[(if eh_frame { ".eh_frame" } else { ".debug_frame" }, &cfi)]);
    let registers: Vec<(&str, u64)> =
        ["rip", "rsp", "rbp", "rbx", "r12"].into_iter().zip(registers.map(lead)).collect();
    let stack: Vec<u64> = stack.into_iter().take(0x800).map(lead).collect();
    let (core, files) = (crafted::core(&file, &registers, &stack), Given(file));
    let (process, cache) = (core.process(), PageCache::new(&core));
    let loaded = LoadedModules::new(crafted::modules(&core), process.arch, &files);
    let memory = ProcessMemory::new(cache, &loaded);
    let mut unwinder = Unwinder::new(process.arch, &loaded, &memory, Limits { frames: 5000 });
    assert!(unwinder.walk(&process.threads[0].registers).frames.len() <= 5000);
});

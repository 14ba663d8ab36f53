//! Arbitrary registers, stack and call frame information: 64 words, one byte, and the section of it. Seeds: 513 bytes of
//! anything before the `.debug_frame` of a file that was linked to run at 0x1000.
#![no_main]

use crafted::{Given, lead};
use epitaph_elf::{LoadedModules, PageCache, ProcessMemory};
use epitaph_unwind::{Limits, Unwinder};
use libfuzzer_sys::fuzz_target;

const REGISTERS: [&str; 5] = ["rip", "rsp", "rbp", "rbx", "r12"];

fuzz_target!(|bytes: &[u8]| {
    let Some((words, [kind, cfi @ ..])) = bytes.split_at_checked(8 * 64) else { return };
    let words: Vec<u64> = words.as_chunks().0.iter().map(|word| lead(u64::from_le_bytes(*word))).collect();
    let (registers, stack) = words.split_at(REGISTERS.len());
    let registers: Vec<(&str, u64)> = REGISTERS.into_iter().zip(registers.iter().copied()).collect();
    let file = crafted::object(&[(if kind % 2 == 0 { ".debug_frame" } else { ".eh_frame" }, cfi)]);
    let (core, files) = (crafted::core(&file, &registers, stack), Given(file));
    let (process, cache) = (core.process(), PageCache::new(&core));
    let loaded = LoadedModules::new(crafted::modules(&core), process.arch, &files);
    let memory = ProcessMemory::new(cache, &loaded);
    let limits = Limits { frames: 5000, ..Limits::default() };
    let mut unwinder = Unwinder::new(process.arch, &loaded, &memory, limits);
    assert!(unwinder.walk(&process.threads[0].registers).frames.len() <= 5000);
});

//! Ends that musl brings about: it says nothing, and executes an instruction that no program may (`a_crash`, on x86 `hlt`).

use epitaph_elf::{I386, X86_64};
use epitaph_summary::{Cause, Confidence};

use crate::names::Names;
use crate::peek::Peek;
use crate::runtime::globals::is_named;
use crate::scene::Scene;

const SIGSEGV: i32 = 11;
/// The instruction `hlt`.
const HLT: u64 = 0xf4;
/// File names of musl: its loader is the library.
const MUSL: [&str; 2] = ["ld-musl-", "libc.so"];
/// glibc's, which begins like musl's.
const GLIBC: [&str; 1] = ["libc.so."];
/// Functions of the heap that check its records.
const HEAP: [&str; 10] = [
    "get_meta",
    "free",
    "__libc_free",
    "malloc",
    "__libc_malloc*",
    "realloc",
    "__libc_realloc",
    "malloc_usable_size",
    "unbin",
    "bin_chunk",
];

/// Recognizes them by the instruction, and by the function that it is in.
pub(super) fn find(scene: &Scene<'_>, _: &[Cause]) -> Option<Cause> {
    let (fault, arch) = (scene.fault.as_ref()?, scene.process.arch);
    let pc = fault.registers.get(arch.pc)?;
    let is_x86 = *arch == X86_64 || *arch == I386;
    if !is_x86 || fault.signal.number != SIGSEGV || Peek::new(scene).number(pc, 1) != Some(HLT) {
        return None;
    }
    let names = Names::new(scene.frames());
    let module = scene.loaded.find(pc)?;
    let in_musl = is_named(scene.loaded, module, &MUSL) && !is_named(scene.loaded, module, &GLIBC);
    let function = names.frames().first()?.function.as_deref();
    let evidence = vec!["musl ended the program by its hlt instruction".to_owned()];
    let cause = if names.find(&["__stack_chk_fail"]) == Some(0) {
        let summary = "a function wrote past the end of its variables on the stack";
        Cause::new("stack_smash", Confidence::High, summary)
    } else if names.find(&HEAP) == Some(0) {
        Cause::new(
            "heap_corruption",
            Confidence::High,
            "the heap's own records were overwritten, or a block was freed twice",
        )
    } else if in_musl && function.is_none() {
        Cause::new(
            "heap_corruption",
            Confidence::Medium,
            "the C library found a fatal error, most likely in the heap's records",
        )
    } else {
        return None;
    };
    Some(Cause { evidence, ..cause })
}

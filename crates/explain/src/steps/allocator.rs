//! Faults in the allocator itself: its notes in the heap were overwritten, or it was given a pointer that isn't its own.

use epitaph_summary::{Cause, Confidence};

use super::told;
use crate::scene::Scene;

/// Functions that read and write malloc's notes: those of the C standard, glibc's (malloc/malloc.c) and musl's
/// (src/malloc/mallocng).
const ALLOCATORS: [&str; 26] = [
    "_int_malloc",
    "_int_free",
    "_int_free_chunk",
    "_int_free_create_chunk",
    "_int_free_merge_chunk",
    "_int_realloc",
    "_int_memalign",
    "malloc_consolidate",
    "unlink_chunk",
    "munmap_chunk",
    "sysmalloc",
    "systrim",
    "tcache_get",
    "tcache_put",
    "tcache_thread_shutdown",
    "__libc_malloc",
    "__libc_calloc",
    "__libc_realloc",
    "__libc_free",
    "malloc",
    "calloc",
    "realloc",
    "free",
    "cfree",
    "get_meta",
    "nontrivial_free",
];

/// Adds to a fault in the allocator what it means.
pub(super) fn find(scene: &Scene<'_>, found: &[Cause]) -> Option<Cause> {
    const OTHERS: [&str; 2] = ["stack_overflow", "exec_null"];
    let failure = scene.failure.as_ref()?;
    let trapped = found.iter().any(|cause| cause.class == "trap");
    if !(told(found) || trapped) || found.iter().any(|cause| OTHERS.contains(&cause.class.as_str())) {
        return None;
    }
    let function = scene.frames().first()?.function.as_deref()?;
    if !ALLOCATORS.contains(&function) {
        return None;
    }
    let summary = "the heap was corrupted before, or a pointer was freed that malloc hadn't given";
    let mut cause = failure.cause("heap_corruption", Confidence::Medium, summary.to_owned());
    cause.evidence.insert(0, format!("the allocator itself failed, in {function}"));
    Some(cause)
}

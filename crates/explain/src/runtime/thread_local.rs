//! Where a thread keeps its thread-local variables ("ELF Handling For Thread-Local Storage", and the TCBs of glibc and
//! musl).

use std::ops::Range;

use crate::peek::Peek;

/// Bytes next to the thread pointer in which the variables of what was loaded at the start are.
const STATIC: u64 = 4 << 10;
/// Bytes of each other module's block that are looked at.
const BLOCK: u64 = 512;
/// Most modules that have a block of their own.
const MOST: u64 = 256;

/// Returns the ranges that hold the variables of the thread with this thread pointer, the likeliest first.
pub(crate) fn blocks(peek: Peek<'_>, arch: &str, pointer: u64) -> Vec<Range<u64>> {
    let word = peek.word_size();
    // Variables lie below the thread pointer (variant II) or above it (variant I); the dynamic thread vector is named by
    // a word of the control block.
    let (near, vector) = match arch {
        "x86_64" | "i386" | "s390x" => (pointer.saturating_sub(STATIC)..pointer, pointer.checked_add(word)),
        "aarch64" | "arm" => {
            (pointer.saturating_add(2 * word)..pointer.saturating_add(STATIC), Some(pointer))
        }
        "riscv64" => (pointer..pointer.saturating_add(STATIC), pointer.checked_sub(2 * word)),
        _ => return Vec::new(),
    };
    let vector = vector.and_then(|slot| peek.word(slot)).filter(|vector| *vector != 0);
    std::iter::once(near).chain(vector.into_iter().flat_map(|vector| dynamic(peek, vector))).collect()
}

/// Returns the range of the record that the C library keeps of a thread (glibc's `struct pthread`), which holds the values
/// of the first `pthread_key_t`s, given its thread pointer.
pub(crate) fn record(arch: &str, pointer: u64) -> Option<Range<u64>> {
    /// Bytes of the record, of glibc 2.36 and of those around it; its keys are in the first half.
    const RECORD: u64 = 0x900;
    match arch {
        "x86_64" | "i386" | "s390x" => Some(pointer..pointer.saturating_add(RECORD)),
        "aarch64" | "riscv64" => Some(pointer.saturating_sub(RECORD)..pointer),
        _ => None,
    }
}

/// The blocks that a dynamic thread vector names: pairs of words, of which the one before the first holds their number
/// and the first of each points to a block (glibc's `dtv_t`).
fn dynamic(peek: Peek<'_>, vector: u64) -> impl Iterator<Item = Range<u64>> {
    let entry = 2 * peek.word_size();
    let count = vector.checked_sub(entry).and_then(|slot| peek.word(slot)).unwrap_or_default().min(MOST);
    (1..=count).filter_map(move |index| {
        let block = peek.word(vector.checked_add(index * entry)?)?;
        (block != 0 && block != u64::MAX).then(|| block..block.saturating_add(BLOCK))
    })
}

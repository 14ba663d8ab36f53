//! Uses of memory that was freed, as far as they can be told: the allocator's own notes, or what it fills memory with, were
//! taken for the program's pointers.
//!
//! glibc's malloc links the chunks of its caches through their first word, which it mangles since 2.32 ("safe-linking",
//! malloc/malloc.c, `PROTECT_PTR`): at `p` stands `(p >> 12) ^ next`, and `p >> 12` alone in a list's last chunk.

use epitaph_summary::{Cause, Confidence};

use crate::failure::Failure;
use crate::scene::Scene;
use crate::words;

const SIGSEGV: i32 = 11;
/// Chunks are multiples of this (`MALLOC_ALIGNMENT`).
const ALIGNMENT: u64 = 16;
const PAGE_SHIFT: u32 = 12;
/// Words of the stack, from its pointer on, that may point to the chunk.
const MOST_WORDS: u64 = 256;

/// Recognizes a use of freed memory.
pub(super) fn find(scene: &Scene<'_>, found: &[Cause]) -> Option<Cause> {
    let failure = scene.failure.as_ref()?;
    let (signal, _) = scene.signal()?;
    // A null pointer and a stack overflow have nothing of it.
    const OTHERS: [&str; 4] = ["stack_overflow", "null_deref", "exec_null", "return_corrupt"];
    let other = |cause: &Cause| OTHERS.iter().any(|class| cause.class.starts_with(class));
    if signal != SIGSEGV || failure.arch.bits() != 64 || found.iter().any(other) {
        return None;
    }
    let value = pointer(failure)?;
    let verb = if failure.is_execution() { "call" } else { "access" };
    if words::looks_freed(value, failure.arch.bits()) {
        let summary = format!("{verb} through a pointer that was read from freed memory");
        let mut cause = failure.cause("use_after_free", Confidence::Medium, summary);
        let looks = words::looks_like(value, failure.arch.bits()).unwrap_or_default();
        cause.evidence.insert(0, format!("the pointer {value:#x} is {looks}"));
        return Some(cause);
    }
    let link = link(scene, failure, value)?;
    let summary = format!("{verb} through a pointer that was read from freed memory");
    let confidence = if link.seen { Confidence::Medium } else { Confidence::Low };
    let mut cause = failure.cause("use_after_free", confidence, summary);
    cause.evidence.insert(0, link.words(value));
    Some(cause)
}

/// Returns the pointer that was followed: what the base register holds, or where the program counter was led to.
fn pointer(failure: &Failure) -> Option<u64> {
    if failure.is_execution() {
        return Some(failure.pc);
    }
    failure.operand.as_ref()?.base.as_ref()?.value
}

/// A value that is the link of a freed chunk.
struct Link {
    chunk: u64,
    next: u64,
    /// Whether the chunk was found, with the link in it.
    seen: bool,
}

impl Link {
    fn words(&self, value: u64) -> String {
        let (chunk, next) = (self.chunk, self.next);
        match (self.seen, next) {
            (true, 0) => format!(
                "{value:#x} is what malloc keeps in the freed memory at {chunk:#x}: the end of a list"
            ),
            (true, _) => format!(
                "{value:#x} is what malloc keeps in the freed memory at {chunk:#x}: a link to {next:#x}"
            ),
            (false, _) => {
                format!("{value:#x} is what malloc would keep in freed memory in the page of {chunk:#x}")
            }
        }
    }
}

/// Finds the freed chunk that a value is the link of: a register or a word of the stack may still point to it.
fn link(scene: &Scene<'_>, failure: &Failure, value: u64) -> Option<Link> {
    let fault = scene.fault.as_ref()?;
    let arch = failure.arch;
    let registers = arch.register_names.iter().filter_map(|(number, _)| fault.registers.get(*number));
    let stack = (0..MOST_WORDS)
        .map_while(|word| arch.read_word(scene.memory, failure.sp?.checked_add(word * 8)?).ok());
    let mut candidates: Vec<u64> =
        registers.chain(stack).filter(|address| address.is_multiple_of(ALIGNMENT)).collect();
    candidates.sort_unstable();
    candidates.dedup();
    let linked = |chunk: u64| {
        let next = value ^ (chunk >> PAGE_SHIFT);
        let plausible = next == 0 || (next.is_multiple_of(ALIGNMENT) && scene.space.may_be_heap(next));
        let holds = || arch.read_word(scene.memory, chunk).ok() == Some(value);
        (plausible && scene.space.may_be_heap(chunk) && holds() && has_size(scene, failure, chunk))
            .then_some(Link { chunk, next, seen: true })
    };
    candidates.into_iter().find_map(linked).or_else(|| {
        // The chunk is out of sight: the end of a list still tells its page.
        let page = value.checked_mul(1 << PAGE_SHIFT)?;
        (value > 0xffff && scene.space.may_be_heap(page)).then_some(Link {
            chunk: page,
            next: 0,
            seen: false,
        })
    })
}

/// Tells whether the word before a chunk's memory is a chunk's size, with its three flags.
fn has_size(scene: &Scene<'_>, failure: &Failure, chunk: u64) -> bool {
    const SMALLEST: u64 = 32;
    /// What the caches keep is smaller; leave room for who has set them otherwise.
    const LARGEST: u64 = 1 << 20;
    let size = chunk.checked_sub(8).and_then(|at| failure.arch.read_word(scene.memory, at).ok());
    size.is_some_and(|size| (SMALLEST..LARGEST).contains(&(size & !7)) && size & 8 == 0)
}

//! Uses of memory that was freed, as far as they can be told: the allocator's own notes, or what it fills memory with, were
//! taken for the program's pointers.
//!
//! glibc's malloc links the chunks of its caches through their first word, which it mangles since 2.32 ("safe-linking",
//! malloc/malloc.c, `PROTECT_PTR`): at `p` stands `(p >> 12) ^ next`, and `p >> 12` alone in a list's last chunk.

use epitaph_summary::{Cause, Confidence};

use super::told;
use crate::failure::Failure;
use crate::regions::NULL_END;
use crate::scene::Scene;
use crate::words;
use epitaph_elf::signals::SIGSEGV;

const CLASS: &str = "use_after_free";
/// Chunks are multiples of this (`MALLOC_ALIGNMENT`).
const ALIGNMENT: u64 = 16;
const PAGE_SHIFT: u32 = 12;
/// Offsets that are added to a pointer before it is followed are smaller than this.
const LARGEST_OFFSET: u64 = 512;
/// Words of the stack, from its pointer on, that may point to the chunk.
const MOST_WORDS: u64 = 256;

/// Recognizes a use of freed memory where the link in it is a small number, which an offset to null would be as well: that of
/// a heap at a low address, as programs have that are not position-independent.
pub(super) fn find_small(scene: &Scene<'_>, found: &[Cause]) -> Option<Cause> {
    let failure = scene.failure.as_ref().filter(|_| !told(found))?;
    let (signal, _) = scene.signal()?;
    let value = pointer(failure).filter(|value| signal == SIGSEGV && (1..NULL_END).contains(value))?;
    let link = link(scene, failure, value).filter(|link| matches!(link, Link::In { .. }))?;
    Some(cause(failure, link.words(value)))
}

/// Recognizes a use of freed memory.
pub(super) fn find(scene: &Scene<'_>, found: &[Cause]) -> Option<Cause> {
    let failure = scene.failure.as_ref()?;
    let (signal, _) = scene.signal()?;
    // A null pointer and a stack overflow have nothing of it, and once is enough.
    const OTHERS: [&str; 5] = ["stack_overflow", "null_deref", "exec_null", "return_corrupt", CLASS];
    let other = |cause: &Cause| OTHERS.iter().any(|class| cause.class.starts_with(class));
    if signal != SIGSEGV || found.iter().any(other) {
        return None;
    }
    let value = pointer(failure)?;
    if words::looks_freed(value, failure.arch.bits()) {
        let looks = words::looks_like(value, failure.arch.bits()).unwrap_or_default();
        return Some(cause(failure, format!("the pointer {value:#x} is {looks}")));
    }
    // What is mapped may well be where it was to lead.
    let link = link(scene, failure, value).filter(|_| scene.space.find(value).is_none())?;
    Some(cause(failure, link.words(value)))
}

fn cause(failure: &Failure, evidence: String) -> Cause {
    let verb = if failure.is_execution() { "call" } else { "access" };
    let summary = format!("{verb} through a pointer that was read from freed memory");
    let mut cause = failure.cause(CLASS, Confidence::Medium, summary);
    cause.evidence.insert(0, evidence);
    cause
}

/// Returns the pointer that was followed: what the base register holds, or where the program counter was led to.
fn pointer(failure: &Failure) -> Option<u64> {
    if failure.is_execution() {
        return Some(failure.pc);
    }
    failure.operand.as_ref()?.base.as_ref()?.value
}

/// A value that is, or would be, the link of a freed chunk.
enum Link {
    /// It stands in this chunk, and leads to the next one; 0 at the end of a list.
    In { chunk: u64, next: u64 },
    /// It is what would stand in the chunks of this page, at the end of a list.
    LastIn { page: u64 },
    /// It is what would stand in a chunk near this one, which it would lead to.
    To { next: u64 },
}

impl Link {
    fn words(&self, value: u64) -> String {
        match self {
            Link::In { chunk, next: 0 } => {
                let value = chunk >> PAGE_SHIFT;
                format!("{value:#x} is what malloc keeps in the freed memory at {chunk:#x}, a list's last")
            }
            Link::In { chunk, next } => {
                let value = next ^ (chunk >> PAGE_SHIFT);
                format!(
                    "{value:#x} is what malloc keeps in the freed memory at {chunk:#x}: a link to {next:#x}"
                )
            }
            Link::LastIn { page } => {
                format!(
                    "{value:#x} is what malloc keeps in freed memory of the page {page:#x}, in a list's last"
                )
            }
            Link::To { next } => {
                format!(
                    "{value:#x} is what malloc keeps in freed memory that is linked to {next:#x}, in the heap"
                )
            }
        }
    }
}

/// Finds out whether a value is a freed chunk's link: a register or a word of the stack may still point to the chunk, or else
/// the value itself leads into the heap.
fn link(scene: &Scene<'_>, failure: &Failure, value: u64) -> Option<Link> {
    let fault = scene.fault.as_ref()?;
    let arch = failure.arch;
    let word = u64::from(arch.bits() / 8);
    let read = |address: Option<u64>| arch.read_word(scene.memory, address?).ok();
    let registers = arch.register_names.iter().filter_map(|(number, _)| fault.registers.get(*number));
    let stack = (0..MOST_WORDS).map_while(|index| read(failure.sp?.checked_add(index * word)));
    let mut candidates: Vec<u64> =
        registers.chain(stack).filter(|address| address.is_multiple_of(ALIGNMENT)).collect();
    candidates.sort_unstable();
    candidates.dedup();
    let holds = |chunk: u64| {
        let size = read(chunk.checked_sub(word));
        // Code that isn't optimized adds a field's offset, or a virtual function's, to what it read there first.
        let held = read(Some(chunk)).filter(|held| value.wrapping_sub(*held) < LARGEST_OFFSET)?;
        let next = held ^ (chunk >> PAGE_SHIFT);
        let leads = next == 0 || (next.is_multiple_of(ALIGNMENT) && scene.space.may_be_heap(next));
        let holds = leads && scene.space.may_be_heap(chunk);
        (holds && size.is_some_and(is_size)).then_some(Link::In { chunk, next })
    };
    candidates.into_iter().find_map(holds).or_else(|| leading(scene, value))
}

/// Takes a value for the link of a chunk that isn't in sight.
fn leading(scene: &Scene<'_>, value: u64) -> Option<Link> {
    /// Small numbers are no pages of a heap.
    const SMALLEST: u64 = 0x1_0000;
    let page = value.checked_mul(1 << PAGE_SHIFT).filter(|_| value >= SMALLEST);
    if let Some(page) = page.filter(|page| scene.space.may_be_heap(*page)) {
        return Some(Link::LastIn { page });
    }
    // The upper bits of a link are those of where it leads, and they tell the lower ones where both are in one page.
    let next = (0..u64::BITS / PAGE_SHIFT).fold(value, |next, _| value ^ (next >> PAGE_SHIFT));
    (next != value && scene.space.may_be_heap(next)).then_some(Link::To { next })
}

/// Tells whether a word is a chunk's size, with its three flags. What the caches keep is small.
fn is_size(word: u64) -> bool {
    const SMALLEST: u64 = 16;
    const LARGEST: u64 = 1 << 20;
    (SMALLEST..LARGEST).contains(&(word & !7)) && word & 8 == 0
}

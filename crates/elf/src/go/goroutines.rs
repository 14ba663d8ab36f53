//! The runtime's list of goroutines (`runtime.allgs`), recognised without symbols: a slice of pointers to records that
//! each hold their own address.
//!
//! The first fields of the records (`runtime/runtime2.go`, `g` and `gobuf`) are known to the compiler, the linker and
//! debuggers, and are the same from Go 1.10 to 1.27.

use std::ops::Range;

use crate::arch::Arch;
use crate::memory::Memory;

/// Bytes of an address: 64-bit processes are read.
const WORD: u64 = 8;
/// `g.stack`: lowest address, and the one after the highest.
const G_STACK: [u64; 2] = [0, WORD];
/// `g.sched.sp`: where it goes on when it runs again.
const G_SP: u64 = 7 * WORD;
/// `g.sched.g`: the record itself.
const G_SELF: u64 = 9 * WORD;
/// Most goroutines that are counted.
const MOST: u64 = 1 << 20;

/// A list of goroutines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoroutineList {
    /// Where the addresses of the records are.
    pub address: u64,
    /// How many there are.
    pub len: u64,
}

impl GoroutineList {
    /// Takes three words (address, length, capacity) for a list of goroutines; `None` where they are something else:
    /// its first and last element are not both records that hold their own addresses.
    pub fn of(arch: &Arch, memory: &dyn Memory, slice: [u64; 3]) -> Option<GoroutineList> {
        let [address, len, capacity] = slice;
        let plausible = address != 0
            && address.is_multiple_of(WORD)
            && (1..=MOST).contains(&len)
            && (len..=2 * MOST).contains(&capacity);
        let list = GoroutineList { address, len };
        let is_record = |index| {
            let record = list.record(arch, memory, index).filter(|record| *record != 0);
            let itself = record.and_then(|record| word(arch, memory, record.wrapping_add(G_SELF)));
            record.is_some() && itself == record
        };
        (plausible && [0, len - 1].into_iter().all(is_record)).then_some(list)
    }

    /// Returns the address of a record.
    pub fn record(&self, arch: &Arch, memory: &dyn Memory, index: u64) -> Option<u64> {
        word(arch, memory, self.address.checked_add(index.checked_mul(WORD)?)?)
    }

    /// Returns where the addresses of the records are.
    pub(crate) fn range(&self) -> Range<u64> {
        self.address..self.address.saturating_add(self.len * WORD)
    }
}

/// Returns the part of a goroutine's stack that is in use while no thread runs it, given its record.
pub(crate) fn suspended_stack(arch: &Arch, memory: &dyn Memory, record: u64) -> Option<Range<u64>> {
    let field = |offset| word(arch, memory, record.checked_add(offset)?);
    let [low, high] = G_STACK.map(field);
    let sp = field(G_SP)?;
    (low? <= sp && sp < high?).then_some(sp..high?)
}

fn word(arch: &Arch, memory: &dyn Memory, address: u64) -> Option<u64> {
    arch.read_word(memory, address).ok()
}

//! Frames by their machine code, where there is no CFI: what the code says is found out once for each address.

use std::cell::Cell;
use std::collections::HashMap;
use std::num::NonZero;
use std::ops::Range;
use std::rc::Rc;

use epitaph_elf::{Arch, CodePiece, FrameRule, FromEntry, Memory, MemoryError, Registers, read_vec};

use crate::address::CodeAddress;
use crate::code::Code;
use crate::functions::Function;

/// Bytes of the largest function that is looked through.
const LARGEST_FUNCTION: u64 = 128 << 10;
/// Bytes before and after an address that are looked through where nobody knows where its function ends; a power of 2.
const CODE_AROUND: u64 = 8 << 10;

/// Most bytes of code that are looked through in a whole process.
const MOST_CODE_IN_ALL: u64 = 16 << 20;

/// What the code says of a frame.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// From the function's entry on.
    pub(crate) from_entry: Option<FromEntry>,
    /// Whether the function's entry is known for sure.
    pub(crate) sure: bool,
    /// On to the function's return, the likeliest first; not asked where the entry tells for sure.
    pub(crate) to_return: Vec<FrameRule>,
    /// The function's bounds, where they are known for sure.
    pub(crate) function: Option<Range<u64>>,
    /// Whether the code can be read at all.
    pub(crate) readable: bool,
}

/// What was found out about code so far.
#[derive(Debug)]
pub(crate) struct Machine {
    arch: &'static Arch,
    /// By address.
    known: HashMap<CodeAddress, Rc<Known>>,
    /// Bytes of code that may still be looked through.
    allowance: Cell<u64>,
}

impl Machine {
    pub(crate) fn new(arch: &'static Arch, shared_by: NonZero<u32>) -> Machine {
        let allowance = Cell::new(MOST_CODE_IN_ALL / u64::from(shared_by.get()));
        Machine { arch, known: HashMap::new(), allowance }
    }

    /// Returns what the code says of a frame at `address`.
    pub(crate) fn at(&mut self, address: CodeAddress, code: &mut Code<'_>, memory: &dyn Memory) -> Rc<Known> {
        if let Some(known) = self.known.get(&address) {
            return Rc::clone(known);
        }
        let known = Rc::new(self.find_out(address, code, memory));
        self.known.insert(address, Rc::clone(&known));
        known
    }

    fn find_out(&self, address: CodeAddress, code: &mut Code<'_>, memory: &dyn Memory) -> Known {
        let functions = code.functions(address.lookup());
        let mut known = Known { readable: memory.read(address.pc(), &mut [0]).is_ok(), ..Known::default() };
        known.function = functions.iter().find(|function| function.sure).map(|known| known.bounds.clone());
        let Some(machine_code) = &self.arch.machine_code else { return known };
        for function in &functions {
            let Some(pieces) = pieces(function, memory) else { continue };
            if !self.may_look_through(&pieces) {
                return known;
            }
            known.from_entry = (machine_code.from_entry)(&pieces, address.lookup());
            known.sure = function.sure && known.from_entry.is_some();
            if known.from_entry.is_some() {
                break;
            }
        }
        if !known.sure {
            let pieces = around(address.pc(), memory);
            if self.may_look_through(&pieces) {
                known.to_return = (machine_code.to_return)(&pieces, address.pc());
            }
        }
        known
    }

    fn may_look_through(&self, pieces: &[CodePiece]) -> bool {
        let len = pieces.iter().map(|piece| piece.bytes.len() as u64).sum();
        let left = self.allowance.get().checked_sub(len);
        self.allowance.set(left.unwrap_or(0));
        left.is_some()
    }

    /// Tells by the code of the function that starts at `entry` what the frame is like at `address`.
    pub(crate) fn from(&self, entry: u64, address: CodeAddress, memory: &dyn Memory) -> Option<FrameRule> {
        let len = address.pc().checked_sub(entry).filter(|len| *len <= LARGEST_FUNCTION)?;
        let bytes = read_vec(memory, entry, usize::try_from(len).ok()?).ok()?;
        let mut pieces = vec![CodePiece { start: entry, bytes }];
        // A way to the address may lead through what follows it.
        let after = around(address.pc(), memory).into_iter().next();
        if let (Some(piece), Some(after)) = (pieces.first_mut(), after) {
            let skip = usize::try_from(address.pc().checked_sub(after.start)?).ok()?;
            piece.bytes.extend(after.bytes.get(skip..).unwrap_or_default());
        }
        if !self.may_look_through(&pieces) {
            return None;
        }
        match (self.arch.machine_code.as_ref()?.from_entry)(&pieces, address.lookup())? {
            FromEntry::Rule(rule) => Some(rule),
            FromEntry::First => None,
        }
    }
}

/// Reads a function's code, and that of its unlikely parts.
fn pieces(function: &Function, memory: &dyn Memory) -> Option<Vec<CodePiece>> {
    let piece = |bounds: &Range<u64>| {
        let len = bounds.end.checked_sub(bounds.start).filter(|len| (1..=LARGEST_FUNCTION).contains(len))?;
        let bytes = read_vec(memory, bounds.start, usize::try_from(len).ok()?).ok()?;
        Some(CodePiece { start: bounds.start, bytes })
    };
    let whole = piece(&function.bounds)?;
    Some(std::iter::once(whole).chain(function.parts.iter().filter_map(piece)).collect())
}

/// Reads the code around an address, as far as it is there without a gap: a program may end anywhere in a page.
fn around(pc: u64, memory: &dyn Memory) -> Vec<CodePiece> {
    let (mut start, mut bytes) = (pc, Vec::new());
    let mut step = CODE_AROUND;
    while step > 0 {
        match start.checked_sub(step).and_then(|before| read_vec(memory, before, step as usize).ok()) {
            Some(read) if (bytes.len() as u64) < CODE_AROUND => {
                bytes.splice(..0, read);
                start -= step;
            }
            _ => step /= 2,
        }
    }
    let mut end = pc;
    let mut step = CODE_AROUND;
    while step > 0 {
        match read_vec(memory, end, step as usize) {
            Ok(read) if end - pc < CODE_AROUND => {
                bytes.extend(read);
                end = end.saturating_add(step);
            }
            _ => step /= 2,
        }
    }
    vec![CodePiece { start, bytes }]
}

/// Leaves a frame by a rule. `None` where it needs a register that isn't known.
pub(crate) fn leave(
    arch: &Arch,
    rule: &FrameRule,
    registers: &Registers,
    memory: &dyn Memory,
) -> Result<Option<Registers>, MemoryError> {
    let Some(cfa) = rule.cfa.value(arch, registers, memory)? else { return Ok(None) };
    let mut caller = Registers::default();
    for (register, place) in &rule.saved {
        caller.set(*register, place.value(arch, registers, memory).ok().flatten());
    }
    let word = u64::from(arch.bits() / 8);
    caller.set(arch.pc, Some(arch.read_word(memory, cfa.wrapping_sub(word))?));
    caller.set(arch.sp, Some(cfa));
    Ok(Some(caller))
}

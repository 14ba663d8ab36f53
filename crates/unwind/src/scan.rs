//! Callers that are looked for on the stack, where neither CFI nor machine code says where the return address is.
//!
//! A stack is full of return addresses of calls that are long over. What tells a live one is the call before it: it
//! leads to the very function that this frame is in, by itself, through a stub, or through functions that jumped on.

use std::num::NonZero;
use std::ops::Range;

use epitaph_elf::{Arch, Endian, FrameRule, Memory, Registers, Target, read_vec};

use crate::address::CodeAddress;
use crate::code::Code;
use crate::fallback::{self, LONGEST_CALL};
use crate::machine::{Known, Machine};
use crate::tail::{Layout, TailCalls};

/// How far a call that leads to this function is looked for, in bytes.
const FAR: u64 = 64 << 10;
/// Most words that are looked at in a whole process.
const MOST_WORDS_IN_ALL: u64 = 1 << 22;
/// How far a call that says little is looked for, in words; further in the innermost frame, which may have a large one.
const NEAR: usize = 40;
const NEAR_INNERMOST: usize = 160;
/// Bytes that are read at once.
const CHUNK: usize = 4096;
/// Most functions whose code is looked through for one frame.
pub(crate) const MOST_ENTRIES: usize = 64;
/// Most bytes from a function's entry to an address in it, where its end isn't known.
const FARTHEST_ENTRY: u64 = 64 << 10;

/// What a word on the stack is, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Evidence {
    /// The address after a call of this function.
    Called,
    /// The address after a call of something in the same module, whose code can't be read.
    ModuleCalled,
    /// The address after a call through a register, which may have led here.
    MayBeCalled,
    /// An address in code that can't be read.
    InCode,
}

/// A word that may be the return address.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Where it is on the stack.
    pub(crate) slot: u64,
    pub(crate) evidence: Evidence,
    /// What the code says of the frame, if it confirms that the return address is here.
    pub(crate) rule: Option<FrameRule>,
}

/// The search for a frame's caller.
pub(crate) struct Scan<'s, 'a> {
    pub(crate) arch: &'static Arch,
    pub(crate) memory: &'s dyn Memory,
    pub(crate) registers: &'s Registers,
    pub(crate) address: CodeAddress,
    pub(crate) known: &'s Known,
    pub(crate) code: &'s mut Code<'a>,
    pub(crate) tails: &'s mut TailCalls,
    pub(crate) machine: &'s Machine,
    pub(crate) allowance: &'s mut Allowance,
    /// How many more functions' code may be looked through.
    pub(crate) entries_left: usize,
}

/// How many more words may be looked at in this process.
#[derive(Debug)]
pub(crate) struct Allowance(u64);

impl Allowance {
    pub(crate) fn new(shared_by: NonZero<u32>) -> Allowance {
        Allowance(MOST_WORDS_IN_ALL / u64::from(shared_by.get()))
    }
}

/// Where a call leads, as seen from the frame.
enum Call {
    Here(Option<FrameRule>),
    /// As far as can be seen.
    Perhaps(Evidence),
    Elsewhere,
}

impl Scan<'_, '_> {
    /// Returns the likeliest word: the nearest one of the best kind that is there.
    pub(crate) fn find(&mut self) -> Option<Candidate> {
        if self.arch.link.is_some() {
            // What a function saves of its return address may be anywhere in its frame: a word doesn't tell the size.
            return None;
        }
        let sp = self.registers.get(self.arch.sp)?;
        let near = if self.address.is_interrupted() { NEAR_INNERMOST } else { NEAR };
        let mut best: Option<Candidate> = None;
        let mut nothing_between = true;
        for (index, word) in self.words(sp).into_iter().enumerate() {
            let slot = sp.wrapping_add(index as u64 * u64::from(self.arch.bits() / 8));
            let (evidence, rule) = match self.call_before(word, slot) {
                // The program's entry never returns: its call is not over, and no other call that may not be is on the
                // way there.
                _ if nothing_between && self.is_entry_call(word) => (Evidence::Called, None),
                Call::Here(rule) => (Evidence::Called, rule),
                Call::Perhaps(evidence) => (evidence, None),
                Call::Elsewhere => {
                    nothing_between &= !fallback::is_return_address(self.arch, word, self.memory);
                    continue;
                }
            };
            nothing_between = false;
            if evidence > Evidence::ModuleCalled && index >= near {
                continue;
            }
            if best.as_ref().is_none_or(|best| evidence < best.evidence) {
                best = Some(Candidate { slot, evidence, rule });
            }
            if evidence == Evidence::Called {
                break;
            }
        }
        best
    }

    /// Tells whether a word is the return address of the call that the program's entry makes.
    fn is_entry_call(&self, word: u64) -> bool {
        self.code.is_entry(word.saturating_sub(1))
            && fallback::is_return_address(self.arch, word, self.memory)
    }

    /// Takes the link register, where a call left its return address, as long as nothing was called since: then it
    /// points out of the function. Returns how sure it is that the call before it led here.
    pub(crate) fn by_link_register(&mut self) -> Option<(Registers, Evidence)> {
        let function = self.known.function.as_ref()?;
        if !self.arch.returns_by_link || !self.address.is_interrupted() {
            return None;
        }
        let caller = fallback::after_call(self.arch, self.registers, self.memory)?;
        let return_address = caller.get(self.arch.pc)?;
        if function.contains(&return_address.saturating_sub(1)) {
            return None;
        }
        if self.arch.signal_return(return_address, self.memory).is_some() {
            return Some((caller, Evidence::MayBeCalled));
        }
        match self.call_before(return_address, 0) {
            Call::Here(_) => Some((caller, Evidence::Called)),
            Call::Perhaps(evidence) => Some((caller, evidence)),
            Call::Elsewhere => None,
        }
    }

    fn words(&mut self, sp: u64) -> Vec<u64> {
        let (word, endian) = (usize::from(self.arch.bits() / 8), self.arch.endian());
        let mut words = Vec::new();
        let mut at = sp;
        while at.wrapping_sub(sp) < FAR && self.allowance.0 > 0 {
            let len = CHUNK - (at % CHUNK as u64) as usize;
            let Ok(bytes) = read_vec(self.memory, at, len) else { break };
            words.extend(bytes.chunks_exact(word).map(|word| number(word, endian)));
            at = at.wrapping_add(len as u64);
            self.allowance.0 = self.allowance.0.saturating_sub((len / word) as u64);
        }
        words
    }

    fn call_before(&mut self, return_address: u64, slot: u64) -> Call {
        if !self.memory.is_executable(return_address) {
            return Call::Elsewhere;
        }
        let start = return_address.checked_sub(LONGEST_CALL as u64);
        let Some(before) = start.and_then(|at| read_vec(self.memory, at, LONGEST_CALL).ok()) else {
            return Call::Perhaps(Evidence::InCode);
        };
        if !(self.arch.follows_call)(&before) {
            return Call::Elsewhere;
        }
        let Some(target) = (self.arch.call_target)(return_address, &before) else {
            return Call::Perhaps(Evidence::MayBeCalled);
        };
        match self.tails.destination(return_address, target, self.code, self.memory) {
            Some(called) => self.leads_here(return_address, called, slot),
            // Through a variable, which may have changed since.
            None if matches!(target, Target::Slot(_)) => Call::Perhaps(Evidence::MayBeCalled),
            None => Call::Elsewhere,
        }
    }

    /// Tells whether a call of `called` led to the frame.
    fn leads_here(&mut self, return_address: u64, called: u64, slot: u64) -> Call {
        if let Some(function) = &self.known.function {
            let here = function.contains(&called) || self.jumped_on(return_address, &function.clone());
            return if here { Call::Here(None) } else { Call::Elsewhere };
        }
        let pc = self.address.pc();
        if self.code.module(called).is_none() || self.code.module(called) != self.code.module(pc) {
            return Call::Elsewhere;
        }
        if !self.known.readable {
            return Call::Perhaps(Evidence::ModuleCalled);
        }
        if pc.checked_sub(called).is_none_or(|within| within > FARTHEST_ENTRY) || self.entries_left == 0 {
            return Call::Elsewhere;
        }
        self.entries_left -= 1;
        let Some(rule) = self.machine.from(called, self.address, self.memory) else { return Call::Elsewhere };
        let word = u64::from(self.arch.bits() / 8);
        let cfa = rule.cfa.value(self.arch, self.registers, self.memory);
        if cfa == Ok(Some(slot.wrapping_add(word))) { Call::Here(Some(rule)) } else { Call::Elsewhere }
    }

    fn jumped_on(&mut self, return_address: u64, function: &Range<u64>) -> bool {
        !self.tails.between(return_address, function, self.code, self.memory).is_empty()
    }
}

/// Reads a word of up to 8 bytes.
fn number(bytes: &[u8], endian: Endian) -> u64 {
    let append = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    match endian {
        Endian::Little => bytes.iter().rev().fold(0, append),
        Endian::Big => bytes.iter().fold(0, append),
    }
}

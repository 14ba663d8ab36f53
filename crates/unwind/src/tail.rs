//! Frames that a tail call left out.
//!
//! A function that ends with a call may jump instead: the function that it jumps to takes over its frame and its
//! return address, and the stack knows nothing of the one that jumped. The machine code still does. The call before
//! the return address leads to a function; if that isn't the one whose frame was left, then a jump led on to it, or
//! a chain of jumps, and each of them is a frame. No debug information is needed.
//!
//! That the called function was on the stack is certain; which jumps led on is evidence. Bytes are searched without
//! knowing where instructions start, so that some of what looks like a jump is none. But a jump counts only if it
//! leads out of its function and to the first byte of another, where CFI says that the stack is as a call leaves it,
//! and only on a chain to the very function whose frame was left. Four bytes of another instruction hit that one
//! address in 2³², and the one byte of a short jump has it in reach only where the two functions are neighbours.
//! Where several chains lead there, only the jumps that all of them begin or end with are taken, as gdb does it: what
//! can't be told apart is left out.

mod exits;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::num::NonZero;
use std::ops::Range;

use epitaph_elf::{Arch, Memory, Target, read_vec};

use exits::Exits;

/// Most frames that are missing between two.
const LONGEST_CHAIN: usize = 4;
/// Most jumps that are looked at in the search between two frames.
const MOST_STEPS: u32 = 1 << 12;
/// Most that are looked at in a whole process: a second's worth.
const MOST_STEPS_IN_ALL: u32 = 1 << 22;
/// Bytes before a return address that hold the longest call instruction.
const LONGEST_CALL: u64 = 8;

/// What the search must know of the code, besides its bytes.
pub(crate) trait Layout {
    /// Returns the index of the module that `address` is in.
    fn module(&self, address: u64) -> Option<usize>;
    /// Returns the bounds of the function that `address` is in.
    fn function(&mut self, address: u64) -> Option<Range<u64>>;
    /// Tells whether a function starts at `address`, with the stack as a call leaves it. The parts that compilers
    /// split off a function have bounds of their own, but most of them start in the middle of its frame.
    fn starts_at(&mut self, address: u64) -> bool;
    /// Tells whether `address` is in a section of stubs that jump to imported functions.
    fn is_plt(&self, address: u64) -> bool;
    /// Tells whether `address` is in a table of addresses that only the dynamic linker writes to.
    fn is_got(&self, address: u64) -> bool;
}

/// Finds the jumps between a call and the frame that it led to. What it finds is kept, for stacks repeat themselves.
#[derive(Debug)]
pub(crate) struct TailCalls {
    arch: &'static Arch,
    exits: Exits,
    /// By return address, and by the start of the function that returns to it.
    between: HashMap<(u64, u64), Vec<u64>>,
    steps_left: u32,
}

impl TailCalls {
    /// Makes one of several that share what is looked for in a process.
    pub(crate) fn new(arch: &'static Arch, shared_by: NonZero<u32>) -> TailCalls {
        let steps_left = MOST_STEPS_IN_ALL / shared_by.get();
        TailCalls { arch, exits: Exits::new(arch), between: HashMap::new(), steps_left }
    }

    /// Returns the addresses after the jumps that led from the call before `return_address` to the function
    /// `callee`, the last jump first. Nearly always there are none: the call led there.
    pub(crate) fn between(
        &mut self,
        return_address: u64,
        callee: &Range<u64>,
        layout: &mut dyn Layout,
        memory: &dyn Memory,
    ) -> &[u64] {
        let key = (return_address, callee.start);
        if !self.between.contains_key(&key) {
            let found = self.search(return_address, callee, layout, memory).unwrap_or_default();
            self.between.insert(key, found);
        }
        self.between.get(&key).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns where a call before `return_address` leads, through stubs and the tables of the dynamic linker.
    pub(crate) fn destination(
        &self,
        return_address: u64,
        target: Target,
        layout: &mut dyn Layout,
        memory: &dyn Memory,
    ) -> Option<u64> {
        let module = layout.module(return_address);
        self.exits.destination(target, module, layout, memory)
    }

    fn search(
        &mut self,
        return_address: u64,
        callee: &Range<u64>,
        layout: &mut dyn Layout,
        memory: &dyn Memory,
    ) -> Option<Vec<u64>> {
        let before =
            read_vec(memory, return_address.checked_sub(LONGEST_CALL)?, LONGEST_CALL as usize).ok()?;
        let target = (self.arch.call_target)(return_address, &before)?;
        if matches!(target, Target::Direct(called) if callee.contains(&called)) {
            return None;
        }
        let module = layout.module(return_address);
        let called = self.exits.destination(target, module, layout, memory)?;
        if callee.contains(&called) || !layout.starts_at(callee.start) {
            return None;
        }
        let first = layout.function(called)?;
        let steps = MOST_STEPS.min(self.steps_left);
        let mut search = Search {
            exits: &mut self.exits,
            modules: [layout.module(called), layout.module(callee.start)],
            layout,
            memory,
            goal: callee.start,
            entered: Vec::new(),
            jumps: Vec::new(),
            found: None,
            steps_left: steps,
        };
        let done = search.follow(&first);
        let (found, steps_left) = (search.found, search.steps_left);
        self.steps_left -= steps - steps_left;
        done.ok()?;
        found.map(Found::certain)
    }
}

/// One search, depth first.
struct Search<'s> {
    exits: &'s mut Exits,
    layout: &'s mut dyn Layout,
    memory: &'s dyn Memory,
    /// Start of the function to arrive at.
    goal: u64,
    /// The modules of the first function and of the last. A way through any other would cost the search for that
    /// one's file.
    modules: [Option<usize>; 2],
    /// Starts of the functions on the way that is being followed.
    entered: Vec<u64>,
    /// Ends of the jumps between them.
    jumps: Vec<u64>,
    found: Option<Found>,
    steps_left: u32,
}

/// A chain that leads to the goal, and what all others that were found have in common with it.
struct Found {
    /// Ends of its jumps, the first one first.
    chain: Vec<u64>,
    /// How many of the first ones every chain begins with.
    begin: usize,
    /// How many of the last ones every chain ends with.
    end: usize,
}

impl Found {
    fn new(chain: &[u64]) -> Found {
        Found { chain: chain.to_vec(), begin: chain.len(), end: chain.len() }
    }

    fn compare(&mut self, other: &[u64]) {
        let same = |(ours, theirs): &(&u64, &u64)| ours == theirs;
        let begin = self.chain.iter().zip(other).take_while(same).count();
        let end = self.chain.iter().rev().zip(other.iter().rev()).take_while(same).count();
        self.begin = self.begin.min(begin);
        self.end = self.end.min(end);
    }

    /// Returns the jumps that are on every chain, the last one first.
    fn certain(self) -> Vec<u64> {
        let end = self.chain.len() - self.end;
        let jumps = self.chain.into_iter().enumerate();
        let certain = jumps.filter(|(index, _)| *index < self.begin || *index >= end).map(|(_, jump)| jump);
        certain.rev().collect()
    }
}

/// The chains have nothing in common, or there is so much code on the way that not all may have been found.
struct Ambiguous;

impl Search<'_> {
    /// Follows every way out of a function, as far as the goal or as a chain may be long.
    fn follow(&mut self, function: &Range<u64>) -> Result<(), Ambiguous> {
        self.entered.push(function.start);
        for exit in self.exits.of(function, self.layout, self.memory).iter() {
            self.steps_left = self.steps_left.checked_sub(1).ok_or(Ambiguous)?;
            self.jumps.push(exit.end);
            if exit.to == self.goal {
                let found = self.found.get_or_insert_with(|| Found::new(&self.jumps));
                found.compare(&self.jumps);
                if found.begin == 0 && found.end == 0 {
                    return Err(Ambiguous);
                }
            } else if self.jumps.len() < LONGEST_CHAIN
                && !self.entered.contains(&exit.to)
                && self.modules.contains(&self.layout.module(exit.to))
                && self.layout.starts_at(exit.to)
                && let Some(next) = self.layout.function(exit.to)
            {
                self.follow(&next)?;
            }
            self.jumps.pop();
        }
        self.entered.pop();
        Ok(())
    }
}

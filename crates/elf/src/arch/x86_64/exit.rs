//! A frame by the code that leads on from it: to the return to its caller, which restores what the function saved.
//!
//! This needs no function's start, and so works in stripped code and in code that was made at run time. It finds
//! nothing where no way leads to a return, as in a function that ends the process.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use iced_x86::{Instruction, InstructionInfoFactory};

use super::listing::{Flow, decode, flow};
use super::state::{Base, State, Value};
use super::{CALLEE_SAVED, RSP};
use crate::arch::{CodePiece, FrameRule, Place};

/// Most instructions that are looked at.
const MOST_INSTRUCTIONS: usize = 1 << 12;
/// Most rules that are found: where ways differ, the first ones are the likeliest.
const MOST_RULES: usize = 4;

pub(super) fn to_return(pieces: &[CodePiece], pc: u64) -> Vec<FrameRule> {
    let mut info = InstructionInfoFactory::new();
    let mut rules = Vec::new();
    let mut seen = BTreeSet::new();
    // By how many calls are on the way. A call may not come back, and what follows it in memory is then something
    // else: ways without any are followed first.
    let mut pending: BTreeMap<usize, VecDeque<(u64, State)>> = BTreeMap::new();
    pending.entry(0).or_default().push_back((pc, State::start()));
    while let Some(mut entry) = pending.first_entry() {
        let calls = *entry.key();
        let Some((address, mut state)) = entry.get_mut().pop_front() else {
            entry.remove();
            continue;
        };
        if seen.len() >= MOST_INSTRUCTIONS || rules.len() >= MOST_RULES {
            break;
        }
        if !seen.insert(address) {
            continue;
        }
        let Some(instruction) = decode(pieces, address) else { continue };
        if flow(&instruction) == Flow::Return
            && let Some(rule) = frame(&state).filter(|rule| !rules.contains(rule))
        {
            rules.push(rule);
        }
        state.apply(&instruction, &mut info);
        for (next, more) in onwards(&instruction).into_iter().flatten() {
            pending.entry(calls + more).or_default().push_back((next, state.clone()));
        }
    }
    rules
}

/// Returns what may come after an instruction, and how many calls are on the way there.
fn onwards(instruction: &Instruction) -> [Option<(u64, usize)>; 2] {
    let next = instruction.next_ip();
    match flow(instruction) {
        Flow::Next => [Some((next, 0)), None],
        Flow::Call => [Some((next, 1)), None],
        Flow::Jump(to) => [Some((to, 0)), None],
        Flow::Branch(to) => [Some((next, 0)), Some((to, 0))],
        Flow::Anywhere | Flow::Return | Flow::Nowhere => [None, None],
    }
}

/// Says where the caller's registers are, given what is known right before the function is left.
fn frame(state: &State) -> Option<FrameRule> {
    let place = |value| match value {
        Value::Sum { base: Base::Register(register), offset } => Some(Place::Sum { register, offset }),
        Value::Word { base: Base::Register(register), offset, addend } => {
            Some(Place::Word { register, offset, addend })
        }
        _ => None,
    };
    // The return address is at the top of the stack.
    let cfa = match place(state.get(RSP))? {
        Place::Sum { register, offset } => Place::Sum { register, offset: offset.wrapping_add(8) },
        Place::Word { register, offset, addend } => {
            Place::Word { register, offset, addend: addend.wrapping_add(8) }
        }
    };
    let saved = (0..16)
        .filter(|register| CALLEE_SAVED >> register & 1 == 1)
        .filter_map(|register| Some((register, place(state.get(register))?)))
        .collect();
    Some(FrameRule { cfa, saved })
}

//! A frame by the code that leads to it: from the function's first instruction, along every branch.
//!
//! Compilers keep one stack depth at each instruction, whichever way it is reached. What looks like two is a call
//! that doesn't come back, so that what follows it belongs to another way, or a loop that moves the stack pointer
//! (large frames are touched page by page).

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{Instruction, InstructionInfoFactory};

use super::listing::{Flow, Listing, flow};
use super::state::{Base, State, Value};
use super::{CALLEE_SAVED, RBP, RSP};
use crate::arch::{CodePiece, FrameRule, FromEntry, Place};

/// How many times a function's instructions may be gone through, all in all, and some more for a small one.
const MOST_PASSES: usize = 4;
const MOST_STEPS_OF_SMALL: usize = 1 << 12;
/// Most places in a function where ways part or meet.
const MOST_STARTS: usize = 1 << 13;
/// Most calls that are found not to come back before the analysis starts over no more.
const MOST_RESTARTS: usize = 32;

pub(super) fn from_entry(pieces: &[CodePiece], address: u64) -> Option<FromEntry> {
    let listing = Listing::new(pieces);
    let target = listing.index_of(address)?;
    let mut info = InstructionInfoFactory::new();
    let mut never_return = BTreeSet::new();
    let states = loop {
        let mut ways = Ways::new(&listing, &never_return, &mut info);
        match ways.follow(pieces.first()?.start) {
            Ok(()) => break ways.states,
            Err(Halt::NeverReturns(call)) if never_return.len() < MOST_RESTARTS => {
                never_return.insert(call);
            }
            Err(_) => return None,
        }
    };
    let leader = listing.leader_of(target)?;
    let mut state = states.get(&leader)?.state.clone();
    for index in leader..target {
        state.apply(listing.get(index)?, &mut info);
    }
    let instruction = listing.get(target)?;
    if instruction.ip() != address {
        state.apply(instruction, &mut info);
    }
    frame(&state)
}

/// Says where the caller's registers are, by those that still are what they were at the entry.
fn frame(state: &State) -> Option<FromEntry> {
    let place = |value| {
        let in_register = (0..16).find(|register| state.get(*register) == value);
        if let Some(register) = in_register {
            return Some(Place::Sum { register, offset: 0 });
        }
        state.stored(value).find_map(|(base, offset)| {
            let (register, offset) = state.reach(base, offset)?;
            Some(Place::Word { register, offset, addend: 0 })
        })
    };
    let saved: Vec<(u16, Place)> = (0..16)
        .filter(|register| CALLEE_SAVED >> register & 1 == 1)
        .filter_map(|register| Some((register, place(Value::initial(register))?)))
        .collect();
    if state.get(RBP) == Value::Zero && saved.iter().all(|(register, _)| *register != RBP) {
        return Some(FromEntry::First);
    }
    let at_entry = Base::Register(RSP);
    let cfa = match state.reach(at_entry, 8) {
        Some((register, offset)) => Place::Sum { register, offset },
        // A realigned frame keeps the address of its arguments in a word of its own.
        None => [0, 8].into_iter().find_map(|offset| {
            let (base, within) = state.stored(Value::Sum { base: at_entry, offset }).next()?;
            let (register, within) = state.reach(base, within)?;
            Some(Place::Word { register, offset: within, addend: 8 - offset })
        })?,
    };
    Some(FromEntry::Rule(FrameRule { cfa, saved }))
}

/// What is known where a run of instructions starts.
struct Start {
    state: State,
    /// The call that is right before it, if nothing else was seen to lead here.
    only_after: Option<u64>,
}

/// The ways through a function.
struct Ways<'l> {
    listing: &'l Listing,
    /// Addresses of the calls that don't come back.
    never_return: &'l BTreeSet<u64>,
    info: &'l mut InstructionInfoFactory,
    /// By the index of a run's first instruction.
    states: BTreeMap<usize, Start>,
    pending: BTreeSet<usize>,
    tables: Tables,
    steps_left: usize,
}

/// Why the ways can't be followed further.
enum Halt {
    /// The call at this address doesn't come back, and was taken for one that does.
    NeverReturns(u64),
    /// There are too many.
    TooMany,
}

impl<'l> Ways<'l> {
    fn new(
        listing: &'l Listing,
        never_return: &'l BTreeSet<u64>,
        info: &'l mut InstructionInfoFactory,
    ) -> Ways<'l> {
        Ways {
            listing,
            never_return,
            info,
            states: BTreeMap::new(),
            pending: BTreeSet::new(),
            tables: Tables::None,
            steps_left: listing.len() * MOST_PASSES + MOST_STEPS_OF_SMALL,
        }
    }

    /// Follows every way from the entry on.
    fn follow(&mut self, entry: u64) -> Result<(), Halt> {
        let Some(first) = self.listing.index(entry) else { return Ok(()) };
        self.arrive(first, State::start(), None)?;
        self.run_all()?;
        for case in self.listing.behind_ends() {
            if let Tables::Before(state) = &self.tables
                && !self.states.contains_key(&case)
            {
                self.arrive(case, State::clone(state), None)?;
                self.run_all()?;
            }
        }
        Ok(())
    }

    fn run_all(&mut self) -> Result<(), Halt> {
        while let Some(leader) = self.pending.pop_first() {
            self.run(leader)?;
        }
        Ok(())
    }

    /// Goes through a run of instructions, up to where ways part or meet.
    fn run(&mut self, leader: usize) -> Result<(), Halt> {
        let Some(mut state) = self.states.get(&leader).map(|start| start.state.clone()) else {
            return Ok(());
        };
        let mut index = leader;
        while let Some(instruction) = self.listing.get(index) {
            self.steps_left = self.steps_left.checked_sub(1).ok_or(Halt::TooMany)?;
            let flow = flow(instruction);
            if flow == Flow::Anywhere {
                self.jump_by_table(state);
                return Ok(());
            }
            state.apply(instruction, self.info);
            index += 1;
            match flow {
                Flow::Next if self.listing.is_leader(index) => return self.arrive(index, state, None),
                Flow::Next => {}
                Flow::Call => return self.come_back(index, state, instruction),
                Flow::Jump(to) => return self.jump(to, state),
                Flow::Branch(to) => {
                    let not_taken = state.not_taken(instruction);
                    self.jump(to, state)?;
                    return not_taken.map_or(Ok(()), |state| self.arrive(index, state, None));
                }
                Flow::Anywhere | Flow::Return | Flow::Nowhere => return Ok(()),
            }
        }
        Ok(())
    }

    fn jump(&mut self, to: u64, state: State) -> Result<(), Halt> {
        self.listing.index(to).map_or(Ok(()), |index| self.arrive(index, state, None))
    }

    fn come_back(&mut self, index: usize, state: State, call: &Instruction) -> Result<(), Halt> {
        if self.never_return.contains(&call.ip()) {
            return Ok(());
        }
        self.arrive(index, state, Some(call.ip()))
    }

    /// Takes in a way to a run of instructions, right after a call or in another way.
    fn arrive(&mut self, index: usize, state: State, after: Option<u64>) -> Result<(), Halt> {
        let Some(address) = self.listing.get(index).map(Instruction::ip) else { return Ok(()) };
        let many = self.states.len() >= MOST_STARTS;
        let Some(start) = self.states.get_mut(&index) else {
            if many {
                return Err(Halt::TooMany);
            }
            self.states.insert(index, Start { state, only_after: after });
            self.pending.insert(index);
            return Ok(());
        };
        if start.state.stack_differs(&state) {
            // Of two ways with different stacks, one that comes from a call alone is none: the call doesn't come back.
            match (start.only_after, after) {
                (Some(call), None) => return Err(Halt::NeverReturns(call)),
                (None, Some(_)) => return Ok(()),
                _ => {}
            }
        }
        if after.is_none() {
            start.only_after = None;
        }
        if start.state.join(&state, address) {
            self.pending.insert(index);
        }
        Ok(())
    }

    /// Takes in a jump that leads nobody knows where: to the cases of a `switch`, or out of the function, if the stack
    /// is as it was at the entry.
    fn jump_by_table(&mut self, state: State) {
        let may_leave = |state: &State| state.get(RSP) == Value::initial(RSP);
        match &mut self.tables {
            Tables::None => self.tables = Tables::Before(Box::new(state)),
            Tables::Before(known) if !known.stack_differs(&state) => {
                known.join(&state, 0);
            }
            Tables::Before(known) if may_leave(known) => **known = state,
            Tables::Before(_) if may_leave(&state) => {}
            Tables::Before(_) => self.tables = Tables::Differ,
            Tables::Differ => {}
        }
    }
}

/// What is known before the jumps of a function that lead nobody knows where. Code that no other way leads to is taken
/// for their cases.
enum Tables {
    None,
    Before(Box<State>),
    /// Their stack pointers differ, so that nobody knows which leads to which case.
    Differ,
}

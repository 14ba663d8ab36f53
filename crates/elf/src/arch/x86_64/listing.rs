//! The instructions of a function.

use std::collections::BTreeSet;

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind};

use crate::arch::CodePiece;

/// How code goes on after an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// With the next one.
    Next,
    /// With the next one, if the function that it calls returns.
    Call,
    /// There.
    Jump(u64),
    /// There, or with the next one.
    Branch(u64),
    /// Where a register or a word in memory says.
    Anywhere,
    /// With the caller.
    Return,
    /// Not at all.
    Nowhere,
}

/// Tells how code goes on after `instruction`.
pub(super) fn flow(instruction: &Instruction) -> Flow {
    // A far target has another form, and no compiler makes one.
    let near = matches!(instruction.op0_kind(), OpKind::NearBranch64);
    match instruction.flow_control() {
        FlowControl::Next if instruction.mnemonic() == Mnemonic::Hlt => Flow::Nowhere,
        FlowControl::Next => Flow::Next,
        // A call of the next instruction asks where it is, and what it pushed is popped again.
        FlowControl::Call if near && instruction.near_branch_target() == instruction.next_ip() => Flow::Next,
        FlowControl::Call if instruction.code() == Code::Syscall => Flow::Next,
        FlowControl::Call | FlowControl::IndirectCall => Flow::Call,
        FlowControl::UnconditionalBranch if near => Flow::Jump(instruction.near_branch_target()),
        FlowControl::ConditionalBranch if near => Flow::Branch(instruction.near_branch_target()),
        FlowControl::IndirectBranch => Flow::Anywhere,
        FlowControl::Return => Flow::Return,
        FlowControl::XbeginXabortXend => Flow::Next,
        _ => Flow::Nowhere,
    }
}

/// Decodes the instruction at `address`, if it is within one of the pieces, whole.
pub(super) fn decode(pieces: &[CodePiece], address: u64) -> Option<Instruction> {
    let rest = pieces.iter().find_map(|piece| {
        let within = usize::try_from(address.checked_sub(piece.start)?).ok()?;
        piece.bytes.get(within..).filter(|rest| !rest.is_empty())
    })?;
    let instruction = Decoder::with_ip(64, rest, address, DecoderOptions::NONE).decode();
    (!instruction.is_invalid()).then_some(instruction)
}

/// The instructions of a function, one after the other as compilers lay them out, by address.
pub(super) struct Listing {
    instructions: Vec<Instruction>,
    /// Indexes of the instructions that more than the one before may lead to, or none that is known.
    leaders: BTreeSet<usize>,
}

impl Listing {
    pub(super) fn new(pieces: &[CodePiece]) -> Listing {
        let mut instructions: Vec<Instruction> = pieces
            .iter()
            .flat_map(|piece| Decoder::with_ip(64, &piece.bytes, piece.start, DecoderOptions::NONE))
            .collect();
        instructions.sort_by_key(Instruction::ip);
        let mut listing = Listing { instructions, leaders: BTreeSet::new() };
        let mut leaders: BTreeSet<usize> =
            pieces.iter().filter_map(|piece| listing.index(piece.start)).collect();
        for (index, instruction) in listing.instructions.iter().enumerate() {
            let flow = flow(instruction);
            if let Flow::Jump(to) | Flow::Branch(to) = flow {
                leaders.extend(listing.index(to));
            }
            if !matches!(flow, Flow::Next) {
                leaders.insert(index + 1);
            }
        }
        leaders.remove(&listing.instructions.len());
        listing.leaders = leaders;
        listing
    }

    pub(super) fn len(&self) -> usize {
        self.instructions.len()
    }

    /// Returns the index of the instruction that starts at an address.
    pub(super) fn index(&self, address: u64) -> Option<usize> {
        self.instructions.binary_search_by_key(&address, Instruction::ip).ok()
    }

    /// Returns the index of the instruction that an address is in.
    pub(super) fn index_of(&self, address: u64) -> Option<usize> {
        let after = self.instructions.partition_point(|instruction| instruction.ip() <= address);
        let index = after.checked_sub(1)?;
        self.get(index).filter(|instruction| address < instruction.next_ip()).map(|_| index)
    }

    pub(super) fn get(&self, index: usize) -> Option<&Instruction> {
        self.instructions.get(index).filter(|instruction| !instruction.is_invalid())
    }

    pub(super) fn is_leader(&self, index: usize) -> bool {
        self.leaders.contains(&index)
    }

    /// Returns the leader of the run of instructions that the one at `index` is in.
    pub(super) fn leader_of(&self, index: usize) -> Option<usize> {
        self.leaders.range(..=index).next_back().copied()
    }

    /// Walks the leaders that no instruction before them leads to by itself: each follows a jump or an end.
    pub(super) fn behind_ends(&self) -> impl Iterator<Item = usize> {
        self.leaders.iter().copied().filter(|leader| {
            let before = leader.checked_sub(1).and_then(|before| self.get(before));
            before.is_some_and(|before| {
                matches!(flow(before), Flow::Jump(_) | Flow::Anywhere | Flow::Return | Flow::Nowhere)
            })
        })
    }
}

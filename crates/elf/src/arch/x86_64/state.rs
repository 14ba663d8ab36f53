//! What is known of registers and stack at an instruction, in terms of what they were at another.

use iced_x86::{
    Instruction, InstructionInfoFactory, InstructionInfoOptions, MemorySize, Mnemonic, OpAccess, OpKind,
    Register,
};

use super::listing::{Flow, flow};
use super::{RBP, RSP};

/// Most words on the stack that are kept track of.
const MOST_WORDS: usize = 24;

/// What an address on the stack is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// What the register (by DWARF number) held at the start.
    Register(u16),
    /// What the stack pointer became at the instruction of this address, which can't be told from before it.
    Unknown(u64),
}

/// What a register or a word on the stack holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Nobody knows.
    Unknown,
    /// Zero.
    Zero,
    /// So much more than the base.
    Sum { base: Base, offset: i64 },
    /// So much more than the word that was in memory at so much more than the base.
    Word { base: Base, offset: i64, addend: i64 },
}

impl Value {
    pub(super) fn initial(register: u16) -> Value {
        Value::Sum { base: Base::Register(register), offset: 0 }
    }

    fn plus(self, more: i64) -> Value {
        match self {
            Value::Sum { base, offset } => Value::Sum { base, offset: offset.wrapping_add(more) },
            Value::Word { base, offset, addend } => {
                Value::Word { base, offset, addend: addend.wrapping_add(more) }
            }
            Value::Zero | Value::Unknown => Value::Unknown,
        }
    }
}

/// A word that was stored on the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stored {
    base: Base,
    offset: i64,
    value: Value,
}

/// What is known at an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// By DWARF number.
    registers: [Value; 16],
    stored: Vec<Stored>,
    /// The two registers that were just compared.
    compared: Option<(u16, u16)>,
}

impl State {
    /// Nothing but that every register holds what it holds.
    pub(super) fn start() -> State {
        let mut number = 0;
        let registers = [(); 16].map(|()| {
            number += 1;
            Value::initial(number - 1)
        });
        State { registers, stored: Vec::new(), compared: None }
    }

    pub(super) fn get(&self, register: u16) -> Value {
        self.registers.get(usize::from(register)).copied().unwrap_or(Value::Unknown)
    }

    fn set(&mut self, register: u16, value: Value) {
        if let Some(slot) = self.registers.get_mut(usize::from(register)) {
            *slot = value;
        }
    }

    /// Returns a register, and how much to add to it, that gives so much more than the base.
    pub(super) fn reach(&self, base: Base, offset: i64) -> Option<(u16, i64)> {
        let order = [RSP, RBP].into_iter().chain(0..16);
        order.into_iter().find_map(|register| match self.get(register) {
            Value::Sum { base: held, offset: by } if held == base => {
                Some((register, offset.wrapping_sub(by)))
            }
            _ => None,
        })
    }

    /// Returns where on the stack a value was stored.
    pub(super) fn stored(&self, value: Value) -> impl Iterator<Item = (Base, i64)> {
        self.stored.iter().filter(move |word| word.value == value).map(|word| (word.base, word.offset))
    }

    /// Takes in another way to the instruction at `address`: keeps what both agree on. Tells whether anything changed.
    pub(super) fn join(&mut self, other: &State, address: u64) -> bool {
        let before = self.clone();
        let here = Value::Sum { base: Base::Unknown(address), offset: 0 };
        for (number, (ours, theirs)) in (0..).zip(self.registers.iter_mut().zip(other.registers)) {
            if *ours != theirs && *ours != here {
                *ours = if number == RSP { here } else { Value::Unknown };
            }
        }
        let there: &[Stored] = &other.stored;
        self.stored.retain(|word| there.contains(word) && word.base != Base::Unknown(address));
        self.compared = None;
        *self != before
    }

    /// Tells whether another way leads here with another stack pointer.
    pub(super) fn stack_differs(&self, other: &State) -> bool {
        self.get(RSP) != other.get(RSP)
    }

    /// What is known where a conditional jump is not taken: after `cmp a, b; jne`, both are the same. `None` where they
    /// can't be.
    pub(super) fn not_taken(&self, jump: &Instruction) -> Option<State> {
        let mut state = self.clone();
        if jump.mnemonic() == Mnemonic::Jne
            && let Some((a, b)) = self.compared
        {
            match (self.get(a), self.get(b)) {
                (Value::Sum { base, offset }, Value::Sum { base: same, offset: other }) if base == same => {
                    return (offset == other).then_some(state);
                }
                (Value::Sum { base: Base::Unknown(_), .. }, known @ Value::Sum { .. }) => state.set(a, known),
                (known @ Value::Sum { .. }, Value::Sum { base: Base::Unknown(_), .. }) => state.set(b, known),
                _ => {}
            }
        }
        Some(state)
    }

    /// Carries out an instruction.
    pub(super) fn apply(&mut self, instruction: &Instruction, info: &mut InstructionInfoFactory) {
        let compared = self.compared.take();
        match instruction.mnemonic() {
            Mnemonic::Push => self.push(instruction),
            Mnemonic::Pop if instruction.op0_register().is_gpr64() => {
                let value = self.load(self.get(RSP));
                self.move_stack(8);
                self.set_register(instruction.op0_register(), value, instruction.ip());
            }
            Mnemonic::Leave => {
                let frame = self.get(RBP);
                self.set(RBP, self.load(frame));
                self.set_stack(frame.plus(8), instruction.ip());
            }
            Mnemonic::Mov if instruction.op0_register().is_gpr64() => {
                let value = self.source(instruction);
                self.set_register(instruction.op0_register(), value, instruction.ip());
            }
            Mnemonic::Mov
                if instruction.op0_kind() == OpKind::Memory
                    && instruction.memory_size() == MemorySize::UInt64 =>
            {
                let value = self.source(instruction);
                self.store(self.address(instruction), 8, value);
            }
            Mnemonic::Lea if instruction.op0_register().is_gpr64() => {
                let address = self.address(instruction);
                self.set_register(instruction.op0_register(), address, instruction.ip());
            }
            Mnemonic::Add | Mnemonic::Sub
                if instruction.op0_register().is_gpr64() && immediate(instruction).is_some() =>
            {
                let by = immediate(instruction).unwrap_or_default();
                let by = if instruction.mnemonic() == Mnemonic::Sub { by.wrapping_neg() } else { by };
                let register = instruction.op0_register();
                let value = number(register).map_or(Value::Unknown, |number| self.get(number).plus(by));
                self.set_register(register, value, instruction.ip());
            }
            Mnemonic::Xor if clears(instruction) => {
                let register = instruction.op0_register().full_register();
                self.set_register(register, Value::Zero, instruction.ip());
            }
            _ => self.forget(instruction, info),
        }
        if instruction.mnemonic() == Mnemonic::Cmp {
            self.compared = compared_registers(instruction);
        } else if !matches!(flow(instruction), Flow::Next) {
            self.compared = compared;
        }
        if flow(instruction) == Flow::Call {
            self.call();
        }
    }

    fn push(&mut self, instruction: &Instruction) {
        let value = self.source(instruction);
        let by = i64::from(instruction.stack_pointer_increment());
        self.move_stack(by);
        self.store(self.get(RSP), by.wrapping_neg(), value);
    }

    /// A function that was called may change every register that it needn't give back, and has popped its return
    /// address.
    fn call(&mut self) {
        for number in (0..16).filter(|number| super::CALLEE_SAVED >> number & 1 == 0 && *number != RSP) {
            self.set(number, Value::Unknown);
        }
    }

    /// Any other instruction: what it writes isn't known from then on.
    fn forget(&mut self, instruction: &Instruction, info: &mut InstructionInfoFactory) {
        let call = flow(instruction) == Flow::Call;
        let moved = i64::from(instruction.stack_pointer_increment());
        let used = info.info_options(instruction, InstructionInfoOptions::NONE);
        for memory in used.used_memory().iter().filter(|memory| !call && writes(memory.access())) {
            let address = match (memory.base(), memory.index()) {
                (base, Register::None) => {
                    let base = number(base).map_or(Value::Unknown, |base| self.get(base));
                    base.plus(memory.displacement().cast_signed())
                }
                _ => Value::Unknown,
            };
            self.store(address, memory.memory_size().size() as i64, Value::Unknown);
        }
        for register in used.used_registers().iter().filter(|register| writes(register.access())) {
            match number(register.register().full_register()) {
                Some(RSP) if call => {}
                Some(RSP) if moved != 0 => self.move_stack(moved),
                Some(RSP) => self.set_stack(Value::Unknown, instruction.ip()),
                Some(number) => self.set(number, Value::Unknown),
                None => {}
            }
        }
    }

    fn source(&self, instruction: &Instruction) -> Value {
        let kind = if instruction.op_count() > 1 { instruction.op1_kind() } else { instruction.op0_kind() };
        match kind {
            OpKind::Register => {
                let register = if instruction.op_count() > 1 {
                    instruction.op1_register()
                } else {
                    instruction.op0_register()
                };
                number(register).map_or(Value::Unknown, |number| self.get(number))
            }
            OpKind::Memory if instruction.memory_size() == MemorySize::UInt64 => {
                self.load(self.address(instruction))
            }
            _ => Value::Unknown,
        }
    }

    /// The address of an instruction's operand in memory.
    fn address(&self, instruction: &Instruction) -> Value {
        let plain = instruction.memory_index() == Register::None
            && matches!(instruction.segment_prefix(), Register::None);
        match number(instruction.memory_base()) {
            Some(base) if plain => self.get(base).plus(instruction.memory_displacement64().cast_signed()),
            _ => Value::Unknown,
        }
    }

    fn load(&self, address: Value) -> Value {
        let Value::Sum { base, offset } = address else { return Value::Unknown };
        let stored = self.stored.iter().find(|word| word.base == base && word.offset == offset);
        match stored {
            Some(word) => word.value,
            // It may have been stored, and not have been kept track of.
            None if self.stored.len() >= MOST_WORDS => Value::Unknown,
            None => Value::Word { base, offset, addend: 0 },
        }
    }

    /// Stores `size` bytes. Nobody writes to another's words through a pointer that isn't known.
    fn store(&mut self, address: Value, size: i64, value: Value) {
        let Value::Sum { base, offset } = address else { return };
        let end = offset.saturating_add(size);
        self.stored.retain(|word| {
            word.base != base || word.offset >= end || word.offset.saturating_add(8) <= offset
        });
        if size == 8 && self.stored.len() < MOST_WORDS {
            self.stored.push(Stored { base, offset, value });
        }
    }

    fn set_register(&mut self, register: Register, value: Value, address: u64) {
        match number(register) {
            Some(RSP) => self.set_stack(value, address),
            Some(number) => self.set(number, value),
            None => {}
        }
    }

    fn move_stack(&mut self, by: i64) {
        self.set(RSP, self.get(RSP).plus(by));
    }

    /// Where the stack pointer isn't known, what follows is counted from what it became.
    fn set_stack(&mut self, value: Value, address: u64) {
        let known = matches!(value, Value::Sum { .. } | Value::Word { .. });
        if !known {
            self.stored.retain(|word| word.base != Base::Unknown(address));
        }
        let fresh = Value::Sum { base: Base::Unknown(address), offset: 0 };
        self.set(RSP, if known { value } else { fresh });
    }
}

/// Returns a general register's DWARF number, if it is the whole register.
fn number(register: Register) -> Option<u16> {
    /// rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi (System V ABI for AMD64, figure 3.36).
    const LEGACY: [u16; 8] = [0, 2, 1, 3, RSP, RBP, 4, 5];
    if !register.is_gpr64() {
        return None;
    }
    let encoded = register.number();
    Some(LEGACY.get(encoded).copied().unwrap_or(encoded as u16))
}

fn writes(access: OpAccess) -> bool {
    matches!(access, OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite)
}

fn immediate(instruction: &Instruction) -> Option<i64> {
    match instruction.op1_kind() {
        OpKind::Immediate8to64 | OpKind::Immediate32to64 => Some(instruction.immediate(1).cast_signed()),
        _ => None,
    }
}

fn clears(instruction: &Instruction) -> bool {
    let (a, b) = (instruction.op0_register(), instruction.op1_register());
    a == b && (a.is_gpr64() || a.is_gpr32())
}

fn compared_registers(instruction: &Instruction) -> Option<(u16, u16)> {
    Some((number(instruction.op0_register())?, number(instruction.op1_register())?))
}

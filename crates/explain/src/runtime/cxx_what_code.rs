//! The result of a `what()`, from its machine code: most do nothing but return a pointer that the exception holds, or the
//! address of a literal. They are followed instruction by instruction, nothing is guessed; x86-64 alone.

use std::collections::HashMap;

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

use super::cxx_string;
use crate::peek::Peek;

/// Most instructions that are followed: whatever is longer does more than return what it has.
const MOST: usize = 48;
/// Longest instruction, in bytes.
const LONGEST: usize = 15;
/// A stack pointer that lies in no process.
const STACK: u64 = 0xffff_8000_0000_0000;

/// Follows a member function of an object without arguments, and returns its result; `None` where it can't be followed.
pub(crate) fn result(peek: Peek<'_>, function: u64, object: u64) -> Option<u64> {
    let mut state = State { peek, registers: HashMap::new(), stack: HashMap::new(), zero: None };
    state.registers.insert(Register::RDI, object);
    state.registers.insert(Register::RSP, STACK);
    state.registers.insert(Register::RBP, STACK);
    let mut at = function;
    for _ in 0..MOST {
        let instruction = state.decode(at)?;
        match state.step(&instruction)? {
            Next::Following => at = instruction.next_ip(),
            Next::At(target) => at = target,
            Next::Returned => return state.register(Register::RAX),
        }
    }
    None
}

/// Where an instruction leads.
enum Next {
    Following,
    At(u64),
    Returned,
}

/// What is known: registers, and what the function itself wrote to its stack.
struct State<'a> {
    peek: Peek<'a>,
    registers: HashMap<Register, u64>,
    stack: HashMap<u64, u64>,
    /// The zero flag.
    zero: Option<bool>,
}

impl State<'_> {
    fn decode(&self, at: u64) -> Option<Instruction> {
        // The last instruction of a segment may be nearer to its end than the longest one.
        let bytes = (1..=LONGEST).rev().find_map(|len| self.peek.bytes(at, len))?;
        let instruction = Decoder::with_ip(64, &bytes, at, DecoderOptions::NONE).decode();
        (instruction.code() != Code::INVALID).then_some(instruction)
    }

    fn step(&mut self, instruction: &Instruction) -> Option<Next> {
        match instruction.mnemonic() {
            Mnemonic::Endbr64 | Mnemonic::Nop => {}
            Mnemonic::Mov => {
                let value = self.value(instruction, 1)?;
                self.put(instruction, value)?;
            }
            Mnemonic::Lea => {
                let address = self.address(instruction)?;
                self.put(instruction, address)?;
            }
            Mnemonic::Add => {
                let sum = self.value(instruction, 0)?.wrapping_add(self.value(instruction, 1)?);
                self.put(instruction, sum)?;
            }
            Mnemonic::Sub => {
                let difference = self.value(instruction, 0)?.wrapping_sub(self.value(instruction, 1)?);
                self.put(instruction, difference)?;
            }
            Mnemonic::Push => {
                let value = self.value(instruction, 0).unwrap_or_default();
                self.push(value)?;
            }
            Mnemonic::Pop => {
                let value = self.pop()?;
                self.put(instruction, value)?;
            }
            Mnemonic::Leave => {
                let frame = self.register(Register::RBP)?;
                self.registers.insert(Register::RSP, frame);
                let value = self.pop()?;
                self.registers.insert(Register::RBP, value);
            }
            // The only call that is known: `c_str()` of a string, or whatever else a string's address is given to first.
            Mnemonic::Call => {
                let data = cxx_string::data(self.peek, self.register(Register::RDI)?)?;
                self.registers.retain(|register, _| matches!(register, Register::RSP | Register::RBP));
                self.registers.insert(Register::RAX, data);
            }
            // Whether libc++ keeps a string's characters in the string itself is a bit of its first byte.
            Mnemonic::Test => self.zero = Some(self.byte(instruction)? & instruction.immediate8() == 0),
            Mnemonic::Cmove | Mnemonic::Cmovne => {
                let value = self.value(instruction, 1)?;
                if self.zero? == (instruction.mnemonic() == Mnemonic::Cmove) {
                    self.put(instruction, value)?;
                }
            }
            Mnemonic::Je | Mnemonic::Jne => {
                if self.zero? == (instruction.mnemonic() == Mnemonic::Je) {
                    return Some(Next::At(instruction.near_branch_target()));
                }
            }
            Mnemonic::Jmp => {
                return match instruction.op0_kind() {
                    OpKind::NearBranch64 => Some(Next::At(instruction.near_branch_target())),
                    OpKind::Memory => Some(Next::At(self.value(instruction, 0)?)),
                    _ => None,
                };
            }
            Mnemonic::Ret => return Some(Next::Returned),
            _ => return None,
        }
        Some(Next::Following)
    }

    /// Reads the byte in memory that is compared with a constant.
    fn byte(&self, instruction: &Instruction) -> Option<u8> {
        let compares =
            instruction.op0_kind() == OpKind::Memory && instruction.op1_kind() == OpKind::Immediate8;
        let address = compares.then(|| self.address(instruction)).flatten()?;
        Some(self.peek.number(address, 1)? as u8)
    }

    /// Reads a 64-bit operand.
    fn value(&self, instruction: &Instruction, operand: u32) -> Option<u64> {
        match instruction.op_kind(operand) {
            OpKind::Register => self.register(instruction.op_register(operand)),
            OpKind::Memory if instruction.memory_size().size() == 8 => {
                let address = self.address(instruction)?;
                self.stack.get(&address).copied().or_else(|| self.peek.word(address))
            }
            OpKind::Immediate8to64 | OpKind::Immediate32to64 => Some(instruction.immediate(operand)),
            _ => None,
        }
    }

    /// Writes the first operand: a 64-bit register, or a word of the function's own stack.
    fn put(&mut self, instruction: &Instruction, value: u64) -> Option<()> {
        match instruction.op0_kind() {
            OpKind::Register if instruction.op0_register().is_gpr64() => {
                self.registers.insert(instruction.op0_register(), value);
            }
            OpKind::Memory if instruction.memory_size().size() == 8 => {
                let address = self.address(instruction).filter(|address| *address >= STACK - (1 << 16))?;
                self.stack.insert(address, value);
            }
            _ => return None,
        }
        Some(())
    }

    fn push(&mut self, value: u64) -> Option<()> {
        let sp = self.register(Register::RSP)?.wrapping_sub(8);
        self.registers.insert(Register::RSP, sp);
        self.stack.insert(sp, value);
        Some(())
    }

    fn pop(&mut self) -> Option<u64> {
        let sp = self.register(Register::RSP)?;
        self.registers.insert(Register::RSP, sp.wrapping_add(8));
        self.stack.get(&sp).copied()
    }

    fn register(&self, register: Register) -> Option<u64> {
        self.registers.get(&register).copied()
    }

    /// Works out the address of the memory operand; none that is relative to a segment's base.
    fn address(&self, instruction: &Instruction) -> Option<u64> {
        if matches!(instruction.memory_segment(), Register::FS | Register::GS) {
            return None;
        }
        let operand =
            (0..instruction.op_count()).find(|index| instruction.op_kind(*index) == OpKind::Memory)?;
        instruction.virtual_address(operand, 0, |register, _, _| match register {
            Register::DS | Register::SS | Register::ES | Register::CS => Some(0),
            register => self.register(register),
        })
    }
}

#[cfg(test)]
mod tests {
    use epitaph_elf::{Memory, MemoryError, X86_64};

    use super::*;

    /// Bytes at 0x1000.
    struct At(Vec<u8>);

    impl Memory for At {
        fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
            let start = address.checked_sub(0x1000).and_then(|start| usize::try_from(start).ok());
            let bytes = start.and_then(|start| self.0.get(start..start.checked_add(buf.len())?));
            buf.copy_from_slice(bytes.ok_or(MemoryError::Unmapped { address })?);
            Ok(())
        }

        fn is_executable(&self, _: u64) -> bool {
            true
        }
    }

    #[test]
    fn a_member_and_a_literal_are_found() {
        // mov 0x8(%rdi),%rax; ret
        let mut code = vec![0x48, 0x8b, 0x47, 0x08, 0xc3];
        code.resize(64, 0);
        code.extend([0; 8]);
        code.extend(0x1234_u64.to_le_bytes());
        let memory = At(code);
        assert_eq!(result(Peek::of(&memory, &X86_64), 0x1000, 0x1040), Some(0x1234));
        // endbr64; push %rbp; mov %rsp,%rbp; mov %rdi,-8(%rbp); lea 0x10(%rip),%rax; pop %rbp; ret
        let code = [
            0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5, 0x48, 0x89, 0x7d, 0xf8, 0x48, 0x8d, 0x05, 0x10,
            0, 0, 0, 0x5d, 0xc3,
        ];
        let memory = At(code.to_vec());
        assert_eq!(result(Peek::of(&memory, &X86_64), 0x1000, 0x1040), Some(0x1000 + 19 + 0x10));
    }

    #[test]
    fn what_cannot_be_followed_has_no_result() {
        for code in [
            &[0xeb, 0xfe][..],               // jmp to itself
            &[0x0f, 0x0b],                   // ud2
            &[0x64, 0x48, 0x8b, 0x07, 0xc3], // mov %fs:(%rdi),%rax; ret
            &[0x48, 0x8b, 0x06, 0xc3],       // mov (%rsi),%rax; ret
            &[0xe8, 0, 0, 0, 0, 0xc3],       // call
        ] {
            let memory = At(code.to_vec());
            assert_eq!(result(Peek::of(&memory, &X86_64), 0x1000, 0x1000), None, "{code:x?}");
        }
    }
}

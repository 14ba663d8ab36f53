//! x86 instructions, of 32 and of 64 bits.

use epitaph_summary::AccessKind;
use iced_x86::{
    Code, Decoder, DecoderError, DecoderOptions, FastFormatter, FlowControl, InstructionInfoFactory,
    Mnemonic, OpAccess, OpKind, Register, UsedMemory,
};

use super::{Action, Held, Instruction, Machine, Operand};

/// Decodes an instruction.
pub(super) fn decode(machine: Machine<'_>, pc: u64, bytes: &[u8]) -> Option<Instruction> {
    let bits = u32::from(machine.arch.bits());
    let mut decoder = Decoder::with_ip(bits, bytes, pc, DecoderOptions::NONE);
    let decoded = decoder.decode();
    let invalid = decoded.is_invalid();
    if decoder.last_error() == DecoderError::NoMoreBytes {
        return None;
    }
    let bytes = bytes.get(..decoded.len().max(1))?.to_vec();
    let operands = if invalid { Vec::new() } else { operands(machine, &decoded) };
    Some(Instruction {
        address: pc,
        bytes,
        text: if invalid { "(bad)".to_owned() } else { text(&decoded) },
        registers: registers(&decoded),
        action: if invalid { Action::Invalid } else { action(machine, &decoded, &operands) },
        operands,
    })
}

/// Writes it in Intel's syntax. iced's formatter for AT&T's first builds a table that takes longer than all else about
/// an instruction.
fn text(instruction: &iced_x86::Instruction) -> String {
    let mut formatter = FastFormatter::new();
    let options = formatter.options_mut();
    options.set_use_hex_prefix(true);
    options.set_uppercase_hex(false);
    options.set_rip_relative_addresses(true);
    let mut text = String::new();
    formatter.format(instruction, &mut text);
    text
}

/// Returns the value of a register as wide as it is, or of a segment its base. Only `fs` of 64-bit programs has one that a
/// core tells; that of `gs` isn't known, and the others have none.
fn value(machine: Machine<'_>, register: Register) -> Option<u64> {
    match register {
        Register::DS | Register::ES | Register::SS | Register::CS => return Some(0),
        Register::FS => return machine.tls,
        _ => {}
    }
    let full = match machine.arch.bits() {
        64 => register.full_register(),
        _ => register.full_register32(),
    };
    let full = name(full);
    let (number, _) = machine.arch.register_names.iter().find(|(_, known)| *known == full)?;
    let whole = machine.registers.get(*number)?;
    let whole = match register {
        Register::AH | Register::BH | Register::CH | Register::DH => whole >> 8,
        _ => whole,
    };
    Some(narrow(whole, register.size()))
}

/// Keeps a number's lowest bytes.
fn narrow(value: u64, size: usize) -> u64 {
    match size {
        1 | 2 | 4 => value & ((1 << (size * 8)) - 1),
        _ => value,
    }
}

fn name(register: Register) -> String {
    format!("{register:?}").to_lowercase()
}

fn held(machine: Machine<'_>, register: Register) -> Option<Held> {
    (register != Register::None).then(|| Held { register: name(register), value: value(machine, register) })
}

/// Lists what it accesses: first what its text names.
fn operands(machine: Machine<'_>, instruction: &iced_x86::Instruction) -> Vec<Operand> {
    let mut factory = InstructionInfoFactory::new();
    let used = factory.info(instruction).used_memory();
    let mut operands: Vec<Operand> =
        used.iter().filter_map(|used| operand(machine, instruction, used)).collect();
    let named_stack = [Register::RSP, Register::ESP].contains(&instruction.memory_base());
    operands.sort_by_key(|operand| operand.on_stack && !named_stack);
    operands
}

fn operand(machine: Machine<'_>, instruction: &iced_x86::Instruction, used: &UsedMemory) -> Option<Operand> {
    let kind = match used.access() {
        OpAccess::Read | OpAccess::CondRead => AccessKind::Read,
        OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite => {
            AccessKind::Write
        }
        _ => return None,
    };
    // Lanes of a gather lie anywhere: their registers aren't known.
    let address = used.virtual_address(0, |register, _, _| value(machine, register));
    let size = Some(used.memory_size().size() as u32).filter(|size| *size > 0);
    // A repeated string instruction's size is that of all its steps; it fails at one of them, where the register is then.
    let size = size.or_else(|| instruction.is_string_instruction().then_some(8));
    Some(Operand {
        kind,
        address,
        size,
        base: held(machine, used.base()),
        index: held(machine, used.index()).map(|index| (index, used.scale())),
        on_stack: [Register::RSP, Register::ESP].contains(&used.base()),
        alignment: alignment(instruction, size),
    })
}

/// Instructions of whole vectors that must be aligned (Intel SDM volume 1, 14.9 "Memory alignment"): the moves that say so
/// by their names, and every SSE instruction but the moves that say that they needn't.
fn alignment(instruction: &iced_x86::Instruction, size: Option<u32>) -> u32 {
    use Mnemonic as M;
    let size = size.unwrap_or(0);
    let moves_aligned = matches!(
        instruction.mnemonic(),
        M::Movaps
            | M::Movapd
            | M::Movdqa
            | M::Movntps
            | M::Movntpd
            | M::Movntdq
            | M::Movntdqa
            | M::Vmovaps
            | M::Vmovapd
            | M::Vmovdqa
            | M::Vmovdqa32
            | M::Vmovdqa64
            | M::Vmovntps
            | M::Vmovntpd
            | M::Vmovntdq
            | M::Vmovntdqa
    );
    let moves_unaligned = matches!(instruction.mnemonic(), M::Movups | M::Movupd | M::Movdqu | M::Lddqu);
    let sse = instruction.encoding() == iced_x86::EncodingKind::Legacy
        && (0..instruction.op_count()).any(|operand| {
            instruction.op_kind(operand) == OpKind::Register && instruction.op_register(operand).is_xmm()
        });
    match size {
        16.. if moves_aligned || (sse && !moves_unaligned) => size,
        _ => 0,
    }
}

/// Names the registers that it reads, in the order of its text: what is written comes first.
fn registers(instruction: &iced_x86::Instruction) -> Vec<String> {
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(instruction);
    let mut names: Vec<String> = Vec::new();
    for operand in 0..instruction.op_count() {
        let found = match instruction.op_kind(operand) {
            OpKind::Register if !matches!(info.op_access(operand), OpAccess::Write | OpAccess::CondWrite) => {
                vec![instruction.op_register(operand)]
            }
            OpKind::Memory => vec![instruction.memory_base(), instruction.memory_index()],
            OpKind::MemoryESRDI | OpKind::MemorySegRDI => vec![Register::RDI],
            OpKind::MemorySegRSI => vec![Register::RSI],
            OpKind::MemoryESEDI | OpKind::MemorySegEDI => vec![Register::EDI],
            OpKind::MemorySegESI => vec![Register::ESI],
            _ => Vec::new(),
        };
        let known = |register: &Register| !matches!(register, Register::None | Register::RIP | Register::EIP);
        for register in found.into_iter().filter(known) {
            let name = name(register);
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn action(machine: Machine<'_>, instruction: &iced_x86::Instruction, operands: &[Operand]) -> Action {
    let pointer = machine.arch.bits() / 8;
    let at = |operand: Option<&Operand>, size: u8| {
        machine.arch.read_number(machine.memory, operand?.address?, size).ok()
    };
    let read = || operands.iter().find(|operand| operand.kind == AccessKind::Read);
    match instruction.mnemonic() {
        Mnemonic::Div | Mnemonic::Idiv => {
            return Action::Divide(match instruction.op0_kind() {
                OpKind::Register => value(machine, instruction.op0_register()),
                _ => at(read(), read().and_then(|read| read.size).map_or(8, |size| size as u8)),
            });
        }
        Mnemonic::Ud2 | Mnemonic::Int3 | Mnemonic::Int1 => return Action::Trap(None),
        // clang tells which check failed by the operand of an instruction that is defined to be none.
        Mnemonic::Ud1 => return Action::Trap(Some(instruction.memory_displacement32())),
        Mnemonic::Ud0 => return Action::Trap(None),
        _ => {}
    }
    match instruction.flow_control() {
        FlowControl::Return => Action::Return(at(read(), pointer)),
        FlowControl::IndirectBranch | FlowControl::IndirectCall => {
            Action::Jump(match instruction.op0_kind() {
                OpKind::Register => value(machine, instruction.op0_register()),
                _ => at(read(), pointer),
            })
        }
        // `int n` but for those that programs may use.
        FlowControl::Interrupt
            if instruction.code() == Code::Int_imm8 && instruction.immediate8() != 0x80 =>
        {
            Action::Privileged
        }
        _ if instruction.is_privileged() => Action::Privileged,
        _ => Action::Plain,
    }
}

#[cfg(test)]
mod tests {
    use epitaph_elf::{I386, X86_64};

    use super::super::tests::decoded;
    use super::*;

    #[test]
    fn a_field_of_a_structure_is_counted_from_its_register() {
        // mov edx,[rax+0x148]
        let read = decoded(&X86_64, &[0x8b, 0x90, 0x48, 1, 0, 0], &[("rax", 0)]);
        assert_eq!(read.text, "mov edx,[rax+0x148]");
        assert_eq!(read.registers, ["rax"]);
        let [operand] = &read.operands[..] else { panic!("{read:?}") };
        assert_eq!((operand.kind, operand.address, operand.size), (AccessKind::Read, Some(0x148), Some(4)));
        assert_eq!((operand.offset(), operand.on_stack), (Some(0x148), false));
        assert!(operand.reaches(0x148) && operand.reaches(0x14b) && !operand.reaches(0x14c));
    }

    #[test]
    fn implied_accesses_are_listed_last() {
        // call [rax+0x10]
        let call = decoded(&X86_64, &[0xff, 0x50, 0x10], &[("rax", 0x1000), ("rsp", 0x8000)]);
        let places: Vec<_> = call.operands.iter().map(|operand| (operand.kind, operand.address)).collect();
        assert_eq!(places, [(AccessKind::Read, Some(0x1010)), (AccessKind::Write, Some(0x7ff8))]);
        assert!(matches!(call.action, Action::Jump(None)));
        // push rbp
        let push = decoded(&X86_64, &[0x55], &[("rbp", 1), ("rsp", 0x8000)]);
        assert_eq!(push.operands[0].address, Some(0x7ff8));
        assert!(push.operands[0].on_stack);
        // rep movsb
        let copy = decoded(&X86_64, &[0xf3, 0xa4], &[("rsi", 0x10), ("rdi", 0x20), ("rcx", 9)]);
        let places: Vec<_> = copy.operands.iter().map(|operand| (operand.kind, operand.address)).collect();
        assert!(places.contains(&(AccessKind::Read, Some(0x10))), "{places:?}");
        assert!(places.contains(&(AccessKind::Write, Some(0x20))), "{places:?}");
    }

    #[test]
    fn segments_have_bases_or_are_unknown() {
        // mov rax,fs:[0x28]
        let canary = decoded(&X86_64, &[0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0], &[]);
        assert_eq!(canary.operands[0].address, Some(0x7f00_0028));
        // mov eax,gs:[0x14]
        let canary = decoded(&I386, &[0x65, 0xa1, 0x14, 0, 0, 0], &[]);
        assert_eq!(canary.operands[0].address, None);
    }

    #[test]
    fn texts_are_in_intels_syntax() {
        for (code, text) in [
            (&[0x48, 0x8b, 0x05, 0xd4, 0x2e, 0, 0][..], "mov rax,[rip+0x2ed4]"),
            (&[0xff, 0x15, 0xb2, 0x2f, 0, 0], "call qword ptr [rip+0x2fb2]"),
            (&[0xff, 0x75, 0], "push qword ptr [rbp]"),
            (&[0xc7, 0, 0x2a, 0, 0, 0], "mov dword ptr [rax],0x2a"),
            (&[0x0f, 0xb6, 0x14, 0x07], "movzx edx,byte ptr [rdi+rax]"),
            (&[0xf3, 0x48, 0xa5], "rep movsq [rdi],[rsi]"),
            (&[0xe8, 0, 1, 0, 0], "call 0x401105"),
            (&[0xc5, 0xfe, 0x6f, 0x0e], "vmovdqu ymm1,[rsi]"),
            (&[0x89, 0x53, 0xf8], "mov [rbx-0x8],edx"),
        ] {
            assert_eq!(decoded(&X86_64, code, &[]).text, text);
        }
    }

    #[test]
    fn what_instructions_do_is_told() {
        for (code, registers, action) in [
            (&[0xf7, 0xf9][..], &[("rcx", 0xffff_ffff_0000_0000)][..], Action::Divide(Some(0))),
            (&[0x48, 0xf7, 0xf9], &[("rcx", u64::MAX)], Action::Divide(Some(u64::MAX))),
            (&[0x0f, 0x0b], &[], Action::Trap(None)),
            (&[0x67, 0x0f, 0xb9, 0x40, 0x12], &[], Action::Trap(Some(0x12))),
            (&[0xf4], &[], Action::Privileged),
            (&[0xff, 0xe0], &[("rax", 7)], Action::Jump(Some(7))),
            (&[0x06], &[], Action::Invalid),
            (&[0x90], &[], Action::Plain),
        ] {
            assert_eq!(decoded(&X86_64, code, registers).action, action, "{code:x?}");
        }
    }

    #[test]
    fn vectors_that_must_be_aligned_are_known() {
        // movaps [rax],xmm0; movups [rax],xmm0; paddd xmm0,[rax]; vpaddd xmm0,xmm0,[rax]
        for (code, alignment) in [
            (&[0x0f, 0x29, 0x00][..], 16),
            (&[0x0f, 0x11, 0x00], 0),
            (&[0x66, 0x0f, 0xfe, 0x00], 16),
            (&[0xc5, 0xf9, 0xfe, 0x00], 0),
            (&[0x48, 0x8b, 0x00], 0),
        ] {
            let decoded = decoded(&X86_64, code, &[("rax", 8)]);
            assert_eq!(decoded.operands[0].alignment, alignment, "{}", decoded.text);
        }
    }
}

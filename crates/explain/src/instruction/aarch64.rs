//! 64-bit Arm instructions.

use epitaph_summary::AccessKind;
use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::{InstDecoder, Opcode, Operand as Arm, SIMDSizeCode, ShiftStyle, SizeCode};

use super::{Action, Held, Instruction, Machine, Operand};

/// The encoding of the stack pointer in an address.
const SP: u16 = 31;

/// Decodes an instruction.
pub(super) fn decode(machine: Machine<'_>, pc: u64, bytes: &[u8]) -> Option<Instruction> {
    let bytes = bytes.get(..4)?;
    let decoded = InstDecoder::default().decode(&mut U8Reader::new(bytes));
    let word = u32::from_le_bytes(bytes.try_into().ok()?);
    let Ok(decoded) = decoded else {
        // The decoder doesn't know every instruction: only this one is sure to be none.
        let undefined = word >> 16 == 0;
        return undefined.then(|| Instruction {
            address: pc,
            bytes: bytes.to_vec(),
            text: format!("udf #{word}"),
            registers: Vec::new(),
            operands: Vec::new(),
            action: Action::Trap(Some(word)),
        });
    };
    let operands: Vec<Operand> = operand(machine, &decoded).into_iter().collect();
    Some(Instruction {
        address: pc,
        bytes: bytes.to_vec(),
        text: decoded.to_string(),
        registers: registers(&decoded),
        action: action(machine, &decoded, word),
        operands,
    })
}

/// Returns a register's name and value; 31 is the stack pointer.
fn held(machine: Machine<'_>, number: u16) -> Held {
    let register = if number == SP { "sp".to_owned() } else { format!("x{number}") };
    Held { register, value: machine.registers.get(number) }
}

/// Finds what it accesses: an instruction has one place in memory at most.
fn operand(machine: Machine<'_>, instruction: &yaxpeax_arm::armv8::a64::Instruction) -> Option<Operand> {
    let name = mnemonic(instruction);
    let kind = kind(&name)?;
    let (base, index, offset) = instruction.operands.iter().find_map(|operand| match *operand {
        Arm::RegPreIndex(base, offset, _) => Some((base, None, i64::from(offset))),
        Arm::RegPostIndex(base, _) | Arm::RegPostIndexReg(base, _) => Some((base, None, 0)),
        Arm::RegRegOffset(base, index, size, style, shift) => {
            Some((base, Some((index, size, style, shift)), 0))
        }
        _ => None,
    })?;
    let base = held(machine, base);
    let index = index.map(|(number, size, style, shift)| (extended(machine, number, size, style), shift));
    let index_value = match &index {
        Some((index, shift)) => index.value.and_then(|value| value.checked_shl(u32::from(*shift))),
        None => Some(0),
    };
    let address =
        base.value.zip(index_value).map(|(base, index)| base.wrapping_add(index).wrapping_add_signed(offset));
    Some(Operand {
        kind,
        address,
        size: size(instruction, &name),
        on_stack: base.register == "sp",
        base: Some(base),
        index: index.map(|(held, shift)| (held, 1_u32.checked_shl(u32::from(shift)).unwrap_or(1))),
        alignment: 0,
    })
}

/// Returns an index register with the value that is added, before it is shifted.
fn extended(machine: Machine<'_>, number: u16, size: SizeCode, style: ShiftStyle) -> Held {
    // Here 31 is the register that is always zero.
    let whole = if number == SP { Some(0) } else { machine.registers.get(number) };
    let value = whole.map(|whole| match (style, size) {
        (ShiftStyle::SXTW, _) => whole as u32 as i32 as i64 as u64,
        (ShiftStyle::UXTW, _) | (_, SizeCode::W) => u64::from(whole as u32),
        _ => whole,
    });
    let letter = if matches!(size, SizeCode::W) { 'w' } else { 'x' };
    Held { register: format!("{letter}{number}"), value }
}

/// Returns the first word of its text.
fn mnemonic(instruction: &yaxpeax_arm::armv8::a64::Instruction) -> String {
    let text = instruction.to_string();
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

/// Tells loads from stores by their names, which the architecture keeps orderly; `None` for those that access nothing.
fn kind(name: &str) -> Option<AccessKind> {
    const UPDATES: [&str; 2] = ["cas", "swp"];
    const PREFETCH: &str = "prf";
    match name {
        name if name.starts_with(PREFETCH) => None,
        name if name.starts_with("st") || UPDATES.iter().any(|update| name.starts_with(update)) => {
            Some(AccessKind::Write)
        }
        // ldadd, ldclr, ldeor, ldset, ldsmax, ldumin: they write what they read.
        name if ["ldadd", "ldclr", "ldeor", "ldset", "ldsm", "ldum"]
            .iter()
            .any(|update| name.starts_with(update)) =>
        {
            Some(AccessKind::Write)
        }
        name if name.starts_with("ld") => Some(AccessKind::Read),
        _ => None,
    }
}

/// Tells how many bytes it accesses: by the end of its name, or by its registers.
fn size(instruction: &yaxpeax_arm::armv8::a64::Instruction, name: &str) -> Option<u32> {
    if name.starts_with("ld1") || name.starts_with("st1") {
        return None;
    }
    let each = match name {
        name if name.ends_with("sw") => 4,
        name if name.ends_with('b') => 1,
        name if name.ends_with('h') => 2,
        _ => match data(instruction)? {
            Arm::Register(SizeCode::W, _) => 4,
            Arm::Register(SizeCode::X, _) => 8,
            Arm::SIMDRegister(size, _) => simd(size),
            _ => return None,
        },
    };
    let pair =
        matches!(name, "ldp" | "stp" | "ldpsw" | "ldnp" | "stnp" | "ldxp" | "stxp" | "ldaxp" | "stlxp");
    Some(if pair { each * 2 } else { each })
}

/// Returns the register that is loaded or stored: the first one, but for exclusive stores, whose first is their outcome.
fn data(instruction: &yaxpeax_arm::armv8::a64::Instruction) -> Option<Arm> {
    let exclusive = matches!(
        instruction.opcode,
        Opcode::STXR | Opcode::STLXR | Opcode::STXP | Opcode::STLXP | Opcode::STXRB | Opcode::STXRH
    );
    instruction.operands.get(usize::from(exclusive)).copied()
}

fn simd(size: SIMDSizeCode) -> u32 {
    match size {
        SIMDSizeCode::B => 1,
        SIMDSizeCode::H => 2,
        SIMDSizeCode::S => 4,
        SIMDSizeCode::D => 8,
        SIMDSizeCode::Q => 16,
    }
}

/// Names the registers of its address, and those that it stores.
fn registers(instruction: &yaxpeax_arm::armv8::a64::Instruction) -> Vec<String> {
    let stores = kind(&mnemonic(instruction)) == Some(AccessKind::Write);
    let mut names: Vec<String> = Vec::new();
    let general = |number: u16| if number == SP { "sp".to_owned() } else { format!("x{number}") };
    for (place, operand) in instruction.operands.iter().enumerate() {
        let found = match *operand {
            // What isn't stored is written, where it comes first.
            Arm::Register(_, number) if number != SP && (stores || place > 0) => vec![general(number)],
            Arm::RegPreIndex(base, _, _) | Arm::RegPostIndex(base, _) => vec![general(base)],
            Arm::RegPostIndexReg(base, index) | Arm::RegRegOffset(base, index, ..) => {
                vec![general(base), general(index)]
            }
            _ => Vec::new(),
        };
        let branches = matches!(instruction.opcode, Opcode::BR | Opcode::BLR | Opcode::RET);
        let target = match *operand {
            Arm::Register(_, number) if branches => Some(general(number)),
            _ => None,
        };
        for name in found.into_iter().chain(target) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn action(machine: Machine<'_>, instruction: &yaxpeax_arm::armv8::a64::Instruction, word: u32) -> Action {
    let target = || match instruction.operands.first() {
        Some(Arm::Register(_, number)) => machine.registers.get(*number),
        _ => None,
    };
    match instruction.opcode {
        Opcode::BRK | Opcode::UDF => Action::Trap(Some(immediate(word))),
        Opcode::BR | Opcode::BLR => Action::Jump(target()),
        Opcode::RET => Action::Return(target()),
        Opcode::ERET => Action::Privileged,
        _ => Action::Plain,
    }
}

/// The 16 bits of `brk` and `udf` that mean nothing to the processor.
fn immediate(word: u32) -> u32 {
    match word >> 16 {
        0 => word,
        _ => word >> 5 & 0xffff,
    }
}

#[cfg(test)]
mod tests {
    use epitaph_elf::AARCH64;

    use super::super::tests::decoded;
    use super::*;

    #[test]
    fn addresses_are_those_of_the_registers() {
        for (word, registers, kind, address, size) in [
            // ldr w0, [x1, #8]
            (0xb940_0820_u32, &[("x1", 0)][..], AccessKind::Read, 8, 4),
            // str x2, [x3, x4, lsl #3]
            (0xf824_7862, &[("x3", 0x1000), ("x4", 3)], AccessKind::Write, 0x1018, 8),
            // stp x29, x30, [sp, #-16]!
            (0xa9bf_7bfd, &[("sp", 0x8000)], AccessKind::Write, 0x7ff0, 16),
            // ldrb w0, [x0], #1
            (0x3840_1400, &[("x0", 0x77)], AccessKind::Read, 0x77, 1),
            // ldr q0, [x1]
            (0x3dc0_0020, &[("x1", 0x40)], AccessKind::Read, 0x40, 16),
            // ldr w0, [x1, w2, sxtw #2]
            (0xb862_d820, &[("x1", 0x100), ("x2", 0xffff_ffff)], AccessKind::Read, 0xfc, 4),
        ] {
            let decoded = decoded(&AARCH64, &word.to_le_bytes(), registers);
            let [operand] = &decoded.operands[..] else { panic!("{decoded:?}") };
            let told = (operand.kind, operand.address, operand.size);
            assert_eq!(told, (kind, Some(address), Some(size)), "{}", decoded.text);
        }
    }

    #[test]
    fn what_instructions_do_is_told() {
        for (word, action) in [
            (0xd420_0020_u32, Action::Trap(Some(1))),  // brk #1
            (0x0000_0007, Action::Trap(Some(7))),      // udf #7
            (0xd63f_0040, Action::Jump(Some(0x99))),   // blr x2
            (0xd65f_03c0, Action::Return(Some(0x55))), // ret
            (0x8b01_0000, Action::Plain),              // add x0, x0, x1
        ] {
            let decoded = decoded(&AARCH64, &word.to_le_bytes(), &[("x2", 0x99), ("x30", 0x55)]);
            assert_eq!(decoded.action, action, "{}", decoded.text);
        }
    }
}

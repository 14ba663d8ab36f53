//! The unwinding instructions: a byte code that undoes a prologue, last step first (IHI 0038, 10.3).

use epitaph_elf::{MemoryError, Registers};

const SP: u16 = 13;
const LR: u16 = 14;
const PC: u16 = 15;
/// r4 to r11 (AAPCS32, 6.1.1): a function gives them back as it got them.
const CALLEE_SAVED: u64 = 0xff0;

/// Ends the instructions, and fills up what follows them.
pub(crate) const FINISH: u8 = 0xb0;

/// Why the caller can't be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The instructions refuse to unwind further.
    Refused,
    /// They are corrupt, or need a register that isn't known.
    Unusable,
    /// The stack can't be read.
    Memory(MemoryError),
}

/// Recovers a caller's registers; `read` gives the word at an address of the stack.
///
/// DWARF numbers r0 to r15 as the instructions do (AADWARF32, 4.1).
pub(crate) fn unwind(
    instructions: &[u8],
    registers: &Registers,
    read: impl Fn(u32) -> Result<u32, MemoryError>,
) -> Result<Registers, Failure> {
    let mut frame = Frame::new(registers, read)?;
    let mut code = instructions.iter().copied();
    // What follows the last instruction is as if it said `finish`.
    while let Some(instruction) = code.next() {
        let mut operand = || code.next().ok_or(Failure::Unusable);
        match instruction {
            0x00..=0x3f => frame.discard((u32::from(instruction) << 2) + 4)?,
            0x40..=0x7f => frame.take_back((u32::from(instruction & 0x3f) << 2) + 4)?,
            0x80..=0x8f => {
                let mask = u16::from_be_bytes([instruction & 0xf, operand()?]);
                if mask == 0 {
                    return Err(Failure::Refused);
                }
                frame.pop(mask << 4)?;
            }
            0x9d | 0x9f => return Err(Failure::Unusable),
            0x90..=0x9f => frame.set_vsp(u16::from(instruction & 0xf))?,
            0xa0..=0xaf => {
                // r4 up to r4 + nnn, and r14 with them where bit 3 is set
                let count = u32::from(instruction & 7) + 1;
                let lr = u16::from(instruction >> 3 & 1) << LR;
                frame.pop(((1 << count) - 1) << 4 | lr)?;
            }
            FINISH => break,
            0xb1 => match operand()? {
                mask @ 0x01..=0x0f => frame.pop(mask.into())?,
                _ => return Err(Failure::Unusable),
            },
            0xb2 => {
                let words = uleb128(&mut code).ok_or(Failure::Unusable)?;
                let bytes = words.checked_mul(4).and_then(|bytes| bytes.checked_add(0x204));
                frame.discard(bytes.ok_or(Failure::Unusable)?)?;
            }
            // D registers as FSTMFDX stored them: with a word of padding
            0xb3 => frame.discard(doubles(operand()?) + 4)?,
            0xb8..=0xbf => frame.discard(doubles(instruction & 7) + 4)?,
            // the return address authentication code
            0xb4 => frame.discard(4)?,
            // …for which the stack pointer is to be taken from here on
            0xb5 => {}
            // iWMMXt: wR10 on, any wR, control registers
            0xc0..=0xc5 => frame.discard(doubles(instruction & 7))?,
            0xc6 => frame.discard(doubles(operand()?))?,
            0xc7 => match operand()? {
                mask @ 0x01..=0x0f => frame.discard(mask.count_ones() * 4)?,
                _ => return Err(Failure::Unusable),
            },
            // D registers as VPUSH stored them
            0xc8 | 0xc9 => frame.discard(doubles(operand()?))?,
            0xd0..=0xd7 => frame.discard(doubles(instruction & 7))?,
            0xb6 | 0xb7 | 0xca..=0xcf | 0xd8..=0xff => return Err(Failure::Unusable),
        }
    }
    frame.finish()
}

/// Bytes of as many doublewords as the low four bits say, and one.
fn doubles(count: u8) -> u32 {
    (u32::from(count & 0xf) + 1) * 8
}

/// Reads a number of at most 28 bits: a frame is no larger.
fn uleb128(code: &mut impl Iterator<Item = u8>) -> Option<u32> {
    let mut value = 0;
    for shift in [0, 7, 14, 21] {
        let byte = code.next()?;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The registers on their way to the caller's.
struct Frame<R> {
    registers: Registers,
    /// The virtual stack pointer.
    vsp: u32,
    /// Registers that were found on the stack, a bit each.
    popped: u16,
    read: R,
}

impl<R: Fn(u32) -> Result<u32, MemoryError>> Frame<R> {
    fn new(registers: &Registers, read: R) -> Result<Frame<R>, Failure> {
        let vsp = address(registers.get(SP))?;
        Ok(Frame { registers: *registers, vsp, popped: 0, read })
    }

    fn discard(&mut self, bytes: u32) -> Result<(), Failure> {
        self.vsp = self.vsp.checked_add(bytes).ok_or(Failure::Unusable)?;
        Ok(())
    }

    fn take_back(&mut self, bytes: u32) -> Result<(), Failure> {
        self.vsp = self.vsp.checked_sub(bytes).ok_or(Failure::Unusable)?;
        Ok(())
    }

    fn set_vsp(&mut self, register: u16) -> Result<(), Failure> {
        self.vsp = address(self.registers.get(register))?;
        Ok(())
    }

    /// Takes registers off the stack, the lowest number from the lowest address.
    fn pop(&mut self, mask: u16) -> Result<(), Failure> {
        for register in (0..16).filter(|register| mask >> register & 1 == 1) {
            let value = (self.read)(self.vsp).map_err(Failure::Memory)?;
            self.registers.set(register, Some(value.into()));
            self.discard(4)?;
        }
        self.popped |= mask;
        if mask >> SP & 1 == 1 {
            self.set_vsp(SP)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<Registers, Failure> {
        let mut caller = self.registers;
        caller.retain(CALLEE_SAVED | u64::from(self.popped));
        caller.set(SP, Some(self.vsp.into()));
        if self.popped >> PC & 1 == 0 {
            let lr = self.registers.get(LR).ok_or(Failure::Unusable)?;
            caller.set(PC, Some(lr));
        }
        Ok(caller)
    }
}

fn address(value: Option<u64>) -> Result<u32, Failure> {
    value.and_then(|value| u32::try_from(value).ok()).ok_or(Failure::Unusable)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACK: u32 = 0x4080_0000;

    /// A stack whose words count up from 100.
    fn read(address: u32) -> Result<u32, MemoryError> {
        match address.checked_sub(STACK) {
            Some(offset) if offset < 0x1000 => Ok(100 + offset / 4),
            _ => Err(MemoryError::Unmapped { address: address.into() }),
        }
    }

    /// r0 to r15 are 1000 to 1015, but for the stack pointer, and r7, which points into the stack.
    fn registers() -> Registers {
        let mut registers = Registers::default();
        for number in 0..16 {
            registers.set(number, Some(1000 + u64::from(number)));
        }
        registers.set(SP, Some(STACK.into()));
        registers.set(7, Some(u64::from(STACK) + 0x40));
        registers
    }

    fn caller(instructions: &[u8]) -> Result<Registers, Failure> {
        unwind(instructions, &registers(), read)
    }

    fn sp(instructions: &[u8]) -> u32 {
        (caller(instructions).unwrap().get(SP).unwrap() - u64::from(STACK)) as u32
    }

    #[test]
    fn a_leaf_returns_by_the_link_register_and_keeps_what_is_callee_saved() {
        let caller = caller(&[0xb0]).unwrap();
        assert_eq!((caller.get(PC), caller.get(SP)), (Some(1014), Some(STACK.into())));
        assert_eq!((caller.get(4), caller.get(11)), (Some(1004), Some(1011)));
        for lost in [0, 1, 2, 3, 12, LR] {
            assert_eq!(caller.get(lost), None, "r{lost}");
        }
    }

    #[test]
    fn the_stack_pointer_moves_by_each_instruction_for_data() {
        for (instructions, bytes) in [
            (&[0x00_u8][..], 4),
            (&[0x3f], 256),
            (&[0x3f, 0x41], 248),
            (&[0xb2, 0x00], 0x204),
            (&[0xb2, 0x81, 0x01], 0x204 + 129 * 4),
            (&[0xb3, 0x83], 36),
            (&[0xb9], 20),
            (&[0xb4], 4),
            (&[0xb5], 0),
            (&[0xc1], 16),
            (&[0xc6, 0x02], 24),
            (&[0xc7, 0x05], 8),
            (&[0xc8, 0x01], 16),
            (&[0xc9, 0x87], 64),
            (&[0xd7], 64),
        ] {
            assert_eq!(sp(instructions), bytes, "{instructions:x?}");
        }
    }

    #[test]
    fn registers_are_popped_in_the_order_of_their_numbers() {
        // push {r4, r5, lr}; sub sp, #8
        let caller = caller(&[0x01, 0xa9, 0xb0]).unwrap();
        assert_eq!((caller.get(4), caller.get(5)), (Some(102), Some(103)));
        assert_eq!((caller.get(LR), caller.get(PC)), (Some(104), Some(104)));
        assert_eq!(caller.get(SP), Some(u64::from(STACK) + 20));
        // push {r0 to r3}; push {r7, lr}
        let caller = super::unwind(&[0x84, 0x08, 0xb1, 0x0f], &registers(), read).unwrap();
        assert_eq!((caller.get(7), caller.get(PC)), (Some(100), Some(101)));
        assert_eq!((caller.get(0), caller.get(3)), (Some(102), Some(105)));
    }

    #[test]
    fn a_program_counter_that_is_popped_wins_over_the_link_register() {
        assert_eq!(caller(&[0x8c, 0x00]).unwrap().get(PC), Some(101));
    }

    #[test]
    fn a_stack_pointer_that_is_popped_ends_the_frame() {
        let read = |address| if address == STACK { Ok(STACK + 0x100) } else { read(address) };
        let caller = unwind(&[0x82, 0x00], &registers(), read).unwrap();
        assert_eq!(caller.get(SP), Some(u64::from(STACK) + 0x100));
    }

    #[test]
    fn a_frame_pointer_leads_past_a_stack_of_any_size() {
        // mov sp, r7; pop {r7, lr}
        let caller = caller(&[0x97, 0x84, 0x08]).unwrap();
        assert_eq!((caller.get(7), caller.get(PC)), (Some(116), Some(117)));
        assert_eq!(caller.get(SP), Some(u64::from(STACK) + 0x48));
    }

    #[test]
    fn reserved_cut_and_refusing_instructions_are_told_apart() {
        for spare in [
            &[0x9d_u8][..],
            &[0x9f],
            &[0xb1, 0x00],
            &[0xb1, 0x10],
            &[0xb6],
            &[0xb7],
            &[0xc7, 0x00],
            &[0xca],
            &[0xd8],
            &[0xff],
            &[0x84],
            &[0xb1],
            &[0xb2],
            &[0xb2, 0x80, 0x80, 0x80, 0x80, 0x01],
        ] {
            assert_eq!(caller(spare), Err(Failure::Unusable), "{spare:x?}");
        }
        assert_eq!(caller(&[0x80, 0x00]), Err(Failure::Refused));
    }

    #[test]
    fn a_stack_that_ends_too_soon_says_where() {
        let address = u64::from(STACK) + 0x1000;
        let nothing = Err(Failure::Memory(MemoryError::Unmapped { address }));
        assert_eq!(caller(&[0xb2, 0xfe, 0x06, 0xa8]), nothing);
        let mut lost = registers();
        lost.set(LR, None);
        assert_eq!(unwind(&[0xb0], &lost, read), Err(Failure::Unusable));
        lost.set(SP, None);
        assert_eq!(unwind(&[0xb0], &lost, read), Err(Failure::Unusable));
    }

    #[test]
    fn a_stack_pointer_does_not_wrap() {
        let mut high = registers();
        high.set(SP, Some(0xffff_fffc));
        assert_eq!(unwind(&[0x3f], &high, read), Err(Failure::Unusable));
        high.set(SP, Some(0));
        assert_eq!(unwind(&[0x7f], &high, read), Err(Failure::Unusable));
    }
}

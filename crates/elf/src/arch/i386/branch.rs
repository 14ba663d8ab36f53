//! Calls and jumps of 32-bit x86: Intel SDM volume 2, CALL, JMP. They are those of x86-64, but what memory they go
//! through is named by its address and not from the program counter on.

use crate::arch::branch::at_every_byte;
use crate::arch::{Jump, Target};

/// `endbr32`, where an indirect branch may land.
const ENDBR32: &[u8] = &[0xf3, 0x0f, 0x1e, 0xfb];

/// Decodes the call before `end`: E8 rel32, or FF /2 with an address (ModRM 15).
pub(super) fn call_target(end: u64, before: &[u8]) -> Option<Target> {
    match *before.last_chunk::<6>()? {
        [_, 0xe8, displacement @ ..] => Some(Target::Direct(relative(end, i32::from_le_bytes(displacement)))),
        [0xff, 0x15, address @ ..] => Some(Target::Slot(u32::from_le_bytes(address).into())),
        _ => None,
    }
}

/// Finds what may be jumps out of a function: E9 rel32, EB rel8, and FF /4 with an address (ModRM 25). As on x86-64
/// every byte is tried, and conditional jumps are left out.
pub(super) fn jumps(start: u64, code: &[u8]) -> Vec<Jump> {
    at_every_byte(start, code, jump)
}

/// Finds the slot that a stub of a procedure linkage table jumps through, where it names it by its address: those of
/// position-independent code name it from the register on that the function before has set.
pub(super) fn stub_slot(address: u64, code: &[u8]) -> Option<u64> {
    let rest = code.strip_prefix(ENDBR32).unwrap_or(code);
    match jump(address, rest)?.target {
        Target::Slot(slot) => Some(slot),
        Target::Direct(_) => None,
    }
}

fn jump(address: u64, code: &[u8]) -> Option<Jump> {
    let end = |length| relative(address, length);
    Some(match *code {
        [0xeb, displacement, ..] => {
            let end = end(2);
            Jump { target: Target::Direct(relative(end, displacement.cast_signed().into())), end }
        }
        [0xe9, a, b, c, d, ..] => {
            let end = end(5);
            Jump { target: Target::Direct(relative(end, i32::from_le_bytes([a, b, c, d]))), end }
        }
        [0xff, 0x25, a, b, c, d, ..] => {
            Jump { target: Target::Slot(u32::from_le_bytes([a, b, c, d]).into()), end: end(6) }
        }
        _ => return None,
    })
}

fn relative(from: u64, displacement: i32) -> u64 {
    u64::from((from as u32).wrapping_add_signed(displacement))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_wrap_at_four_gigabytes() {
        let call = [0x90, 0x90, 0x90, 0xe8, 0xf0, 0xff, 0xff, 0xff];
        assert_eq!(call_target(0x8, &call), Some(Target::Direct(0xffff_fff8)));
        let jump = Jump { target: Target::Direct(0x1003), end: 0x0003 };
        assert_eq!(jumps(0xffff_fffe, &[0xe9, 0x00, 0x10, 0x00, 0x00]), [jump]);
    }

    #[test]
    fn memory_is_named_by_its_address() {
        let call = [0x90, 0x90, 0xff, 0x15, 0x10, 0x20, 0x05, 0x08];
        assert_eq!(call_target(0x1000, &call), Some(Target::Slot(0x0805_2010)));
        let stub = [0xf3, 0x0f, 0x1e, 0xfb, 0xff, 0x25, 0x10, 0x20, 0x05, 0x08];
        assert_eq!(stub_slot(0x1000, &stub), Some(0x0805_2010));
        assert_eq!(stub_slot(0x1000, &[0xff, 0xa3, 0x10, 0, 0, 0]), None);
    }
}

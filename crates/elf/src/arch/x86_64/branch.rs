//! Calls and jumps of x86-64: Intel SDM volume 2, CALL, JMP, ENDBR64; ModRM and SIB in section 2.1.5.

use crate::arch::branch::at_every_byte;
use crate::arch::{Jump, Target};

/// `endbr64`, where an indirect branch may land.
const ENDBR64: &[u8] = &[0xf3, 0x0f, 0x1e, 0xfa];
/// `bnd`, a prefix that linkers put before the jumps of their stubs when they knew of MPX.
const BND: &[u8] = &[0xf2];

/// Recognises the encodings of `call`: E8 rel32, and FF /2 in each form that it has: register, memory with no,
/// 8-bit or 32-bit displacement, each with or without SIB.
pub(in crate::arch) fn follows_call(before: &[u8]) -> bool {
    let at = |back: usize| before.len().checked_sub(back).and_then(|index| before.get(index)).copied();
    if at(5) == Some(0xe8) {
        return true;
    }
    // ModRM of FF /2: reg field 2.
    let indirect = |back: usize| {
        if at(back) != Some(0xff) {
            return None;
        }
        at(back - 1).filter(|modrm| modrm >> 3 & 7 == 2)
    };
    let matches_length = |back: usize, modrm: u8| {
        let (mode, rm) = (modrm >> 6, modrm & 7);
        let sib = usize::from(mode != 3 && rm == 4);
        let base_is_none = mode == 0 && rm == 4 && at(back - 2).is_some_and(|sib| sib & 7 == 5);
        let displacement = match mode {
            0 if rm == 5 || base_is_none => 4,
            1 => 1,
            2 => 4,
            _ => 0,
        };
        back == 2 + sib + displacement
    };
    [2, 3, 4, 6, 7].into_iter().any(|back| indirect(back).is_some_and(|modrm| matches_length(back, modrm)))
}

/// Decodes the call before `end`: E8 rel32, or FF /2 with an address relative to rip (ModRM 15). The other forms
/// lead where registers pointed.
///
/// E8 may also be the last bytes of one of those other forms; what it then seems to call is an address at random.
pub(super) fn call_target(end: u64, before: &[u8]) -> Option<Target> {
    match *before.last_chunk::<6>()? {
        [_, 0xe8, displacement @ ..] => Some(Target::Direct(relative(end, displacement))),
        [0xff, 0x15, displacement @ ..] => Some(Target::Slot(relative(end, displacement))),
        _ => None,
    }
}

/// Finds what may be jumps out of a function: E9 rel32, EB rel8, and FF /4 with an address relative to rip (ModRM
/// 25). Nothing tells where instructions start, so every byte is tried.
///
/// Conditional jumps are left out. Compilers end a function with one only where they were told to save every byte,
/// but use them all the time to enter the unlikely part that they split off a function.
pub(super) fn jumps(start: u64, code: &[u8]) -> Vec<Jump> {
    at_every_byte(start, code, jump)
}

/// Finds the slot that a stub of a procedure linkage table jumps through: `endbr64` and `bnd` if it has them, and
/// FF /4.
pub(super) fn stub_slot(address: u64, code: &[u8]) -> Option<u64> {
    let rest = code.strip_prefix(ENDBR64).unwrap_or(code);
    let rest = rest.strip_prefix(BND).unwrap_or(rest);
    match jump(address.wrapping_add((code.len() - rest.len()) as u64), rest)?.target {
        Target::Slot(slot) => Some(slot),
        Target::Direct(_) => None,
    }
}

fn jump(address: u64, code: &[u8]) -> Option<Jump> {
    let short = |length, displacement: u8| {
        let end = address.wrapping_add(length);
        Some(Jump { target: Target::Direct(end.wrapping_add_signed(displacement.cast_signed().into())), end })
    };
    let long = |length, displacement: &[u8], target: fn(u64) -> Target| {
        let end = address.wrapping_add(length);
        Some(Jump { target: target(relative(end, *displacement.first_chunk()?)), end })
    };
    match code {
        [0xeb, displacement, ..] => short(2, *displacement),
        [0xe9, displacement @ ..] => long(5, displacement, Target::Direct),
        [0xff, 0x25, displacement @ ..] => long(6, displacement, Target::Slot),
        _ => None,
    }
}

fn relative(end: u64, displacement: [u8; 4]) -> u64 {
    end.wrapping_add_signed(i64::from(i32::from_le_bytes(displacement)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_recognised() {
        let calls: [&[u8]; 8] = [
            &[0xe8, 1, 2, 3, 4],
            &[0xff, 0xd0],                   // call *%rax
            &[0x41, 0xff, 0xd4],             // call *%r12
            &[0xff, 0x10],                   // call *(%rax)
            &[0xff, 0x50, 0x08],             // call *8(%rax)
            &[0xff, 0x15, 1, 0, 0, 0],       // call *1(%rip)
            &[0xff, 0x54, 0x24, 0x08],       // call *8(%rsp)
            &[0xff, 0x14, 0x25, 1, 2, 3, 4], // call *0x04030201
        ];
        for call in calls {
            let mut padded = vec![0x90; 8 - call.len()];
            padded.extend_from_slice(call);
            assert!(follows_call(&padded), "{call:x?}");
        }
    }

    #[test]
    fn other_instructions_are_not() {
        let others: [&[u8]; 5] = [
            &[],
            &[0xff],
            &[0x90; 8],
            &[0xff, 0xe0], /* jmp *%rax */
            &[0xff, 0x50], /* displacement missing */
        ];
        for other in others {
            assert!(!follows_call(other), "{other:x?}");
        }
    }

    #[test]
    fn a_call_says_where_it_leads() {
        let forward = [0x90, 0x90, 0x90, 0xe8, 0x10, 0, 0, 0];
        assert_eq!(call_target(0x1000, &forward), Some(Target::Direct(0x1010)));
        let backward = [0x90, 0x90, 0x90, 0xe8, 0xf0, 0xff, 0xff, 0xff];
        assert_eq!(call_target(0x1000, &backward), Some(Target::Direct(0xff0)));
        let slot = [0x90, 0x90, 0xff, 0x15, 0x00, 0x02, 0, 0];
        assert_eq!(call_target(0x1000, &slot), Some(Target::Slot(0x1200)));
    }

    #[test]
    fn a_call_through_a_register_does_not() {
        assert_eq!(call_target(0x1000, &[0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xd0]), None);
        assert_eq!(call_target(0x1000, &[0xe8, 0, 0]), None);
    }

    #[test]
    fn jumps_are_found_with_their_ends() {
        let code = [
            0x55, // push %rbp
            0xeb, 0xfe, // jmp to itself
            0xe9, 0x00, 0x01, 0x00, 0x00, // jmp
            0x0f, 0x84, 0xff, 0xff, 0xff, 0xff, // je
            0xff, 0x25, 0x00, 0x10, 0x00, 0x00, // jmp *slot(%rip)
            0x74, 0x02, // je, short
            0xff, 0xe0, // jmp *%rax
        ];
        assert_eq!(
            jumps(0x1000, &code),
            [
                Jump { target: Target::Direct(0x1001), end: 0x1003 },
                Jump { target: Target::Direct(0x1108), end: 0x1008 },
                Jump { target: Target::Slot(0x2014), end: 0x1014 },
            ]
        );
    }

    #[test]
    fn a_jump_that_is_cut_off_is_none() {
        for code in [&[0xe9, 0, 0, 0][..], &[0xff, 0x25, 0], &[0xeb], &[]] {
            assert_eq!(jumps(0x1000, code), [], "{code:x?}");
        }
    }

    #[test]
    fn stubs_of_each_kind_say_their_slot() {
        let lazy = [0xff, 0x25, 0x10, 0, 0, 0, 0x68, 0, 0, 0, 0];
        assert_eq!(stub_slot(0x1000, &lazy), Some(0x1016));
        let ibt = [0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25, 0x10, 0, 0, 0];
        assert_eq!(stub_slot(0x1000, &ibt), Some(0x101a));
        let ibt_bnd = [0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, 0x10, 0, 0, 0];
        assert_eq!(stub_slot(0x1000, &ibt_bnd), Some(0x101b));
    }

    #[test]
    fn a_function_is_no_stub() {
        assert_eq!(stub_slot(0x1000, &[0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5]), None);
        assert_eq!(stub_slot(0x1000, &[0xf3, 0x0f, 0x1e, 0xfa, 0xe9, 0x10, 0, 0, 0]), None);
    }
}

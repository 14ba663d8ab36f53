//! The single-step test on 64-bit Arm: a program is stopped at each of its instructions, and its stack must lead
//! through the calls that were seen to be made. It runs in qemu's user emulation.

use std::sync::Arc;

use epitaph_elf::CoreFile;
use epitaph_testkit::cross::{Guest, STEPS, Stopped, target};
use epitaph_unwind::{Stop, Trust};

use crate::support::{Given, walk};

/// Instructions that are stepped through, where the long sweeps weren't asked for.
const SHORT: usize = 60;
/// No program of ours takes more.
const LONGEST: usize = 20_000;

#[test]
fn every_instruction_of_plain_code_knows_its_callers() {
    step_through("aarch64");
}

#[test]
fn every_instruction_of_code_with_signed_return_addresses_knows_its_callers() {
    step_through("aarch64_pac");
}

fn step_through(target_name: &str) {
    for recipe in STEPS {
        let Some(guest) = Guest::of_or_skip(target(target_name), recipe) else { return };
        let files = Given(std::fs::read(&guest.exe).unwrap());
        let all = std::env::var_os("EPITAPH_TEST_ALL").is_some();
        let most = if all { LONGEST } else { SHORT };
        let mut stub = guest.start();
        // Where each call that is pending goes on, innermost last: nobody called the program's entry.
        let mut pending: Vec<u64> = Vec::new();
        for step in 0..most {
            let core = CoreFile::open(Arc::new(guest.core(&mut stub, 11).to_vec())).unwrap();
            let walked = walk(&core, &files);
            let pc = walked.frames[0].0.address.pc();
            let on_stack = walked.frames.iter().filter(|(frame, _)| frame.trust != Trust::TailCall);
            let found: Vec<u64> = on_stack.map(|(frame, _)| frame.address.pc()).collect();
            let expected: Vec<u64> = std::iter::once(pc).chain(pending.iter().rev().copied()).collect();
            assert_eq!((found, walked.stop), (expected, Stop::End), "{}, step {step}", recipe.name);

            let bytes = stub.read(pc, 4).expect("the instruction");
            let instruction = u32::from_le_bytes(bytes.try_into().unwrap());
            if stub.step() != Stopped::TRAP {
                assert!(pending.len() == 2, "it ends in its last call of all: {pending:x?}");
                break;
            }
            if is_call(instruction) {
                pending.push(pc + 4);
            } else if is_return(instruction) {
                let back = pending.pop().expect("a call to return from");
                let bytes = stub.registers();
                assert_eq!(bytes[32 * 8..33 * 8], back.to_le_bytes(), "where a return leads");
            }
            assert!(step + 1 < LONGEST, "{} doesn't end", recipe.name);
        }
    }
}

/// `bl`, `blr`, and the latter's forms that authenticate (Arm ARM, C4.1.66).
fn is_call(instruction: u32) -> bool {
    instruction >> 26 == 0b10_0101 || instruction & 0xfeff_f000 == 0xd63f_0000
}

/// `ret`, `retaa`, `retab`.
fn is_return(instruction: u32) -> bool {
    instruction & 0xffff_f000 == 0xd65f_0000
}

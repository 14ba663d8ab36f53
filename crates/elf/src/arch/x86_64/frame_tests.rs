//! Frames by machine code, assembled by hand: one shape each that compilers make.

use std::time::{Duration, Instant};

use super::entry::from_entry;
use super::exit::to_return;
use crate::arch::{CodePiece, FrameRule, FromEntry, Place};

const START: u64 = 0x1000;
const RBX: u16 = 3;
const RBP: u16 = 6;
const RSP: u16 = 7;

fn piece(instructions: &[&[u8]]) -> Vec<CodePiece> {
    vec![CodePiece { start: START, bytes: instructions.concat() }]
}

/// The address of the instruction at `index`.
fn at(instructions: &[&[u8]], index: usize) -> u64 {
    START + instructions[..index].iter().map(|bytes| bytes.len() as u64).sum::<u64>()
}

fn rule(instructions: &[&[u8]], index: usize) -> FrameRule {
    match from_entry(&piece(instructions), at(instructions, index)) {
        Some(FromEntry::Rule(rule)) => rule,
        other => panic!("{other:?} at {index}"),
    }
}

fn sum(register: u16, offset: i64) -> Place {
    Place::Sum { register, offset }
}

fn word(register: u16, offset: i64) -> Place {
    Place::Word { register, offset, addend: 0 }
}

fn saved(rule: &FrameRule, register: u16) -> Option<Place> {
    rule.saved.iter().find(|(number, _)| *number == register).map(|(_, place)| *place)
}

const PUSH_RBP: &[u8] = &[0x55];
const PUSH_RBX: &[u8] = &[0x53];
const POP_RBX: &[u8] = &[0x5b];
const POP_RBP: &[u8] = &[0x5d];
const MOV_RSP_RBP: &[u8] = &[0x48, 0x89, 0xe5];
const CLEAR_EBX: &[u8] = &[0x31, 0xdb];
const SUB_16: &[u8] = &[0x48, 0x83, 0xec, 0x10];
const ADD_16: &[u8] = &[0x48, 0x83, 0xc4, 0x10];
const CALL: &[u8] = &[0xe8, 0, 0x10, 0, 0];
const LEAVE: &[u8] = &[0xc9];
const RET: &[u8] = &[0xc3];
const NOP: &[u8] = &[0x90];

#[test]
fn the_frame_is_known_at_each_instruction_of_a_function_without_frame_pointer() {
    let code = [PUSH_RBX, CLEAR_EBX, SUB_16, CALL, ADD_16, POP_RBX, RET];
    let cfas = [8, 16, 16, 32, 32, 16, 8];
    for (index, cfa) in cfas.into_iter().enumerate() {
        assert_eq!(rule(&code, index).cfa, sum(RSP, cfa), "{index}");
    }
    let rbx =
        [sum(RBX, 0), sum(RBX, 0), word(RSP, 0), word(RSP, 16), word(RSP, 16), word(RSP, 0), sum(RBX, 0)];
    for (index, place) in rbx.into_iter().enumerate() {
        assert_eq!(saved(&rule(&code, index), RBX), Some(place), "{index}");
    }
    assert_eq!(saved(&rule(&code, 4), RBP), Some(sum(RBP, 0)), "it is nowhere touched");
}

#[test]
fn the_way_to_the_return_tells_the_same() {
    let code = [PUSH_RBX, CLEAR_EBX, SUB_16, CALL, ADD_16, POP_RBX, RET];
    for index in 3..7 {
        let rules = to_return(&piece(&code), at(&code, index));
        assert_eq!(rules.len(), 1, "{index}");
        assert_eq!(rules[0].cfa, rule(&code, index).cfa, "{index}");
        assert_eq!(saved(&rules[0], RBX), saved(&rule(&code, index), RBX), "{index}");
    }
    let framed = [PUSH_RBP, MOV_RSP_RBP, SUB_16, NOP, LEAVE, RET];
    let rules = to_return(&piece(&framed), at(&framed, 3));
    assert_eq!((rules[0].cfa, saved(&rules[0], RBP)), (sum(RBP, 16), Some(word(RBP, 0))));
}

#[test]
fn a_call_is_a_frame_by_what_it_leaves() {
    let code = [SUB_16, CALL, ADD_16, RET];
    let return_address = at(&code, 2);
    assert_eq!(from_entry(&piece(&code), return_address - 1), from_entry(&piece(&code), return_address));
}

#[test]
fn a_frame_of_unknown_size_is_left_by_its_frame_pointer() {
    // sub %rax, %rsp: alloca
    let code = [PUSH_RBP, MOV_RSP_RBP, PUSH_RBX, &[0x48, 0x29, 0xc4], CALL, LEAVE, RET];
    let rule = rule(&code, 4);
    assert_eq!(rule.cfa, sum(RBP, 16));
    assert_eq!((saved(&rule, RBP), saved(&rule, RBX)), (Some(word(RBP, 0)), Some(sum(RBX, 0))));
}

#[test]
fn a_realigned_frame_is_left_by_the_word_that_keeps_its_arguments() {
    let code: [&[u8]; 9] = [
        &[0x4c, 0x8d, 0x54, 0x24, 0x08], // lea 8(%rsp), %r10
        &[0x48, 0x83, 0xe4, 0xc0],       // and $-64, %rsp
        &[0x41, 0xff, 0x72, 0xf8],       // push -8(%r10)
        PUSH_RBP,
        MOV_RSP_RBP,
        &[0x41, 0x52],             // push %r10
        CALL,                      // r10 is gone
        &[0x4c, 0x8b, 0x55, 0xf8], // mov -8(%rbp), %r10
        LEAVE,
    ];
    assert_eq!(rule(&code, 1).cfa, sum(RSP, 8));
    assert_eq!(rule(&code, 3).cfa, sum(10, 0));
    let within = rule(&code, 7);
    assert_eq!((within.cfa, saved(&within, RBP)), (word(RSP, 0), Some(word(RSP, 8))));
}

#[test]
fn what_follows_a_call_that_never_returns_belongs_to_another_way() {
    let code: [&[u8]; 5] = [
        &[0x74, 0x09], // je to the last: nothing was pushed
        SUB_16,
        CALL, // abort
        RET,
        NOP,
    ];
    assert_eq!(rule(&code, 3).cfa, sum(RSP, 8));
    assert_eq!(rule(&code, 2).cfa, sum(RSP, 24));
}

#[test]
fn the_cases_of_a_switch_have_the_frame_of_its_jump() {
    let code: [&[u8]; 6] = [SUB_16, &[0xff, 0xe0], CALL, ADD_16, RET, CALL];
    assert_eq!(rule(&code, 2).cfa, sum(RSP, 24));
    assert_eq!(rule(&code, 5).cfa, sum(RSP, 24));
}

#[test]
fn a_frame_whose_pages_are_touched_one_by_one_has_the_size_at_which_that_ends() {
    let code: [&[u8]; 6] = [
        &[0x4c, 0x8d, 0x9c, 0x24, 0x00, 0xd0, 0xff, 0xff], // lea -0x3000(%rsp), %r11
        &[0x48, 0x81, 0xec, 0x00, 0x10, 0x00, 0x00],       // sub $0x1000, %rsp
        &[0x48, 0x83, 0x0c, 0x24, 0x00],                   // orq $0, (%rsp)
        &[0x4c, 0x39, 0xdc],                               // cmp %r11, %rsp
        &[0x75, 0xef],                                     // jne to the sub
        CALL,
    ];
    assert_eq!(rule(&code, 2).cfa, sum(11, 0x3008), "while it grows, only r11 tells");
    assert_eq!(rule(&code, 5).cfa, sum(RSP, 0x3008));
}

#[test]
fn a_cleared_frame_pointer_marks_the_first_frame_unless_the_callers_was_kept() {
    let clear: &[u8] = &[0x31, 0xed];
    let first = [clear, CALL];
    assert_eq!(from_entry(&piece(&first), at(&first, 1)), Some(FromEntry::First));
    let kept = [PUSH_RBP, clear, CALL];
    assert_eq!(rule(&kept, 2).cfa, sum(RSP, 16));
}

#[test]
fn code_that_the_entry_does_not_lead_to_says_nothing() {
    let code = [RET, NOP, POP_RBP];
    assert_eq!(from_entry(&piece(&code), at(&code, 1)), None);
    assert_eq!(from_entry(&piece(&code), START + 100), None);
    assert_eq!(from_entry(&[], START), None);
    assert_eq!(to_return(&piece(&[CALL]), START), []);
    assert_eq!(to_return(&[], START), []);
}

/// Whatever the bytes are, and whatever jumps they seem to hold, an answer comes soon.
#[test]
fn any_bytes_are_gone_through_in_bounded_time() {
    let mut seed: u64 = 1;
    let mut random = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as u8
    };
    let mut all: Vec<Vec<u8>> = (0..8).map(|_| (0..8192).map(|_| random()).collect()).collect();
    // Each jump leads two bytes on or back; each call is followed by one.
    all.push([0x74, 0x00].repeat(32 << 10));
    all.push([0x75, 0xfc, 0x50].repeat(16 << 10));
    all.push([0xe8, 0, 0, 0, 1, 0x74, 0xf0, 0x50].repeat(8 << 10));
    all.push([0xff, 0xe0, 0x50, 0xc3].repeat(16 << 10));
    let start = Instant::now();
    for bytes in all {
        let middle = START + bytes.len() as u64 / 2;
        let pieces = [CodePiece { start: START, bytes }];
        let _ = from_entry(&pieces, middle);
        let _ = to_return(&pieces, middle);
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

//! A program of four functions, `main`, `f`, `g` and `h`, written down a jump at a time.

use epitaph_elf::{MemoryError, X86_64};

use super::exits::LARGEST_FUNCTION;
use super::*;

const MAIN: u64 = 0x1000;
const F: u64 = 0x2000;
const G: u64 = 0x3000;
const H: u64 = 0x4000;
/// A function of another module.
const IMPORTED: u64 = 0x8_0000;
const PLT: Range<u64> = 0x5000..0x5100;
const GOT: Range<u64> = 0x6000..0x6100;
const DATA: u64 = 0x6100;
/// Where `main` calls, and where that call returns to.
const CALL: u64 = MAIN + 0x20;
const RETURN: u64 = CALL + 5;

/// Memory with code in it.
struct Bytes(Vec<u8>);

impl Memory for Bytes {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let start = address as usize;
        let bytes = self.0.get(start..start + buf.len()).ok_or(MemoryError::Unmapped { address })?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn is_executable(&self, _: u64) -> bool {
        true
    }
}

/// What CFI says of the code.
struct Functions {
    bounds: Vec<Range<u64>>,
    /// Start of one that is a part of another.
    part: Option<u64>,
}

impl Layout for Functions {
    fn module(&self, address: u64) -> Option<usize> {
        Some(usize::from(address >= IMPORTED))
    }

    fn function(&mut self, address: u64) -> Option<Range<u64>> {
        self.bounds.iter().find(|bounds| bounds.contains(&address)).cloned()
    }

    fn starts_at(&mut self, address: u64) -> bool {
        self.part != Some(address) && self.bounds.iter().any(|bounds| bounds.start == address)
    }

    fn is_plt(&self, address: u64) -> bool {
        PLT.contains(&address)
    }

    fn is_got(&self, address: u64) -> bool {
        GOT.contains(&address)
    }
}

struct Program {
    memory: Bytes,
    functions: Functions,
    tails: TailCalls,
}

impl Program {
    fn new() -> Program {
        let bounds = [MAIN, F, G, H, IMPORTED].into_iter().map(|start| start..start + 0x100).collect();
        Program {
            memory: Bytes(vec![0x90; 0x9_0000]),
            functions: Functions { bounds, part: None },
            tails: TailCalls::new(&X86_64, NonZero::<u32>::MIN),
        }
    }

    fn write(mut self, at: u64, bytes: &[u8]) -> Program {
        let at = at as usize;
        self.memory.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn branch(self, at: u64, opcode: &[u8], to: u64) -> Program {
        let end = at + opcode.len() as u64 + 4;
        let displacement = (to as i64 - end as i64) as i32;
        self.write(at, &[opcode, &displacement.to_le_bytes()].concat())
    }

    fn call(self, to: u64) -> Program {
        self.branch(CALL, &[0xe8], to)
    }

    fn jump(self, at: u64, to: u64) -> Program {
        self.branch(at, &[0xe9], to)
    }

    fn stub(self, at: u64, slot: u64) -> Program {
        self.branch(at, &[0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25], slot)
    }

    fn word(self, at: u64, value: u64) -> Program {
        self.write(at, &value.to_le_bytes())
    }

    /// The ends of the jumps between `main`'s call and a frame in the function at `callee`.
    fn between(&mut self, callee: u64) -> Vec<u64> {
        let callee = callee..callee + 0x100;
        self.tails.between(RETURN, &callee, &mut self.functions, &self.memory).to_vec()
    }
}

#[test]
fn a_call_that_led_there_left_nothing_out() {
    assert_eq!(Program::new().call(F).jump(F + 0x10, G).between(F), []);
}

#[test]
fn a_call_into_the_middle_of_the_function_left_nothing_out() {
    assert_eq!(Program::new().call(F + 8).between(F), []);
}

#[test]
fn a_jump_is_a_frame() {
    assert_eq!(Program::new().call(F).jump(F + 0x10, G).between(G), [F + 0x15]);
}

#[test]
fn a_jump_may_be_short_and_the_last_instruction_of_its_function() {
    let mut program = Program::new().call(G - 0x40).write(G - 2, &[0xeb, 0]);
    program.functions.bounds.push(G - 0x40..G);
    assert_eq!(program.between(G), [G]);
}

#[test]
fn a_chain_of_jumps_is_as_many_frames_innermost_first() {
    let mut program = Program::new().call(F).jump(F + 0x10, G).jump(G + 0x20, H);
    assert_eq!(program.between(H), [G + 0x25, F + 0x15]);
}

#[test]
fn a_chain_may_be_so_long_and_no_longer() {
    let starts: Vec<u64> = (0..).map(|index| 0x8000 + index * 0x100).take(LONGEST_CHAIN + 2).collect();
    let mut program = Program::new().call(starts[0]);
    program.functions.bounds.extend(starts.iter().map(|start| *start..*start + 0x100));
    for pair in starts.windows(2) {
        program = program.jump(pair[0], pair[1]);
    }
    assert_eq!(program.between(starts[LONGEST_CHAIN]).len(), LONGEST_CHAIN);
    assert_eq!(program.between(starts[LONGEST_CHAIN + 1]), []);
}

#[test]
fn two_jumps_to_the_same_function_cannot_be_told_apart() {
    assert_eq!(Program::new().call(F).jump(F + 0x10, G).jump(F + 0x30, G).between(G), []);
}

#[test]
fn two_chains_cannot_be_told_apart() {
    let mut program = Program::new().call(F).jump(F + 0x10, H).jump(F + 0x30, G).jump(G, H);
    assert_eq!(program.between(H), []);
}

#[test]
fn what_all_chains_begin_or_end_with_is_certain() {
    const E: u64 = 0x7000;
    let with_e = |program: Program, callee| {
        let mut program = program.call(E);
        program.functions.bounds.push(E..E + 0x100);
        program.between(callee)
    };
    let begin = Program::new().jump(E, F).jump(F + 0x10, G).jump(F + 0x20, G);
    assert_eq!(with_e(begin, G), [E + 5]);
    let end = Program::new().jump(E, G).jump(E + 0x10, F).jump(F, G).jump(G, H);
    assert_eq!(with_e(end, H), [G + 5]);
    let both = Program::new().jump(E, F).jump(F, G).jump(F + 0x10, G).jump(G, H);
    assert_eq!(with_e(both, H), [G + 5, E + 5]);
}

#[test]
fn a_circle_ends() {
    let circle = || Program::new().call(F).jump(F + 0x10, G).jump(G + 0x10, F);
    assert_eq!(circle().between(H), []);
    assert_eq!(circle().jump(G + 0x20, H).between(H), [G + 0x25, F + 0x15]);
}

#[test]
fn a_search_through_too_much_code_is_given_up() {
    let with_others = |count| {
        let starts: Vec<u64> = (0..count).map(|index| 0x8000 + index * 0x100).collect();
        let mut program = Program::new().call(F).jump(F + 0x10, H).jump(F + 0x20, 0x8000);
        program.functions.bounds.extend(starts.iter().map(|start| *start..*start + 0x100));
        for from in &starts {
            for (index, to) in (0..).zip(&starts) {
                program = program.jump(from + 5 * index, *to);
            }
        }
        program.between(H)
    };
    assert_eq!(with_others(4), [F + 0x15]);
    assert_eq!(with_others(20), []);
}

#[test]
fn a_function_that_is_too_large_is_not_searched() {
    const AFTER: u64 = 0x4_0000;
    let sized = |size| {
        let mut program = Program::new().call(F).jump(F + 0x10, AFTER);
        program.functions.bounds = vec![F..F + size, AFTER..AFTER + 0x100];
        program.between(AFTER)
    };
    assert_eq!(sized(LARGEST_FUNCTION), [F + 0x15]);
    assert_eq!(sized(LARGEST_FUNCTION + 1), []);
}

#[test]
fn a_call_through_a_stub_that_led_there_left_nothing_out() {
    let program = Program::new().call(PLT.start).stub(PLT.start, GOT.start).word(GOT.start, IMPORTED);
    assert_eq!(program.jump(IMPORTED, IMPORTED + 0x200).between(IMPORTED), []);
}

#[test]
fn calls_and_jumps_lead_through_stubs() {
    let (first, second) = (PLT.start, PLT.start + 0x10);
    let mut program = Program::new()
        .call(first)
        .stub(first, GOT.start)
        .word(GOT.start, F)
        .jump(F + 0x10, second)
        .stub(second, GOT.start + 8)
        .word(GOT.start + 8, IMPORTED);
    assert_eq!(program.between(IMPORTED), [F + 0x15]);
}

#[test]
fn a_stub_without_a_section_is_known_by_its_looks() {
    let stub = 0x7000;
    let mut program = Program::new().call(stub).stub(stub, DATA).word(DATA, F).jump(F + 0x10, G);
    assert_eq!(program.between(G), [F + 0x15]);
}

#[test]
fn calls_and_jumps_lead_through_the_table_of_the_dynamic_linker() {
    let through = |table: u64| {
        let program = Program::new().branch(CALL - 1, &[0xff, 0x15], table).word(table, F);
        program.branch(F + 0x10, &[0xff, 0x25], table + 8).word(table + 8, IMPORTED).between(IMPORTED)
    };
    assert_eq!(through(GOT.start), [F + 0x16]);
    // What a variable points to may not be what it pointed to.
    assert_eq!(through(DATA), []);
}

#[test]
fn a_direct_jump_never_leads_into_another_module() {
    assert_eq!(Program::new().call(F).jump(F + 0x10, IMPORTED).between(IMPORTED), []);
}

#[test]
fn a_part_that_starts_within_its_function_was_not_called() {
    let mut program = Program::new().call(F).jump(F + 0x10, G);
    program.functions.part = Some(G);
    assert_eq!(program.between(G), []);
}

#[test]
fn a_call_through_a_register_says_nothing() {
    assert_eq!(Program::new().write(RETURN - 2, &[0xff, 0xd0]).jump(F, G).between(G), []);
}

#[test]
fn what_cannot_be_read_leads_nowhere() {
    let mut program = Program::new().call(F).jump(F + 0x10, G);
    program.memory.0.truncate(F as usize + 0x80);
    assert_eq!(program.between(G), []);
    program.memory.0.truncate(CALL as usize);
    assert_eq!(program.between(H), []);
}

#[test]
fn what_was_found_is_kept() {
    let mut program = Program::new().call(F).jump(F + 0x10, G);
    assert_eq!(program.between(G), [F + 0x15]);
    program.memory.0.clear();
    assert_eq!(program.between(G), [F + 0x15]);
}

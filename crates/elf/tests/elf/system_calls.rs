//! The system calls that threads are in, by each architecture's rules.

use epitaph_elf::SystemCall;
use epitaph_testkit::core::machine::{self, Machine};
use epitaph_testkit::core::{Class, CoreBuilder, Segment, Thread};

use crate::support::core;

const CODE: u64 = 0x1000;
const ERESTARTSYS: i64 = -512;

/// How an architecture calls `futex`.
struct Abi {
    machine: Machine,
    /// The call, which stands at 8 bytes behind [`CODE`]; the rest is zeros.
    instruction: &'static [u8],
    /// Where the number is, and what it is.
    number: (&'static str, u64),
    /// What no call leaves there.
    none: Option<u64>,
    arguments: [&'static str; 6],
    result: &'static str,
    /// Where the kernel keeps the first argument.
    kept: Option<&'static str>,
}

const ABIS: [Abi; 7] = [
    Abi {
        machine: machine::X86_64,
        instruction: &[0x0f, 0x05],
        number: ("orig_rax", 202),
        none: Some(u64::MAX),
        arguments: ["rdi", "rsi", "rdx", "r10", "r8", "r9"],
        result: "rax",
        kept: None,
    },
    Abi {
        machine: machine::I386,
        instruction: &[0xcd, 0x80],
        number: ("orig_eax", 240),
        none: Some(0xffff_ffff),
        arguments: ["ebx", "ecx", "edx", "esi", "edi", "ebp"],
        result: "eax",
        kept: None,
    },
    Abi {
        machine: machine::AARCH64,
        instruction: &[0x01, 0x00, 0x00, 0xd4],
        number: ("x8", 98),
        none: None,
        arguments: ["x0", "x1", "x2", "x3", "x4", "x5"],
        result: "x0",
        kept: None,
    },
    Abi {
        machine: machine::ARM,
        instruction: &[0x00, 0xdf],
        number: ("r7", 240),
        none: None,
        arguments: ["r0", "r1", "r2", "r3", "r4", "r5"],
        result: "r0",
        kept: Some("orig_r0"),
    },
    Abi {
        machine: machine::RISCV64,
        instruction: &[0x73, 0x00, 0x00, 0x00],
        number: ("a7", 98),
        none: None,
        arguments: ["a0", "a1", "a2", "a3", "a4", "a5"],
        result: "a0",
        kept: None,
    },
    Abi {
        machine: machine::PPC64LE,
        instruction: &[0x02, 0x00, 0x00, 0x44],
        number: ("r0", 221),
        none: None,
        arguments: ["r3", "r4", "r5", "r6", "r7", "r8"],
        result: "result",
        kept: Some("orig_r3"),
    },
    Abi {
        machine: machine::S390X,
        instruction: &[0x0a, 0xee],
        number: ("r1", 238),
        none: None,
        arguments: ["r2", "r3", "r4", "r5", "r6", "r7"],
        result: "r2",
        kept: Some("orig_r2"),
    },
];

impl Abi {
    fn pc(&self) -> &'static str {
        match self.machine.name {
            "x86_64" => "rip",
            "i386" => "eip",
            _ => "pc",
        }
    }

    fn behind(&self) -> u64 {
        CODE + 8 + self.instruction.len() as u64
    }

    /// A thread with the arguments 11 to 16 and a result, if it is none of those, or else in the first one's place.
    fn thread(&self, pc: u64, result: Option<i64>) -> Thread {
        let (name, number) = self.number;
        let mut thread = Thread::new(1).register(self.pc(), pc).register(name, number);
        for (argument, value) in self.arguments.iter().zip(11..) {
            thread = thread.register(argument, value);
        }
        if let Some(kept) = self.kept {
            thread = thread.register(kept, 11);
        }
        match (result, self.machine.class) {
            (Some(result), Class::Elf64) => thread.register(self.result, result as u64),
            (Some(result), Class::Elf32) => thread.register(self.result, u64::from(result as u32)),
            (None, _) => thread,
        }
    }

    fn call(&self, thread: Thread) -> Option<SystemCall> {
        let mut code = vec![0; 64];
        code[8..8 + self.instruction.len()].copy_from_slice(self.instruction);
        let core = core(
            &CoreBuilder::new()
                .machine(self.machine)
                .thread(thread)
                .segment(Segment::data(CODE, code).flags(5)),
        );
        SystemCall::of(core.process().arch, &core.process().threads[0], &core)
    }
}

#[test]
fn a_thread_that_waits_is_told_with_its_call_and_arguments() {
    for abi in &ABIS {
        let name = abi.machine.name;
        let call = abi.call(abi.thread(abi.behind(), Some(ERESTARTSYS))).unwrap();
        assert_eq!((call.number, call.interrupted), (abi.number.1, true), "{name}");
        assert_eq!(call.arguments[1..], [12, 13, 14, 15, 16].map(Some), "{name}");
        // What the result has overwritten is not invented.
        let first = (abi.result != abi.arguments[0] || abi.kept.is_some()).then_some(11);
        assert_eq!(call.arguments[0], first, "{name}");
    }
}

#[test]
fn a_call_that_is_to_be_made_anew_has_all_its_arguments() {
    for abi in ABIS.iter().filter(|abi| ["aarch64", "arm", "riscv64"].contains(&abi.machine.name)) {
        let call = abi.call(abi.thread(CODE + 8, None)).unwrap();
        assert_eq!((call.number, call.interrupted), (abi.number.1, true), "{}", abi.machine.name);
        assert_eq!(call.arguments, [11, 12, 13, 14, 15, 16].map(Some), "{}", abi.machine.name);
    }
}

#[test]
fn a_call_that_came_to_its_end_is_no_wait() {
    for abi in &ABIS {
        for (result, interrupted) in [(0, false), (512, false), (-11, false), (-4, true), (-516, true)] {
            let call = abi.call(abi.thread(abi.behind(), Some(result))).unwrap();
            assert_eq!(call.interrupted, interrupted, "{} {result}", abi.machine.name);
        }
    }
}

#[test]
fn a_thread_that_runs_is_in_no_call() {
    for abi in &ABIS {
        let thread = match abi.none {
            Some(none) => abi.thread(abi.behind(), Some(ERESTARTSYS)).register(abi.number.0, none),
            None => abi.thread(CODE + 32, Some(ERESTARTSYS)),
        };
        assert_eq!(abi.call(thread), None, "{}", abi.machine.name);
    }
}

#[test]
fn a_number_of_300_takes_a_register_on_s390x() {
    let abi = &ABIS[6];
    let wide = Abi { instruction: &[0x0a, 0x00], number: ("r1", 422), ..ABIS[6] };
    assert_eq!(wide.call(wide.thread(wide.behind(), Some(ERESTARTSYS))).unwrap().number, 422);
    assert_eq!(abi.call(abi.thread(abi.behind(), Some(ERESTARTSYS))).unwrap().number, 238);
}

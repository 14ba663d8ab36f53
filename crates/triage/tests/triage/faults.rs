//! What is said of faults: in cores that are made for it, an instruction and its registers each.

use epitaph_summary::{AccessKind, Confidence, CrashSummary, Hex, RegionKind, SignalOrigin};
use epitaph_symbols::{FileSearch, SearchOptions};
use epitaph_testkit::core::{CoreBuilder, FileMapping, Psinfo, Segment, Siginfo, Thread, machine};

use epitaph_testkit::crash::{Crash, program};

use crate::support::{Nothing, built, open, summary};

const PID: u32 = 4711;
const CODE: u64 = 0x40_1000;
const TABLE: u64 = 0x40_4000;
const HEAP: u64 = 0x60_0000;
const GUARD: u64 = HEAP + 0x2000;
const FILE: u64 = 0x7f00_0000_0000;
const STACK: u64 = 0x7ffd_0000_0000;
const STACK_SIZE: u64 = 0x4000;
const SP: u64 = STACK + 0x2000;

const SIGILL: u32 = 4;
const SIGTRAP: u32 = 5;
const SIGABRT: u32 = 6;
const SIGBUS: u32 = 7;
const SIGFPE: u32 = 8;
const SIGSEGV: u32 = 11;
const SIGXFSZ: u32 = 25;
const MAPERR: i32 = 1;
const ACCERR: i32 = 2;
const KERNEL: i32 = 0x80;

/// A process of a program with code, a read-only table, a heap with a guard behind it, a mapped file and a stack.
struct Scene {
    machine: machine::Machine,
    code: Vec<u8>,
    stack: Vec<u8>,
    heap: Vec<u8>,
    thread: Thread,
}

impl Scene {
    /// An instruction, and the registers that it is stopped at.
    fn new(machine: machine::Machine, code: &[u8], registers: &[(&str, u64)]) -> Scene {
        let (pc, sp) = if machine.name == "x86_64" { ("rip", "rsp") } else { ("pc", "sp") };
        let thread = Thread::new(PID).register(pc, CODE).register(sp, SP);
        let thread = registers.iter().fold(thread, |thread, (name, value)| thread.register(name, *value));
        let (stack, heap) = (vec![0; STACK_SIZE as usize], vec![0; 0x2000]);
        Scene { machine, code: code.to_vec(), stack, heap, thread }
    }

    fn x86(code: &[u8], registers: &[(&str, u64)]) -> Scene {
        Scene::new(machine::X86_64, code, registers)
    }

    fn arm(word: u32, registers: &[(&str, u64)]) -> Scene {
        Scene::new(machine::AARCH64, &word.to_le_bytes(), registers)
    }

    /// Puts bytes on the stack or the heap.
    fn with(mut self, address: u64, bytes: &[u8]) -> Scene {
        let (memory, start) =
            if address >= STACK { (&mut self.stack, STACK) } else { (&mut self.heap, HEAP) };
        let at = (address - start) as usize;
        memory[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn dies_of(self, siginfo: Siginfo) -> CrashSummary {
        let mut code = self.code;
        code.resize(0x1000, 0x90);
        const AT_RANDOM: u64 = 25;
        let builder = CoreBuilder::new()
            .machine(self.machine)
            .thread(self.thread)
            .psinfo(Psinfo { pid: PID, ..Psinfo::default() })
            .siginfo(siginfo)
            .auxv(9, CODE)
            .auxv(AT_RANDOM, STACK + STACK_SIZE - 64)
            .file(FileMapping::new(CODE, CODE + 0x1000, 1, "/bin/program"))
            .file(FileMapping::new(TABLE, TABLE + 0x1000, 4, "/bin/program"))
            .file(FileMapping::new(FILE, FILE + 0x3000, 0, "/data/table"))
            .segment(Segment::data(CODE, code).flags(5))
            .segment(Segment::hole(TABLE, 0x1000).flags(4))
            .segment(Segment::data(HEAP, self.heap))
            .segment(Segment::undumped(GUARD, 0x1000).flags(0))
            .segment(Segment::undumped(FILE, 0x3000).flags(4))
            .segment(Segment::data(STACK, self.stack));
        summary(&built(&builder), &Nothing)
    }

    fn faults(self, signal: u32, code: i32, address: u64) -> CrashSummary {
        self.dies_of(Siginfo::fault(signal, code, address))
    }
}

fn told(summary: &CrashSummary) -> (&str, Confidence) {
    let cause = summary.cause.as_ref().unwrap();
    (cause.class.as_str(), cause.confidence.unwrap())
}

/// mov edx,[rax+0x148]
const READ_FIELD: &[u8] = &[0x8b, 0x90, 0x48, 1, 0, 0];
/// mov [rax],edx
const WRITE: &[u8] = &[0x89, 0x10];
/// mov rdx,[rax+rcx*8]
const READ_ELEMENT: &[u8] = &[0x48, 0x8b, 0x14, 0xc8];

#[test]
fn accesses_are_told_by_instruction_registers_and_map() {
    use Confidence::{High, Low, Medium};
    for (code, registers, code_and_address, expected) in [
        (READ_FIELD, &[("rax", 0)][..], (MAPERR, 0x148), ("null_deref:read", High)),
        (WRITE, &[("rax", 0)], (MAPERR, 0), ("null_deref:write", High)),
        (READ_ELEMENT, &[("rax", 0), ("rcx", 5)], (MAPERR, 40), ("null_deref:read", High)),
        // An index from null that leads far away, and a wild pointer with the index 0.
        (READ_ELEMENT, &[("rax", 0), ("rcx", 0x10_0000)], (MAPERR, 0x80_0000), ("null_deref:read", Medium)),
        (
            READ_ELEMENT,
            &[("rax", 0x1234_5678_0000), ("rcx", 0)],
            (MAPERR, 0x1234_5678_0000),
            ("wild_pointer", High),
        ),
        // The offset was added before; or it is a number that is no offset.
        (WRITE, &[("rax", 0x18)], (MAPERR, 0x18), ("null_deref:write", Medium)),
        (WRITE, &[("rax", 0x2a)], (MAPERR, 0x2a), ("near_null", Medium)),
        (WRITE, &[("rax", 0x8000)], (MAPERR, 0x8000), ("near_null", Medium)),
        // The processor names no address, but one operand can't be one.
        (WRITE, &[("rax", 0xdead_beef_0000_0001)], (KERNEL, 0), ("non_canonical", High)),
        (WRITE, &[("rax", TABLE + 8)], (ACCERR, TABLE + 8), ("write_readonly", High)),
        (WRITE, &[("rax", GUARD + 8)], (ACCERR, GUARD + 8), ("guard_page", High)),
        // Only its last bytes are in the guard.
        (WRITE, &[("rax", GUARD - 2)], (ACCERR, GUARD), ("guard_page", High)),
        (WRITE, &[("rax", FILE + 0x3000)], (MAPERR, FILE + 0x3000), ("wild_pointer", High)),
        (WRITE, &[("rax", FILE + 0x5000)], (MAPERR, FILE + 0x5000), ("wild_pointer", Medium)),
        // What the kernel names is not what the instruction accesses.
        (READ_FIELD, &[("rax", 0)], (MAPERR, 0x5555_0000_0000), ("wild_pointer", Low)),
        (READ_FIELD, &[("rax", HEAP)], (MAPERR, HEAP + 0x148), ("wild_pointer", Low)),
    ] {
        let (code_of_signal, address) = code_and_address;
        let summary = Scene::x86(code, registers).faults(SIGSEGV, code_of_signal, address);
        assert_eq!(told(&summary), expected, "{code:x?} {registers:x?}: {:#?}", summary.cause);
    }
}

#[test]
fn an_access_is_described_with_its_register_and_its_place() {
    let summary = Scene::x86(WRITE, &[("rax", GUARD + 8)]).faults(SIGSEGV, ACCERR, GUARD + 8);
    let cause = summary.cause.unwrap();
    let access = cause.access.unwrap();
    assert_eq!(
        (access.kind, access.address, access.size),
        (Some(AccessKind::Write), Some(Hex(GUARD + 8)), Some(4))
    );
    assert_eq!((access.base_register.as_deref(), access.base_value), (Some("rax"), Some(Hex(GUARD + 8))));
    assert_eq!(access.offset, Some(0));
    let region = &summary.regions[access.region.unwrap() as usize];
    assert_eq!((region.kind, region.permissions.as_deref()), (Some(RegionKind::Guard), Some("---")));
    let instruction = cause.instruction.unwrap();
    assert_eq!(
        (instruction.text.as_deref(), instruction.bytes.as_deref()),
        (Some("mov [rax],edx"), Some("8910"))
    );
    assert_eq!(instruction.registers, ["rax", "edx"]);
    assert!(
        cause.evidence.iter().any(|evidence| evidence.contains("follows the heap")),
        "{:?}",
        cause.evidence
    );

    let summary = Scene::x86(WRITE, &[("rax", FILE + 0x3010)]).faults(SIGSEGV, MAPERR, FILE + 0x3010);
    let access = summary.cause.unwrap().access.unwrap();
    let region = &summary.regions[access.nearest_region.unwrap() as usize];
    assert_eq!((access.region, access.distance), (None, Some(0x10)));
    assert_eq!((region.name.as_deref(), region.kind), (Some("/data/table"), Some(RegionKind::File)));
    let kinds: Vec<_> = summary.regions.iter().filter_map(|region| region.kind).collect();
    assert!(kinds.contains(&RegionKind::Stack), "{kinds:?}");
}

#[test]
fn who_sent_a_fault_signal_decides_whether_its_registers_count() {
    let of = |pid, code: &[u8]| Scene::x86(code, &[("rax", 0)]).dies_of(Siginfo::sent(SIGSEGV, -6, pid, 0));
    // A handler raised it again.
    assert_eq!(told(&of(PID, WRITE)), ("null_deref:write", Confidence::Medium));
    // Somebody else sent it, while an instruction was next that would have failed.
    assert!(!told(&of(42, WRITE)).0.starts_with("null_deref"));
    // It sent it to itself where nothing fails.
    assert!(!told(&of(PID, &[0x90])).0.starts_with("null_deref"));
    // What follows a system call hasn't been executed.
    let after_call = Scene::x86(&[0x0f, 0x05, 0x89, 0x10], &[("rax", 0), ("rip", CODE + 2)]);
    assert_eq!(told(&after_call.dies_of(Siginfo::sent(SIGSEGV, -6, PID, 0))).0, "unknown_signal");
}

#[test]
fn where_no_code_is_the_way_there_is_told() {
    // call rax, before the return address that it pushed
    let call: &[u8] = &[0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xd0];
    let called = |pc: u64| {
        let returns = (CODE + 8).to_le_bytes();
        Scene::x86(call, &[("rip", pc)]).with(SP, &returns).faults(
            SIGSEGV,
            if pc < HEAP { MAPERR } else { ACCERR },
            pc,
        )
    };
    assert_eq!(told(&called(0)), ("exec_null", Confidence::High));
    assert_eq!(told(&called(HEAP + 0x100)), ("exec_nonexec", Confidence::High));
    let wild = Scene::x86(call, &[("rip", 0x1234_5678_0000)]);
    let wild = wild.with(SP, &(CODE + 8).to_le_bytes()).faults(SIGSEGV, MAPERR, 0x1234_5678_0000);
    assert_eq!(told(&wild), ("exec_wild", Confidence::High));
    // A return has taken it off the stack.
    let text = u64::from_le_bytes(*b"AAAAAA\0\0");
    let returned = Scene::x86(&[0xc3], &[("rip", text)]).with(SP - 8, &text.to_le_bytes());
    let returned = returned.faults(SIGSEGV, MAPERR, text);
    assert_eq!(told(&returned), ("return_corrupt", Confidence::High));
    let evidence = returned.cause.unwrap().evidence.join("; ");
    assert!(evidence.contains("text: \"AAAAAA\""), "{evidence}");
    // The processor refuses to return to what is no address.
    let refused = Scene::x86(&[0xc3], &[]).with(SP, b"AAAABBBB").faults(SIGSEGV, KERNEL, 0);
    assert_eq!(told(&refused), ("return_corrupt", Confidence::High));
}

#[test]
fn a_stack_that_is_left_has_overflowed() {
    // push rbp, at the main stack's first byte
    let summary = Scene::x86(&[0x55], &[("rsp", STACK)]).faults(SIGSEGV, MAPERR, STACK - 8);
    assert_eq!(told(&summary), ("stack_overflow", Confidence::High));
    assert_eq!(
        summary.cause.unwrap().summary.as_deref(),
        Some("stack overflow: all 16 KiB of the stack are used")
    );
    // A pointer that leads below the stack, and a stack pointer that is still far above.
    let summary = Scene::x86(WRITE, &[("rax", STACK - 8)]).faults(SIGSEGV, MAPERR, STACK - 8);
    assert_eq!(told(&summary).0, "wild_pointer");
}

#[test]
fn arithmetic_and_traps_are_told_by_their_instructions() {
    use Confidence::{High, Medium};
    for (code, registers, signal, signal_code, expected) in [
        // idiv ecx
        (&[0xf7, 0xf9][..], &[("rcx", 0)][..], SIGFPE, 1, ("int_div_zero", High)),
        (&[0xf7, 0xf9], &[("rcx", 0xffff_ffff)], SIGFPE, 1, ("int_overflow_div", High)),
        // idiv dword ptr [rax], of a zero on the heap
        (&[0xf7, 0x38], &[("rax", HEAP)], SIGFPE, 1, ("int_div_zero", High)),
        (&[0x0f, 0x0b], &[], SIGILL, 2, ("trap", High)),
        (&[0x06], &[], SIGILL, 2, ("bad_opcode", High)),
        (&[0xc5, 0xf8, 0x77], &[], SIGILL, 2, ("bad_opcode", Medium)),
        (&[0xcc, 0x90], &[("rip", CODE + 1)], SIGTRAP, KERNEL, ("trap", High)),
        (&[0x90, 0x90], &[("rip", CODE + 1)], SIGTRAP, 2, ("trap", Medium)),
        // hlt, which musl stops by
        (&[0xf4], &[], SIGSEGV, KERNEL, ("trap", High)),
        // movaps [rax],xmm0
        (&[0x0f, 0x29, 0], &[("rax", HEAP + 8)], SIGSEGV, KERNEL, ("misaligned", High)),
        (WRITE, &[("rax", HEAP + 1)], SIGBUS, 1, ("misaligned", High)),
        (WRITE, &[("rax", HEAP)], SIGBUS, 4, ("hw_memory", High)),
    ] {
        let summary = Scene::x86(code, registers).faults(signal, signal_code, 0);
        assert_eq!(told(&summary), expected, "{code:x?} {registers:x?}: {:#?}", summary.cause);
    }
    // clang's check of an addition: ud1 eax,[eax]
    let summary = Scene::x86(&[0x67, 0x0f, 0xb9, 0x40, 0], &[]).faults(SIGILL, 2, CODE);
    assert!(summary.cause.unwrap().summary.unwrap().ends_with("an addition that overflows"));
}

/// Freed chunks of a heap at a low address hold small numbers: without the chunk at hand, that is a null pointer's offset.
#[test]
fn a_small_number_may_be_a_freed_chunks_link() {
    let (chunk, link) = (HEAP + 0x20, HEAP >> 12);
    for (held, expected) in [(chunk, "use_after_free"), (chunk + 0x40, "null_deref:read")] {
        let summary = Scene::x86(READ_FIELD, &[("rax", link + 8), ("rbx", held)])
            .with(chunk - 8, &0x31_u64.to_le_bytes())
            .with(chunk, &link.to_le_bytes())
            .faults(SIGSEGV, MAPERR, link + 8 + 0x148);
        assert_eq!(told(&summary), (expected, Confidence::Medium), "{:#?}", summary.cause);
    }
}

/// A handler has raised the signal again, so that the kernel names no address any more. The zeros on the heap would be
/// `add [rax],al`, a write to a null pointer, had they been executed.
#[test]
fn what_stands_where_no_code_may_be_was_not_executed() {
    let summary =
        Scene::x86(&[0x90], &[("rip", HEAP), ("rax", 0)]).dies_of(Siginfo::sent(SIGSEGV, -6, PID, 0));
    assert_eq!(told(&summary), ("exec_nonexec", Confidence::Medium), "{:#?}", summary.cause);
}

#[test]
fn a_file_that_is_too_short_is_named_with_the_offset() {
    let summary = Scene::x86(READ_FIELD, &[("rax", FILE + 0x2000)]).faults(SIGBUS, 2, FILE + 0x2148);
    assert_eq!(told(&summary), ("bus_truncated_file", Confidence::High));
    let sentence = summary.cause.unwrap().summary.unwrap();
    assert_eq!(sentence, "access to table at its offset 0x2148, where the file has no bytes");
}

#[test]
fn a_limit_is_told() {
    let summary = Scene::x86(&[0x90], &[]).dies_of(Siginfo::sent(SIGXFSZ, 0, PID, 0));
    assert_eq!(told(&summary), ("resource_limit", Confidence::High));
    let summary = Scene::x86(&[0x90], &[]).dies_of(Siginfo::sent(SIGXFSZ, 0, 42, 0));
    assert_ne!(told(&summary).0, "resource_limit");
}

#[test]
fn a_refused_system_call_is_named() {
    let summary = Scene::x86(&[0x90], &[]).dies_of(Siginfo::refused(110, 0xc000_003e));
    assert_eq!(told(&summary), ("seccomp", Confidence::High));
    assert_eq!(
        summary.cause.unwrap().summary.as_deref(),
        Some("seccomp refused the system call getppid (110)")
    );
    let call = summary.signal.unwrap().syscall.unwrap();
    assert_eq!((call.number, call.name.as_deref()), (Some(110), Some("getppid")));
}

#[test]
fn arm_is_explained_too() {
    use Confidence::High;
    for (word, registers, signal, code_and_address, expected) in [
        // ldr w0, [x1, #8]
        (0xb940_0820_u32, &[("x1", 0)][..], SIGSEGV, (MAPERR, 8), ("null_deref:read", High)),
        // str w2, [x3]
        (0xb900_0062, &[("x3", TABLE)], SIGSEGV, (ACCERR, TABLE), ("write_readonly", High)),
        // str x29, [sp, #-16]!
        (0xf81f_0ffd, &[("sp", STACK)], SIGSEGV, (MAPERR, STACK - 16), ("stack_overflow", High)),
        // brk #1000, udf #0
        (0xd420_7d00, &[], SIGTRAP, (1, CODE), ("trap", High)),
        (0, &[], SIGILL, (1, CODE), ("trap", High)),
        // A return took it from the link register.
        (
            0xd65f_03c0,
            &[("pc", 0x4141_4141), ("x30", 0x4141_4141)],
            SIGSEGV,
            (MAPERR, 0x4141_4141),
            ("return_corrupt", High),
        ),
    ] {
        let (code, address) = code_and_address;
        let summary = Scene::arm(word, registers).faults(signal, code, address);
        assert_eq!(told(&summary), expected, "{word:#x} {registers:x?}: {:#?}", summary.cause);
    }
}

#[test]
fn without_a_decoder_the_signal_is_all_that_is_known() {
    let scene =
        |address| Scene::new(machine::RISCV64, &[0x03, 0xa5, 0x85, 0], &[]).faults(SIGSEGV, MAPERR, address);
    assert_eq!(told(&scene(8)), ("null_deref", Confidence::Medium));
    assert_eq!(told(&scene(0x9000)), ("near_null", Confidence::Medium));
    assert_eq!(told(&scene(0x1234_5678_0000)), ("wild_pointer", Confidence::Medium));
}

/// Words one after the other, as memory has them.
fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A handler that aborts, of a fault that writes through rax, as the kernel records it; with siginfo, or with what the stack
/// held before.
fn handled(siginfo: &[u64], trap: u64, error: u64, cr2: u64, rax: u64) -> CrashSummary {
    const HANDLER: u64 = CODE + 0x100;
    const RETURN: u64 = CODE + 0x200;
    const FRAME: u64 = SP + 8;
    let mut code = WRITE.to_vec();
    code.resize(0x100, 0x90);
    code.push(0xc3);
    code.resize(0x200, 0x90);
    // mov rax,15; syscall
    code.extend([0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05]);
    // r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip; flags, segments, error, trap, mask, cr2
    let mut context = [0; 23];
    (context[13], context[15], context[16]) = (rax, SP + 0x800, CODE);
    (context[19], context[20], context[22]) = (error, trap, cr2);
    Scene::x86(&code, &[("rip", HANDLER)])
        .with(SP, &words(&[RETURN]))
        .with(FRAME + 40, &words(&context))
        .with(FRAME + 304, &words(siginfo))
        .dies_of(Siginfo::sent(SIGABRT, -6, PID, 0))
}

#[test]
fn behind_a_handler_the_fault_is_what_it_interrupted() {
    // si_signo 11, si_code 1, si_addr
    let told_of = [11, 1, 0];
    let summary = handled(&told_of, 14, 6, 0, 0);
    assert_eq!(told(&summary), ("null_deref:write", Confidence::High));
    let signal = summary.signal.unwrap();
    let before = signal.after.unwrap();
    assert_eq!(
        (signal.number, before.number, before.origin),
        (Some(6), Some(11), Some(SignalOrigin::Sigframe))
    );
    assert_eq!((before.code_name.as_deref(), before.fault_address), (Some("SEGV_MAPERR"), Some(Hex(0))));
    // Without its description the instruction bears out what the kernel noted.
    assert_eq!(told(&handled(&[0x1234, 0, 99], 14, 6, 0, 0)), ("null_deref:write", Confidence::High));
    // The map allows it: there was nothing behind it.
    assert_eq!(told(&handled(&[], 14, 6, HEAP, HEAP)).0, "bus_truncated_file");
}

#[test]
fn an_older_fault_is_not_taken_for_what_a_handler_was_called_for() {
    // The instruction accesses another address; siginfo is of SIGUSR1.
    for siginfo in [&[10, 0, 0][..], &[]] {
        let summary = handled(siginfo, 14, 6, 0x5000, HEAP);
        assert_eq!(told(&summary).0, "abort_call", "{:#?}", summary.cause);
        assert_eq!(summary.signal.unwrap().after, None);
    }
    // A thread that had no fault has the number of a division's.
    assert_eq!(told(&handled(&[], 0, 0, 0, 0)).0, "abort_call");
}

#[test]
fn real_crashes_have_their_causes() {
    use Confidence::{High, Medium};
    for (name, classes, confidence, after) in [
        ("null_deref", &["null_deref:read"][..], High, None),
        ("stack_overflow", &["stack_overflow"], High, None),
        ("null_call", &["exec_null"], High, None),
        ("wild_jump", &["exec_wild", "exec_nonexec"], High, None),
        ("divide", &["int_div_zero"], High, None),
        ("smashed_return", &["return_corrupt"], High, None),
        ("alt_stack", &["null_deref:read"], Medium, Some("SIGSEGV")),
        ("musl_nested_signals", &["null_deref:write", "null_deref:read"], Medium, Some("SIGSEGV")),
        ("signal_handler", &["null_deref:write", "null_deref:read"], High, None),
        ("threads", &["null_deref:write", "wild_pointer", "write_readonly"], Medium, None),
    ] {
        let Some(crash) = Crash::of_or_skip(program(name)) else { return };
        let summary = summary(&open(&crash.core), &FileSearch::new(SearchOptions::default()));
        let (class, sure) = told(&summary);
        assert!(classes.contains(&class) && sure <= confidence, "{name}: {:#?}", summary.cause);
        let before = summary.signal.as_ref().and_then(|signal| signal.after.as_ref());
        assert_eq!(before.and_then(|before| before.name.as_deref()), after, "{name}");
        assert!(summary.cause.unwrap().summary.unwrap().chars().count() <= 200);
    }
}

//! Secrets are overwritten wherever they are in a process, and nothing else is.

use std::sync::Arc;

use epitaph_elf::{CoreFile, Memory, Redact};
use epitaph_summary::Masks;
use epitaph_testkit::core::{
    Class, CoreBuilder, Endian, FileMapping, Machine, Psinfo, Segment, Thread, machine,
};
use epitaph_triage::Scrubber;

use crate::support::{Nothing, built, summary};

/// Where the made-up stack begins, on every machine.
const STACK: u64 = 0x7fff_0000;
/// Where the made-up heap begins.
const HEAP: u64 = 0x5000_0000;
const PROGRAM: &str = "/home/ci/project/bin/prog";

/// The upper end of a stack, as the kernel makes it.
struct Stack {
    machine: Machine,
    bytes: Vec<u8>,
    /// Offset of the first pointer to a variable.
    variables: usize,
    /// Offset of the auxiliary vector.
    vector: usize,
    /// Offset of the environment's strings.
    environment: usize,
    auxv: [(u64, u64); 3],
}

impl Stack {
    fn new(machine: Machine, arguments: &[&str], variables: &[&str]) -> Stack {
        let word = if machine.class == Class::Elf64 { 8 } else { 4 };
        // Other frames are below; a number of arguments, pointers, two nulls, and the vector.
        let pointers = 0x100;
        let vector = pointers + word * (3 + arguments.len() + variables.len());
        let random = vector + word * 2 * 4;
        let strings = random + 16 + b"platform\0".len() + 21;
        let mut bytes = vec![0xcc; pointers];
        let mut text = Vec::new();
        let mut push = |string: &str| {
            let at = STACK + (strings + text.len()) as u64;
            text.extend(string.as_bytes());
            text.push(0);
            at
        };
        let argv: Vec<u64> = arguments.iter().map(|argument| push(argument)).collect();
        let envp: Vec<u64> = variables.iter().map(|variable| push(variable)).collect();
        let execfn = push(PROGRAM);
        let environment = envp.first().map_or(strings + text.len(), |first| (first - STACK) as usize);
        let auxv = [(6, 4096), (25, STACK + random as u64), (31, execfn)];
        let mut put = |value: u64| match (machine.class, machine.endian) {
            (Class::Elf64, Endian::Little) => bytes.extend(value.to_le_bytes()),
            (Class::Elf64, Endian::Big) => bytes.extend(value.to_be_bytes()),
            (Class::Elf32, Endian::Little) => bytes.extend((value as u32).to_le_bytes()),
            (Class::Elf32, Endian::Big) => bytes.extend((value as u32).to_be_bytes()),
        };
        put(argv.len() as u64);
        argv.into_iter().chain([0]).chain(envp).chain([0]).for_each(&mut put);
        auxv.into_iter().chain([(0, 0)]).for_each(|(kind, value)| {
            put(kind);
            put(value);
        });
        bytes.extend([0xa5; 16]);
        bytes.extend(b"platform\0");
        bytes.resize(strings, 0);
        bytes.extend(text);
        bytes.extend([0; 8]);
        let variables = pointers + word * (2 + arguments.len());
        Stack { machine, bytes, variables, vector, environment, auxv }
    }

    fn core(&self, heap: &[u8]) -> CoreBuilder {
        let mut core = CoreBuilder::new().machine(self.machine).thread(Thread::new(1));
        for (kind, value) in self.auxv {
            core = core.auxv(kind, value);
        }
        core.file(FileMapping::new(0x40_0000, 0x40_1000, 0, PROGRAM))
            .segment(Segment::data(HEAP, heap))
            .segment(Segment::data(STACK, self.bytes.clone()))
    }
}

fn on_x86(arguments: &[&str], variables: &[&str]) -> Stack {
    Stack::new(machine::X86_64, arguments, variables)
}

/// Learns from the whole core, as it is kept whole.
fn scrubber(core: CoreFile, masks: &Masks) -> (Arc<CoreFile>, Scrubber) {
    let core = Arc::new(core);
    let kept: Vec<_> =
        core.segments().iter().map(|segment| segment.address..segment.address + segment.file_size).collect();
    let scrubber = Scrubber::new(Arc::clone(&core), kept, masks);
    (core, scrubber)
}

/// Returns the scrubbed stack and heap.
fn scrubbed(builder: &CoreBuilder, masks: &Masks) -> (Vec<u8>, Vec<u8>) {
    let (core, scrubber) = scrubber(built(builder), masks);
    let segment = |address| {
        let size = core.segments().iter().find(|segment| segment.address == address).unwrap().file_size;
        let mut bytes = vec![0; size as usize];
        core.read(address, &mut bytes).unwrap();
        scrubber.memory(address, &mut bytes);
        bytes
    };
    (segment(STACK), segment(HEAP))
}

/// Turns the bytes of these texts, wherever they are, into what overwrites them.
fn with_stars(bytes: &[u8], secrets: &[&[u8]]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for secret in secrets {
        for start in 0..=bytes.len() - secret.len() {
            if &&bytes[start..start + secret.len()] == secret {
                bytes[start..start + secret.len()].fill(b'*');
            }
        }
    }
    bytes
}

/// What is left of an environment.
fn stars(environment: &[u8]) -> Vec<u8> {
    environment.iter().map(|byte| if *byte == 0 { 0 } else { b'*' }).collect()
}

#[test]
fn the_environment_goes_and_nothing_else_on_every_machine() {
    let variables = ["HOME=/root", "DEPLOY_TOKEN=open-sesame-1", "EMPTY=", "LAST=x"];
    for machine in machine::ALL {
        let stack = Stack::new(machine, &["./prog", "--verbose", "input.txt"], &variables);
        let (after, heap) = scrubbed(&stack.core(b"HOME=/root open-sesame-1"), &Masks::default());
        let end = stack.environment + variables.iter().map(|variable| variable.len() + 1).sum::<usize>();
        let mut expected = stack.bytes.clone();
        let environment = stack.environment..end;
        expected.splice(environment.clone(), stars(&stack.bytes[environment]));
        assert!(after == expected, "{}: {}", machine.name, String::from_utf8_lossy(&after));
        assert_eq!(heap, b"HOME=/root *************", "{}", machine.name);
    }
}

#[test]
fn a_program_may_have_had_no_environment_or_no_arguments() {
    for (arguments, variables) in [(&["./prog", "x"][..], &[][..]), (&[], &["A=1"])] {
        let stack = on_x86(arguments, variables);
        let (after, _) = scrubbed(&stack.core(b"-"), &Masks::default());
        assert_eq!(after, with_stars(&stack.bytes, &[b"A=1"]), "{arguments:?} {variables:?}");
    }
}

#[test]
fn what_was_unset_is_overwritten_too() {
    let mut stack = on_x86(&["./prog"], &["DEPLOY_TOKEN=open-sesame-1", "HOME=/root"]);
    // unsetenv(3): the pointers behind move down, and another null remains.
    let at = stack.variables;
    let next = stack.bytes[at + 8..at + 16].to_vec();
    stack.bytes[at..at + 8].copy_from_slice(&next);
    stack.bytes[at + 8..at + 16].fill(0);
    let (after, heap) = scrubbed(&stack.core(b"<open-sesame-1>"), &Masks::default());
    assert_eq!(after, with_stars(&stack.bytes, &[b"DEPLOY_TOKEN=open-sesame-1", b"HOME=/root"]));
    assert_eq!(heap, b"<*************>");
}

#[test]
fn an_overwritten_stack_loses_its_environment_all_the_same() {
    let stack = || on_x86(&["./prog", "argument"], &["DEPLOY_TOKEN=open-sesame-1"]);
    // The number of arguments; the pointers; the vector; all of them.
    for damage in [0x100..0x108, 0x108..0x110, 0x100..stack().vector, stack().vector..stack().vector + 0x40] {
        let mut stack = stack();
        stack.bytes[damage.clone()].fill(b'A');
        let (after, heap) = scrubbed(&stack.core(b"<open-sesame-1>"), &Masks::default());
        assert_eq!(after[..stack.vector], stack.bytes[..stack.vector], "{damage:?}");
        let text = String::from_utf8_lossy(&after);
        assert!(!text.contains("DEPLOY") && !text.contains("sesame"), "{damage:?}: {text}");
        assert!(text.contains(PROGRAM), "{damage:?}: {text}");
        assert_eq!(heap, b"<*************>", "{damage:?}");
    }
}

#[test]
fn what_arguments_name_as_secret_is_overwritten_wherever_it_is() {
    let arguments = ["./prog", "--token=hunter2-hunter2", "--password", "abc", "--user", "me"];
    let stack = on_x86(&arguments, &[]);
    let line = format!("{} ", arguments.join(" "));
    let psinfo = Psinfo { name: "prog".into(), arguments: line.clone(), ..Psinfo::default() };
    let core = stack.core(b"abc hunter2-hunter2\0--password").psinfo(psinfo);
    let (after, heap) = scrubbed(&core, &Masks::default());
    assert_eq!(after, with_stars(&stack.bytes, &[b"hunter2-hunter2", b"abc"]));
    assert_eq!(heap, b"abc ***************\0--password", "a short value is no secret elsewhere");

    let (_, scrubber) = scrubber(built(&core), &Masks::default());
    let mut notes = line.into_bytes();
    scrubber.notes(&mut notes);
    assert_eq!(notes, b"./prog --token=*************** --password *** --user me ");
}

#[test]
fn a_secret_that_the_kernel_cut_is_overwritten_in_the_notes() {
    let argument = format!("--password {}", "p".repeat(80));
    let line = format!("./prog {argument}")[..79].to_owned();
    let psinfo = Psinfo { name: "prog".into(), arguments: line.clone(), ..Psinfo::default() };
    let (_, scrubber) = scrubber(built(&on_x86(&[], &[]).core(b"").psinfo(psinfo)), &Masks::default());
    let mut notes = line.clone().into_bytes();
    scrubber.notes(&mut notes);
    assert_eq!(notes, with_stars(line.as_bytes(), &["p".repeat(61).as_bytes()]));
}

#[test]
fn the_beginning_of_a_secret_is_one_where_the_kernel_cut_it() {
    let stack = on_x86(&[], &["DEPLOY_TOKEN=open-sesame-1"]);
    let line = format!("./prog {} open-ses", "x".repeat(63));
    assert_eq!(line.len(), 79);
    let psinfo = Psinfo { name: "prog".into(), arguments: line.clone(), ..Psinfo::default() };
    let core = stack.core(b"-").psinfo(psinfo);
    let (core, scrubber) = scrubber(built(&core), &Masks::default());
    let mut notes = line.clone().into_bytes();
    scrubber.notes(&mut notes);
    assert_eq!(notes, with_stars(line.as_bytes(), &[b"open-ses"]));
    let summary = summary(&core, &Nothing);
    assert_eq!(summary.process.unwrap().command_line.unwrap(), line.replace("open-ses", "***"));
}

#[test]
fn what_a_program_set_itself_is_overwritten_wherever_it_is() {
    let heap = b"\0\0API_KEY=set-later-99\0\x01\x02copy: set-later-99, s\0e\0t\0-\0l\0a\0t\0e\0r\0-\x009\x009\0 set-later-9";
    let (_, after) = scrubbed(&on_x86(&[], &[]).core(heap), &Masks::default());
    let wide: Vec<u8> = b"set-later-99".iter().flat_map(|byte| [*byte, 0]).collect();
    assert_eq!(after, with_stars(heap, &[b"set-later-99", &wide]));
}

#[test]
fn the_values_that_the_caller_knows_are_overwritten() {
    let heap = b"x open-sesame-1 b3Blbi1zZXNhbWUtMQ== open-sesame";
    let masks = Masks::new(["open-sesame-1".to_owned()]);
    let (_, after) = scrubbed(&on_x86(&[], &[]).core(heap), &masks);
    assert_eq!(after, b"x ************* *****************Q== open-sesame");
}

#[test]
fn a_secret_is_overwritten_on_both_sides_of_every_cut() {
    let long = (0..100u8).map(|index| char::from(b'!' + index % 90)).collect::<String>();
    let heap = format!("\0\0TOKEN={long}\0 x {long} PASSWORD=abc y open-sesame-1 z");
    let core = on_x86(&[], &["A_TOKEN=open-sesame-1"]).core(heap.as_bytes());
    let (core, scrubber) = scrubber(built(&core), &Masks::default());
    let whole = with_stars(heap.as_bytes(), &[long.as_bytes(), b"abc", b"open-sesame-1"]);
    for cut in 1..heap.len() {
        let mut bytes = vec![0; heap.len()];
        core.read(HEAP, &mut bytes).unwrap();
        let (left, right) = bytes.split_at_mut(cut);
        scrubber.memory(HEAP, left);
        scrubber.memory(HEAP + cut as u64, right);
        assert_eq!(bytes, whole, "cut at {cut}");
    }
    for (at, (before, after)) in (HEAP..).zip(heap.bytes().zip(whole)) {
        let mut byte = [before];
        scrubber.memory(at, &mut byte);
        assert_eq!(byte[0], after, "byte {at:#x}");
    }
}

#[test]
fn places_of_mapped_files_stay() {
    // KEY_FOLDER says no more than where the program is.
    let stack =
        on_x86(&[PROGRAM], &["KEY_FOLDER=/home/ci/project/bin", "KEY_FILE=/home/ci/project/bin/../id_rsa"]);
    let heap = format!("{PROGRAM} /home/ci/project/bin/../id_rsa");
    let (after, after_heap) = scrubbed(&stack.core(heap.as_bytes()), &Masks::default());
    assert!(String::from_utf8_lossy(&after).contains(PROGRAM));
    let text = String::from_utf8_lossy(&after_heap);
    assert!(text.starts_with(PROGRAM) && !text.contains("/../id_rsa"), "{text}");
}

#[test]
fn a_hostile_environment_takes_bounded_time() {
    let many: Vec<String> = (0..6_000).map(|index| format!("TOKEN{index}={index:0>40}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let options: Vec<&str> = ["--key", "aaaaaaaa"].repeat(10_000);
    let stack = on_x86(&options, &many);
    let (core, scrubber) = scrubber(built(&stack.core(&vec![b'0'; 1 << 20])), &Masks::default());
    assert!(scrubber.left_out() > 0);
    let mut bytes = vec![0; stack.bytes.len()];
    core.read(STACK, &mut bytes).unwrap();
    scrubber.memory(STACK, &mut bytes);
    let after = &bytes[stack.environment..];
    let end = after.len() - PROGRAM.len() - 9;
    assert!(after[..end].iter().all(|byte| [0, b'*'].contains(byte)));
}

#[test]
fn cores_without_a_stack_have_nothing_to_overwrite() {
    let masks = Masks::default();
    let bare = CoreBuilder::new().thread(Thread::new(1));
    for core in [bare.clone(), bare.clone().auxv(31, STACK), bare.auxv(31, u64::MAX).auxv(25, u64::MAX - 20)]
    {
        let (_, scrubber) = scrubber(built(&core), &masks);
        let mut bytes = *b"TOKEN=abcdefgh\0nothing";
        scrubber.memory(u64::MAX - 5, &mut bytes);
        assert_eq!(&bytes, b"TOKEN=********\0nothing");
    }
}

//! Every architecture's cores: registers, process, signal, files and memory, in its class and byte order.

use epitaph_elf::{Arch, CoreFile};
use epitaph_testkit::core::machine::{self, Machine};
use epitaph_testkit::core::{Class, CoreBuilder, Endian, FileMapping, Psinfo, Segment, Siginfo, Thread};

use crate::support::core;

const NT_FPREGSET: u32 = 2;
const NT_ARM_TLS: u32 = 0x401;
const NT_ARM_PAC_MASK: u32 = 0x406;

fn register(core: &CoreFile, thread: usize, name: &str) -> Option<u64> {
    let process = core.process();
    let (number, _) = process.arch.register_names.iter().find(|(_, known)| *known == name)?;
    process.threads[thread].registers.get(*number)
}

/// A core of one of everything, and what its registers are.
fn full_core(machine: Machine) -> (CoreFile, Vec<(&'static str, u64)>) {
    let high = if machine.class == Class::Elf64 { 0x1111_0000_0000_0000 } else { 0x1111_0000 };
    let registers: Vec<(&str, u64)> = machine.registers.iter().copied().zip(high + 1..).collect();
    let thread = registers
        .iter()
        .fold(Thread::new(77).signal(11), |thread, (name, value)| thread.register(name, *value));
    let word: Vec<u8> = (1..=8).collect();
    let builder = CoreBuilder::new()
        .machine(machine)
        .thread(Thread::new(76).signal(11))
        .thread(thread)
        .psinfo(Psinfo {
            pid: 76,
            ppid: 42,
            uid: 1000,
            gid: 100,
            name: "prog".into(),
            arguments: "prog -x".into(),
        })
        .siginfo(Siginfo::fault(11, 1, 0xbad0))
        .auxv(9, 0x1_2345)
        .file(FileMapping::new(0x1_0000, 0x1_1000, 2, "/bin/prog"))
        .segment(Segment::data(0x1_0000, word).flags(5));
    (core(&builder), registers)
}

#[test]
fn every_register_is_where_its_name_says() {
    for machine in machine::ALL {
        let (core, registers) = full_core(machine);
        let process = core.process();
        assert_eq!(process.arch.name, machine.name);
        assert_eq!(process.threads[1].tid, 77);
        for (_, name) in process.arch.register_names {
            let (_, expected) = registers.iter().find(|(known, _)| known == name).unwrap();
            assert_eq!(register(&core, 1, name), Some(*expected), "{} of {}", name, machine.name);
            assert_eq!(register(&core, 0, name), Some(0));
        }
    }
}

#[test]
fn the_usual_registers_are_named() {
    for machine in machine::ALL {
        let arch = full_core(machine).0.process().arch;
        let name = |number: u16| arch.register_names.iter().find(|(known, _)| *known == number).unwrap().1;
        let expected = match machine.name {
            "x86_64" => ("rip", "rsp", None),
            "i386" => ("eip", "esp", None),
            "aarch64" => ("pc", "sp", Some("x30")),
            "riscv64" => ("pc", "sp", Some("ra")),
            "s390x" => ("pc", "r15", Some("r14")),
            "ppc64le" => ("pc", "r1", Some("lr")),
            _ => ("pc", "sp", Some("lr")),
        };
        assert_eq!((name(arch.pc), name(arch.sp), arch.link.map(name)), expected, "{}", machine.name);
    }
}

#[test]
fn process_signal_and_files_are_told() {
    for machine in machine::ALL {
        let (core, _) = full_core(machine);
        let process = core.process();
        let info = process.info.as_ref().unwrap();
        assert_eq!((info.pid, info.ppid, info.uid, info.gid), (76, 42, 1000, 100), "{}", machine.name);
        assert_eq!((info.name.to_str(), info.args.to_str()), (Some("prog"), Some("prog -x")));
        let signal = process.signal.as_ref().unwrap();
        assert_eq!((signal.number, signal.code, signal.fault_address), (11, Some(1), Some(0xbad0)));
        assert_eq!(process.auxv.entry(), Some(0x1_2345));
        let mapping = &process.mappings[0];
        assert_eq!((mapping.start, mapping.end, mapping.offset), (0x1_0000, 0x1_1000, 0x2000));
        assert_eq!(process.defects, []);
    }
}

#[test]
fn words_are_read_in_their_width_and_byte_order() {
    for machine in machine::ALL {
        let (core, _) = full_core(machine);
        let arch: &Arch = core.process().arch;
        let expected = match (machine.class, machine.endian) {
            (Class::Elf64, Endian::Little) => 0x0807_0605_0403_0201,
            (Class::Elf64, Endian::Big) => 0x0102_0304_0506_0708,
            (Class::Elf32, _) => 0x0403_0201,
        };
        assert_eq!(arch.read_word(&core, 0x1_0000), Ok(expected), "{}", machine.name);
        let half = if machine.endian == Endian::Big { 0x0304 } else { 0x0403 };
        assert_eq!(arch.read_number(&core, 0x1_0002, 2), Ok(half));
        assert!(arch.read_word(&core, 0x1_0006).is_err());
    }
}

#[test]
fn pointer_authentication_is_taken_out_of_return_addresses() {
    let signed = 0x0055_1234_5678_9abc;
    let plain = CoreBuilder::new().machine(machine::AARCH64).thread(Thread::new(1));
    let registers = core(&plain).process().threads[0].registers;
    assert_eq!(registers.code_address(signed), 0x1234_5678_9abc, "without a note, addresses have 48 bits");
    // Of a kernel with addresses of 39 bits: data mask, code mask.
    let mask = 0x007f_ff80_0000_0000_u64;
    let note = [mask.to_le_bytes(), mask.to_le_bytes()].concat();
    let with_note = |note: &[u8]| {
        let thread = Thread::new(1).note("LINUX", NT_ARM_TLS, 0x7abc_u64.to_le_bytes());
        let thread = thread.note("LINUX", NT_ARM_PAC_MASK, note);
        core(&CoreBuilder::new().machine(machine::AARCH64).thread(thread)).process().threads[0].clone()
    };
    let thread = with_note(&note);
    assert_eq!(thread.registers.code_address(signed), 0x34_5678_9abc & 0x7f_ffff_ffff);
    assert_eq!(thread.tls, Some(0x7abc));
    // A mask that leaves nothing of an address is no mask.
    assert_eq!(with_note(&[0xff; 16]).registers.code_address(signed), 0x1234_5678_9abc);
}

#[test]
fn a_return_address_to_thumb_code_is_an_address() {
    let core = core(&CoreBuilder::new().machine(machine::ARM).thread(Thread::new(1)));
    assert_eq!(core.process().threads[0].registers.code_address(0x1_0345), 0x1_0344);
}

#[test]
fn floating_point_registers_of_s390x_may_hold_general_ones() {
    /// DWARF numbers of f0, f2, f8 and f15.
    const KEPT: [(u16, u64); 4] = [(16, 0), (17, 2), (24, 8), (31, 15)];
    let mut note = vec![0; 8];
    for number in 0..16_u64 {
        note.extend((0xf000 + number).to_be_bytes());
    }
    let thread = Thread::new(1).note("CORE", NT_FPREGSET, note);
    let core = core(&CoreBuilder::new().machine(machine::S390X).thread(thread));
    for (number, index) in KEPT {
        assert_eq!(core.process().threads[0].registers.get(number), Some(0xf000 + index), "f{index}");
    }
}

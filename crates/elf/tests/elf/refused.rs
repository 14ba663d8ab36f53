//! What is no core that can be read is refused, by its name.

use epitaph_elf::{CoreError, FileKind, identify};
use epitaph_testkit::core::{Class, CoreBuilder, Endian, Machine, Segment, Thread, machine};
use epitaph_testkit::need_tool;
use epitaph_testkit::scratch::Scratch;

use crate::support::open;

#[test]
fn other_files_are_called_what_they_are() {
    let cases: [(&[u8], FileKind, &str); 5] = [
        (b"", FileKind::Empty, "the file is empty"),
        (b"#!/bin/sh\nexit 1\n", FileKind::NotElf, "not a core file: it is not an ELF file"),
        (b"\x7fEL", FileKind::NotElf, "not a core file: it is not an ELF file"),
        (b"\x7fELF", FileKind::BrokenElf, "the ELF header is cut short or makes no sense"),
        (&[0; 4096], FileKind::NotElf, "not a core file: it is not an ELF file"),
    ];
    for (bytes, kind, message) in cases {
        assert_eq!(identify(&bytes).unwrap(), kind, "{message}");
        assert_eq!(open(bytes).unwrap_err().to_string(), message);
    }
}

#[test]
fn what_a_compiler_makes_is_no_core() {
    need_tool!("gcc");
    let scratch = Scratch::new();
    scratch.write("a.c", "int answer(void) { return 42; } int main(void) { return answer(); }");
    for (command, kind, what) in [
        ("gcc -no-pie -o out a.c", FileKind::Executable, "an executable"),
        ("gcc -pie -fPIE -o out a.c", FileKind::SharedObject, "an executable or a shared library"),
        ("gcc -shared -fPIC -o out a.c", FileKind::SharedObject, "an executable or a shared library"),
        ("gcc -c -o out a.c", FileKind::Relocatable, "an object file"),
    ] {
        scratch.run(command);
        let bytes = scratch.read("out");
        assert_eq!(identify(&bytes.as_slice()).unwrap(), kind, "{command}");
        let error = open(bytes).unwrap_err();
        assert!(matches!(error, CoreError::NotACore { what: said } if said == what), "{command}: {error}");
    }
}

#[test]
fn cores_of_other_machines_are_refused_by_their_names() {
    const EM_PPC: u16 = 20;
    const EM_ARM: u16 = 40;
    const EM_X86_64: u16 = 62;
    for (class, endian, machine, name) in [
        (Class::Elf32, Endian::Big, EM_PPC, "ppc"),
        (Class::Elf32, Endian::Big, EM_ARM, "armeb (big-endian)"),
        (Class::Elf64, Endian::Big, EM_X86_64, "x86_64"),
        (Class::Elf32, Endian::Little, EM_X86_64, "x32 (x86-64 with 32-bit addresses)"),
        (Class::Elf64, Endian::Little, 60_000, "number 60000 (e_machine), which has no name here"),
    ] {
        let bytes = CoreBuilder::new().machine(Machine { number: machine, class, endian, ..machine::X86_64 });
        let bytes = bytes.thread(Thread::new(1)).segment(Segment::data(0x1000, [1])).build().to_vec();
        assert_eq!(identify(&bytes).unwrap(), FileKind::Core);
        match open(bytes) {
            Err(CoreError::Architecture { machine }) => assert_eq!(machine, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

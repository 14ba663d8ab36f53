//! Cores that list no files: modules are found by what the process itself knew.

use epitaph_elf::{Defect, Module};
use epitaph_testkit::core::machine::{self, Machine};
use epitaph_testkit::core::{Class, CoreBuilder, Endian, Psinfo, Segment, Thread};

use crate::image::{Image, Load};
use crate::support::core;

const AT_PHDR: u64 = 3;
const AT_PHNUM: u64 = 5;
const AT_BASE: u64 = 7;
const AT_ENTRY: u64 = 9;
const AT_EXECFN: u64 = 31;

const DT_STRTAB: u64 = 5;
const DT_SONAME: u64 = 14;
const DT_DEBUG: u64 = 21;

const MAIN: u64 = 0x40_0000;
const LIBRARY: u64 = 0x50_0000;
const INTERPRETER: u64 = 0x60_0000;
const DATA: u64 = 0x2000;
const STACK: u64 = 0x70_0000;
/// Where the lists are in the main program's data.
const DEBUG: u64 = MAIN + DATA + 0x400;
const MAPS: [u64; 3] = [MAIN + DATA + 0x500, MAIN + DATA + 0x600, MAIN + DATA + 0x700];

/// A page of memory with words and strings in it.
struct Page {
    machine: Machine,
    start: u64,
    bytes: Vec<u8>,
}

impl Page {
    fn new(machine: Machine, start: u64) -> Page {
        Page { machine, start, bytes: vec![0; 0x1000] }
    }

    fn bytes(mut self, at: u64, bytes: &[u8]) -> Page {
        let offset = (at - self.start) as usize;
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn words(self, at: u64, words: &[u64]) -> Page {
        let Machine { class, endian, .. } = self.machine;
        let encode = |word: &u64| match (class, endian) {
            (Class::Elf64, Endian::Little) => word.to_le_bytes().to_vec(),
            (Class::Elf64, Endian::Big) => word.to_be_bytes().to_vec(),
            (Class::Elf32, Endian::Little) => (*word as u32).to_le_bytes().to_vec(),
            (Class::Elf32, Endian::Big) => (*word as u32).to_be_bytes().to_vec(),
        };
        let bytes: Vec<u8> = words.iter().flat_map(encode).collect();
        self.bytes(at, &bytes)
    }

    fn segment(self) -> Segment {
        Segment::data(self.start, self.bytes).flags(6)
    }
}

/// Code whose first page, as qemu-user does it, is not dumped.
fn code(start: u64) -> Segment {
    Segment::undumped(start, DATA).flags(5)
}

/// A program, a library behind it and the dynamic linker, of which no header was dumped.
struct Process {
    machine: Machine,
    /// `r_version`, `r_map`, `r_brk`, `r_state`, `r_ldbase`
    debug: [u64; 5],
    /// `l_next` of the last file.
    after: u64,
}

impl Process {
    fn new(machine: Machine) -> Process {
        // The version has four bytes, and whatever pads it.
        let version =
            if machine.endian == Endian::Big && machine.class == Class::Elf64 { 1 << 32 } else { 1 };
        Process { machine, debug: [version, MAPS[0], 0, 0, INTERPRETER], after: 0 }
    }

    fn modules(&self) -> Vec<Module> {
        self.modules_with(&[])
    }

    /// Finds the modules after some words of the main program's data were overwritten.
    fn modules_with(&self, damage: &[(u64, u64)]) -> Vec<Module> {
        let data = Page::new(self.machine, MAIN + DATA)
            .words(MAIN + DATA + 0x100, &[4, 0x77, DT_DEBUG, DEBUG, 0, 0])
            .words(DEBUG, &self.debug)
            .words(MAPS[0], &[MAIN, MAIN + DATA + 0x800, MAIN + DATA + 0x100, MAPS[1], 0])
            .words(MAPS[1], &[LIBRARY, MAIN + DATA + 0x810, LIBRARY + DATA, MAPS[2], MAPS[0]])
            .words(MAPS[2], &[INTERPRETER, MAIN + DATA + 0x840, INTERPRETER + DATA, self.after, MAPS[1]])
            .bytes(MAIN + DATA + 0x810, b"/lib/libfoo.so.1\0")
            .bytes(MAIN + DATA + 0x840, b"/lib/ld.so\0");
        let data = damage.iter().fold(data, |data, (at, word)| data.words(*at, &[*word]));
        let page = |start| Page::new(self.machine, start);
        let builder = CoreBuilder::new()
            .machine(self.machine)
            .thread(Thread::new(1))
            .auxv(AT_PHDR, MAIN + 0x40)
            .auxv(AT_PHNUM, 9)
            .auxv(AT_BASE, INTERPRETER)
            .auxv(AT_ENTRY, MAIN + 0x600)
            .auxv(AT_EXECFN, STACK + 0x10)
            .segment(code(MAIN))
            .segment(data.segment())
            .segment(code(LIBRARY))
            .segment(page(LIBRARY + DATA).segment())
            .segment(page(LIBRARY + DATA + 0x1000).segment())
            .segment(code(INTERPRETER))
            .segment(page(INTERPRETER + DATA).segment())
            .segment(page(STACK).bytes(STACK + 0x10, b"./prog\0").segment());
        let core = core(&builder);
        assert_eq!(core.process().defects, [Defect::NoFileList]);
        Module::all(core.process(), &core)
    }
}

fn spans(modules: &[Module]) -> Vec<(&str, u64, u64)> {
    modules.iter().map(|module| (module.path.to_str().unwrap(), module.start, module.end)).collect()
}

#[test]
fn the_dynamic_linkers_list_names_the_files() {
    for machine in [machine::X86_64, machine::ARM, machine::S390X] {
        let modules = Process::new(machine).modules();
        let expected = [
            ("./prog", MAIN, MAIN + DATA + 0x1000),
            ("/lib/libfoo.so.1", LIBRARY, LIBRARY + DATA + 0x2000),
            ("/lib/ld.so", INTERPRETER, INTERPRETER + DATA + 0x1000),
        ];
        assert_eq!(spans(&modules), expected, "{}", machine.name);
        let biases: Vec<Option<u64>> = modules.iter().map(|module| module.bias).collect();
        assert_eq!(biases, [Some(MAIN), Some(LIBRARY), Some(INTERPRETER)]);
        assert_eq!(modules.iter().map(|module| module.main).collect::<Vec<_>>(), [true, false, false]);
        assert!(modules[1].is_code(LIBRARY + 0x800) && !modules[1].is_code(LIBRARY + DATA));
    }
}

#[test]
fn without_its_path_the_program_is_named_by_its_command_line() {
    for (name, arguments, path) in [
        ("a-long-process-", "./bin/a-long-process-name -v", "./bin/a-long-process-name"),
        ("worker", "/usr/bin/python3 job.py", "worker"),
        ("", "prog", ""),
    ] {
        let psinfo = Psinfo { name: name.into(), arguments: arguments.into(), ..Psinfo::default() };
        let builder = CoreBuilder::new().psinfo(psinfo).auxv(AT_ENTRY, MAIN + 0x600).segment(code(MAIN));
        let core = core(&builder);
        assert_eq!(spans(&Module::all(core.process(), &core)), [(path, MAIN, MAIN + DATA)]);
    }
}

#[test]
fn a_list_that_contradicts_the_kernel_is_not_believed() {
    let mut process = Process::new(machine::X86_64);
    process.debug[4] = LIBRARY;
    let modules = process.modules();
    assert_eq!(spans(&modules), [("./prog", MAIN, MAIN + DATA + 0x1000)]);
    assert_eq!(modules[0].bias, None);
}

#[test]
fn a_list_without_an_end_ends() {
    for after in [MAPS[0], MAPS[2], 0xdead_0000, u64::MAX] {
        let process = Process { after, ..Process::new(machine::X86_64) };
        assert_eq!(process.modules().len(), 3, "{after:#x}");
    }
}

#[test]
fn a_file_whose_name_was_not_dumped_is_still_there() {
    let name_of = |map: u64| (map + 8, INTERPRETER + 0x100);
    let modules = Process::new(machine::X86_64).modules_with(&[name_of(MAPS[1]), name_of(MAPS[2])]);
    let paths: Vec<&str> = spans(&modules).iter().map(|(path, ..)| *path).collect();
    assert_eq!(paths, ["./prog", "[elf at 0x500000]", "[dynamic linker]"]);
}

#[test]
fn damaged_lists_are_survived() {
    let process = Process::new(machine::X86_64);
    let places = (DEBUG..MAPS[2] + 40).step_by(8).chain((MAIN + DATA + 0x100..).step_by(8).take(6));
    for at in places {
        for word in [0, 1, DT_DEBUG, u64::MAX, u64::MAX - 7, at, MAIN, LIBRARY + DATA, STACK + 0x10] {
            let modules = process.modules_with(&[(at, word)]);
            // What the kernel says of the main program stands, and the list has no more than it has room for.
            let main = modules.iter().filter(|module| module.main && module.contains(MAIN)).count();
            assert!(main == 1 && modules.len() <= 4, "{word:#x} at {at:#x}: {modules:?}");
            assert!(modules.iter().all(|module| module.start < module.end));
        }
    }
}

#[test]
fn what_nobody_names_is_found_by_its_header() {
    const DYNAMIC: u64 = 0x3100;
    let image = Image::usual(0).dynamic(DYNAMIC).build_id(&[7; 20]);
    let data = Page::new(machine::X86_64, LIBRARY + 0x3000)
        .words(LIBRARY + DYNAMIC, &[DT_STRTAB, 0x2100, DT_SONAME, 1, 0, 0]);
    let names = Page::new(machine::X86_64, LIBRARY + 0x2000).bytes(LIBRARY + 0x2101, b"libnamed.so.3\0");
    let nameless = Image::new(&[Load::new(0, 0, 0x2000, 5)]);
    let builder = CoreBuilder::new()
        .thread(Thread::new(1))
        .segment(image.first_page(LIBRARY))
        .segment(Segment::undumped(LIBRARY + 0x1000, 0x1000).flags(5))
        .segment(names.segment().flags(4))
        .segment(data.segment())
        .segment(nameless.first_page(INTERPRETER).flags(5));
    let core = core(&builder);
    let modules = Module::all(core.process(), &core);
    assert_eq!(
        spans(&modules),
        [
            ("libnamed.so.3", LIBRARY, LIBRARY + 0x5000),
            ("[elf at 0x600000]", INTERPRETER, INTERPRETER + 0x2000)
        ]
    );
    assert_eq!(modules[0].build_id.as_ref().unwrap().as_bytes(), [7; 20]);
    assert!(!modules.iter().any(|module| module.main));
}

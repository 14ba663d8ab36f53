//! What the notes say of process and threads.

use epitaph_elf::{Arch, Defect, SignalInfo, X86_64};
use epitaph_testkit::core::{CoreBuilder, FileMapping, Psinfo, Segment, Siginfo, Thread, note_kind};

use crate::support::core;

/// DWARF number of a register, by name.
fn number(arch: &Arch, name: &str) -> u16 {
    arch.register_names.iter().find(|(_, known)| *known == name).unwrap().0
}

#[test]
fn every_register_is_where_its_name_says() {
    let names: Vec<&str> = X86_64.register_names.iter().map(|(_, name)| *name).collect();
    assert_eq!(names.len(), 17);
    let mut thread = Thread::new(77).register("fs_base", 0xf5);
    for (index, name) in names.iter().enumerate() {
        thread = thread.register(name, 0x1111_0000_0000_0000 + index as u64);
    }
    let core = core(&CoreBuilder::new().thread(Thread::new(1)).thread(thread));
    let read = &core.process().threads[1];
    assert_eq!((read.tid, read.tls), (77, Some(0xf5)));
    for (index, name) in names.iter().enumerate() {
        let value = read.registers.get(number(core.process().arch, name));
        assert_eq!(value, Some(0x1111_0000_0000_0000 + index as u64), "{name}");
    }
}

#[test]
fn threads_keep_the_order_of_the_core() {
    let mut builder = CoreBuilder::new();
    for tid in [5, 3, 9, 1] {
        builder = builder.thread(Thread::new(tid).signal(6).note("LINUX", 0x202, [1; 64]));
    }
    let core = core(&builder);
    let threads: Vec<(u32, u16)> =
        core.process().threads.iter().map(|thread| (thread.tid, thread.signal)).collect();
    assert_eq!(threads, [(5, 6), (3, 6), (9, 6), (1, 6)]);
}

#[test]
fn the_process_is_named() {
    let psinfo = Psinfo {
        pid: 4711,
        ppid: 42,
        uid: 1000,
        gid: 100,
        name: "a-long-process-name".into(),
        arguments: "prog --flag value ".into(),
    };
    let core = core(&CoreBuilder::new().thread(Thread::new(4711)).psinfo(psinfo));
    let info = core.process().info.as_ref().unwrap();
    assert_eq!((info.pid, info.ppid, info.uid, info.gid), (4711, 42, 1000, 100));
    assert_eq!(info.name, "a-long-process-");
    assert_eq!((info.args.to_str(), info.args_cut), (Some("prog --flag value"), false));
}

#[test]
fn a_command_line_that_fills_its_field_may_be_longer() {
    let longest = "x".repeat(79);
    for (arguments, cut) in [("x".repeat(200), true), (longest.clone(), true), ("x".repeat(78), false)] {
        let core = core(&CoreBuilder::new().psinfo(Psinfo { arguments, ..Psinfo::default() }));
        let info = core.process().info.as_ref().unwrap();
        assert_eq!((info.args_cut, info.args.len()), (cut, if cut { 79 } else { 78 }));
    }
    // No kernel leaves the NUL out, and other writers of cores may.
    let mut description = vec![0; 56];
    description.extend([b'y'; 80]);
    let core = core(&CoreBuilder::new().note("CORE", note_kind::PRPSINFO, description));
    let info = core.process().info.as_ref().unwrap();
    assert_eq!((info.args.to_str().unwrap(), info.args_cut), ("y".repeat(80).as_str(), true));
}

#[test]
fn the_signal_is_told_with_what_belongs_to_it() {
    let of = |siginfo| core(&CoreBuilder::new().siginfo(siginfo)).process().signal.clone().unwrap();
    assert_eq!(
        of(Siginfo::fault(11, 2, 0xdead_beef_0000)),
        SignalInfo { code: Some(2), fault_address: Some(0xdead_beef_0000), ..SignalInfo::of_number(11) }
    );
    assert_eq!(
        of(Siginfo::sent(6, -6, 4711, 1000)),
        SignalInfo { code: Some(-6), sender: Some((4711, 1000)), ..SignalInfo::of_number(6) }
    );
}

#[test]
fn without_siginfo_the_threads_tell_the_signal() {
    let core = core(&CoreBuilder::new().thread(Thread::new(1).signal(8)));
    let signal = core.process().signal.as_ref().unwrap();
    assert_eq!((signal.number, signal.code, signal.fault_address, signal.sender), (8, None, None, None));
    // gcore of a process that nothing had happened to.
    assert_eq!(crate::support::core(&CoreBuilder::new().thread(Thread::new(1))).process().signal, None);
}

#[test]
fn a_debuggers_core_is_told_from_a_kernels() {
    let description = vec![0; 136];
    let kernel = CoreBuilder::new().thread(Thread::new(1)).siginfo(Siginfo::fault(11, 1, 0));
    assert_eq!(core(&kernel).process().producer, Some("kernel"));
    // qemu-user's, and those of a kernel too old to tell.
    assert_eq!(core(&CoreBuilder::new().thread(Thread::new(1))).process().producer, None);
    let gcore = core(&CoreBuilder::new().note("CORE", note_kind::PRPSINFO, description));
    assert_eq!(gcore.process().producer, Some("gcore"));
    assert_eq!(core(&CoreBuilder::new()).process().producer, None);
}

#[test]
fn the_auxiliary_vector_is_read() {
    const AT_PHDR: u64 = 3;
    const AT_PAGESZ: u64 = 6;
    const AT_ENTRY: u64 = 9;
    const AT_EXECFN: u64 = 31;
    const AT_SYSINFO_EHDR: u64 = 33;
    let core = core(
        &CoreBuilder::new()
            .auxv(AT_SYSINFO_EHDR, 0x7fff_f000)
            .auxv(AT_PAGESZ, 4096)
            .auxv(AT_PHDR, 0x5555_0040)
            .auxv(AT_ENTRY, 0x5555_1000)
            .auxv(AT_EXECFN, 0x7fff_1234),
    );
    let auxv = &core.process().auxv;
    assert_eq!((auxv.vdso(), auxv.page_size()), (Some(0x7fff_f000), Some(4096)));
    assert_eq!((auxv.program_headers(), auxv.entry()), (Some(0x5555_0040), Some(0x5555_1000)));
    assert_eq!(auxv.executable_name(), Some(0x7fff_1234));
    let absurd = crate::support::core(&CoreBuilder::new().auxv(AT_PAGESZ, 4095).auxv(AT_SYSINFO_EHDR, 0));
    assert_eq!((absurd.process().auxv.page_size(), absurd.process().auxv.vdso()), (None, None));
}

#[test]
fn mapped_files_are_listed_by_address() {
    let core = core(
        &CoreBuilder::new()
            .page_size(0x1_0000)
            .file(FileMapping::new(0x20_0000, 0x21_0000, 3, "/lib/second.so (deleted)"))
            .file(FileMapping::new(0x10_0000, 0x11_0000, 0, b"/bin/\xff\n first")),
    );
    let mappings = &core.process().mappings;
    assert_eq!(mappings[0].path.as_encoded_bytes(), b"/bin/\xff\n first");
    assert_eq!((mappings[1].start, mappings[1].end, mappings[1].offset), (0x20_0000, 0x21_0000, 0x3_0000));
    assert_eq!(mappings[1].path, "/lib/second.so (deleted)");
    assert!(!core.process().defects.contains(&Defect::NoFileList));
}

#[test]
fn what_is_missing_is_said() {
    let core = core(&CoreBuilder::new().segment(Segment::data(0x1000, [1])));
    assert_eq!(core.process().defects, [Defect::NoThreads, Defect::NoFileList]);
    assert!(core.process().info.is_none());
}

#[test]
fn notes_of_other_owners_and_kinds_are_passed_over() {
    let core = core(
        &CoreBuilder::new()
            .thread(Thread::new(1).note("LINUX", note_kind::PRSTATUS, [9; 336]))
            .note("EPITAPH", note_kind::PRSTATUS, vec![0; 336])
            .note("CORE", 0x7777, vec![0; 7])
            .file(FileMapping::new(0, 4096, 0, "/x")),
    );
    assert_eq!(core.process().threads.len(), 1);
    assert_eq!(core.process().defects, []);
}

#[test]
fn threads_of_another_size_are_one_defect_however_many_there_are() {
    let mut builder = CoreBuilder::new().thread(Thread::new(1)).file(FileMapping::new(0, 4096, 0, "/x"));
    for size in 0..100 {
        builder = builder.note("CORE", note_kind::PRSTATUS, vec![0; size]);
    }
    let core = core(&builder);
    assert_eq!(core.process().threads.len(), 1);
    assert_eq!(core.process().defects, [Defect::OddThread { size: 0 }]);
}

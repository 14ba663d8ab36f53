//! No secret leaves a triage, wherever it stood in the process.

use epitaph_elf::SymbolTable;
use epitaph_summary::{Core, CrashSummary, Masks};
use epitaph_symbols::{FileSearch, SearchOptions};
use epitaph_testkit::core::{CoreBuilder, FileMapping, Psinfo, Segment, Siginfo, Thread};
use epitaph_testkit::need_tool;
use epitaph_testkit::scratch::Scratch;
use epitaph_triage::{Observer, Options, triage};

use crate::support::{Nothing, built};

const SECRET: &str = "hunter2hunter2";
const BASE: u64 = 0x7f00_0000_0000;

/// Keeps the partial summary.
#[derive(Default)]
struct Kept(Option<CrashSummary>);

impl Observer for Kept {
    fn crashing_thread_done(&mut self, partial: &CrashSummary) {
        self.0 = Some(partial.clone());
    }
}

#[test]
fn every_text_of_a_summary_is_masked() {
    need_tool!("gcc");
    let scratch = Scratch::new();
    // The secret is in the names of function, source file, library and process, and on the command line.
    scratch.write(&format!("srv/{SECRET}/a.c"), format!("int {SECRET}_f(int n) {{ return n; }}"));
    scratch.run(&format!(
        "gcc -g -shared -nostdlib -fPIC -Wl,--build-id=none -o srv/{SECRET}/lib-{SECRET}.so srv/{SECRET}/a.c"
    ));
    let recorded = format!("/srv/{SECRET}/lib-{SECRET}.so");
    let file = scratch.read(&recorded[1..]);
    let object = epitaph_elf::Object::parse(file.clone().into()).unwrap();
    let function =
        object.symbols(SymbolTable::Static).find(|symbol| symbol.name().starts_with(SECRET.as_bytes()));
    let mut builder = CoreBuilder::new()
        .thread(
            Thread::new(1)
                .signal(11)
                .register("rip", BASE + function.unwrap().address)
                .register("rsp", 0x1000),
        )
        .siginfo(Siginfo::fault(11, 1, 0))
        .psinfo(Psinfo {
            pid: 1,
            name: SECRET.into(),
            arguments: format!("prog {SECRET} --password other7777"),
            ..Psinfo::default()
        })
        .auxv(9, BASE);
    for segment in object.segments() {
        let start = BASE + (segment.address & !0xfff);
        let end = (BASE + segment.end()).next_multiple_of(0x1000);
        let flags = u32::from(segment.read) << 2 | u32::from(segment.write) << 1 | u32::from(segment.execute);
        let dumped = if segment.offset == 0 { file[..0x1000].to_vec() } else { Vec::new() };
        builder = builder
            .file(FileMapping::new(start, end, segment.offset >> 12, &recorded))
            .segment(Segment::data(start, dumped).memory_size(end - start).flags(flags));
    }
    let core = built(&builder);
    let files = FileSearch::new(SearchOptions {
        sysroot: Some(scratch.folder().to_owned()),
        ..SearchOptions::default()
    });

    let run = |masks: Masks| {
        let mut partial = Kept::default();
        let core_path = Some(format!("/cores/{SECRET}/core.1"));
        let known = Core { path: core_path, ..Core::default() };
        let options = Options { masks, core: known, all_files: true, ..Options::default() };
        let summary = triage(core.process(), &core, &files, &options, &mut partial).summary;
        (summary, partial.0.unwrap())
    };
    // Unmasked, it would be told in all these places: the test has something to find.
    let (open, _) = run(Masks::default());
    let (process, frame, module) = (open.process.unwrap(), &open.threads[0].frames[0], &open.modules[0]);
    let warning = &open.warnings.iter().find(|warning| warning.code == "module_unverified").unwrap().text;
    for text in [
        &open.core.unwrap().path.unwrap(),
        &process.name.unwrap(),
        process.command_line.as_ref().unwrap(),
        &process.executable.unwrap(),
        open.threads[0].name.as_ref().unwrap(),
        frame.function.as_ref().unwrap(),
        frame.file.as_ref().unwrap(),
        module.name.as_ref().unwrap(),
        module.path.as_ref().unwrap(),
        module.file_found.as_ref().unwrap(),
        warning,
    ] {
        assert!(text.contains(SECRET), "{text}");
    }
    // What a command line itself calls a secret is one, without anybody naming it.
    assert!(!process.command_line.unwrap().contains("other7777"));

    let (masked, partial) = run(Masks::new([SECRET.to_owned()]));
    for summary in [masked, partial] {
        assert_eq!(summary.threads[0].frames[0].function.as_deref(), Some("***_f"));
        let json = serde_json::to_string(&summary).unwrap();
        assert!(!json.contains(SECRET) && !json.contains("other7777"), "{json}");
    }
}

#[test]
fn a_path_that_only_the_stack_has_is_masked() {
    // No module is mapped: the executable's path is read from AT_EXECFN.
    let mut path = format!("/srv/{SECRET}/prog").into_bytes();
    path.resize(4096, 0);
    let builder =
        CoreBuilder::new().thread(Thread::new(1)).auxv(31, 0x5000).segment(Segment::data(0x5000, path));
    let core = built(&builder);
    let options = Options { masks: Masks::new([SECRET.to_owned()]), ..Options::default() };
    let summary = triage(core.process(), &core, &Nothing, &options, &mut epitaph_triage::Silent).summary;
    assert_eq!(summary.process.unwrap().executable.as_deref(), Some("/srv/***/prog"));
}

//! Real crashes, with all that explains them and with nothing.

use epitaph_summary::{CrashSummary, FileState, Frame, Stop, Thread, Trust};
use epitaph_symbols::{FileSearch, SearchOptions};
use epitaph_testkit::crash::{Crash, program};
use epitaph_testkit::gdb::same_function;
use epitaph_triage::{Options, Silent, triage};

use crate::support::{Nothing, codes, core, open, summary};

#[test]
fn without_any_file_registers_addresses_and_modules_are_still_told() {
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let core = open(&crash.core);
    let whole = summary(&core, &FileSearch::new(SearchOptions::default()));
    let bare = summary(&core, &Nothing);
    let (told, thread) = (whole.crashing_thread().unwrap(), bare.crashing_thread().unwrap());
    assert_eq!(thread.registers, told.registers);
    assert_eq!(thread.registers.len(), 17);
    assert_eq!(thread.frames[0].pc, told.frames[0].pc);
    assert_eq!(
        thread.frames[0].module.map(|index| &bare.modules[index as usize].name),
        told.frames[0].module.map(|index| &whole.modules[index as usize].name)
    );
    assert_eq!(
        (bare.process.as_ref(), bare.signal.as_ref()),
        (whole.process.as_ref(), whole.signal.as_ref())
    );
    let names = |summary: &epitaph_summary::CrashSummary| -> Vec<_> {
        summary
            .modules
            .iter()
            .map(|module| (module.name.clone(), module.build_id.clone(), module.start))
            .collect()
    };
    assert_eq!(names(&bare), names(&whole));
    // Nothing is named, nothing is sure, and the walk doesn't claim to have come to an end.
    assert!(thread.frames.iter().all(|frame| frame.function.is_none() && frame.file.is_none()));
    assert!(thread.frames[1..].iter().all(|frame| frame.trust == Some(Trust::FramePointer)), "{thread:#?}");
    assert_eq!(thread.stop, Some(Stop::NoCfi));
    assert!(thread.stop_detail.as_ref().unwrap().contains("0x"));
    let main = bare.modules.iter().find(|module| module.main).unwrap();
    assert_eq!((main.file_state, &main.file_found), (Some(FileState::Missing), &None));
    assert!(codes(&bare).contains(&"module_missing"));
}

/// Returns the frame of a function, however the C library's own debug information calls it.
fn frame<'a>(thread: &'a Thread, function: &str) -> &'a Frame {
    let is_it = |frame: &&Frame| frame.function.as_deref().is_some_and(|name| same_function(name, function));
    thread.frames.iter().find(is_it).unwrap_or_else(|| panic!("no frame of {function}: {thread:#?}"))
}

#[test]
fn own_code_is_told_from_the_systems() {
    let Some(crash) = Crash::of_or_skip(program("cxx_exception")) else { return };
    let summary = summary(&open(&crash.core), &FileSearch::new(SearchOptions::default()));
    let thread = summary.crashing_thread().unwrap();
    assert_eq!(frame(thread, "main").in_app, Some(true));
    assert_eq!(frame(thread, "bank::pay").in_app, Some(true));
    for function in ["abort", "__cxa_throw", "_start"] {
        assert_eq!(frame(thread, function).in_app, Some(false), "{function}");
    }
    let blamed = summary.blamed_frame(thread).unwrap();
    assert!(blamed.function.as_ref().unwrap().starts_with("bank::Account::withdraw"), "{blamed:?}");
}

#[test]
fn the_files_that_explain_a_crash_are_listed() {
    let Some(crash) = Crash::of_or_skip(program("plugin")) else { return };
    let core = open(&crash.core);
    let files = FileSearch::new(SearchOptions::default());
    let run = |all_files| {
        let options = Options { all_files, ..Options::default() };
        triage(core.process(), &core, &files, &options, &mut Silent)
    };
    let touched = run(false);
    let paths: Vec<_> = touched.files.iter().map(|file| &file.path).collect();
    assert!(paths.contains(&&crash.exe), "{paths:?}");
    assert!(paths.iter().any(|path| path.ends_with("plugin.so")), "{paths:?}");
    for file in &touched.files {
        let module = &touched.summary.modules[file.module];
        assert_eq!(file.build_id.as_ref().map(ToString::to_string), module.build_id, "{file:?}");
        assert_eq!(module.file_state, Some(FileState::Verified));
    }
    let all = run(true);
    assert!(all.files.len() > touched.files.len(), "the loader and others, which no stack leads through");
    assert_eq!(all.summary.threads, touched.summary.threads);
}

#[test]
fn a_deep_stack_is_cut_in_its_middle() {
    let Some(crash) = Crash::of_or_skip(program("deep_recursion")) else { return };
    let core = open(&crash.core);
    let files = FileSearch::new(SearchOptions::default());
    let run = |inner_frames, outer_frames| {
        let options = Options { inner_frames, outer_frames, ..Options::default() };
        triage(core.process(), &core, &files, &options, &mut Silent).summary.threads.remove(0)
    };
    let (cut, whole) = (run(20, 5), run(0, 0));
    assert!(whole.frames.len() > 20_000 && whole.omitted_after.is_none());
    // Machine frames are counted; calls that were inlined into them come along.
    let (inner, outer) = cut.frames.split_at(cut.omitted_after.unwrap() as usize + 1);
    let machine = |frames: &[Frame]| frames.iter().filter(|frame| !frame.inlined).count();
    assert_eq!((machine(inner), machine(outer)), (20, 5));
    assert_eq!(cut.frames_total, whole.frames_total);
    assert_eq!(whole.frames_total.map(|total| total as usize), Some(machine(&whole.frames)));
    assert!(whole.frames.starts_with(inner) && whole.frames.ends_with(outer));
    assert_eq!(cut.stop, Some(Stop::End));
    assert_eq!(cut.repeats, whole.repeats);
    let [repeat] = cut.repeats[..] else { panic!("{:?}", cut.repeats) };
    assert_eq!((repeat.period, repeat.count, repeat.exact), (1, 19_999, true));
    let repeated = &whole.frames[repeat.first as usize..][..repeat.count as usize];
    assert!(repeated.iter().all(|frame| frame.pc == repeated[0].pc));
    assert_eq!(whole.frames[repeat.first as usize + repeated.len()].function.as_deref(), Some("main"));
}

#[test]
fn a_core_that_lists_no_files_tells_the_same_story() {
    let Some(crash) = Crash::of_or_skip(program("cxx_exception")) else { return };
    let listed = open(&crash.core);
    // The same core, its NT_FILE turned into a note that nobody knows.
    let mut bytes = std::fs::read(&crash.core).unwrap();
    let header = [&0x4649_4c45_u32.to_le_bytes()[..], b"CORE\0"].concat();
    let at = bytes.windows(header.len()).position(|window| window == header).unwrap();
    bytes[at..at + 4].fill(0xee);
    let unlisted = core(bytes);
    assert!(unlisted.process().mappings.is_empty());

    let files = FileSearch::new(SearchOptions::default());
    let (expected, told) = (summary(&listed, &files), summary(&unlisted, &files));
    let frames = |summary: &CrashSummary| -> Vec<_> {
        let frames = &summary.crashing_thread().unwrap().frames;
        frames.iter().map(|frame| (frame.pc, frame.function.clone(), frame.line, frame.trust)).collect()
    };
    assert_eq!(frames(&told), frames(&expected));
    // The kernel lists files by their real paths, the dynamic linker by those that it opened.
    let modules = |summary: &CrashSummary| -> Vec<_> {
        let modules = summary.modules.iter();
        modules.map(|module| (module.start, module.load_bias, module.build_id.clone(), module.main)).collect()
    };
    assert_eq!(modules(&told), modules(&expected));
    assert!(codes(&told).contains(&"core_no_file_list"));
}

/// gdb names the next function here, and takes that one's call frame information: the caller is wrong as well.
#[test]
fn a_breakpoint_at_a_functions_end_is_that_functions() {
    let Some(crash) = Crash::of_or_skip(program("breakpoint")) else { return };
    let summary = summary(&open(&crash.core), &FileSearch::new(SearchOptions::default()));
    let frames = &summary.crashing_thread().unwrap().frames;
    let names: Vec<&str> = frames.iter().filter_map(|frame| frame.function.as_deref()).take(3).collect();
    assert_eq!(names, ["give_up", "check", "main"]);
    assert_eq!(
        frames[0].pc.map(|pc| pc.0),
        summary.crashing_thread().unwrap().registers.get("rip").map(|pc| pc.0)
    );
}

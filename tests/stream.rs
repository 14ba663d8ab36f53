//! Cores that are read once, from start to end: compressed ones, and those that come through a pipe. No copy is made,
//! memory is bounded, and what is told is what the plain core tells.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use epitaph_testkit::core::{CoreBuilder, FileMapping, Psinfo, Segment, Siginfo, Thread};
use epitaph_testkit::crash::{Crash, program};
use epitaph_testkit::debuggers::GDB;
use epitaph_testkit::skip::skipped;
use epitaph_testkit::{need_tool, tools};
use serde_json::Value;

use crate::fixtures::{only_sealed, small_core};
use crate::support::{Answer, epitaph, epitaph_within, folder, test_all, text};

/// Compressors, and what each one's core is called here.
const COMPRESSORS: [(&str, &str); 5] =
    [("zstd -qc", "zst"), ("gzip -1c", "gz"), ("xz -0c", "xz"), ("lz4 -qc", "lz4"), ("bzip2 -1c", "bz2")];
/// Bytes of address space that one pass over any core gets by with: it keeps 32 MiB, and the rest is the program, its
/// threads' stacks and what files it looks into.
const ADDRESS_SPACE: u64 = 160 << 20;

/// Runs a command's standard output into a pipe.
fn pipe_from(command: &str, input: impl Into<Stdio>) -> Child {
    let mut words = command.split(' ');
    let mut child = Command::new(words.next().unwrap());
    child.args(words).stdin(input).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn cat(path: &Path) -> Child {
    pipe_from("cat", File::open(path).unwrap())
}

/// Runs `epitaph show --json -` with a pipe as its standard input.
fn show_piped(mut from: Child) -> Answer {
    let answer = epitaph().args(["show", "--json", "-"]).stdin(from.stdout.take().unwrap()).run();
    // The writer ends when the reader does: by itself, or because nobody reads on.
    from.wait().unwrap();
    answer
}

/// Compresses a core; `None` where the tool isn't there.
fn compressed(core: &Path, command: &str, extension: &str) -> Option<PathBuf> {
    if !tools::have(command.split(' ').next().unwrap()) {
        skipped(&format!("{command} is not installed"));
        return None;
    }
    let path = core.with_file_name(format!("packed.{extension}"));
    let mut packer = pipe_from(command, File::open(core).unwrap());
    std::io::copy(&mut packer.stdout.take().unwrap(), &mut File::create(&path).unwrap()).unwrap();
    assert!(packer.wait().unwrap().success());
    let written = fs::metadata(core).unwrap().modified().unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
    Some(path)
}

/// Takes out of a summary where its core was, and when it was written: a pipe doesn't say.
fn story(answer: &Answer) -> Value {
    let mut summary = answer.json();
    for field in ["path", "size_on_disk"] {
        summary["core"].as_object_mut().unwrap().remove(field);
    }
    summary.as_object_mut().unwrap().remove("time");
    summary
}

fn warnings(summary: &Value) -> String {
    summary["warnings"].to_string()
}

#[test]
fn the_story_is_the_same_however_the_core_comes() {
    need_tool!("cat");
    for name in ["null_deref", "threads", "plugin", "stack_overflow"] {
        let Some(crash) = Crash::of_or_skip(program(name)) else { continue };
        let show =
            |path: &Path| epitaph().args(["show", "--json"]).arg(path).env("TMPDIR", "/nonexistent").run();
        let plain = story(&show(&crash.core).code(0));
        assert_eq!(story(&show_piped(cat(&crash.core)).code(0)), plain, "{name}");
        let redirected =
            epitaph().args(["show", "--json", "-"]).stdin(File::open(&crash.core).unwrap()).run();
        assert_eq!(story(&redirected.code(0)), plain, "{name}");
        for (command, extension) in COMPRESSORS {
            let Some(packed) = compressed(&crash.core, command, extension) else { continue };
            assert_eq!(story(&show(&packed).code(0)), plain, "{name} {command}");
            assert_eq!(story(&show_piped(cat(&packed)).code(0)), plain, "{name} {command}, piped");
        }
    }
}

#[test]
fn a_pipe_may_have_a_name() {
    need_tool!("mkfifo");
    let dir = folder();
    let (plain, fifo) = (dir.path().join("core"), dir.path().join("fifo"));
    small_core(7, "crasher").write_to(&plain).unwrap();
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for command in ["show", "report"] {
        let running = epitaph().arg(command).arg(&fifo).start();
        fs::write(&fifo, fs::read(&plain).unwrap()).unwrap();
        running.finish().code(0).says(&["SIGSEGV", &text(&fifo)]);
    }
    // In a folder, it is left alone: nobody may ever write to it.
    epitaph().arg("show").arg(dir.path()).run().code(0).hides(&[&text(&fifo)]);
}

#[test]
fn what_is_no_core_is_refused_in_a_pipe_too() {
    need_tool!("printf", "true");
    show_piped(pipe_from("printf hello", Stdio::null())).code(1).tells(&["standard input", "not a core"]);
    show_piped(pipe_from("true", Stdio::null())).code(1).tells(&["standard input: the file is empty"]);
}

#[test]
fn a_stream_that_ends_early_is_told_as_a_core_that_was_cut() {
    need_tool!("head", "gzip");
    let dir = folder();
    let plain = dir.path().join("core");
    let core = small_core(7, "crasher");
    core.write_to(&plain).unwrap();
    let packed = compressed(&plain, "gzip -1c", "gz").unwrap();
    let cut_at = |path: &Path, len: u64| pipe_from(&format!("head -c {len}"), File::open(path).unwrap());
    for len in [0, 1, 63, 64, 100, 300, 2000, core.size() - 1] {
        let prefix = dir.path().join("prefix");
        fs::write(&prefix, &fs::read(&plain).unwrap()[..len as usize]).unwrap();
        let (from_file, piped) =
            (epitaph().args(["show", "--json"]).arg(&prefix).run(), show_piped(cut_at(&plain, len)));
        assert_eq!(piped.any_code(), from_file.any_code(), "{len}: {piped}");
        if piped.any_code() == 0 {
            assert_eq!(story(&piped), story(&from_file), "{len}");
        }
    }
    let whole = fs::metadata(&packed).unwrap().len();
    for len in [whole - 1, whole - 9, whole / 2] {
        let answer = show_piped(cut_at(&packed, len));
        if answer.any_code() == 0 {
            assert!(warnings(&answer.json()).contains("the gzip stream breaks off"), "{answer}");
        }
    }
}

/// A core of a gibibyte, or of four where there is time, in which a heap of data, a heap of zeros and a stack are, as the
/// kernel would write it.
fn huge(path: &Path) {
    let zeros = if test_all() { 4 << 30 } else { 1 << 30 };
    let noise: Vec<u8> = (0..8_usize << 20).map(|at| (at ^ (at >> 7)) as u8 | 1).collect();
    let stack: Vec<u8> = (0..64_usize << 10).map(|at| at as u8 | 1).collect();
    CoreBuilder::new()
        .thread(Thread::new(7).signal(11).register("rip", 0x401_136).register("rsp", 0x7ffd_8000))
        .psinfo(Psinfo { pid: 7, name: "huge".into(), ..Psinfo::default() })
        .siginfo(Siginfo::fault(11, 1, 0))
        .file(FileMapping::new(0x40_0000, 0x40_2000, 0, "/nowhere/huge"))
        .segment(Segment::undumped(0x40_0000, 0x2000).flags(0b101))
        .segment(Segment::data(0x100_0000, noise))
        .segment(Segment::hole(0x1_0000_0000, zeros))
        .segment(Segment::data(0x7ffd_0000, stack))
        .build()
        .write_to(path)
        .unwrap();
}

#[test]
fn gibibytes_pass_through_bounded_memory() {
    need_tool!("cat", "zstd", "sh");
    let dir = folder();
    let (core, slim) = (dir.path().join("core"), dir.path().join("slim"));
    huge(&core);
    let plain = story(&epitaph().args(["show", "--json"]).arg(&core).run().code(0));
    let bounded = |arguments: &[&str], mut from: Child| {
        let piped = epitaph_within(ADDRESS_SPACE).args(arguments).stdin(from.stdout.take().unwrap());
        let answer = piped.run().code(0);
        from.wait().unwrap();
        answer
    };
    assert_eq!(story(&bounded(&["show", "--json", "-"], cat(&core))), plain);
    bounded(&["slim", "-", "-o", &text(&slim)], cat(&core));
    assert!(fs::metadata(&slim).unwrap().len() < 16 << 20);
    let packed = compressed(&core, "zstd -qc", "zst").unwrap();
    assert_eq!(
        story(&epitaph_within(ADDRESS_SPACE).args(["show", "--json"]).arg(&packed).run().code(0)),
        plain
    );
}

#[test]
fn a_bomb_is_cut_where_the_core_should_end() {
    need_tool!("zstd", "sh");
    let dir = folder();
    let path = dir.path().join("core.zst");
    let mut packer = pipe_from("zstd -qc", Stdio::piped());
    let mut input = packer.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        input.write_all(&small_core(7, "crasher").to_vec()).unwrap();
        let mut endless = std::io::repeat(b'x').take(1 << 30);
        std::io::copy(&mut endless, &mut input).unwrap();
    });
    std::io::copy(&mut packer.stdout.take().unwrap(), &mut File::create(&path).unwrap()).unwrap();
    writer.join().unwrap();
    assert!(packer.wait().unwrap().success());
    let answer = epitaph_within(ADDRESS_SPACE).args(["show", "--json"]).arg(&path).run().code(0);
    let summary = answer.json();
    assert_eq!(summary["process"]["pid"], 7);
    assert!(
        warnings(&summary).contains("where the core should have ended: the rest was not read"),
        "{answer}"
    );
}

#[test]
fn a_slim_core_is_made_of_a_pipe() {
    need_tool!("cat");
    for name in ["null_deref", "threads", "cxx_exception"] {
        let Some(crash) = Crash::of_or_skip(program(name)) else { continue };
        let slim = crash.core.with_file_name("slim");
        let mut from = cat(&crash.core);
        let made = epitaph().args(["slim", "-", "-o"]).arg(&slim).stdin(from.stdout.take().unwrap()).run();
        made.code(0).tells(&["left out"]);
        from.wait().unwrap();
        let [full, own] = [&crash.core, &slim].map(|core| GDB.ask(&crash.exe, core));
        assert_eq!(own, full, "{name}");
    }
}

#[test]
fn wrapped_cores_are_kept_without_a_copy() {
    need_tool!("gzip", "zstd");
    let dir = folder();
    let (plain, out) = (dir.path().join("core.7"), dir.path().join("out"));
    huge(&plain);
    let packed = compressed(&plain, "zstd -qc", "zst").unwrap();
    fs::rename(packed, dir.path().join("core.7.zst")).unwrap();
    let whole = fs::metadata(&plain).unwrap().len();
    fs::remove_file(&plain).unwrap();
    let answer = epitaph()
        .args(["collect", "--core", "full", "--out"])
        .arg(&out)
        .arg(dir.path().join("core.7.zst"))
        .env("TMPDIR", "/nonexistent")
        .run()
        .code(0);
    let (_, summary) = only_sealed(&out);
    assert_eq!(summary["core"]["size"], whole, "{answer}");
    let stored = out.join(summary["core"]["file"].as_str().unwrap());
    let mut unpacked = pipe_from("zstd -dc", File::open(stored).unwrap());
    let count = std::io::copy(&mut unpacked.stdout.take().unwrap(), &mut std::io::sink()).unwrap();
    assert!(unpacked.wait().unwrap().success());
    assert_eq!(count, whole);
}

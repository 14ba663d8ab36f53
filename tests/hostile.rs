//! Files that are no cores, or broken ones: a clear message, a part of the story where there is one, and never a panic
//! or a hang.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use epitaph_testkit::core::{CoreBuilder, Damage, Psinfo, Siginfo, Thread};
use epitaph_testkit::crash::{Crash, program};
use epitaph_testkit::skip::skipped;
use serde_json::Value;

use crate::fixtures::{functions, small_core};
use crate::support::{Answer, epitaph, folder, is_root, program as epitaph_program, test_all, text};

fn show(path: &Path) -> Answer {
    epitaph().arg("show").arg(path).run()
}

/// Checks that nothing is shown of a path but what is wrong with it, with a hint or without.
#[track_caller]
fn refused(path: &Path, why: &str, hint: Option<&str>) {
    let answer = show(path).code(1);
    assert_eq!(answer.stdout(), "", "{answer}");
    let told = answer.stderr();
    let mut lines = told.lines();
    let error = lines.next().unwrap_or_default();
    let what = error.strip_prefix(&format!("error: {}: ", text(path)));
    assert!(what.is_some_and(|what| what.starts_with(why)), "{answer}");
    match (lines.next(), hint) {
        (None, None) => {}
        (Some(line), Some(hint)) => assert!(line.starts_with("hint: ") && line.contains(hint), "{answer}"),
        _ => panic!("a hint is missing, or one too many: {answer}"),
    }
    assert_eq!(lines.next(), None, "{answer}");
}

#[test]
fn what_is_no_core_is_refused_with_the_reason() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let write = |name: &str, bytes: &[u8]| {
        fs::write(path(name), bytes).unwrap();
        path(name)
    };
    refused(&path("missing"), "no such file", Some("check the path"));
    refused(&write("empty", b""), "the file is empty", Some("the disk was full"));
    refused(
        &write("core.txt", b"not a core\n"),
        "it is a file of another kind, not a core",
        Some("give a core file"),
    );
    refused(&write("script", b"#!/bin/sh\n"), "it is a script, not a core", Some("give a core file"));
    refused(
        &write("zeros", &[0; 4096]),
        "it is a file that begins with zeros",
        Some("lost before it reached the disk"),
    );
    refused(&write("core.gz", b"\x1f\x8b\x08\0\0\0\0\0"), "broken gzip file", Some("fetch or copy"));
    refused(&write("core.zst", b"\x28\xb5\x2f\xfd rubbish"), "", Some("copy the file again"));
    refused(&write("dump.dmp", b"MDMP\x93\xa7\0\0"), "it is a minidump", Some("minidump-stackwalk"));
    fs::create_dir(path("folder")).unwrap();
    write("folder/main.c", b"int main;");
    refused(&path("folder"), "there is neither a core nor a summary in it", Some("epitaph collect"));
    refused(Path::new("/dev/null"), "it is a device, not a file", None);
}

#[test]
fn a_program_called_core_is_refused() {
    let folder = folder();
    let core = folder.path().join("core");
    fs::copy(epitaph_program(), &core).unwrap();
    refused(&core, "it is a program", Some("give the core, and the program with --exe"));
}

#[test]
fn a_socket_is_refused_at_once() {
    let folder = folder();
    let socket = folder.path().join("socket");
    // A socket's path must be short.
    let short = tempfile::tempdir().unwrap();
    let _listener = UnixListener::bind(short.path().join("socket")).unwrap();
    fs::rename(short.path().join("socket"), &socket)
        .or_else(|_| symlink(short.path().join("socket"), &socket))
        .unwrap();
    refused(&socket, "it is a socket, not a file", None);
}

#[test]
fn a_core_that_may_not_be_read_says_so() {
    if is_root() {
        return skipped("root may read every file");
    }
    let folder = folder();
    let core = folder.path().join("core");
    small_core(1, "crasher").write_to(&core).unwrap();
    fs::set_permissions(&core, fs::Permissions::from_mode(0o000)).unwrap();
    refused(&core, "may not be read", Some("as that user or as root"));
}

#[test]
fn a_link_to_a_core_is_followed_and_a_dangling_one_is_not_found() {
    let folder = folder();
    let (core, link, dangling) =
        (folder.path().join("real"), folder.path().join("link"), folder.path().join("dangling"));
    small_core(1, "crasher").write_to(&core).unwrap();
    symlink("real", &link).unwrap();
    symlink("nowhere", &dangling).unwrap();
    show(&link).code(0).says(&["crasher died of SIGSEGV", &text(&link)]);
    refused(&dangling, "no such file", Some("check the path"));
}

#[test]
fn a_truncated_core_tells_what_is_left() {
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let whole = fs::read(&crash.core).unwrap();
    let cut = |length: usize| {
        let path = crash.work.join(format!("cut-{length}"));
        fs::write(&path, &whole[..length]).unwrap();
        path
    };
    refused(&cut(40), "it is an ELF file with a broken header", Some("cut off in its first bytes"));
    refused(&cut(80), "the program headers are missing", Some("copy or download it again"));

    let mut most_functions = 0;
    for length in [3000, 20_000, 100_000, whole.len() - 4096, whole.len() - 1] {
        let path = cut(length);
        let answer = epitaph().args(["show", "--json"]).arg(&path).run().code(0);
        let summary = answer.json();
        assert_eq!(summary["signal"]["name"], "SIGSEGV", "{answer}");
        assert_eq!(summary["core"]["missing_bytes"], whole.len() - length, "{answer}");
        let named = functions(&summary).iter().filter(|function| *function != "??").count();
        assert!(named >= most_functions, "{length} bytes name less than a shorter part: {answer}");
        most_functions = named;
        show(&path).code(0).says(&["exe died of SIGSEGV", "truncated: ", "missing"]);
    }
    assert!(most_functions >= 3, "with but the last byte missing, the stack is there");
}

#[test]
fn headers_that_lie_are_survived() {
    let core = small_core(4711, "crasher");
    let folder = folder();
    let path = folder.path().join("core");
    for damage in Damage::EVERY {
        fs::write(&path, core.damaged(damage)).unwrap();
        let answer = epitaph().args(["show", "--json"]).arg(&path).run();
        match answer.any_code() {
            0 => assert_eq!(answer.json()["schema"], "epitaph-crash/1", "{damage:?}"),
            1 => assert!(
                answer.stdout().is_empty() && answer.stderr().contains(&text(&path)),
                "{damage:?} {answer}"
            ),
            _ => panic!("{damage:?} {answer}"),
        }
    }
}

#[test]
fn any_flipped_or_missing_byte_of_the_headers_is_survived() {
    let core = small_core(4711, "crasher");
    let folder = folder();
    let step = if test_all() { 1 } else { 37 };
    let damaged = core.flips().step_by(step).chain(core.prefixes().take(core.headers_size()).step_by(step));
    let paths: Vec<_> = damaged
        .enumerate()
        .map(|(index, bytes)| {
            let path = folder.path().join(format!("core.{index}"));
            fs::write(&path, bytes).unwrap();
            path
        })
        .collect();
    // In one go, since starting a process for each is what would take the time.
    let answer = epitaph().args(["show", "--json"]).args(&paths).run();
    assert_eq!(answer.any_code(), 1);
    let errors = answer.stderr().lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(answer.json_lines().len() + errors, paths.len(), "{answer}");
    assert!(answer.json_lines().len() > paths.len() / 4, "{answer}");
}

#[test]
fn names_from_a_core_drive_neither_terminal_nor_ci() {
    let psinfo = Psinfo {
        pid: 7,
        name: "\u{1b}[2J\n::add".into(),
        arguments: "x\r\n::error::boom\u{7}\n##vso[task.complete]".into(),
        ..Psinfo::default()
    };
    let core =
        CoreBuilder::new().thread(Thread::new(7).signal(11)).psinfo(psinfo).siginfo(Siginfo::fault(11, 1, 0));
    let folder = folder();
    let path = folder.path().join("core");
    core.build().write_to(&path).unwrap();
    for format in ["text", "markdown", "junit"] {
        let answer = epitaph().args(["report", "--format", format]).arg(&path).run().code(0);
        let inert = |line: &str| !line.trim_start().starts_with("::") && !line.starts_with("##vso");
        assert!(answer.stdout().lines().all(inert), "{answer}");
        assert!(!answer.stdout().contains(['\u{1b}', '\u{7}', '\r']), "{answer}");
    }
    // The folder and file names that this makes are plain.
    let out = folder.path().join("out");
    epitaph().arg("collect").arg("--out").arg(&out).arg(&path).run().code(0);
    for name in crate::support::files(&out).keys() {
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte)), "{name}");
    }
}

#[test]
fn summaries_that_make_no_sense_are_told() {
    let folder = folder();
    let path = folder.path().join("summary.json");
    let nested =
        format!("{}{}{}", r#"{"schema":"epitaph-crash/1","x":"#, "[".repeat(100_000), "]".repeat(100_000));
    for broken in [r#"{"schema":"epitaph-crash/1","threads":7}"#, r#"{"schema":"epitaph-crash/1""#, &nested] {
        fs::write(&path, broken).unwrap();
        let answer = show(&path);
        let code = answer.any_code();
        assert!(code <= 1 && answer.stderr().contains("summary.json"), "{answer}");
    }
    // A later version may say more.
    fs::write(&path, r#"{"schema":"epitaph-crash/1","tool":{"name":"epitaph","version":"9"},"new":[1]}"#)
        .unwrap();
    let answer = epitaph().args(["show", "--json"]).arg(&path).run().code(0);
    assert_eq!(answer.json()["tool"]["version"], Value::from("9"));
}

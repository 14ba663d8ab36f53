//! Cores, jobs and output folders that the tests of several commands need.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use epitaph_testkit::core::{CoreBuilder, CoreImage, FileMapping, Psinfo, Segment, Siginfo, Thread};
use serde_json::Value;

use crate::support::{files, text};

/// A made-up core of a small process that wrote to address 0. Another process id makes it another crash.
pub(crate) fn small_core(pid: u32, name: &str) -> CoreImage {
    core_with_stack(pid, name, vec![7; 4096])
}

/// The same with another stack.
pub(crate) fn core_with_stack(pid: u32, name: &str, stack: Vec<u8>) -> CoreImage {
    let thread = Thread::new(pid).signal(11).register("rip", 0x401_136).register("rsp", 0x7ffd_1000);
    CoreBuilder::new()
        .thread(thread)
        .psinfo(Psinfo {
            pid,
            ppid: 1,
            name: name.into(),
            arguments: format!("./{name}"),
            ..Psinfo::default()
        })
        .siginfo(Siginfo::fault(11, 1, 0))
        .file(FileMapping::new(0x40_0000, 0x40_2000, 0, format!("/nowhere/{name}")))
        .segment(Segment::undumped(0x40_0000, 0x2000).flags(0b101))
        .segment(Segment::data(0x7ffd_1000, stack))
        .build()
}

/// Writes [`small_core`] to a file that looks as if it were finished a while ago, and makes the folders above it.
pub(crate) fn place_core(path: &Path, pid: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    small_core(pid, "crasher").write_to(path).unwrap();
    set_age(path, Duration::from_secs(10));
}

/// Sets when a file was last written.
pub(crate) fn set_age(path: &Path, age: Duration) {
    File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
}

/// Returns the sealed summaries of an output folder, by id.
pub(crate) fn sealed(out: &Path) -> BTreeMap<String, Value> {
    let crashes = fs::read_dir(out.join("crashes")).unwrap().map(|entry| entry.unwrap().path());
    let summary = |folder: PathBuf| {
        let bytes = fs::read(folder.join("summary.json")).unwrap();
        (text(folder.file_name().unwrap()), serde_json::from_slice(&bytes).unwrap())
    };
    crashes.map(summary).collect()
}

/// Returns the only sealed summary of an output folder.
#[track_caller]
pub(crate) fn only_sealed(out: &Path) -> (String, Value) {
    let sealed = sealed(out);
    assert_eq!(sealed.len(), 1, "{sealed:#?}");
    sealed.into_iter().next().unwrap()
}

/// Returns the functions of a summary's crashing thread, innermost first; `??` for those without a name.
pub(crate) fn functions(summary: &Value) -> Vec<String> {
    let frames = summary["threads"][0]["frames"].as_array().map(Vec::as_slice).unwrap_or_default();
    frames.iter().map(|frame| frame["function"].as_str().unwrap_or("??").to_owned()).collect()
}

/// Returns the functions of the frames that lie in the program itself.
pub(crate) fn own_functions(summary: &Value) -> Vec<String> {
    let own = |frame: &&Value| {
        frame["module"].as_u64().is_some_and(|module| summary["modules"][module as usize]["main"] == true)
    };
    let frames = summary["threads"][0]["frames"].as_array().unwrap();
    frames.iter().filter(own).map(|frame| frame["function"].as_str().unwrap_or("??").to_owned()).collect()
}

/// Checks that `names` are among `functions`, in that order. libc calls its own `abort` and others by an alias.
#[track_caller]
pub(crate) fn assert_chain(functions: &[String], names: &[&str]) {
    let mut rest = functions.iter().map(|function| function.trim_start_matches("__GI_"));
    for name in names {
        assert!(rest.any(|function| function == *name), "{name} of {names:?} is not in {functions:?}");
    }
}

/// Checks that the parts of an output folder agree: every crash is in `crashes.jsonl` once, the JUnit report and the
/// Markdown have one entry each, and `manifest.json` lists every file with its right size and sha256.
#[track_caller]
pub(crate) fn assert_consistent(out: &Path) {
    let sealed = sealed(out);
    let lines = fs::read_to_string(out.join("crashes.jsonl")).unwrap();
    let mut listed: Vec<String> =
        lines.lines().map(|line| id(&serde_json::from_str(line).unwrap())).collect();
    listed.sort();
    assert_eq!(listed, sealed.keys().cloned().collect::<Vec<_>>());

    let junit = fs::read_to_string(out.join("junit/epitaph.xml")).unwrap();
    assert_eq!(elements(&junit).iter().filter(|name| *name == "testcase").count(), sealed.len());
    let markdown = fs::read_to_string(out.join("summary.md")).unwrap();
    assert_eq!(markdown.lines().filter(|line| line.starts_with("## ")).count(), sealed.len());
    assert_manifest(out);
}

fn id(summary: &Value) -> String {
    summary["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn assert_manifest(out: &Path) {
    let mut files = files(out);
    let manifest: Value = serde_json::from_slice(&files.remove("manifest.json").unwrap()).unwrap();
    let listed = manifest["files"].as_array().unwrap();
    let paths: Vec<&str> = listed.iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, files.keys().map(String::as_str).collect::<Vec<_>>());
    let sums = sha256(out, &paths);
    for ((file, path), sum) in listed.iter().zip(paths).zip(sums) {
        assert_eq!(file["size"].as_u64(), Some(files[path].len() as u64), "{path}");
        assert_eq!(file["sha256"].as_str(), Some(sum.as_str()), "{path}");
    }
}

/// Returns the hashes of files, by the system's own program.
pub(crate) fn sha256(folder: &Path, paths: &[&str]) -> Vec<String> {
    let mut command = std::process::Command::new("sha256sum");
    let output = command.arg("--").args(paths).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

/// Checks that an XML document is well formed, as far as nesting, quoting and escaping go, and returns the names of its
/// elements in document order.
#[track_caller]
pub(crate) fn elements(xml: &str) -> Vec<String> {
    let body = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").expect("an XML declaration");
    let (mut names, mut open) = (Vec::new(), Vec::new());
    for piece in body.split('<').skip(1) {
        let (tag, between) = piece.split_once('>').expect("a tag ends");
        assert!(!between.contains(']') || !between.contains("]]>"), "{between}");
        assert_escaped(between);
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "{xml}");
            continue;
        }
        let (tag, empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        assert_escaped(tag);
        let name = tag.split_whitespace().next().unwrap().to_owned();
        names.push(name.clone());
        if !empty {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<String>::new(), "{xml}");
    names
}

/// Every `&` of text begins a reference, and no control character is in it.
#[track_caller]
fn assert_escaped(text: &str) {
    for reference in text.split('&').skip(1) {
        let name = reference.split_once(';').map(|(name, _)| name);
        let known = name
            .is_some_and(|name| name.starts_with('#') || ["lt", "gt", "amp", "quot", "apos"].contains(&name));
        assert!(known, "{text}");
    }
    assert!(!text.chars().any(|char| char.is_control() && char != '\n' && char != '\t'), "{text:?}");
}

#[test]
fn the_check_of_xml_can_fail() {
    let document = |body: &str| format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
    assert_eq!(elements(&document("<a><b x=\"1 &lt; 2\"/>t</a>")), ["a", "b"]);
    for bad in ["<a>", "<a></b>", "<a>&bad;</a>", "<a>\u{1b}</a>", "<a x=\"></a>"] {
        assert!(std::panic::catch_unwind(|| elements(&document(bad))).is_err(), "{bad}");
    }
}

//! Opening and finding cores.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use epitaph_elf::ReadAt;
use epitaph_summary::{Core, CrashSummary};
use epitaph_testkit::skip::skipped;
use nix::sys::stat::Mode;

use super::*;
use crate::digest::sha256_of;
use crate::testing::{Half, core, program, put, put_sparse};

mod seekable;
mod wrapped;

fn all(source: &dyn ReadAt) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::digest::for_each_chunk(source, |chunk| bytes.write_all(chunk)).unwrap();
    bytes
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn summary(id: &str, stored: Option<&[u8]>) -> Vec<u8> {
    let mut summary = CrashSummary::new("0.1.0");
    summary.id = Some(id.to_owned());
    summary.core = stored.map(|stored| Core {
        stored_size: Some(stored.len() as u64),
        stored_sha256: Some(sha256_of(&stored).unwrap().0),
        ..Core::default()
    });
    serde_json::to_vec(&summary).unwrap()
}

#[test]
fn a_core_opens_plain_and_compressed_whatever_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = core(1, 300_000);
    let plain = put(&dir.path().join("crash.txt"), &bytes);
    let compressed = put(&dir.path().join("core"), &zst(&bytes));
    symlink(&plain, dir.path().join("link")).unwrap();
    for (path, format) in [(&plain, "elf"), (&compressed, "elf.zst"), (&dir.path().join("link"), "elf")] {
        let opened = open_core(path).unwrap();
        assert_eq!((opened.format, opened.size, &opened.path), (format, 300_000, path));
        assert!(all(&opened.source) == bytes);
        assert_eq!(opened.damage, None);
        assert_eq!(opened.modified, path.metadata().unwrap().modified().ok());
    }
}

#[test]
fn a_sparse_core_opens_compressed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("core");
    put_sparse(&path, 64 << 20);
    let compressed = File::create(dir.path().join("core.zst")).unwrap();
    zstd::stream::copy_encode(File::open(&path).unwrap(), compressed, 1).unwrap();
    let opened = open_core(&dir.path().join("core.zst")).unwrap();
    assert_eq!(opened.size, 64 << 20);
    assert!(all(&opened.source) == std::fs::read(&path).unwrap());
}

#[test]
fn what_is_no_core_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::create_dir(at("folder")).unwrap();
    nix::unistd::mkfifo(&at("fifo"), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    put(&at("empty"), b"");
    put(&at("core"), &program(None, Half::Stripped));
    put(&at("broken"), b"\x7fELF\x02\x01\x01");
    put(&at("text"), b"hello\n");
    put(&at("zeros"), &[0; 5000]);
    put(&at("summary.json"), &summary("a", None));
    put(&at("core.gz"), b"\x1f\x8b\x08\x00");
    put(&at("core.xz"), b"\xfd7zXZ\0\0\x04");
    put(&at("core.lz4"), b"\x04\x22\x4d\x18dd");
    put(&at("core.bz2"), b"BZh91AY&SY");
    put(&at("no.crash"), b"ProblemType: Crash\nSignal: 11\n");
    put(&at("twice.zst"), &zst(&zst(&core(1, 100))));
    put(&at("text.zst"), &zst(b"hello"));
    put(&at("nothing.zst"), &zst(b""));
    put(&at("bad.zst"), b"\x28\xb5\x2f\xfd\xff\xff\xff");
    symlink(at("nowhere"), at("dangling")).unwrap();
    symlink("/dev/null", at("null")).unwrap();
    symlink(at("loop"), at("loop")).unwrap();
    for (name, message, hint) in [
        ("missing", "no such file", "check the path"),
        ("dangling", "no such file", "check the path"),
        ("folder", "it is a folder, not a file", ""),
        ("fifo", "it is a pipe (FIFO), not a file", "save it to a file"),
        ("socket", "it is a socket, not a file", ""),
        ("null", "it is a device, not a file", ""),
        ("loop", "cannot be read", ""),
        ("empty", "the file is empty", "ulimit -c"),
        ("core", "it is a program or shared library, not a core", "with --exe"),
        ("broken", "an ELF file with a broken header", "cut off"),
        ("text", "it is a file of another kind, not a core", "epitaph collect"),
        ("zeros", "a file that begins with zeros", "lost before it reached the disk"),
        ("summary.json", "a crash summary", "give the folder"),
        ("core.gz", "broken gzip file", "manifest.json"),
        ("core.xz", "broken xz file", "manifest.json"),
        ("core.lz4", "broken lz4 file", "manifest.json"),
        ("core.bz2", "broken bzip2 file", "manifest.json"),
        ("no.crash", "an apport report without a core", "took it out"),
        ("twice.zst", "compressed twice", "decompress it first"),
        ("text.zst", "it is a file of another kind, not a core", "epitaph collect"),
        ("nothing.zst", "the file is empty", ""),
        ("bad.zst", "broken zstd file", "manifest.json"),
    ] {
        let error = open_core(&at(name)).expect_err(name);
        assert!(error.to_string().contains(message), "{name}: {error}");
        assert!(error.to_string().contains(name), "{name}: {error}");
        assert!(error.hint().unwrap_or_default().contains(hint), "{name}: {:?}", error.hint());
    }
}

#[test]
fn an_unreadable_core_is_told_from_a_missing_one() {
    if nix::unistd::geteuid().is_root() {
        skipped("root may read everything");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = put(&dir.path().join("core"), &core(1, 100));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o0)).unwrap();
    assert!(matches!(open_core(&path), Err(OpenError::Denied { .. })));
}

fn found(path: &Path) -> Vec<CoreInTree> {
    let found = find_cores(path).unwrap();
    assert_eq!(found.warnings, []);
    found.crashes
}

#[test]
fn crashes_are_found_at_any_depth_of_a_pulled_tree() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let a = root.join("0/artifacts/crashes/a");
    put(&a.join("core.zst"), &zst(&core(1, 1000)));
    put(&a.join("summary.json"), &summary("a", None));
    let b = root.join("1/crashes/b");
    put(&b.join("summary.json"), &summary("b", None));
    let c = root.join("1/crashes/c");
    put(&c.join("core"), &core(1, 1000));
    put(&c.join(".tmp-xyz"), &core(1, 1000));
    std::fs::create_dir(root.join("1/crashes/d")).unwrap();
    put(&root.join("1/crashes.jsonl"), &summary("b", None));
    put(&root.join("1/manifest.json"), b"{}");
    put(&root.join("1/buildid/00ff/executable"), &program(Some(&[0, 0xff]), Half::Stripped));
    nix::unistd::mkfifo(&root.join("1/crashes/c/core.1"), Mode::S_IRUSR).unwrap();
    symlink("/", root.join("1/crashes/e")).unwrap();
    let expected = [
        (Some(a.join("core.zst")), Some(a.join("summary.json")), "a"),
        (None, Some(b.join("summary.json")), "b"),
        (Some(c.join("core")), None, "c"),
    ];
    let expected: Vec<CoreInTree> = expected
        .into_iter()
        .map(|(core, summary, id)| CoreInTree { core, summary, id: Some(id.to_owned()) })
        .collect();
    assert_eq!(found(&root), expected);
    // The crash's own folder, and its core, are the same crash.
    assert_eq!(found(&a), expected[..1]);
    assert_eq!(found(&a.join("core.zst")), expected[..1]);
}

#[test]
fn in_a_heap_of_downloads_cores_and_summaries_are_paired_by_hash() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    // Two cores of the same size, numbered the other way round than their summaries.
    let (one, two) = (core(1, 1000), core(2, 1000));
    put(&root.join("core.zst"), &one);
    put(&root.join("core.zst.1"), &two);
    put(&root.join("summary.json"), &summary("two", Some(&two)));
    put(&root.join("summary.json.1"), &summary("one", Some(&one)));
    put(&root.join("core!jobs!dump.4711"), &core(3, 500));
    put(&root.join("crashes.jsonl"), &summary("one", Some(&one)));
    put(&root.join("executable"), &program(None, Half::Stripped));
    put(&root.join("core.js"), b"let core;");
    let found = found(&root);
    let named: Vec<_> = found
        .iter()
        .map(|crash| {
            let name = |path: &Option<std::path::PathBuf>| {
                path.as_ref().map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            };
            (name(&crash.core), crash.id.clone())
        })
        .collect();
    let expected = [
        (Some("core!jobs!dump.4711"), None),
        (Some("core.zst.1"), Some("two")),
        (Some("core.zst"), Some("one")),
    ];
    assert_eq!(named, expected.map(|(core, id)| (core.map(str::to_owned), id.map(str::to_owned))));
}

#[test]
fn a_list_of_summaries_counts_where_nothing_else_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = put(&dir.path().canonicalize().unwrap().join("crashes.jsonl"), &summary("a", None));
    let expected = [CoreInTree { summary: Some(path.clone()), ..CoreInTree::default() }];
    assert_eq!(found(dir.path()), expected);
    assert_eq!(found(&path), expected);
}

#[test]
fn one_file_is_taken_as_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let path = put(&dir.path().join("whatever"), b"no core");
    assert_eq!(found(&path), [CoreInTree { core: Some(path.clone()), ..CoreInTree::default() }]);
    assert!(matches!(find_cores(&dir.path().join("missing")), Err(OpenError::Missing { .. })));
    assert!(matches!(find_cores(Path::new("/dev/null")), Err(OpenError::NotAFile { .. })));
}

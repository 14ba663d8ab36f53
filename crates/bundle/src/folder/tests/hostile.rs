//! Folders, names and files that somebody else has prepared.

use std::os::unix::fs::symlink;

use epitaph_elf::ModulePart;
use epitaph_testkit::skip::skipped;

use super::*;
use crate::testing::{Half, program, put};

#[test]
fn what_is_no_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = put(&dir.path().join("file"), b"");
    assert!(matches!(OutputFolder::open(&file), Err(BundleError::NotAFolder { .. })));
    assert!(OutputFolder::open(&file.join("beneath")).is_err());
    put(&dir.path().join("out/crashes"), b"");
    let error = OutputFolder::open(&dir.path().join("out")).unwrap_err();
    assert!(matches!(&error, BundleError::NotAFolder { path } if path.ends_with("crashes")), "{error}");
    assert!(error.hint().unwrap().contains("--out"));
    std::fs::create_dir_all(dir.path().join("linked")).unwrap();
    symlink(dir.path(), dir.path().join("linked/crashes")).unwrap();
    assert!(matches!(OutputFolder::open(&dir.path().join("linked")), Err(BundleError::NotAFolder { .. })));
}

#[test]
fn a_folder_of_another_user_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("link");
    symlink(dir.path(), &link).unwrap();
    OutputFolder::open(&link).expect("one's own link is followed");
    if nix::unistd::fchownat(
        nix::fcntl::AT_FDCWD,
        &link,
        Some(nix::unistd::Uid::from_raw(12345)),
        None,
        nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW,
    )
    .is_err()
    {
        skipped("only root can give files away");
        return;
    }
    let error = OutputFolder::open(&link).unwrap_err();
    assert!(matches!(error, BundleError::NotOurs { owner: 12345, .. }), "{error}");
}

#[test]
fn ids_and_report_names_stay_in_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let out = OutputFolder::open(&dir.path().join("out")).unwrap();
    for id in ["", ".", "..", "../x", "/x", "a/b", "a\nb", "-x", &"x".repeat(101), "caf\u{e9}"] {
        let sealed = out.seal(SealRequest::new(id, summary(&[])));
        assert!(matches!(sealed, Err(BundleError::BadId { .. })), "{id:?}");
    }
    for name in [
        "",
        "../x",
        "/x",
        "a//b",
        "a/../b",
        ".x",
        "manifest.json",
        "crashes/x",
        "buildid/00/executable",
        "files/x",
    ] {
        let refreshed = out.refresh(|_| vec![(name.to_owned(), vec![]), ("good.md".to_owned(), vec![])]);
        assert!(matches!(refreshed, Err(BundleError::BadReportName { .. })), "{name:?}");
        assert!(out.path().join("good.md").exists(), "the other reports are written all the same");
    }
    assert_eq!(files(dir.path()), ["out/good.md", "out/manifest.json"]);
}

#[test]
fn hostile_module_names_make_harmless_files() {
    let dir = tempfile::tempdir().unwrap();
    let out = OutputFolder::open(&dir.path().join("out")).unwrap();
    let long = "x".repeat(300);
    let names = ["..", "../../../evil", "a\nb\u{1b}", &long, "", ".tmp-x", "caf\u{e9}/"];
    let binaries = (0..names.len())
        .map(|module| BinaryToKeep {
            module,
            source: BinarySource::Bytes(program(None, Half::Stripped).into()),
            build_id: None,
            part: ModulePart::Image,
        })
        .collect();
    let stored = stored(out.seal(SealRequest::new("a", summary(&names)).with_binaries(binaries)));
    assert_eq!(stored.summary.warnings, []);
    for module in &stored.summary.modules {
        let file = module.file.as_ref().unwrap();
        let (folder, name) = file.rsplit_once('/').unwrap();
        assert!(folder.starts_with("files/") && crate::names::is_safe_name(name, 100), "{file}");
    }
    assert!(files(dir.path()).iter().all(|file| file.starts_with("out/")));
    check_whole(out.path());
}

#[test]
fn a_binary_over_the_limit_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let out = OutputFolder::open(&dir.path().join("out")).unwrap();
    let bytes = program(Some(&[7; 4]), Half::Stripped);
    let size = bytes.len() as u64;
    let source = BinarySource::Path(put(&dir.path().join("program"), &bytes));
    let binary = BinaryToKeep { module: 0, source, build_id: None, part: ModulePart::Image };
    let seal = |id: &str, limit: u64| {
        let request = SealRequest::new(id, summary(&["program"])).with_binaries(vec![binary.clone()]);
        stored(out.seal(request.with_max_binary_bytes(limit))).summary
    };
    let without = seal("a", size - 1);
    assert_eq!(without.modules[0].file, None);
    assert!(without.warnings[0].text.contains(&format!("over the limit of {} bytes", size - 1)));
    assert!(seal("b", size).modules[0].file.is_some());
}

#[test]
fn only_the_right_binary_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let out = OutputFolder::open(&dir.path().join("out")).unwrap();
    let rebuilt = put(&dir.path().join("rebuilt"), &program(Some(&[8; 4]), Half::Stripped));
    let text = put(&dir.path().join("text"), b"#!/bin/sh\n");
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
    let wanted = epitaph_elf::BuildId::new(&[7; 4]);
    let paths = [rebuilt, text, fifo, dir.path().join("missing")];
    let mut binaries: Vec<BinaryToKeep> = paths
        .into_iter()
        .enumerate()
        .map(|(module, path)| BinaryToKeep {
            module,
            source: BinarySource::Path(path),
            build_id: wanted.clone(),
            part: ModulePart::Image,
        })
        .collect();
    binaries.push(BinaryToKeep { module: 99, ..binaries[0].clone() });
    let request =
        SealRequest::new("a", summary(&["rebuilt", "text", "fifo", "missing"])).with_binaries(binaries);
    let stored = stored(out.seal(request));
    let texts: Vec<_> = stored.summary.warnings.iter().map(|warning| warning.text.as_str()).collect();
    assert_eq!(texts.len(), 4, "{texts:?}");
    for (text, why) in texts.iter().zip(["another build", "no ELF program", "a pipe (FIFO)", "No such file"])
    {
        assert!(text.contains(why), "{text}");
    }
    assert!(stored.summary.modules.iter().all(|module| module.file.is_none()));
}

#[test]
fn planted_files_are_neither_followed_nor_believed() {
    let dir = tempfile::tempdir().unwrap();
    let out = OutputFolder::open(&dir.path().join("out")).unwrap();
    let core = core_file(dir.path(), 1, 1000);
    let precious = put(&dir.path().join("precious"), b"precious");
    let crash = out.crashes().join(id_of(&core));
    std::fs::create_dir(&crash).unwrap();
    for name in ["summary.json", "core.zst"] {
        symlink(&precious, crash.join(name)).unwrap();
    }
    symlink(&precious, out.path().join("summary.md")).unwrap();
    symlink(&precious, out.path().join("manifest.json")).unwrap();
    // Other crashes, which must not be in the way of this one.
    std::fs::create_dir(out.crashes().join("pipe")).unwrap();
    nix::unistd::mkfifo(&out.crashes().join("pipe/summary.json"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    put(&out.crashes().join("broken/summary.json"), b"{\"schema\":\"epitaph-crash/1\"");
    put(&out.crashes().join("stray"), b"");
    symlink("/", out.crashes().join("link")).unwrap();

    stored(seal(&out, &core));
    let crashes = out.refresh(reports).unwrap();
    assert_eq!(crashes.summaries.len(), 1);
    let codes: Vec<_> = crashes.warnings.iter().map(|warning| warning.code.as_str()).collect();
    assert_eq!(codes, ["summary_unreadable", "crash_not_sealed"], "{:?}", crashes.warnings);
    assert_eq!(std::fs::read(&precious).unwrap(), b"precious");
    assert!(crash.join("core.zst").symlink_metadata().unwrap().is_file());
    assert!(out.path().join("summary.md").symlink_metadata().unwrap().is_file());
}

//! Files that debug information continues in.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use epitaph_elf::{BuildId, Companion, ModulePart, SupplementaryLink};

use super::*;
use crate::binaries::Binaries;
use crate::testing::{Half, program};

fn split(name: &[u8]) -> ModulePart {
    let name = PathBuf::from(OsString::from_vec(name.to_vec()));
    ModulePart::Companion(Companion::Split { name, folder: Some("/src".into()), id: 7 })
}

fn supplementary(id: Option<&[u8]>) -> ModulePart {
    let id = id.and_then(BuildId::new);
    ModulePart::Companion(Companion::Supplementary(SupplementaryLink { name: "../../common".into(), id }))
}

fn keep(part: ModulePart, bytes: Vec<u8>, build_id: Option<&[u8]>) -> BinaryToKeep {
    let source = BinarySource::Bytes(bytes.into());
    BinaryToKeep { module: 0, source, build_id: build_id.and_then(BuildId::new), part }
}

/// Another file of that kind at each number.
fn unlike(number: u8) -> Vec<u8> {
    let mut bytes = program(None, Half::Split);
    bytes.push(number);
    bytes
}

fn seal(dir: &Path, binaries: Vec<BinaryToKeep>) -> (OutputFolder, CrashSummary) {
    let out = OutputFolder::open(&dir.join("out")).unwrap();
    match out.seal(SealRequest::new("a", summary(&["parser"])).with_binaries(binaries)).unwrap() {
        Sealed::Stored(stored) => (out, stored.summary),
        Sealed::AlreadyThere { id } => panic!("{id} was there"),
    }
}

#[test]
fn they_are_stored_where_they_are_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let common = program(Some(&[9; 4]), Half::Supplementary);
    let binaries = vec![
        keep(split(b"obj/a b.dwo"), unlike(1), None),
        keep(split(b"/elsewhere/obj/a b.dwo"), unlike(2), None),
        keep(ModulePart::Companion(Companion::Package), unlike(3), None),
        keep(supplementary(Some(&[9; 4])), common.clone(), Some(&[9; 4])),
        // Two units may be in one file.
        keep(split(b"obj/a b.dwo"), unlike(1), None),
    ];
    let (out, summary) = seal(dir.path(), binaries);
    assert_eq!(summary.warnings, []);
    let at = |bytes: &[u8], name: &str| format!("files/{}/{name}", sha256_of(&bytes.to_vec()).unwrap().0);
    let expected = [
        at(&unlike(1), "a_b.dwo"),
        at(&unlike(2), "a_b.dwo"),
        at(&unlike(3), "parser.dwp"),
        "buildid/09090909/debuginfo".to_owned(),
    ];
    assert_eq!(summary.modules[0].companion_files, expected);
    assert_eq!(summary.modules[0].file, None);
    check_whole(out.path());

    let binaries = Binaries::in_tree(out.path());
    let mut both = [out.path().join(&expected[0]), out.path().join(&expected[1])];
    both.sort();
    assert_eq!(binaries.split_by_name("a b.dwo".as_ref()), both);
    assert_eq!(binaries.split_by_name("parser.dwp".as_ref()), [out.path().join(&expected[2])]);
    let id = BuildId::new(&[9; 4]).unwrap();
    assert_eq!(binaries.supplementary_by_build_id(&id), [out.path().join(&expected[3])]);
    assert_eq!(std::fs::read(out.path().join(&expected[3])).unwrap(), common);
}

#[test]
fn hostile_names_make_harmless_files() {
    let dir = tempfile::tempdir().unwrap();
    let long = [b'x'; 5000];
    let names: [&[u8]; 9] = [
        b"/etc/cron.d/evil",
        b"../../../../evil",
        b"..",
        b"/",
        b"",
        b"a/../..",
        b".tmp-x",
        b"a\nb\x1b[31m\xff.dwo",
        &long,
    ];
    let binaries =
        names.iter().zip(0..).map(|(name, number)| keep(split(name), unlike(number), None)).collect();
    let (out, summary) = seal(dir.path(), binaries);
    assert_eq!(summary.warnings, []);
    let stored = &summary.modules[0].companion_files;
    assert_eq!(stored.len(), names.len());
    for file in stored {
        let (folder, name) = file.rsplit_once('/').unwrap();
        assert!(folder.starts_with("files/") && crate::names::is_safe_name(name, 100), "{file}");
        assert!(out.path().join(file).is_file(), "{file}");
    }
    assert!(files(dir.path()).iter().all(|file| file.starts_with("out/")));
    check_whole(out.path());
}

#[test]
fn what_is_no_companion_is_not_kept_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let image = || program(Some(&[9; 4]), Half::Stripped);
    let binaries = vec![
        keep(split(b"a.dwo"), image(), None),
        keep(split(b"a.dwo"), b"#!/bin/sh\n".to_vec(), None),
        keep(split(b"a.dwo"), crate::testing::core(1, 4096), None),
        keep(ModulePart::Companion(Companion::Package), program(None, Half::Supplementary), None),
        keep(supplementary(Some(&[9; 4])), image(), Some(&[9; 4])),
        keep(supplementary(Some(&[9; 4])), program(Some(&[8; 4]), Half::Supplementary), Some(&[9; 4])),
        keep(supplementary(None), program(Some(&[9; 4]), Half::Supplementary), Some(&[9; 4])),
        // And these are neither programs nor their debug files.
        keep(ModulePart::Image, unlike(1), None),
        keep(ModulePart::Debug, program(Some(&[9; 4]), Half::Supplementary), Some(&[9; 4])),
    ];
    let (out, summary) = seal(dir.path(), binaries);
    let told: Vec<&str> = summary.warnings.iter().map(|warning| warning.text.as_str()).collect();
    let of_a = "split debug information a.dwo of parser was not stored: ";
    let common = "supplementary debug file ../../common of parser was not stored: ";
    let expected = [
        (of_a, "it is another kind of file"),
        (of_a, "it is no ELF"),
        (of_a, "it is no ELF"),
        ("the split debug information package of parser", "it is another kind of file"),
        (common, "it is another kind of file"),
        (common, "it is another build"),
        (common, "it has no build ID"),
        ("parser was not stored: ", "it is no ELF"),
        ("the debug file of parser was not stored: ", "it is no ELF"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, (what, why)) in told.iter().zip(expected) {
        assert!(told.contains(what) && told.contains(why), "{told} lacks {what:?}, {why:?}");
    }
    assert_eq!(summary.modules[0].companion_files, Vec::<String>::new());
    assert_eq!(files(out.path()), ["crashes/a/summary.json", "manifest.json"]);
}

//! What is sealed comes back.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use epitaph_elf::ModulePart;
use epitaph_summary::CoreEncryption;
use epitaph_testkit::skip::skipped;

use super::*;
use crate::binaries::Binaries;
use crate::open::{CoreInTree, find_cores};
use crate::testing::{Half, program, put, put_sparse};

#[test]
fn a_sealed_crash_is_found_and_opens_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let core = core_file(dir.path(), 1, 3 << 20);
    let id = id_of(&core);
    let image = put(&dir.path().join("bin/parser"), &program(Some(&[7; 4]), Half::Stripped));
    let debug = put(&dir.path().join("bin/parser.debug"), &program(Some(&[7; 4]), Half::DebugOnly));
    let nameless = program(None, Half::Stripped);
    let keep = |module, source, build_id: Option<&[u8]>, part| BinaryToKeep {
        module,
        source,
        build_id: build_id.and_then(epitaph_elf::BuildId::new),
        part,
    };
    let out = OutputFolder::open(&dir.path().join("deep/out")).unwrap();
    let mut steps = Vec::new();
    let request = SealRequest::new(&id, summary(&["parser", "lib a\n/../b.so"]))
        .with_core(CoreInput::from(&core))
        .with_binaries(vec![
            keep(0, BinarySource::Path(image.clone()), Some(&[7; 4]), ModulePart::Image),
            keep(0, BinarySource::Path(debug), None, ModulePart::Debug),
            keep(1, BinarySource::Bytes(nameless.clone().into()), None, ModulePart::Image),
        ])
        .with_progress(|done, total| steps.push((done, total)));
    let stored = stored(out.seal(request));
    assert_eq!(steps.last(), Some(&(3 << 20, 3 << 20)));
    assert_eq!(stored.warnings, []);
    assert_eq!(stored.summary.warnings, []);

    let (hash, _) = sha256_of(&nameless).unwrap();
    let expected = [
        "buildid/07070707/debuginfo".to_owned(),
        "buildid/07070707/executable".to_owned(),
        format!("crashes/{id}/core.zst"),
        format!("crashes/{id}/summary.json"),
        format!("files/{hash}/b.so"),
        "manifest.json".to_owned(),
    ];
    assert_eq!(files(out.path()), expected);
    check_whole(out.path());

    let summary = &stored.summary;
    assert_eq!(out.summaries().unwrap().summaries, std::slice::from_ref(summary));
    assert_eq!(summary.modules[0].file.as_deref(), Some("buildid/07070707/executable"));
    assert_eq!(summary.modules[1].file.as_deref(), Some(expected[4].as_str()));
    let copy = summary.core.as_ref().unwrap();
    assert_eq!(copy.path.as_deref(), core.path.to_str());
    assert_eq!(copy.size, Some(3 << 20));
    let file = out.path().join(copy.file.as_ref().unwrap());
    assert_eq!(copy.stored_size, Some(file.metadata().unwrap().len()));
    let written = std::fs::read(file.with_file_name("summary.json")).unwrap();
    assert_eq!(
        written.iter().position(|byte| *byte == b'\n'),
        Some(written.len() - 1),
        "one line, with its end"
    );

    let found = find_cores(out.path()).unwrap().crashes;
    let summary_path = file.with_file_name("summary.json");
    assert_eq!(found, [CoreInTree { core: Some(file.clone()), summary: Some(summary_path), id: Some(id) }]);
    let opened = open_core(&file).unwrap();
    assert_eq!((opened.size, opened.modified), (core.size, core.modified));
    let (original, copy) = (sha256_of(&*core.source).unwrap(), sha256_of(&*opened.source).unwrap());
    assert_eq!(original, copy);
    let binaries = Binaries::beside(&file);
    assert_eq!(
        binaries.by_build_id(&"07070707".parse().unwrap()),
        [out.path().join("buildid/07070707/executable")]
    );
    assert_eq!(binaries.by_name("b.so".as_ref()), [out.path().join(&expected[4])]);
}

#[test]
fn everything_is_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let out = OutputFolder::open(&dir.path().join("out")).unwrap();
    stored(seal(&out, &core_file(dir.path(), 1, 1000)));
    out.refresh(reports).unwrap();
    for entry in walkdir::WalkDir::new(out.path()) {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        let expected = if entry.file_type().is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{}", entry.path().display());
    }
}

#[test]
fn the_folders_that_ci_systems_want_are_there_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("a/b");
    for _ in 0..2 {
        OutputFolder::open(&out).unwrap();
        assert!(out.join("crashes").is_dir() && out.join("junit").is_dir());
    }
}

#[test]
fn sealing_twice_adds_nothing_even_of_a_copy() {
    let dir = tempfile::tempdir().unwrap();
    let core = core_file(dir.path(), 1, 1000);
    let out = OutputFolder::open(&dir.path().join("out")).unwrap();
    stored(seal(&out, &core));
    let before = files(out.path());
    std::fs::copy(&core.path, dir.path().join("copy")).unwrap();
    std::fs::File::open(dir.path().join("copy")).unwrap().set_modified(moment(99)).unwrap();
    let copy = open_core(&dir.path().join("copy")).unwrap();
    assert_ne!(id_of(&copy), id_of(&core));
    for again in [&core, &copy] {
        let sealed = seal(&out, again).unwrap();
        assert!(matches!(sealed, Sealed::AlreadyThere { id } if id == id_of(&core)));
    }
    assert_eq!(files(out.path()), before);
}

#[test]
fn a_sparse_core_costs_what_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("core");
    let size = 16 << 30;
    if put_sparse(&path, size) > 1 << 20 {
        skipped("the temporary folder's file system has no holes");
        return;
    }
    let core = open_core(&path).unwrap();
    let out = OutputFolder::open(&dir.path().join("out")).unwrap();
    let start = Instant::now();
    let stored = stored(seal(&out, &core));
    assert!(start.elapsed().as_secs() < 5, "sealing took {:?}", start.elapsed());
    assert!(stored.core.unwrap().size < 1 << 20);
}

#[test]
fn reports_are_over_all_crashes_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let out = OutputFolder::open(&dir.path().join("out")).unwrap();
    let cores: Vec<OpenedCore> = [3, 1, 2].map(|seed| core_file(dir.path(), seed, 1000)).into();
    for core in &cores {
        stored(seal(&out, core));
    }
    let crashes = out.refresh(reports).unwrap();
    assert_eq!(crashes.warnings, []);
    let expected = [1, 2, 0].map(|index: usize| id_of(&cores[index]));
    let ids: Vec<_> = crashes.summaries.iter().map(|crash| crash.id.clone().unwrap()).collect();
    assert_eq!(ids, expected);
    assert_eq!(std::fs::read_to_string(out.path().join("summary.md")).unwrap(), expected.join("\n") + "\n");
    check_whole(out.path());
    // A report of the same length that was rewritten in place is hashed anew.
    out.refresh(|_| vec![("summary.md".to_owned(), vec![b'x'; expected.join("\n").len() + 1])]).unwrap();
    check_whole(out.path());
}

/// However a core is stored and wherever it has holes, what identifies it is the same.
#[test]
fn a_core_is_identified_by_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    crate::testing::put_sparse(&at("sparse"), 40 << 20);
    let bytes = std::fs::read(at("sparse")).unwrap();
    put(&at("plain"), &bytes);
    put(&at("core.zst"), &zstd::encode_all(bytes.as_slice(), 1).unwrap());
    let mut identities = Vec::new();
    let mut sealed_copy = None;
    for name in ["sparse", "plain", "core.zst", "sealed"] {
        let path = sealed_copy.take().filter(|_| name == "sealed").unwrap_or_else(|| at(name));
        let core = open_core(&path).unwrap();
        let out = OutputFolder::open(&at(&format!("out-{name}"))).unwrap();
        let stored = stored(seal(&out, &core));
        let noted = stored.summary.core.unwrap();
        identities.push((noted.data_size.unwrap(), noted.extents_sha256.unwrap()));
        sealed_copy = stored.core.map(|copy| copy.path);
    }
    assert_eq!(identities[0].0, 4 * 4096);
    assert!(identities.iter().all(|identity| *identity == identities[0]), "{identities:?}");

    let mut other = bytes;
    other[21 << 20] = 1;
    put(&at("other"), &other);
    let stored =
        stored(seal(&OutputFolder::open(&at("out-other")).unwrap(), &open_core(&at("other")).unwrap()));
    assert_ne!(stored.summary.core.unwrap().extents_sha256.as_ref(), Some(&identities[0].1));
}

#[test]
fn an_original_goes_only_when_its_copy_is_proven() {
    let dir = tempfile::tempdir().unwrap();
    let out = OutputFolder::open(&dir.path().join("out")).unwrap();
    let refused = |path: &Path, sealed: &Sealed, why: &str| {
        let error = remove_sealed_original(path, sealed).expect_err(why);
        assert!(error.to_string().contains(why), "{error}");
        assert!(path.exists());
    };

    let core = core_file(dir.path(), 1, 1000);
    let sealed = seal(&out, &core).unwrap();
    refused(&core.path, &seal(&out, &core).unwrap(), "stored before");
    let Sealed::Stored(stored) = &sealed else { panic!() };
    let copy = stored.core.clone().unwrap().path;
    let bytes = std::fs::read(&copy).unwrap();
    std::fs::write(&copy, &bytes[..bytes.len() - 1]).unwrap();
    refused(&core.path, &sealed, "has changed");
    std::fs::rename(&copy, copy.with_extension("gone")).unwrap();
    refused(&core.path, &sealed, "cannot be read");
    std::fs::write(&copy, &bytes).unwrap();
    refused(&core_file(dir.path(), 2, 1000).path, &sealed, "not the file");
    std::os::unix::fs::symlink(&core.path, dir.path().join("link")).unwrap();
    refused(&dir.path().join("link"), &sealed, "not the file");
    remove_sealed_original(&core.path, &sealed).unwrap();
    assert!(!core.path.exists() && copy.exists());

    let grown = core_file(dir.path(), 3, 1000);
    let sealed = seal(&out, &grown).unwrap();
    std::fs::write(&grown.path, crate::testing::core(3, 2000)).unwrap();
    refused(&grown.path, &sealed, "written to since");

    let shrunk = core_file(dir.path(), 4, 1000);
    std::fs::write(&shrunk.path, crate::testing::core(4, 500)).unwrap();
    let sealed = seal(&out, &shrunk).unwrap();
    let Sealed::Stored(stored) = &sealed else { panic!() };
    assert_eq!(stored.summary.warnings[0].code, "core_stored_incomplete");
    let text = &stored.summary.warnings[0].text;
    assert!(text.contains("it shrank while it was read: 500 of its 1000 bytes"), "{text}");
    refused(&shrunk.path, &sealed, "not complete");

    let growing = core_file(dir.path(), 5, 1000);
    std::fs::write(&growing.path, crate::testing::core(5, 2000)).unwrap();
    let sealed = seal(&out, &growing).unwrap();
    let Sealed::Stored(stored) = &sealed else { panic!() };
    let text = &stored.summary.warnings[0].text;
    assert!(text.contains("it grew while it was read: these are the first 1000 of 2000 bytes"), "{text}");
    refused(&growing.path, &sealed, "not complete");
}

#[test]
fn a_readable_folder_that_is_read_only_can_be_read() {
    if nix::unistd::geteuid().is_root() {
        skipped("root may write everywhere");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let core = core_file(dir.path(), 1, 1000);
    let path = dir.path().join("out");
    stored(seal(&OutputFolder::open(&path).unwrap(), &core));
    for folder in ["crashes", ""] {
        std::fs::set_permissions(path.join(folder), Permissions::from_mode(0o500)).unwrap();
    }
    let out = OutputFolder::open(&path).unwrap();
    assert_eq!(out.summaries().unwrap().summaries.len(), 1);
    let error = seal(&out, &core_file(dir.path(), 2, 1000)).unwrap_err();
    assert!(error.hint().unwrap().contains("may write"), "{error}");
    for folder in ["", "crashes"] {
        std::fs::set_permissions(path.join(folder), Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn a_core_is_sealed_for_its_recipients_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (recipients, identities) = crate::testing::keys(dir.path());
    let core = core_file(dir.path(), 3, 3 << 20);
    let id = id_of(&core);
    let out = OutputFolder::open(&dir.path().join("out")).unwrap();
    let seal = || {
        let request = SealRequest::new(&id, summary(&[])).with_core(CoreInput::from(&core));
        out.seal(request.encrypted_for(&recipients))
    };
    let stored = stored(seal());
    let name = format!("crashes/{id}/core.zst.age");
    assert_eq!(
        files(out.path()),
        [name.clone(), format!("crashes/{id}/summary.json"), "manifest.json".into()]
    );
    let noted = stored.summary.core.as_ref().unwrap();
    assert_eq!((noted.file.as_deref(), noted.encryption), (Some(&*name), Some(CoreEncryption::Age)));
    let path = out.path().join(&name);
    assert_eq!(noted.stored_size, Some(path.metadata().unwrap().len()));
    assert_eq!(noted.stored_sha256, Some(sha256_of(&File::open(&path).unwrap()).unwrap().0));

    assert_eq!(
        find_cores(out.path()).unwrap().crashes[0].core.as_deref(),
        Some(&*path.canonicalize().unwrap())
    );
    let error = crate::open_core(&path).unwrap_err();
    assert!(matches!(error, crate::OpenError::Encrypted { .. }), "{error}");
    assert!(error.hint().unwrap().contains("--identity"));
    let opened = crate::open_core_as(&path, &crate::OpenLimits::default(), &identities).unwrap();
    assert_eq!(opened.format, "elf.zst");
    // Only what is read is decrypted and decompressed.
    let mut read = [0; 16];
    assert_eq!(opened.source.read_at(1 << 20, &mut read).unwrap(), 16);
    assert_eq!(opened.frames_read().unwrap().decompressed, 2, "the first one and this one");
    let bytes = |core: &crate::OpenedCore| {
        let mut bytes = vec![0; core.size as usize];
        epitaph_elf::fill(&*core.source, 0, &mut bytes).unwrap();
        bytes
    };
    assert!(bytes(&opened) == bytes(&core));
    // Once more, nothing is added, and the copy stays that can be read.
    assert!(matches!(seal().unwrap(), Sealed::AlreadyThere { .. }));
    remove_sealed_original(&core.path, &Sealed::Stored(Box::new(stored))).unwrap();
    assert!(!core.path.exists());
}

/// Whoever stores the core first is killed before there is a summary; or finds no room for a core, and another one comes
/// later.
#[test]
fn nothing_readable_is_left_beside_what_is_sealed_for_its_recipients_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (recipients, _) = crate::testing::keys(dir.path());
    for (seed, is_sealed) in [(1, false), (2, true)] {
        let core = core_file(dir.path(), seed, 5000);
        let id = id_of(&core);
        let out = OutputFolder::open(&dir.path().join(format!("out{seed}"))).unwrap();
        let place = out.path().join("crashes").join(&id);
        if is_sealed {
            stored(out.seal(SealRequest::new(&id, summary(&[]))));
        }
        put(&place.join("core.zst"), b"readable");
        let request = SealRequest::new(&id, summary(&[])).with_core(CoreInput::from(&core));
        stored(out.seal(request.encrypted_for(&recipients)));
        assert_eq!(
            files(out.path()),
            [
                format!("crashes/{id}/core.zst.age"),
                format!("crashes/{id}/summary.json"),
                "manifest.json".to_owned()
            ]
        );
    }
}

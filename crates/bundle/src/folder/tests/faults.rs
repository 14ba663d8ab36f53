//! Disks that fail, and writers that die.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use epitaph_elf::{Companion, ModulePart};
use epitaph_testkit::skip::skipped;

use super::disk::{Disk, Step};
use super::*;
use crate::testing::{Half, program, put};

/// Fails where it is told to.
struct BadDisk<F>(F, u64);

impl<F: Fn(Step, &Path) -> io::Result<()> + Send + Sync> Disk for BadDisk<F> {
    fn before(&self, step: Step, target: &Path) -> io::Result<()> {
        (self.0)(step, target)
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        Ok(Space { bytes: self.1, files: None })
    }
}

fn folder_on(
    dir: &Path,
    available: u64,
    fails: impl Fn(Step, &Path) -> io::Result<()> + Send + Sync + 'static,
) -> OutputFolder {
    OutputFolder::open_on(&dir.join("out"), Reserve::default(), Arc::new(BadDisk(fails, available))).unwrap()
}

fn full() -> io::Error {
    nix::errno::Errno::ENOSPC.into()
}

/// A crash with a core, a binary with a build ID and one without, and split debug information of the first.
fn seal_all(out: &OutputFolder, core: &OpenedCore) -> Result<Sealed, BundleError> {
    let split = BinaryToKeep {
        module: 0,
        source: BinarySource::Bytes(program(None, Half::Split).into()),
        build_id: None,
        part: ModulePart::Companion(Companion::Package),
    };
    let binaries = [Some(7), None].into_iter().enumerate().map(|(module, byte): (_, Option<u8>)| {
        let id = byte.map(|byte| [byte; 4]);
        BinaryToKeep {
            module,
            source: BinarySource::Bytes(program(id.as_ref().map(|id| id.as_slice()), Half::Stripped).into()),
            build_id: id.and_then(|id| epitaph_elf::BuildId::new(&id)),
            part: ModulePart::Image,
        }
    });
    let id = id_of(core);
    let request = SealRequest::new(&id, summary(&["a", "b"]))
        .with_core(CoreInput::from(core))
        .with_binaries(binaries.chain([split]).collect());
    out.seal(request)
}

fn codes(stored: &Stored) -> Vec<&str> {
    stored.summary.warnings.iter().map(|warning| warning.code.as_str()).collect()
}

#[test]
fn a_disk_that_fills_up_under_the_core_leaves_the_story() {
    let dir = tempfile::tempdir().unwrap();
    let core = core_file(dir.path(), 1, 3 << 20);
    let written = AtomicUsize::new(0);
    let out = folder_on(dir.path(), u64::MAX, move |step, target| match step {
        Step::Write(count) if target.ends_with("core.zst") => {
            if written.fetch_add(count, Ordering::Relaxed) > 1 << 20 { Err(full()) } else { Ok(()) }
        }
        _ => Ok(()),
    });
    let sealed = stored(seal_all(&out, &core));
    assert_eq!(codes(&sealed), ["core_not_stored"]);
    let text = &sealed.summary.warnings[0].text;
    assert!(text.contains("no space left") && text.contains("of its 3145728"), "{text}");
    assert!(text.contains(&format!("the original stays at {}", core.path.display())), "{text}");
    assert!(sealed.core.is_none() && core.path.exists());
    assert_eq!(sealed.summary.core.as_ref().unwrap().file, None);
    assert_eq!(sealed.summary.modules[0].file.as_deref(), Some("buildid/07070707/executable"));
    check_whole(out.path());

    // Once there is space, the core gets its second chance; a third adds nothing.
    let out = OutputFolder::open(out.path()).unwrap();
    let again = stored(seal_all(&out, &core));
    assert_eq!(codes(&again), [] as [&str; 0]);
    assert!(again.core.is_some());
    assert!(matches!(seal_all(&out, &core), Ok(Sealed::AlreadyThere { .. })));
    check_whole(out.path());
    assert_eq!(out.summaries().unwrap().summaries, [again.summary]);
}

/// A core that was made of another, of so many bytes that don't compress.
fn smaller(bytes: usize, holds: &str) -> SmallerCore {
    let reduction = Reduction { slim: Some(epitaph_summary::Slim::default()), scrubbed: true };
    let source = Box::new(crate::testing::core(9, bytes));
    SmallerCore { source, size: bytes as u64, reduction, holds: holds.to_owned(), warnings: Vec::new() }
}

#[test]
fn the_largest_core_that_fits_is_kept_and_the_rest_is_said() {
    for (room, holds, size) in
        [(90_000, "the middle", Some(50_000)), (20_000, "the least", Some(9_000)), (99, "", None)]
    {
        let dir = tempfile::tempdir().unwrap();
        let core = core_file(dir.path(), 1, 200_000);
        let written = AtomicUsize::new(0);
        let out = folder_on(dir.path(), u64::MAX, move |step, target| match step {
            Step::Create => {
                written.store(0, Ordering::Relaxed);
                Ok(())
            }
            Step::Write(count) if target.ends_with("core.zst") => {
                if written.fetch_add(count, Ordering::Relaxed) + count > room { Err(full()) } else { Ok(()) }
            }
            _ => Ok(()),
        });
        let mut rungs =
            [smaller(9_000, "the least"), smaller(50_000, "the middle")].into_iter().collect::<Vec<_>>();
        let id = id_of(&core);
        let request =
            SealRequest::new(&id, summary(&[])).with_core(CoreInput::from(&core)).or_smaller(|| rungs.pop());
        let sealed = stored(out.seal(request));
        let noted = sealed.summary.core.clone().unwrap();
        let text = &sealed.summary.warnings[0].text;
        assert!(text.contains("no space left") && text.contains("of its 200000"), "{text}");
        assert!(text.contains(&format!("the original stays at {}", core.path.display())), "{text}");
        if let Some(size) = size {
            assert_eq!(codes(&sealed), ["core_kept_small"]);
            assert!(text.contains(&format!("no more is kept of the core than {holds}: ")), "{text}");
            assert_eq!(
                (noted.content, noted.scrubbed),
                (Some(epitaph_summary::CoreContent::Slim), Some(true))
            );
            assert_eq!(open_core(&sealed.core.unwrap().path).unwrap().size, size);
        } else {
            assert_eq!(codes(&sealed), ["core_not_stored"]);
            assert_eq!((noted.file, noted.content, noted.slim), (None, None, None));
        }
        check_whole(out.path());
    }
}

#[test]
fn the_last_bytes_of_a_disk_are_left_for_the_summaries() {
    let dir = tempfile::tempdir().unwrap();
    let out = folder_on(dir.path(), 1 << 20, |_, _| Ok(()));
    let sealed = stored(seal_all(&out, &core_file(dir.path(), 1, 100_000)));
    assert_eq!(
        codes(&sealed),
        ["core_not_stored", "binary_not_stored", "binary_not_stored", "binary_not_stored"]
    );
    assert!(
        sealed.summary.warnings[0].text.contains("1048576 bytes are free"),
        "{:?}",
        sealed.summary.warnings
    );
    check_whole(out.path());
}

#[test]
fn a_core_over_the_limit_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let core = core_file(dir.path(), 1, 100_000);
    let out = OutputFolder::open(&dir.path().join("out")).unwrap();
    let request =
        SealRequest::new("a", summary(&[])).with_core(CoreInput::from(&core)).with_max_core_bytes(50_000);
    let sealed = stored(out.seal(request));
    assert_eq!(codes(&sealed), ["core_not_stored"]);
    assert!(sealed.summary.warnings[0].text.contains("limit of 50000 bytes"));
    check_whole(out.path());
}

#[test]
fn a_core_that_cannot_be_read_leaves_the_story() {
    struct Bad;
    impl epitaph_elf::ReadAt for Bad {
        fn size(&self) -> io::Result<u64> {
            Ok(1 << 20)
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
            if offset > 0 { Err(nix::errno::Errno::EIO.into()) } else { Ok(buf.len()) }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let out = OutputFolder::open(&dir.path().join("out")).unwrap();
    let core = CoreInput::new(&Bad, 1 << 20, "/disk/core".as_ref());
    let sealed = stored(out.seal(SealRequest::new("a", summary(&[])).with_core(core)));
    assert!(sealed.summary.warnings[0].text.contains("cannot be read from byte 262144 on"));
    check_whole(out.path());
}

#[test]
fn a_full_disk_gives_up_the_core_for_the_summary() {
    let dir = tempfile::tempdir().unwrap();
    let core = core_file(dir.path(), 1, 1000);
    let crash = dir.path().join("out/crashes").join(id_of(&core));
    // There is space for one of the two.
    let out = folder_on(dir.path(), u64::MAX, move |step, target| match step {
        Step::Write(_) if target.ends_with("summary.json") && crash.join("core.zst").exists() => Err(full()),
        _ => Ok(()),
    });
    let sealed = stored(seal_all(&out, &core));
    assert_eq!(codes(&sealed), ["core_not_stored"]);
    assert!(sealed.core.is_none());
    check_whole(out.path());
}

#[test]
fn no_space_even_for_the_summary_is_an_error_that_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let core = core_file(dir.path(), 1, 1000);
    let out = folder_on(dir.path(), u64::MAX, |step, target| match step {
        Step::Write(_) if target.ends_with("summary.json") => Err(full()),
        _ => Ok(()),
    });
    let error = seal(&out, &core).unwrap_err();
    assert!(matches!(&error, BundleError::Full { needed, .. } if *needed > 0), "{error}");
    assert!(error.hint().unwrap().contains("free some space"));
    assert_eq!(files(out.path()), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(out.crashes()).unwrap().count(), 0);
    assert!(core.path.exists());
}

/// Whichever step fails, what is visible is whole, and sealing once more gives everything.
#[test]
fn a_failure_at_any_step_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let core = core_file(dir.path(), 1, 200_000);
    for failing in 0.. {
        let _ = std::fs::remove_dir_all(dir.path().join("out"));
        let step = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&step);
        let out = folder_on(dir.path(), u64::MAX, move |_, _| {
            let now = counter.fetch_add(1, Ordering::Relaxed);
            if now == failing { Err(nix::errno::Errno::EIO.into()) } else { Ok(()) }
        });
        let first = seal_all(&out, &core);
        if step.load(Ordering::Relaxed) <= failing {
            assert!(failing > 12, "only {failing} steps were seen");
            break;
        }
        // Sealed, if need be without what failed; or not at all.
        let summaries = out.summaries().unwrap();
        assert_eq!(summaries.warnings, [], "step {failing}");
        assert_eq!(summaries.summaries.len(), usize::from(first.is_ok()), "step {failing}");
        assert!(files(out.path()).iter().all(|name| !name.contains(".tmp-")), "step {failing}");

        let out = OutputFolder::open(out.path()).unwrap();
        seal_all(&out, &core).unwrap();
        out.refresh(reports).unwrap();
        let crashes = out.summaries().unwrap().summaries;
        assert_eq!(crashes.len(), 1);
        assert!(crashes[0].core.as_ref().unwrap().file.is_some(), "step {failing}");
        check_whole(out.path());
    }
}

#[test]
fn what_a_killed_writer_left_is_tidied_up() {
    let dir = tempfile::tempdir().unwrap();
    let out = OutputFolder::open(&dir.path().join("out")).unwrap();
    let core = core_file(dir.path(), 1, 1000);
    put(&out.crashes().join("dead/.tmp-abc"), b"half a core");
    put(&out.crashes().join(id_of(&core)).join(".tmp-def"), b"half a core");
    put(&out.crashes().join("whole/core.zst"), b"a core without its summary");
    put(&out.path().join(".tmp-ghi"), b"half a report");
    let alive = out.crashes().join("alive");
    put(&alive.join(".tmp-jkl"), b"a core being written");
    let lock = super::lock::FolderLock::now(&alive).unwrap();
    if !lock.excludes_others() {
        skipped("the temporary folder's file system can't lock");
        return;
    }
    stored(seal(&out, &core));
    let crashes = out.refresh(reports).unwrap();
    assert_eq!(crashes.summaries.len(), 1);
    let codes: Vec<_> = crashes.warnings.iter().map(|warning| warning.code.as_str()).collect();
    assert_eq!(codes, ["crash_not_sealed"]);
    let id = id_of(&core);
    let expected = [
        "crashes/alive/.tmp-jkl".to_owned(),
        "crashes/whole/core.zst".to_owned(),
        format!("crashes/{id}/core.zst"),
        format!("crashes/{id}/summary.json"),
        "junit/epitaph.xml".to_owned(),
        "manifest.json".to_owned(),
        "summary.md".to_owned(),
    ];
    let mut actual = files(out.path());
    actual.sort();
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(actual, expected);
    assert!(!out.crashes().join("dead").exists());
}

/// A file system of 8 MiB, gone with this value.
struct TinyDisk(PathBuf);

impl TinyDisk {
    fn mount(at: &Path) -> Option<TinyDisk> {
        std::fs::create_dir(at).unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "epitaph-test"])
            .arg(at)
            .stderr(std::process::Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then(|| TinyDisk(at.to_owned()))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_really_full_disk_keeps_the_story_and_the_original() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = TinyDisk::mount(&dir.path().join("tiny")) else {
        skipped("may not mount a small file system");
        return;
    };
    let core = core_file(dir.path(), 1, 16 << 20);
    let out = OutputFolder::open(&disk.0.join("out")).unwrap();
    let sealed = stored(seal_all(&out, &core));
    assert!(codes(&sealed).contains(&"core_not_stored"), "{:?}", sealed.summary.warnings);
    out.refresh(reports).unwrap();
    check_whole(out.path());
    assert!(core.path.exists());

    // With not even a page left, the story goes where space was held for it. Where none is held any more, it says so,
    // and leaves nothing half done.
    put_until_full(&disk.0.join("ballast"));
    let from_reserve = stored(seal(&out, &core_file(dir.path(), 3, 1000)));
    assert_eq!(codes(&from_reserve), ["core_not_stored"]);
    out.refresh(reports).unwrap();
    check_whole(out.path());
    put_until_full(&disk.0.join("ballast.2"));
    let other = core_file(dir.path(), 2, 1000);
    let error = seal(&out, &other).unwrap_err();
    assert!(matches!(error, BundleError::Full { .. }), "{error}");
    std::fs::remove_file(disk.0.join("ballast")).unwrap();
    std::fs::remove_file(disk.0.join("ballast.2")).unwrap();
    stored(seal(&out, &other));
    out.refresh(reports).unwrap();
    check_whole(out.path());
}

fn put_until_full(path: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
}

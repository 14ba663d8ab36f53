//! Finding the binaries that came with a core.

use std::path::Path;

use epitaph_elf::BuildId;

use super::*;
use crate::testing::{Half, core, program, put};

fn id(byte: u8) -> BuildId {
    BuildId::new(&[byte; 4]).unwrap()
}

#[test]
fn an_output_folder_is_found_from_its_core() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("pulled/0/artifacts");
    let core = put(&out.join("crashes/a/core.zst"), &core(1, 100));
    let image = put(&out.join("buildid/07070707/executable"), &program(Some(&[7; 4]), Half::Stripped));
    let debug = put(&out.join("buildid/07070707/debuginfo"), &program(Some(&[7; 4]), Half::DebugOnly));
    let nameless = put(&out.join("files/00aa/my_prog"), &program(None, Half::Stripped));
    // Another job's, which must not be mixed up with this one's.
    put(&dir.path().join("pulled/1/artifacts/buildid/09090909/executable"), b"");
    let binaries = Binaries::beside(&core);
    assert_eq!(binaries.root(), out);
    assert_eq!(binaries.by_build_id(&id(7)), [image]);
    assert_eq!(binaries.debug_by_build_id(&id(7)), [debug]);
    assert_eq!(binaries.by_build_id(&id(9)), Vec::<PathBuf>::new());
    assert_eq!(binaries.by_name("my prog".as_ref()), [nameless]);
    assert_eq!(binaries.by_name("other".as_ref()), Vec::<PathBuf>::new());
}

#[test]
fn in_a_heap_binaries_are_known_by_their_headers() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let core = put(&at("core.zst"), &core(1, 100));
    let one = put(&at("executable"), &program(Some(&[1; 4]), Half::Stripped));
    let two = put(&at("executable.1"), &program(Some(&[2; 4]), Half::Stripped));
    let debug = put(&at("debuginfo"), &program(Some(&[2; 4]), Half::DebugOnly));
    let dump = put(&at("dump"), &program(None, Half::Stripped));
    let dump_1 = put(&at("dump.1"), &program(None, Half::Stripped));
    put(&at("dump.txt"), &program(None, Half::Stripped));
    put(&at("notes"), b"\x7fELF and no more");
    std::os::unix::fs::symlink(&dump, at("dump.2")).unwrap();
    nix::unistd::mkfifo(&at("dump.3"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let binaries = Binaries::beside(&core);
    assert_eq!(binaries.by_build_id(&id(1)), [one]);
    assert_eq!(binaries.by_build_id(&id(2)), [two]);
    assert_eq!(binaries.debug_by_build_id(&id(2)), [debug]);
    assert_eq!(binaries.debug_by_build_id(&id(1)), Vec::<PathBuf>::new());
    assert_eq!(binaries.by_name("dump".as_ref()), [dump, dump_1]);
}

#[test]
fn in_a_heap_companions_are_known_by_name_and_id() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let core = put(&at("core.zst"), &core(1, 100));
    let split = program(None, Half::Split);
    let one = put(&at("a_b.dwo"), &split);
    let two = put(&at("a_b.dwo.1"), &split);
    let package = put(&at("dump.dwp"), &split);
    let common = put(&at("debuginfo"), &program(Some(&[1; 4]), Half::Supplementary));
    let common_1 = put(&at("debuginfo.1"), &program(Some(&[2; 4]), Half::Supplementary));
    put(&at("a_b.dwo.txt"), &split);
    put(&at("a_b.dwo.2"), b"no ELF file");
    put(&at("a_b.dwo.3"), &program(None, Half::Stripped));
    let binaries = Binaries::beside(&core);
    assert_eq!(binaries.split_by_name("a b.dwo".as_ref()), [one, two]);
    assert_eq!(binaries.split_by_name("dump.dwp".as_ref()), [package]);
    assert_eq!(binaries.supplementary_by_build_id(&id(1)), [common]);
    assert_eq!(binaries.supplementary_by_build_id(&id(2)), [common_1]);
    assert_eq!(binaries.supplementary_by_build_id(&id(3)), Vec::<PathBuf>::new());
    // None of them is a program or a library.
    assert_eq!(binaries.by_name("dump.dwp".as_ref()), Vec::<PathBuf>::new());
    assert_eq!(binaries.by_build_id(&id(1)), Vec::<PathBuf>::new());
    assert_eq!(binaries.debug_by_build_id(&id(1)), Vec::<PathBuf>::new());
}

#[test]
fn a_folder_that_is_anybodys_is_not_searched_deeply() {
    let dir = tempfile::tempdir().unwrap();
    let core = put(&dir.path().join("core"), &core(1, 100));
    put(&dir.path().join("sub/dump"), &program(None, Half::Stripped));
    assert_eq!(Binaries::beside(&core).by_name("dump".as_ref()), Vec::<PathBuf>::new());
    assert_eq!(Binaries::in_tree(dir.path()).by_name("dump".as_ref()).len(), 1);
}

#[test]
fn a_missing_folder_has_no_binaries() {
    let binaries = Binaries::in_tree(Path::new("/nonexistent/epitaph"));
    assert!(binaries.by_build_id(&id(1)).is_empty() && binaries.by_name("x".as_ref()).is_empty());
}

//! Which file is the one that was mapped, and which one isn't.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use epitaph_elf::{BuildId, FileState, Origin, Outcome};
use epitaph_symbols::{CameWithCore, SearchOptions};
use epitaph_testkit::need_tool;
use epitaph_testkit::scratch::Scratch;

use crate::support::{core_of, found, image, missing};

/// Builds `lib/lib.so`, and `lib/other.so` from other source; both with a build ID, or both without.
fn libraries(build_id: bool) -> Scratch {
    let scratch = Scratch::new();
    scratch.write("lib/a.c", "int a(int n) { return n + 1; }");
    scratch
        .write("lib/b.c", "static int t[999]; int a(int n) { return t[n]; } int b(int n) { return n * 3; }");
    let style = if build_id { "sha1" } else { "none" };
    for (source, library) in [("a.c", "lib.so"), ("b.c", "other.so")] {
        scratch.run(&format!(
            "gcc -shared -nostdlib -fPIC -Wl,--build-id={style} -o lib/{library} lib/{source}"
        ));
    }
    scratch
}

fn set_time(path: &Path, time: SystemTime) {
    std::fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

fn hour() -> Duration {
    Duration::from_secs(3600)
}

#[test]
fn equal_build_ids_are_proof() {
    need_tool!("gcc");
    let scratch = libraries(true);
    let path = scratch.path("lib/lib.so");
    let core = core_of(&scratch.read("lib/lib.so"), &path, true);
    // However young the file is: it was copied here.
    let core_time = Some(SystemTime::now() - hour());
    let located = image(&core, SearchOptions { core_time, ..SearchOptions::default() });
    assert_eq!(found(&located), (Origin::RecordedPath, FileState::Verified, path.as_path()));
}

#[test]
fn another_build_is_refused_and_told() {
    need_tool!("gcc");
    let scratch = libraries(true);
    let path = scratch.path("lib/other.so");
    let core = core_of(&scratch.read("lib/lib.so"), &path, true);
    let located = image(&core, SearchOptions::default());
    let tried = missing(&located);
    let (_, outcome) = tried.iter().find(|(tried, _)| *tried == path).unwrap();
    assert!(matches!(outcome, Outcome::OtherBuild(Some(_))) && outcome.is_other_build());
    assert!(outcome.to_string().starts_with("a different build ("), "{outcome}");

    let located = image(&core, SearchOptions { allow_mismatch: true, ..SearchOptions::default() });
    assert_eq!(found(&located), (Origin::RecordedPath, FileState::Mismatch, path.as_path()));
}

#[test]
fn a_file_without_a_build_id_is_not_the_one_that_had_one() {
    need_tool!("gcc");
    let (with, without) = (libraries(true), libraries(false));
    let path = without.path("lib/lib.so");
    let core = core_of(&with.read("lib/lib.so"), &path, true);
    let located = image(&core, SearchOptions::default());
    assert!(missing(&located).contains(&(path.as_path(), &Outcome::OtherBuild(None))));
}

#[test]
fn without_build_ids_the_first_page_and_the_age_decide() {
    need_tool!("gcc");
    let scratch = libraries(false);
    let (path, other) = (scratch.path("lib/lib.so"), scratch.path("lib/other.so"));
    let file = scratch.read("lib/lib.so");
    let core = core_of(&file, &path, true);
    let now = SystemTime::now();
    let search =
        |core_time| image(&core, SearchOptions { core_time: Some(core_time), ..SearchOptions::default() });
    assert_eq!(found(&search(now + hour())), (Origin::RecordedPath, FileState::Unverified, path.as_path()));
    assert!(missing(&search(now - hour())).contains(&(path.as_path(), &Outcome::Younger)));
    set_time(&path, now - 2 * hour());
    assert_eq!(found(&search(now - hour())).1, FileState::Unverified);

    let core = core_of(&file, &other, true);
    let located = image(&core, SearchOptions::default());
    assert!(missing(&located).contains(&(other.as_path(), &Outcome::OtherContent)));
}

#[test]
fn where_the_core_holds_nothing_to_compare_the_layout_and_the_age_decide() {
    need_tool!("gcc");
    for with_build_ids in [true, false] {
        let scratch = libraries(with_build_ids);
        let (path, larger) = (scratch.path("lib/lib.so"), scratch.path("lib/larger.so"));
        scratch.write("lib/c.c", "int a(int n) { __asm__(\".skip 8192\"); return n + 1; }");
        scratch.run("gcc -shared -nostdlib -fPIC -o lib/larger.so lib/c.c");
        let core = core_of(&scratch.read("lib/lib.so"), &path, false);
        let located = image(&core, SearchOptions::default());
        assert_eq!(found(&located), (Origin::RecordedPath, FileState::Unverified, path.as_path()));
        let core_time = Some(SystemTime::now() - hour());
        let located = image(&core, SearchOptions { core_time, ..SearchOptions::default() });
        assert!(missing(&located).contains(&(path.as_path(), &Outcome::Younger)));

        let core = core_of(&scratch.read("lib/lib.so"), &larger, false);
        let located = image(&core, SearchOptions::default());
        assert!(missing(&located).contains(&(larger.as_path(), &Outcome::OtherLayout)));

        // What lies where a deleted file was is another file.
        let deleted = format!("{} (deleted)", path.display());
        let core = core_of(&scratch.read("lib/lib.so"), &deleted, false);
        let located = image(&core, SearchOptions::default());
        assert!(missing(&located).contains(&(path.as_path(), &Outcome::Replaced)));
    }
}

#[test]
fn the_users_file_comes_first_and_is_checked_as_any_other() {
    need_tool!("gcc");
    let scratch = libraries(true);
    let (path, other) = (scratch.path("lib/lib.so"), scratch.path("lib/other.so"));
    std::fs::create_dir(scratch.path("elsewhere")).unwrap();
    let given = scratch.path("elsewhere/renamed");
    std::fs::copy(&path, &given).unwrap();
    let core = core_of(&scratch.read("lib/lib.so"), &path, true);
    let search = |executable: &Path, allow_mismatch| {
        let executable = Some(executable.to_owned());
        image(&core, SearchOptions { executable, allow_mismatch, ..SearchOptions::default() })
    };
    assert_eq!(found(&search(&given, false)), (Origin::Given, FileState::Verified, given.as_path()));
    // Of another build: the recorded path has the right one.
    assert_eq!(found(&search(&other, false)), (Origin::RecordedPath, FileState::Verified, path.as_path()));
    std::fs::remove_file(&path).unwrap();
    let located = search(&other, false);
    assert!(matches!(missing(&located)[0], (tried, Outcome::OtherBuild(Some(_))) if tried == other));
    assert_eq!(found(&search(&other, true)), (Origin::Given, FileState::Mismatch, other.as_path()));
}

#[test]
fn the_users_file_is_the_main_programs_and_no_librarys() {
    need_tool!("gcc");
    let scratch = libraries(true);
    let core = core_of(&scratch.read("lib/lib.so"), "/nowhere/lib.so", true);
    let mut module = crate::support::only_module(&core);
    assert!(module.main);
    module.main = false;
    let executable = Some(scratch.path("lib/lib.so"));
    let search = epitaph_symbols::FileSearch::new(SearchOptions { executable, ..SearchOptions::default() });
    use epitaph_elf::Locate as _;
    let located = search.image(&epitaph_elf::Wanted { module: &module, arch: "x86_64" });
    assert!(missing(&located).iter().all(|(tried, _)| !tried.starts_with(scratch.folder())));
}

#[test]
fn a_younger_file_that_the_user_names_is_believed() {
    need_tool!("gcc");
    let scratch = libraries(false);
    let core = core_of(&scratch.read("lib/lib.so"), "/nowhere/lib.so", true);
    let options = SearchOptions {
        executable: Some(scratch.path("lib/lib.so")),
        core_time: Some(SystemTime::now() - hour()),
        ..SearchOptions::default()
    };
    assert_eq!(found(&image(&core, options)).1, FileState::Unverified);
}

#[test]
fn beneath_a_sysroot_nothing_else_is_looked_at() {
    need_tool!("gcc");
    let scratch = libraries(true);
    let file = scratch.read("lib/lib.so");
    let real = scratch.path("lib/lib.so");
    let root = scratch.path("root");
    let options = || SearchOptions { sysroot: Some(root.clone()), ..SearchOptions::default() };
    let relative = real.strip_prefix("/").unwrap();
    for recorded in [
        real.clone(),
        Path::new("/../..").join(relative),
        Path::new("/x/../../../..").join(relative),
        Path::new("/./.").join(relative),
    ] {
        let located = image(&core_of(&file, &recorded, true), options());
        let tried = missing(&located);
        assert!(!tried.is_empty());
        for (tried, _) in tried {
            assert!(tried.starts_with(&root), "{}", tried.display());
            assert!(!tried.components().any(|part| part.as_os_str() == ".."), "{}", tried.display());
        }
    }
    scratch.write("root/usr/lib/lib.so", &file);
    // As a process with that root would find it.
    std::os::unix::fs::symlink("/usr/lib", root.join("lib")).unwrap();
    for recorded in ["/usr/lib/lib.so", "/usr/../usr/lib/lib.so", "/lib/lib.so"] {
        let located = image(&core_of(&file, recorded, true), options());
        let inside = root.join("usr/lib/lib.so");
        assert_eq!(found(&located), (Origin::Sysroot, FileState::Verified, inside.as_path()), "{recorded}");
    }
}

#[test]
fn debug_folders_have_files_by_build_id() {
    need_tool!("gcc");
    let scratch = libraries(true);
    let file = scratch.read("lib/lib.so");
    let id = crate::support::object(&file).build_id().unwrap().to_string();
    let place = format!("debug/.build-id/{}/{}", &id[..2], &id[2..]);
    scratch.write(&place, &file);
    let core = core_of(&file, "/nowhere/lib.so", true);
    let debug_dirs = vec![scratch.path("empty"), scratch.path("debug")];
    let located = image(&core, SearchOptions { debug_dirs, ..SearchOptions::default() });
    assert_eq!(found(&located), (Origin::BuildId, FileState::Verified, scratch.path(&place).as_path()));
}

#[test]
fn beside_the_core_is_looked_last() {
    need_tool!("gcc");
    let scratch = libraries(true);
    let core = core_of(&scratch.read("lib/lib.so"), "/nowhere/lib.so", true);
    let beside = Some(scratch.path("lib"));
    let located = image(&core, SearchOptions { beside, ..SearchOptions::default() });
    assert_eq!(found(&located), (Origin::Beside, FileState::Verified, scratch.path("lib/lib.so").as_path()));
}

/// A tree that came with the core: these files for every question.
struct Tree(Vec<PathBuf>);

impl CameWithCore for Tree {
    fn by_build_id(&self, _: &BuildId) -> Vec<PathBuf> {
        self.0.clone()
    }

    fn debug_by_build_id(&self, _: &BuildId) -> Vec<PathBuf> {
        Vec::new()
    }

    fn by_name(&self, name: &OsStr) -> Vec<PathBuf> {
        assert_eq!(name, "lib.so");
        self.0.clone()
    }

    fn supplementary_by_build_id(&self, _: &BuildId) -> Vec<PathBuf> {
        Vec::new()
    }

    fn split_by_name(&self, _: &OsStr) -> Vec<PathBuf> {
        Vec::new()
    }
}

#[test]
fn what_came_with_the_core_is_checked_too() {
    need_tool!("gcc");
    for build_id in [true, false] {
        let scratch = libraries(build_id);
        let (right, wrong) = (scratch.path("lib/lib.so"), scratch.path("lib/other.so"));
        let core = core_of(&scratch.read("lib/lib.so"), "/nowhere/lib.so", true);
        let state = if build_id { FileState::Verified } else { FileState::Unverified };
        // Its files are younger than the core: they were unpacked just now.
        let tree: &'static Tree = Box::leak(Box::new(Tree(vec![wrong, right.clone()])));
        let core_time = Some(SystemTime::now() - hour());
        let options = SearchOptions { came_with: Some(tree), core_time, ..SearchOptions::default() };
        assert_eq!(found(&image(&core, options)), (Origin::Bundle, state, right.as_path()));
    }
}

#[test]
fn what_is_no_regular_file_is_not_opened() {
    need_tool!("gcc", "mkfifo");
    let scratch = libraries(true);
    let file = scratch.read("lib/lib.so");
    scratch.run("mkfifo fifo");
    scratch.run("mkdir folder");
    scratch.write("empty", "");
    scratch.write("text", "#!/bin/sh\n");
    scratch.write("cut", &file[..40]);
    for name in ["fifo", "folder", "empty", "text", "cut"] {
        let path = scratch.path(name);
        let located = image(&core_of(&file, &path, true), SearchOptions::default());
        assert!(missing(&located).contains(&(path.as_path(), &Outcome::NotElf)), "{name}: {located:?}");
    }
    for path in [PathBuf::from("/dev/zero"), PathBuf::from("/dev/null"), PathBuf::from("/dev/tty")] {
        let located = image(&core_of(&file, &path, true), SearchOptions::default());
        assert!(missing(&located).iter().any(|(tried, _)| *tried == path));
    }
    // A path through a file, a name that is too long, and one that isn't a path.
    for recorded in [scratch.path("text/lib.so"), scratch.path(&"x".repeat(4000)), PathBuf::from("lib.so")] {
        let located = image(&core_of(&file, &recorded, true), SearchOptions::default());
        missing(&located);
    }
}

#[test]
fn a_file_of_another_architecture_is_another_build() {
    need_tool!("gcc");
    let scratch = libraries(true);
    let mut file = scratch.read("lib/lib.so");
    let core = core_of(&file, scratch.path("lib/foreign.so"), true);
    file[18] = 183; // e_machine: EM_AARCH64
    let path = scratch.write("lib/foreign.so", &file);
    let located = image(&core, SearchOptions::default());
    assert!(missing(&located).iter().any(|(tried, outcome)| *tried == path && outcome.is_other_build()));
}

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn safe(path: &str) -> SafePath {
    SafePath::parse(None, path).unwrap()
}

fn put(target: &Target, path: &str, content: &str) -> Result<(), StoreError> {
    let mut part = target.part("x")?;
    part.set_len(0).unwrap();
    part.write_all(content.as_bytes()).unwrap();
    target.publish("x", &safe(path), path).map(drop)
}

#[test]
fn files_appear_under_their_names_and_nothing_else_stays() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("new/target");
    let target = Target::open(&root).unwrap();
    put(&target, "a/b/c", "one").unwrap();
    put(&target, "a/b/c", "two").unwrap();
    assert!(target.existing(&safe("a/b/c")).is_some());
    assert!(target.existing(&safe("a/b")).is_none(), "a folder is no file");
    assert!(target.existing(&safe("a/x/c")).is_none());
    drop(target);
    assert_eq!(fs::read_to_string(root.join("a/b/c")).unwrap(), "two");
    assert_eq!(fs::read_dir(&root).unwrap().count(), 2, "the file and the record");
    assert_eq!(fs::read_dir(root.join(STAGING)).unwrap().count(), 1);
    assert_eq!(fs::metadata(root.join("a")).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(root.join("a/b/c")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn links_in_the_target_lead_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let (root, outside) = (dir.path().join("target"), dir.path().join("outside"));
    fs::create_dir_all(&root).unwrap();
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("file"), "precious").unwrap();
    symlink(&outside, root.join("folder")).unwrap();
    symlink(outside.join("file"), root.join("link")).unwrap();
    let target = Target::open(&root).unwrap();
    assert!(matches!(put(&target, "folder/new", "x"), Err(StoreError::UnsafePath { .. })));
    assert!(target.existing(&safe("folder/file")).is_none());
    assert!(target.existing(&safe("link")).is_none());
    assert!(matches!(put(&target, "link", "x"), Err(StoreError::NotWritten { .. })));
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "precious");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn a_hard_linked_or_special_part_is_not_written_into() {
    let dir = tempfile::tempdir().unwrap();
    let precious = dir.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    let root = dir.path().join("target");
    fs::create_dir_all(root.join(STAGING)).unwrap();
    fs::hard_link(&precious, root.join(STAGING).join("x")).unwrap();
    let target = Target::open(&root).unwrap();
    put(&target, "a", "new").unwrap();
    nix::unistd::mkfifo(&root.join(STAGING).join("x"), Mode::S_IRWXU).unwrap();
    put(&target, "b", "new").unwrap();
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    assert_eq!(fs::read_to_string(root.join("b")).unwrap(), "new");
}

#[test]
fn a_staging_folder_that_is_a_link_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("outside")).unwrap();
    fs::create_dir(dir.path().join("target")).unwrap();
    symlink("../outside", dir.path().join("target").join(STAGING)).unwrap();
    assert!(matches!(Target::open(&dir.path().join("target")), Err(StoreError::Io { .. })));
}

#[test]
fn one_pull_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = Target::open(dir.path()).unwrap();
    assert!(matches!(Target::open(dir.path()), Err(StoreError::Busy { .. })));
    drop(first);
    Target::open(dir.path()).unwrap();
}

#[test]
fn only_what_a_pull_wrote_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("src")).unwrap();
    for name in ["Makefile", "same", "src/lib.rs"] {
        fs::write(dir.path().join(name), "mine").unwrap();
    }
    let target = Target::open(dir.path()).unwrap();
    for name in ["Makefile", "src/lib.rs", "src"] {
        let error = put(&target, name, "theirs").unwrap_err();
        assert!(matches!(error, StoreError::NotWritten { .. }), "{name}: {error}");
        assert!(error.hint().is_some());
    }
    put(&target, "same", "mine").unwrap();
    put(&target, "src/new", "one").unwrap();
    drop(target);
    let target = Target::open(dir.path()).unwrap();
    fs::write(dir.path().join("src/new"), "edited").unwrap();
    put(&target, "src/new", "two").unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("src/new")).unwrap(), "two");
    fs::remove_file(dir.path().join("src/new")).unwrap();
    // A file system may give the next file the same number; then only its age tells, in steps of the clock.
    std::thread::sleep(std::time::Duration::from_millis(50));
    fs::write(dir.path().join("src/other"), "mine").unwrap();
    fs::rename(dir.path().join("src/other"), dir.path().join("src/new")).unwrap();
    put(&target, "src/new", "three").unwrap_err();
    for name in ["Makefile", "same", "src/lib.rs", "src/new"] {
        assert_eq!(fs::read_to_string(dir.path().join(name)).unwrap(), "mine", "{name}");
    }
}

#[test]
fn hidden_names_only_where_a_pull_made_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (new, old) = (dir.path().join("new"), dir.path().join("old"));
    let paths = [".git/config", ".envrc", "src/.cargo/config.toml"];
    for _ in 0..2 {
        let target = Target::open(&new).unwrap();
        for path in paths {
            put(&target, path, path).unwrap();
        }
    }
    fs::create_dir_all(old.join(".git")).unwrap();
    fs::create_dir(old.join("src")).unwrap();
    let target = Target::open(&old).unwrap();
    for path in paths.into_iter().chain([".git/hooks/post-checkout", ".vscode/tasks.json"]) {
        let error = put(&target, path, path).unwrap_err();
        assert!(matches!(error, StoreError::NotWritten { .. }), "{path}: {error}");
    }
    put(&target, "0/.cache/core", "x").unwrap();
    assert!(!old.join(".vscode").exists() && !old.join("src/.cargo").exists());
    assert_eq!(fs::read_dir(old.join(".git")).unwrap().count(), 0);
    // The folder is another one by now.
    fs::rename(old.join("0"), old.join("away")).unwrap();
    fs::create_dir(old.join("0")).unwrap();
    put(&target, "0/.cache/core", "x").unwrap_err();
}

#[test]
fn a_file_is_held_until_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let (url, path) = ("https://host/a?secret", safe("0/a"));
    let target = Target::open(dir.path()).unwrap();
    assert!(!target.holds(&path, url));
    target.part("p").unwrap().write_all(b"abc").unwrap();
    target.publish("p", &path, url).unwrap();
    drop(target);
    let journal = dir.path().join(STAGING).join(record::NAME);
    assert!(!fs::read_to_string(&journal).unwrap().contains("secret"));
    // A torn line costs nothing but itself.
    fs::OpenOptions::new().append(true).open(&journal).unwrap().write_all(b"{\"path\":").unwrap();
    let target = Target::open(dir.path()).unwrap();
    assert!(target.holds(&path, url) && !target.holds(&path, "https://host/b"));
    put(&target, "0/b", "x").unwrap();
    drop(target);
    let target = Target::open(dir.path()).unwrap();
    assert!(target.holds(&safe("0/b"), "0/b") && target.holds(&path, url));
    fs::write(dir.path().join("0/a"), "ab").unwrap();
    assert!(!target.holds(&path, url));
}

#[test]
fn an_archive_is_held_while_all_its_files_are() {
    let dir = tempfile::tempdir().unwrap();
    let url = "https://host/archive";
    let target = Target::open(dir.path()).unwrap();
    for name in ["logs/a", "logs/b"] {
        target.part("p").unwrap().write_all(b"abc").unwrap();
        target.publish("p", &safe(name), url).unwrap();
    }
    assert_eq!(target.holds_unpacked(url), None, "it may have more");
    target.add_unpacked(url, 2);
    drop(target);
    let target = Target::open(dir.path()).unwrap();
    assert_eq!(target.holds_unpacked(url), Some(2));
    assert_eq!(target.holds_unpacked("https://host/other"), None);
    fs::remove_file(dir.path().join("logs/b")).unwrap();
    assert_eq!(target.holds_unpacked(url), None);
}

#[test]
fn only_what_pulls_wrote_is_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let put_one = |path: &str, content: &str| put(&Target::open(dir.path()).unwrap(), path, content).unwrap();
    put_one("b/core.age", "b");
    put_one("a.age", "a");
    put_one("gone.age", "gone");
    put_one("another.age", "pulled");
    fs::write(dir.path().join("own.age"), "own").unwrap();
    fs::remove_file(dir.path().join("gone.age")).unwrap();
    fs::remove_file(dir.path().join("another.age")).unwrap();
    fs::write(dir.path().join("another.age"), "somebody's").unwrap();
    assert_eq!(pulled_files(dir.path()).unwrap(), [dir.path().join("a.age"), dir.path().join("b/core.age")]);
}

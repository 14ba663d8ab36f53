//! What is found, and what is never shown.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use super::*;

/// A folder with sources, in another one that holds what is not to be read.
struct Tree {
    outer: tempfile::TempDir,
    sources: SourceRoot,
}

impl Tree {
    fn new(files: &[&str]) -> Tree {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("shop");
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let lines: Vec<String> = (1..=9).map(|line| format!("\t{file} {line}\n")).collect();
            fs::write(path, lines.concat()).unwrap();
        }
        fs::create_dir_all(&root).unwrap();
        Tree { sources: SourceRoot::new(&root).unwrap(), outer }
    }

    fn root(&self) -> &Path {
        &self.sources.root
    }

    /// What is told of these files, at line 5 each: the text of that line.
    fn told(&self, files: &[&str]) -> Vec<Option<String>> {
        let places: Vec<SourcePlace<'_>> = files.iter().map(|file| SourcePlace { file, line: 5 }).collect();
        let found = self.sources.around(&places);
        let fifth =
            |lines: Vec<SourceLine>| lines.into_iter().find(|line| line.line == 5).map(|line| line.text);
        found.lines.into_iter().map(fifth).collect()
    }
}

#[test]
fn a_file_is_found_where_it_is_recorded() {
    let tree = Tree::new(&["src/cart.c"]);
    let file = tree.root().join("src/../src/./cart.c");
    let place = SourcePlace { file: file.to_str().unwrap(), line: 2 };
    let found = tree.sources.around(&[place]);
    let lines: Vec<(u32, &str)> = found.lines[0].iter().map(|line| (line.line, line.text.as_str())).collect();
    let expected =
        [(1, "\tsrc/cart.c 1"), (2, "\tsrc/cart.c 2"), (3, "\tsrc/cart.c 3"), (4, "\tsrc/cart.c 4")];
    assert_eq!(lines, [&expected[..], &[(5, "\tsrc/cart.c 5")]].concat());
    assert!(found.problems.is_empty());
}

#[test]
fn sources_of_another_folder_are_found_by_the_longest_end_of_their_paths() {
    let tree = Tree::new(&["src/cart.c", "cart.c", "lib/src/cart.c", "main.c"]);
    for (recorded, file) in [
        ("/build/x/lib/src/cart.c", Some("lib/src/cart.c")),
        ("/build/x/src/cart.c", Some("src/cart.c")),
        ("x/src/cart.c", Some("src/cart.c")),
        ("src/cart.c", Some("src/cart.c")),
        ("/build/main.c", Some("main.c")),
        ("/home/ci/shop/main.c", Some("main.c")),
        // Any project may have such a file.
        ("/home/ci/zlib/main.c", None),
        ("/build/src/other.c", None),
    ] {
        assert_eq!(tree.told(&[recorded]), [file.map(|file| format!("\t{file} 5"))], "{recorded}");
    }
}

#[test]
fn files_of_two_projects_are_not_mixed_up() {
    let tree = Tree::new(&["src/cart.c", "src/lib.c"]);
    let told = |files: &[&str]| tree.told(files).iter().flatten().count();
    assert_eq!(told(&["/build/src/cart.c", "/build/src/lib.c"]), 2);
    assert_eq!(told(&["/build/src/cart.c", "/deps/other-1.0/src/lib.c"]), 0);
    // A file that is there as it is recorded, but not beneath the root, is another project's for certain.
    let other = tree.outer.path().join("deps/src/lib.c");
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::write(&other, "x\n".repeat(9)).unwrap();
    assert_eq!(told(&["/build/src/cart.c", other.to_str().unwrap()]), 1);
}

#[test]
fn nothing_but_sources_beneath_the_root_is_read() {
    let tree = Tree::new(&["src/cart.c", ".env", ".git/config", ".git/hook.c", "secrets.txt", "id_rsa"]);
    let outside = tree.outer.path().join("outside.c");
    fs::write(&outside, "secret\n".repeat(9)).unwrap();
    symlink(&outside, tree.root().join("src/link.c")).unwrap();
    symlink(tree.outer.path(), tree.root().join("up")).unwrap();
    symlink(tree.root().join(".env"), tree.root().join("src/env.c")).unwrap();
    fs::create_dir(tree.root().join("folder.c")).unwrap();
    nix_fifo(&tree.root().join("src/fifo.c"));
    let root = tree.root().display();
    for file in [
        "/etc/passwd",
        &format!("{}", outside.display()),
        &format!("{root}/../outside.c"),
        "../outside.c",
        "/x/up/outside.c",
        "src/link.c",
        "src/env.c",
        "src/fifo.c",
        "x/folder.c",
        ".env",
        ".git/config",
        ".git/hook.c",
        "/build/secrets.txt",
        "id_rsa",
        "/dev/zero",
        "/proc/self/environ",
        "",
        "/",
        "..",
        &"a/".repeat(5000),
    ] {
        assert_eq!(tree.told(&[file]), [None], "{file}");
    }
}

fn nix_fifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

#[test]
fn lines_that_may_be_others_are_told_to_be_so() {
    let tree = Tree::new(&["src/cart.c"]);
    let around = |died: SystemTime, line: u32| {
        tree.sources.for_death_at(Some(died)).around(&[SourcePlace { file: "/build/src/cart.c", line }])
    };
    let now = SystemTime::now();
    let later = around(now + Duration::from_secs(60), 5);
    assert!(later.problems.is_empty() && later.lines[0].len() == 7);
    let earlier = around(now - Duration::from_secs(60), 5);
    assert!(earlier.problems[0].contains("changed after the crash") && earlier.lines[0].len() == 7);
    let beyond = around(now + Duration::from_secs(60), 10);
    assert!(beyond.problems[0].contains("no line 10") && beyond.lines[0].is_empty());
}

#[test]
fn long_lines_are_cut_and_others_are_as_they_are() {
    assert_eq!(text(b"\t if (a\xff) \r\n"), "\t if (a\u{fffd})");
    let long = text(&"ü".repeat(200).into_bytes());
    assert_eq!(long, format!("{}…", "ü".repeat(LONGEST_LINE / 2)));
    assert_eq!(lines_around(&b"one\ntwo"[..], 2).unwrap().len(), 2);
    assert!(lines_around(&b""[..], 1).unwrap().is_empty());
}

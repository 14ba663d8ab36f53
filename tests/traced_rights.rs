//! Programs that change their user (set-user-ID) while they are traced: who isn't root gets none of their rights by it, nor a
//! core of a process that had them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use epitaph_testkit::crash::{Built, or_skip, program, without_core_limit};
use epitaph_testkit::need_tool;
use epitaph_testkit::scratch::Scratch;

use crate::fixtures::{functions, sealed};
use crate::handler::{NOBODY, Place, USER};
use crate::support::{is_root, plain_environment};

/// Who owns the program, unless it is root.
const OTHER: u32 = NOBODY;

/// Puts a program there that acts as its owner, for everybody who executes it.
fn put_set_user_id(exe: &Path, place: &Place, owner: u32) {
    assert!(Command::new("cp").arg(exe).arg(place.exe()).status().unwrap().success());
    chown(place.exe(), Some(owner), None).unwrap();
    fs::set_permissions(place.exe(), Permissions::from_mode(0o4755)).unwrap();
}

/// Runs it traced, as a user; returns what was said, and the folder that crashes are kept in.
fn traced_by(place: &Place, user: u32) -> (Output, PathBuf) {
    let folder = place.exe().with_file_name(format!("by{user}"));
    fs::create_dir(&folder).unwrap();
    chown(&folder, Some(user), Some(user)).unwrap();
    let mut run = without_core_limit(place.program());
    plain_environment(&mut run).args(["run", "--capture", "ptrace", "--out", "out", "--"]).arg(place.exe());
    let run = run.env("TMPDIR", &folder).current_dir(&folder).uid(user).gid(user).output().unwrap();
    (run, folder)
}

fn said(run: &Output) -> String {
    String::from_utf8_lossy(&run.stderr).into_owned()
}

#[test]
fn who_is_not_root_gets_no_rights_of_a_traced_program() {
    let Some(place) = Place::new() else { return };
    let Some(built) = or_skip(Built::of(program("null_deref"))) else { return };
    // It crashes as who runs it, and so may be dumped to them.
    put_set_user_id(&built.exe, &place, 0);
    let (run, folder) = traced_by(&place, USER);
    assert_eq!(run.status.code(), Some(139), "{run:?}");
    if said(&run).contains("could not be traced") {
        epitaph_testkit::skip::skipped("processes can't be traced here");
        return;
    }
    let crashes: Vec<_> = sealed(&folder.join("out")).into_values().collect();
    let [crash] = crashes.as_slice() else { panic!("{}", said(&run)) };
    assert_eq!(crash["collection"]["source"], "traced");
    assert_eq!(functions(crash)[..2], ["quantity_of", "price_of"]);
    assert_eq!(
        (&crash["process"]["uid"], &crash["process"]["gid"]),
        (&USER.into(), &USER.into()),
        "{crash:#}"
    );
}

#[test]
fn a_program_that_root_traces_changes_its_user_and_is_not_dumped() {
    if !is_root() {
        return epitaph_testkit::skip::skipped(
            "only root's programs become other users while root traces them",
        );
    }
    need_tool!("gcc");
    let Some(place) = Place::new() else { return };
    let scratch = Scratch::new();
    scratch.write(
        "who.c",
        "#include <signal.h>\n#include <stdio.h>\n#include <unistd.h>\n\
         int main(void) { printf(\"%d\\n\", (int)geteuid()); fflush(stdout); return raise(SIGSEGV); }\n",
    );
    scratch.run("gcc -o who who.c");
    put_set_user_id(&scratch.path("who"), &place, OTHER);
    let (run, folder) = traced_by(&place, 0);
    assert_eq!(run.status.code(), Some(139), "{run:?}");
    assert_eq!(String::from_utf8_lossy(&run.stdout), format!("{OTHER}\n"), "its rights are its own");
    if said(&run).contains("could not be traced") {
        return epitaph_testkit::skip::skipped("processes can't be traced here");
    }
    assert!(
        said(&run).contains("is not to be dumped: it asked for that, or changed its user"),
        "{}",
        said(&run)
    );
    // As without us: `fs.suid_dumpable` is 0.
    if fs::read_to_string("/proc/sys/fs/suid_dumpable").unwrap().trim() == "0" {
        assert!(sealed(&folder.join("out")).is_empty(), "{}", said(&run));
    }
}

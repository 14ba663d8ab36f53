//! What rights the handler's processes have, and who gets the cores of programs that have more than their user.
//!
//! As in the handler's other tests, settings of the host are changed under the lock that all share, and put back however
//! they end.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use epitaph_testkit::crash::{Built, or_skip, program, without_core_limit};

use crate::handler::{NOBODY, Place, USER, crash, eventually, is, kernel_starts, processes_of, signal};
use crate::support::{plain_environment, text};

/// Tries to read the memory of whatever a process starts, which takes the rights that tracing takes, and says of whom it
/// could.
const TRACER: &str = r#"echo begun
while [ -e "/proc/$0" ]; do
    { read -r pid rest <"/proc/$0/task/$0/children"; } 2>/dev/null
    if [ -n "$pid" ] && { : <"/proc/$pid/mem"; } 2>/dev/null; then echo "$pid"; exit; fi
done"#;

#[test]
fn no_process_of_its_user_can_trace_the_worker_at_any_time() {
    let Some(place) = Place::new() else { return };
    for _ in 0..5 {
        let mut handler = place.receive(Stdio::piped());
        let pid = handler.id().to_string();
        signal("STOP", pid.parse().unwrap());
        let mut tracer = Command::new("bash");
        plain_environment(&mut tracer).args(["-c", TRACER, &pid]).uid(NOBODY).gid(NOBODY).current_dir("/");
        let mut tracer = tracer.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = std::io::BufReader::new(tracer.stdout.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut said, &mut line).unwrap();
        assert_eq!(line, "begun\n");
        signal("CONT", pid.parse().unwrap());
        let worker = eventually("the worker has given up its rights", || {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
            let read = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", children.trim())).ok();
            let (limits, status) = (read("limits")?, read("status")?);
            status.contains("\nNoNewPrivs:\t1\n").then_some(limits + &status)
        });
        // It was limited before it was started: that is not left to itself.
        let largest = worker.lines().find_map(|line| line.strip_prefix("Max file size")).unwrap();
        let largest = largest.split_whitespace().map(str::parse::<u64>).take(2);
        assert!(largest.into_iter().all(|limit| limit.is_ok_and(|bytes| bytes <= 2 << 30)), "{worker}");
        let ids = format!("{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}\n");
        for given_up in [format!("\nUid:\t{ids}"), format!("\nGid:\t{ids}"), "\nGroups:\t \n".to_owned()] {
            assert!(worker.contains(&given_up), "{given_up:?}: {worker}");
        }
        handler.kill().unwrap();
        handler.wait().unwrap();
        line.clear();
        std::io::Read::read_to_string(&mut said, &mut line).unwrap();
        tracer.wait().unwrap();
        assert_eq!(line, "", "the memory of this process was open");
    }
}

/// Lets a program of root's, with the mode that makes it root for anybody, crash as the user. Its name is its own.
fn crash_with_rights(built: &Built, place: &Place) {
    let exe = place.exe();
    let copied = Command::new("cp").arg(&built.exe).arg(&exe).status().unwrap();
    assert!(copied.success());
    fs::set_permissions(&exe, Permissions::from_mode(0o4755)).unwrap();
    crash(built, place);
}

#[test]
fn the_core_of_a_program_with_more_rights_is_roots_alone() {
    let Some(place) = Place::new() else { return };
    let Some(built) = or_skip(Built::of(program("null_deref"))) else { return };
    let Some(guard) = kernel_starts(&place.pattern()) else { return };
    // Never, as no other process's, and for root only (proc_sys_fs(5)).
    for (dumpable, cores) in [("0", 0), ("1", 1), ("2", 2)] {
        let _set = guard.also("fs/suid_dumpable", dumpable).unwrap();
        crash_with_rights(&built, &place);
        let kept = place.wait_for(0, ".core.zst", cores);
        eventually("the handler has ended", || processes_of(&place.program()).is_empty().then_some(()));
        assert_eq!(kept.len(), cores, "{dumpable}: {:?}", place.kept(0));
        assert!(place.kept(USER).is_empty(), "{dumpable}: {:?}", place.kept(USER));
        for path in place.kept(0) {
            let file = path.metadata().unwrap();
            assert_eq!((file.uid(), file.mode() & 0o777), (0, 0o400), "{dumpable}");
        }
    }
    assert_eq!(place.spool().join("0").metadata().unwrap().mode() & 0o777, 0o700);
}

#[test]
fn who_runs_a_program_with_more_rights_gets_no_core_of_it() {
    let Some(place) = Place::new() else { return };
    let Some(built) = or_skip(Built::of(program("null_deref"))) else { return };
    let folder = place.exe().with_file_name("j");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o1777)).unwrap();
    let Some(guard) = kernel_starts(&format!("{}/core.%p", text(&folder))) else { return };
    for dumpable in ["0", "1", "2"] {
        let _set = guard.also("fs/suid_dumpable", dumpable).unwrap();
        crash_with_rights(&built, &place);
        let out = folder.join(format!("out{dumpable}"));
        let mut run = without_core_limit(place.program());
        plain_environment(&mut run).args(["run", "--out"]).arg(&out).arg("--").arg(place.exe());
        let run = run.current_dir(&folder).uid(USER).gid(USER).output().unwrap();
        assert_eq!(run.status.code(), Some(139), "{run:?}");
        for entry in walk(&folder) {
            let (path, file) = (entry.as_path(), entry.symlink_metadata().unwrap());
            let head = fs::read(path).unwrap();
            if head.starts_with(b"\x7fELF") {
                assert_eq!((file.uid(), file.mode() & 0o077), (0, 0), "{dumpable}: {}", path.display());
                assert_ne!(dumpable, "0");
                assert!(!path.starts_with(&out));
            }
            assert!(!is(path, "zst"), "{dumpable}: {}", path.display());
        }
    }
}

/// The plain files in a folder and those in it.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

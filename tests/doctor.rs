//! `epitaph doctor` on the real kernel: the rows of its table that this kernel can show.
//!
//! Every test holds the core pattern alone, and puts it back whatever happens.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use epitaph_capture::{CoreLimit, Dumps, Exit, Host, RunOutcome, Situation, explain};
use epitaph_testkit::crash::{Built, PatternGuard, or_skip, program as program_named};
use epitaph_testkit::skip::skipped;
use epitaph_testkit::tools;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    Answer, alone_by, epitaph, epitaph_after, epitaph_alone, folder, plain_environment, program, text,
};

/// Sets the kernel's core pattern as long as the guard lives; where that isn't possible, says that the test is skipped.
fn pattern(pattern: &str) -> Option<PatternGuard> {
    let guard = PatternGuard::set(pattern);
    guard.map_err(|error| skipped(&format!("the core pattern can't be set: {error}"))).ok()
}

/// A folder with a short path, as a core pattern has to have.
fn short_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Asks in `folder`, in a step that has no limit on cores and has then run `script`.
fn doctor(folder: &Path, script: &str) -> Answer {
    let script = format!("ulimit -c unlimited && cd '{}' && {script}", text(folder));
    epitaph_after(&script).args(["doctor", "--json"]).run()
}

/// Asks as [`doctor`] does, and checks the reason and what became of the canary; no file may be left.
#[track_caller]
fn expect(folder: &Path, script: &str, code: &str, outcome: &str) -> Value {
    let answer = doctor(folder, script).code(1);
    let json = answer.json();
    assert_eq!(json["reason"]["code"], code, "{script}\n{answer}");
    assert_eq!(json["canary"]["outcome"], outcome, "{script}\n{answer}");
    json
}

/// Tells whether programs and sockets of the pattern can be seen from here.
fn sees_receivers(folder: &Path) -> bool {
    let json = doctor(folder, "true").json();
    let container = json["host"]["container"].as_str();
    if let Some(evidence) = container {
        skipped(&format!("what takes cores can't be seen in a container: {evidence}"));
    }
    container.is_none()
}

fn codes(risks: &Value) -> Vec<&str> {
    risks.as_array().unwrap().iter().map(|risk| risk["code"].as_str().unwrap()).collect()
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn a_step_whose_crashes_leave_cores() {
    let Some(_pattern) = pattern("core.%p.%e") else { return };
    let folder = folder();
    let answer = doctor(folder.path(), "true").code(0);
    let json = answer.json();
    assert_eq!((&json["ok"], &json["reason"]), (&Value::Bool(true), &Value::Null), "{answer}");
    assert_eq!(json["canary"]["outcome"], "core");
    assert_eq!(json["canary"]["removed"], true);
    let path = json["canary"]["path"].as_str().unwrap();
    assert_eq!(path, text(folder.path().join(format!("core.{}.epitaph-canary", json["canary"]["pid"]))));
    assert_eq!(codes(&json["risks"]), ["pattern_relative"]);
    assert!(is_empty(folder.path()), "the canary's core is gone");

    let script = format!("ulimit -c unlimited && cd '{}'", text(folder.path()));
    let answer = epitaph_after(&script).arg("doctor").run().code(0);
    answer.says(&["A crash here leaves a core", "Proof: ", path.rsplit_once("core.").unwrap().0]);
}

#[test]
fn a_core_that_is_there_survives_the_canary() {
    let (folder, named) = (folder(), short_folder());
    let Some(guard) = pattern("core") else { return };
    std::fs::write(folder.path().join("core"), "somebody's core").unwrap();
    let json = doctor(folder.path(), "true").code(0).json();
    assert_eq!(json["canary"]["outcome"], "core");
    assert_eq!(std::fs::read(folder.path().join("core")).unwrap(), b"somebody's core");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(codes(&json["risks"]), ["pattern_relative", "name_not_distinct"], "C5, C10");
    drop(guard);

    let Some(_pattern) = pattern(&text(named.path().join("core"))) else { return };
    std::fs::write(named.path().join("core"), "somebody's core").unwrap();
    let json = doctor(folder.path(), "true").code(0).json();
    assert_eq!(json["canary"]["outcome"], "none");
    assert!(json["canary"]["error"].as_str().unwrap().contains("would replace"), "{json}");
    assert_eq!(std::fs::read(named.path().join("core")).unwrap(), b"somebody's core");
}

#[test]
fn limits() {
    let Some(_pattern) = pattern("core.%p") else { return };
    let folder = folder();
    let expect = |script: &str, code: &str, outcome: &str| expect(folder.path(), script, code, outcome);
    expect("ulimit -c 0", "limit_hard_zero", "no_core"); // C1
    let json = expect("ulimit -S -c 0", "limit_zero", "core"); // C2
    assert_eq!(json["host"]["limit_soft"], 0);
    expect("ulimit -c 1", "limit_too_small", "no_core"); // C2: 512 bytes
    let json = expect("ulimit -c 16", "canary_core_cut", "cut_core"); // C3: 8192 bytes
    assert!(codes(&json["risks"]).contains(&"limit_finite"), "{json}");
    let json = expect("ulimit -f 64", "canary_core_cut", "cut_core"); // C4: 32768 bytes
    assert!(codes(&json["risks"]).contains(&"file_size_limit"), "{json}");
    let json = doctor(folder.path(), "ulimit -f 1").code(1).json(); // C4: 512 bytes
    assert_eq!(json["reason"]["code"], "file_size_limit_too_small", "{json}");
    expect("umask 0377", "umask_hides_core", "stub"); // C12
    assert!(
        is_empty(folder.path()),
        "nothing is left: {:?}",
        std::fs::read_dir(folder.path()).unwrap().next()
    );
}

#[test]
fn folders() {
    let (folder, named) = (folder(), short_folder());
    let cores = named.path().join("cores");
    let Some(guard) = pattern(&text(cores.join("core.%p"))) else { return };
    let expect = |script: &str, code: &str, outcome: &str| expect(folder.path(), script, code, outcome);
    expect("true", "pattern_dir_missing", "no_core"); // C6
    std::fs::write(&cores, "").unwrap();
    expect("true", "pattern_dir_missing", "no_core");
    std::fs::remove_file(&cores).unwrap();

    let script = format!("ulimit -c unlimited && cd '{}'", text(folder.path()));
    let fixed = epitaph_after(&script).args(["doctor", "--fix"]).run().code(0);
    let undo = format!("to take it back: rmdir {}", text(&cores));
    fixed.says(&["A crash here leaves a core"]).tells(&["created the folder", &undo]);
    assert_eq!(std::fs::metadata(&cores).unwrap().permissions().mode() & 0o7777, 0o1777);
    assert!(is_empty(&cores), "the canary's core is gone");
    epitaph_after(&script).args(["doctor", "--fix"]).run().code(0).hides(&["to take it back"]);
    drop(guard);

    let Some(guard) = pattern("core.%p") else { return };
    expect("mkdir gone && cd gone && rmdir ../gone", "cwd_removed", "no_core"); // C8
    drop(guard);
    let Some(_pattern) = pattern("core") else { return };
    std::fs::create_dir(folder.path().join("core")).unwrap();
    expect("true", "name_is_a_folder", "core"); // C11
    assert!(folder.path().join("core").is_dir());
}

#[test]
fn file_systems_that_take_no_core() {
    let named = short_folder();
    let Some(_pattern) = pattern(&text(named.path().join("core.%p"))) else { return };
    let probe =
        Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "none"]).arg(named.path()).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        return skipped("no file system can be mounted here");
    }
    let mounted = |options: &str, then: &str| {
        let mount = format!("mount -t tmpfs -o {options} none '{}' && {then}", text(named.path()));
        let mut command = Command::new("unshare");
        let script = format!("ulimit -c unlimited && {mount} && exec \"$0\" doctor --json");
        command.args(["--mount", "sh", "-c", &script]).arg(program());
        let output = command.output().unwrap();
        let json: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        (json["reason"]["code"].as_str().unwrap_or("").to_owned(), json["canary"]["outcome"].clone())
    };
    let expected = |code: &str, outcome: &str| (code.to_owned(), Value::from(outcome));
    assert_eq!(mounted("ro", "true"), expected("pattern_dir_unwritable", "no_core"), "C7");
    assert_eq!(mounted("nr_inodes=1", "true"), expected("disk_full", "no_core"), "C7");
    let fill = format!("{{ cat /dev/zero >'{}' 2>&-; true; }}", text(named.path().join("fill")));
    assert_eq!(mounted("size=64k", &fill).0, "disk_full", "C13");
    assert_eq!(mounted("size=64k", "true"), expected("canary_core_cut", "cut_core"), "C13");
    assert_eq!(mounted("size=64m", "true"), expected("", "core"));
}

#[test]
fn programs_that_are_given_cores() {
    let (folder, named) = (folder(), short_folder());
    let Some(guard) = pattern("|/bin/false") else { return };
    if !sees_receivers(folder.path()) {
        return;
    }
    expect(folder.path(), "true", "pattern_pipe_discard", "no_core"); // B1
    drop(guard);
    let handler = named.path().join("handler");
    let Some(guard) = pattern(&format!("|{} %p", text(&handler))) else { return };
    let expect = |script: &str, code: &str| expect(folder.path(), script, code, "no_core");
    expect("true", "pattern_pipe_missing"); // B14
    std::fs::write(&handler, "#!/nowhere/sh\n").unwrap();
    expect("true", "pattern_pipe_missing"); // B14: not executable
    std::fs::set_permissions(&handler, std::fs::Permissions::from_mode(0o755)).unwrap();
    expect("true", "pattern_pipe_interpreter_missing"); // B14
    std::fs::write(&handler, "#!/bin/sh\ncat >/dev/null\n").unwrap();
    expect("true", "pattern_pipe_unknown"); // B14
    if tools::have("prlimit") {
        expect("prlimit --pid $$ --core=1:1", "pattern_pipe_limit_one"); // B15
    }
    drop(guard);

    let systemd = Path::new("/usr/lib/systemd/systemd-coredump");
    if !systemd.exists() || Path::new("/run/systemd/coredump").exists() {
        return skipped("there is no systemd-coredump here that is not running");
    }
    let Some(_pattern) = pattern(&format!("|{} %P %u %g %s %t 9223372036854775808 %h", text(systemd))) else {
        return;
    };
    expect("true", "pattern_pipe_systemd_down"); // B5
}

#[test]
fn sockets_that_are_given_cores() {
    let (folder, named) = (folder(), short_folder());
    let modes = std::fs::read_to_string("/proc/sys/kernel/core_modes").unwrap_or_default();
    if !modes.contains("socket") {
        return skipped("this kernel sends no cores to sockets");
    }
    let socket = named.path().join("cores");
    let Some(_pattern) = pattern(&format!("@{}", text(&socket))) else { return };
    if !sees_receivers(folder.path()) {
        return;
    }
    let expect = |code: &str| expect(folder.path(), "true", code, "no_core");
    expect("pattern_socket_missing"); // B17
    let listener = UnixListener::bind(&socket).unwrap();
    let server = std::thread::spawn(move || {
        let (mut core, _) = listener.accept().unwrap();
        std::io::copy(&mut core, &mut std::io::sink()).unwrap()
    });
    expect("pattern_socket");
    assert!(server.join().unwrap() > 4096, "the server got the core");
    expect("pattern_socket_refused"); // B17: the file is there, the listener is gone
}

#[test]
fn the_shell_of_a_step_gets_its_limit_raised() {
    let Some(_pattern) = pattern("core.%p") else { return };
    let folder = folder();
    // The shell itself goes on after `doctor`, as that of a step does.
    let script = format!(
        "ulimit -S -c 0; cd '{}'; '{}' doctor --fix >&2; status=$?; ulimit -S -c; exit $status",
        text(folder.path()),
        text(program())
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let hard = Command::new("sh").args(["-c", "ulimit -H -c"]).output().unwrap();
    if hard.stdout != b"unlimited\n" {
        return skipped("the hard limit on core size is not unlimited");
    }
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_eq!(output.stdout, b"unlimited\n", "{told}");
    assert!(told.contains("raised the soft core size limit of process"), "{told}");
    assert!(told.contains("to take it back: prlimit --pid"), "{told}");
}

#[test]
fn what_cannot_be_mended_is_left_alone() {
    let Some(_pattern) = pattern("|/bin/false") else { return };
    let folder = folder();
    let answer = epitaph().within(folder.path()).args(["doctor", "--fix"]).run().code(1);
    answer.says(&["(pattern_pipe_discard)", "What to do: "]).tells(&["nothing was changed"]);
    assert_eq!(std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(), "|/bin/false\n");
}

#[test]
fn run_names_the_row_as_well() {
    let folder = folder();
    let tells = |command: &[&str], code: &str| {
        let Some(epitaph) = epitaph_alone() else {
            return skipped("others' crashes can't be kept out here (root, or a user namespace)");
        };
        let epitaph = epitaph.within(folder.path()).args(["run", "--out", "out", "--"]).args(command);
        let answer = epitaph.run();
        let told = answer.stderr();
        assert!(told.contains(&format!("({code})")), "{code}\n{answer}");
    };
    let Some(_pattern) = pattern("core.%p.%E") else { return };
    tells(&["sh", "-c", "kill -TERM $$"], "signal_without_core"); // D7
    tells(&["sh", "-c", "exit 139"], "child_crashed"); // D4
    tells(&["sh", "-c", "exit 134"], "child_crashed"); // D4
    let deep = folder.path().join("d".repeat(200)).join("e".repeat(60));
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::copy("/bin/sh", deep.join("sh")).unwrap();
    tells(&[&text(deep.join("sh")), "-c", "kill -SEGV $$"], "name_too_long"); // C9
}

#[test]
fn collect_proves_that_nothing_forbids_a_core() {
    let Some(_pattern) = pattern("core.%p") else { return };
    let Some(mut command) = alone_by(r#"ulimit -c unlimited && mount -t tmpfs none /tmp && exec "$0" "$@""#)
    else {
        return skipped("others' crashes can't be kept out here (root, or a user namespace)");
    };
    let folder = folder();
    plain_environment(&mut command).arg(program()).args(["collect", "--out", "out"]);
    let output = command.current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("a program that crashed here on purpose left one (nothing_found)"), "{said}");
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["out"], "the canary's core is gone");
}

#[test]
fn a_program_that_may_only_be_executed_leaves_no_core() {
    let named = short_folder();
    let Some(_pattern) = pattern(&text(named.path().join("out/core.%p"))) else { return };
    if !tools::have("setpriv") {
        return skipped("no setpriv");
    }
    if std::fs::read_to_string("/proc/sys/fs/suid_dumpable").unwrap_or_default().trim() != "0" {
        return skipped("fs.suid_dumpable is not 0");
    }
    let (ours, theirs, out) =
        (named.path().join("epitaph"), named.path().join("sh"), named.path().join("out"));
    std::fs::copy(program(), &ours).unwrap();
    std::fs::copy("/bin/sh", &theirs).unwrap();
    std::fs::create_dir(&out).unwrap();
    chown(&out, Some(65534), Some(65534)).unwrap();
    std::fs::set_permissions(&ours, std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = |mode| {
        std::fs::set_permissions(&theirs, std::fs::Permissions::from_mode(mode)).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&ours);
        command.args(["run", "--core", "none", "--out"]).arg(out.join("kept")).arg("--").arg(&theirs);
        let output = command.args(["-c", "kill -SEGV $$"]).current_dir(&out).output().unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let told = run(0o111);
    assert!(told.contains("(program_guarded)"), "C14: {told}");
    let told = run(0o555);
    assert!(!told.contains("without a core") && told.contains("SIGSEGV"), "{told}");
}

/// What the table says of a program that ended with this status on the host whose files are in `root`.
fn reason_after(root: &Path, program: &Path, status: i32) -> &'static str {
    let outcome = RunOutcome {
        exit: Exit::Code(status),
        core_dumped: false,
        pid: 1,
        session: 1,
        executable: Some(program.to_owned()),
        started: SystemTime::now(),
        set_back: Duration::ZERO,
        ended: SystemTime::now(),
        cwd: Some(root.to_owned()),
        core_limit: CoreLimit::UNLIMITED,
        orphans: Vec::new(),
        orphan_count: 0,
        dumps: Dumps::default(),
        timed_out: false,
        untraced: None,
        stderr: None,
    };
    explain(&Situation::of(&Host::at(root)).after_run(&outcome)).code
}

#[test]
fn programs_of_sanitizers_and_of_go_are_known_by_their_files() {
    let folder = folder();
    std::fs::create_dir_all(folder.path().join("proc/sys/kernel")).unwrap();
    std::fs::write(folder.path().join("proc/sys/kernel/core_pattern"), "core.%p").unwrap();
    let plain = Path::new("/bin/sh");
    assert_eq!(reason_after(folder.path(), plain, 1), "nothing_crashed");
    assert_eq!(reason_after(folder.path(), plain, 2), "nothing_crashed");
    if let Some(built) = or_skip(Built::of(program_named("go_stripped"))) {
        assert_eq!(reason_after(folder.path(), &built.exe, 2), "go_panic", "D2");
        assert_eq!(reason_after(folder.path(), &built.exe, 1), "nothing_crashed");
    }
    if !tools::have("gcc") {
        return skipped("no gcc");
    }
    let (source, exe) = (folder.path().join("a.c"), folder.path().join("a"));
    std::fs::write(&source, "int main(void) { return 0; }").unwrap();
    let mut gcc = Command::new("gcc");
    let built = gcc.args(["-fsanitize=address", "-o"]).arg(&exe).arg(&source).output().unwrap();
    if !built.status.success() {
        return skipped("gcc has no AddressSanitizer here");
    }
    assert_eq!(reason_after(folder.path(), &exe, 1), "sanitizer_exit", "D1");
    assert_eq!(reason_after(folder.path(), &exe, 3), "nothing_crashed");
}

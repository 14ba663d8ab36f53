use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::*;

/// Keeps tests that start processes, or change what they inherit, from meeting: `run` reaps every child.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_run(words: &[&str]) -> Result<RunOutcome, RunError> {
    let (program, arguments) = words.split_first().unwrap();
    run(&RunCommand::new(program, arguments), &RunOptions::default())
}

fn shell(script: &str) -> RunOutcome {
    try_run(&["sh", "-c", script]).unwrap()
}

/// A script to be run where `$0` is `folder`.
fn shell_in(folder: &Path, script: &str) -> RunOutcome {
    try_run(&["sh", "-c", script, folder.to_str().unwrap()]).unwrap()
}

/// Waits for `file` to appear, then does `act`.
fn once_there<T: Send + 'static>(
    file: PathBuf,
    act: impl FnOnce() -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    std::thread::spawn(move || {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !file.exists() {
            assert!(Instant::now() < deadline, "{} never appeared", file.display());
            std::thread::sleep(Duration::from_millis(5));
        }
        act()
    })
}

/// A line of this process's `/proc/self/status`.
fn status_line(status: &str, key: &str) -> String {
    status.lines().find(|line| line.starts_with(key)).unwrap().to_owned()
}

#[test]
fn the_status_is_the_commands_own() {
    let _one_at_a_time = alone();
    assert_eq!(shell("exit 7").exit, Exit::Code(7));
    let killed = shell("kill -KILL $$");
    assert_eq!((killed.exit, killed.exit.status()), (Exit::Signal(9), 137));
    assert_eq!(killed.crashed().count(), 0);
    assert_eq!(shell("sh -c 'kill -KILL $$'; exit $?").exit, Exit::Code(137));
}

#[test]
fn a_real_time_signal_is_a_status_too() {
    let _one_at_a_time = alone();
    assert_eq!(shell("kill -40 $$").exit, Exit::Signal(40));
}

#[test]
fn what_cannot_be_started_has_the_status_of_env() {
    let _one_at_a_time = alone();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let error = |program: &str| try_run(&[program]).unwrap_err();

    let missing = error("surely-no-such-program");
    assert_eq!(missing.status(), 127);
    assert!(missing.hint().unwrap().contains("PATH"));
    assert_eq!(missing.to_string(), "cannot run `surely-no-such-program`");

    let no_interpreter = error(&file("script", "#!/no/such/interpreter\n", 0o755));
    assert_eq!(no_interpreter.status(), 127);
    assert!(no_interpreter.hint().unwrap().contains("interpreter"));

    let plain = error(&file("plain", "echo\n", 0o644));
    assert_eq!(plain.status(), 126);
    assert!(plain.hint().unwrap().contains("chmod"));
    assert_eq!(error(folder.path().to_str().unwrap()).status(), 126);
    assert_eq!(error("with\0nul").status(), 125);
}

#[test]
fn a_script_without_a_first_line_is_given_to_the_shell() {
    use std::os::unix::fs::PermissionsExt as _;
    let _one_at_a_time = alone();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    std::fs::write(&script, "exit $1\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(try_run(&[script.to_str().unwrap(), "9"]).unwrap().exit, Exit::Code(9));
}

#[test]
fn the_command_gets_the_hard_limit_and_we_keep_ours() {
    let _one_at_a_time = alone();
    let folder = tempfile::tempdir().unwrap();
    let before = CoreLimit::current();
    let outcome = shell_in(folder.path(), r#"ulimit -c > "$0/soft"; ulimit -Hc > "$0/hard""#);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("soft"), read("hard"));
    assert_eq!(CoreLimit::current(), before);
    assert_eq!(outcome.core_limit, before.raised());

    let options = RunOptions { raise_core_limit: false, ..RunOptions::default() };
    let untouched = run(&RunCommand::new("true", [""; 0]), &options).unwrap();
    assert_eq!(untouched.core_limit, before);
}

#[test]
fn the_command_inherits_no_blocked_signals_and_no_handlers() {
    let _one_at_a_time = alone();
    let folder = tempfile::tempdir().unwrap();
    shell_in(folder.path(), r#"cat /proc/self/status > "$0/status""#);
    let status = std::fs::read_to_string(folder.path().join("status")).unwrap();
    let own = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    assert_eq!(status_line(&status, "SigBlk:"), status_line(&own, "SigBlk:"));
    assert_eq!(status_line(&status, "SigCgt:"), "SigCgt:\t0000000000000000");
}

#[test]
fn signals_are_passed_on() {
    let _one_at_a_time = alone();
    for (name, signal) in
        [("TERM", Signal::TERM), ("INT", Signal::INT), ("HUP", Signal::HUP), ("USR1", Signal::USR1)]
    {
        let folder = tempfile::tempdir().unwrap();
        let sender = once_there(folder.path().join("ready"), move || {
            rustix::process::kill_process(getpid(), signal).unwrap();
        });
        let script = format!(r#"trap 'exit 42' {name}; : > "$0/ready"; while :; do sleep 0.02; done"#);
        assert_eq!(shell_in(folder.path(), &script).exit, Exit::Code(42), "{name}");
        sender.join().unwrap();
    }
}

#[test]
fn a_signal_that_ends_the_command_is_its_status() {
    let _one_at_a_time = alone();
    let folder = tempfile::tempdir().unwrap();
    let sender = once_there(folder.path().join("ready"), || {
        rustix::process::kill_process(getpid(), Signal::TERM).unwrap();
    });
    let outcome = shell_in(folder.path(), r#": > "$0/ready"; exec sleep 60"#);
    assert_eq!(outcome.exit.status(), 143);
    sender.join().unwrap();
}

#[test]
fn what_the_command_sends_its_parent_does_not_come_back() {
    let _one_at_a_time = alone();
    assert_eq!(shell("trap 'exit 1' USR1; kill -USR1 $PPID; sleep 0.3; exit 0").exit, Exit::Code(0));
}

#[test]
fn only_what_runs_for_a_while_is_worth_preparing_for() {
    let _one_at_a_time = alone();
    let prepared = |script: &str, timeout: Option<Timeout>| {
        let mut stages = Vec::new();
        let options = RunOptions { timeout, ..RunOptions::default() };
        run_and(&RunCommand::new("sh", ["-c", script]), &options, |stage| stages.push(stage)).unwrap();
        assert_eq!(stages.remove(0), Stage::Started);
        stages
    };
    let timeout = Timeout { after: Duration::from_secs(60), folder: None };
    assert_eq!(prepared("sleep 0.3", None), [Stage::Lasting]);
    assert_eq!(prepared("sleep 0.3", Some(timeout)), [Stage::Lasting]);
    // On a busy machine, this may take a while as well.
    assert!((0..20).any(|_| prepared("exit 0", None).is_empty()));
}

#[test]
fn signals_are_passed_on_while_another_thread_watches() {
    let _one_at_a_time = alone();
    let folder = tempfile::tempdir().unwrap();
    let sender = once_there(folder.path().join("ready"), || {
        rustix::process::kill_process(getpid(), Signal::TERM).unwrap();
    });
    let timeout = Timeout { after: Duration::from_secs(60), folder: None };
    let options = RunOptions { timeout: Some(timeout), ..RunOptions::default() };
    let script = r#"trap 'exit 42' TERM; : > "$0/ready"; while :; do sleep 0.02; done"#;
    let words = ["-c", script, folder.path().to_str().unwrap()];
    assert_eq!(run(&RunCommand::new("sh", words), &options).unwrap().exit, Exit::Code(42));
    sender.join().unwrap();
}

#[test]
fn a_daemon_left_behind_is_not_waited_for() {
    let _one_at_a_time = alone();
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let outcome = shell_in(folder.path(), r#"sleep 60 & echo $! > "$0/pid"; exit 3"#);
    assert_eq!(outcome.exit, Exit::Code(3));
    assert!(started.elapsed() < Duration::from_secs(30));
    let pid: i32 = std::fs::read_to_string(folder.path().join("pid")).unwrap().trim().parse().unwrap();
    let pid = Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    // It is ours by adoption, so it is for us to reap.
    let (reaped, _) =
        rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).unwrap().unwrap();
    assert_eq!(reaped, pid);
}

#[test]
fn the_crash_of_an_orphan_is_seen() {
    let _one_at_a_time = alone();
    let folder = tempfile::tempdir().unwrap();
    // The inner shell ends first, so its child is adopted, and then aborts without leaving a core.
    let script = r#"cd "$0"; sh -c '(ulimit -c 0; sh -c "echo \$\$ > pid; sleep 0.1; kill -ABRT \$\$") &'; sleep 0.5; exit 0"#;
    let outcome = shell_in(folder.path(), script);
    let pid: u32 = std::fs::read_to_string(folder.path().join("pid")).unwrap().trim().parse().unwrap();
    assert_eq!(outcome.exit, Exit::Code(0));
    let crashed: Vec<Reaped> = outcome.crashed().collect();
    assert!(crashed.contains(&Reaped { pid, exit: Exit::Signal(6), core_dumped: false }), "{outcome:?}");
}

#[test]
fn the_program_and_its_folder_are_known_afterwards() {
    let _one_at_a_time = alone();
    let outcome = shell("exit 0");
    assert!(outcome.executable.unwrap().is_absolute());
    assert_eq!(outcome.cwd.as_deref(), std::env::current_dir().ok().as_deref());
    assert!(outcome.started <= outcome.ended);
}

#[test]
fn what_lies_beneath_the_root_is_not_the_commands() {
    let _one_at_a_time = alone();
    let mut outcome = shell("exit 0");
    let cwd = outcome.cwd.clone().unwrap();
    assert!(outcome.has_in_its_folder(&cwd.join("core")) && !outcome.has_in_its_folder("/core".as_ref()));
    for nowhere in [None, Some("/".into())] {
        outcome.cwd = nowhere;
        assert!(!outcome.has_in_its_folder("/core".as_ref()) && outcome.own_folder().is_none());
    }
}

/// Whoever runs a command may take its time over what that left.
#[test]
fn what_a_traced_command_leaves_behind_goes_on() {
    let _one_at_a_time = alone();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let starter = ["sh", "-c", r#"kill -STOP $$; exec "$@""#, "sh"].map(OsString::from).to_vec();
    let trace = Trace { starter, folder: folder.path().to_owned(), full_below: 0 };
    let script = format!(
        "cd '{}'; (while ! [ -e stop ]; do : >tick; sleep 0.01; done; : >stopped) & while ! [ -e tick ]; do :; done",
        folder.path().display()
    );
    let options = RunOptions { trace: Some(trace), ..RunOptions::default() };
    let outcome = run(&RunCommand::new("sh", ["-c", &script]), &options).unwrap();
    std::fs::remove_file(path("tick")).unwrap();
    let appears = |name: &str| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !path(name).exists() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        path(name).exists()
    };
    let goes_on = appears("tick");
    std::fs::write(path("stop"), "").unwrap();
    let goes_on = goes_on && appears("stopped");
    if outcome.untraced.is_some() {
        return epitaph_testkit::skip::skipped("processes can't be traced here");
    }
    assert!(goes_on);
    assert_eq!(outcome.exit, Exit::Code(0));
}

/// Set where a test that is a part of another one is to do its part.
const PART: &str = "EPITAPH_TEST_PART";

/// Starts this test program anew to do the part `name` alone; returns how that ended.
fn in_a_process_of_its_own(name: &str, prefix: &[&str]) -> std::process::ExitStatus {
    let this = std::env::current_exe().unwrap();
    let mut words: Vec<OsString> = prefix.iter().map(OsString::from).collect();
    words.push(this.into());
    let name = format!("run::tests::{name}");
    words.extend(["--exact", &name, "--test-threads=1"].map(OsString::from));
    let (program, arguments) = words.split_first().unwrap();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env(PART, "1")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    command.status().unwrap()
}

#[test]
fn signals_act_as_ever_after_a_run() {
    use std::os::unix::process::ExitStatusExt as _;
    let _one_at_a_time = alone();
    assert_eq!(in_a_process_of_its_own("part_interrupts_itself_after_a_run", &[]).signal(), Some(2));
}

#[test]
fn part_interrupts_itself_after_a_run() {
    if std::env::var_os(PART).is_none() {
        return;
    }
    shell("exit 0");
    shell("exit 0");
    rustix::process::kill_process(getpid(), Signal::INT).unwrap();
    std::thread::sleep(Duration::from_secs(20));
}

#[test]
fn what_nohup_ignores_stays_ignored() {
    let _one_at_a_time = alone();
    let ignoring = ["sh", "-c", r#"trap '' HUP; exec "$0" "$@""#];
    assert!(in_a_process_of_its_own("part_hangs_up_its_command", &ignoring).success());
}

#[test]
fn part_hangs_up_its_command() {
    if std::env::var_os(PART).is_none() {
        return;
    }
    assert_eq!(shell("kill -HUP $$; exit 5").exit, Exit::Code(5));
}

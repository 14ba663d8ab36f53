//! `epitaph run`: the command's own life is left as it is, and its crashes are collected.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use epitaph_testkit::crash::{Built, CoresHere, or_skip, program};
use epitaph_testkit::skip::skipped;
use serde_json::Value;
use tempfile::TempDir;

use crate::fixtures::{assert_chain, assert_consistent, functions, only_sealed, sealed, small_core};
use crate::support::{
    Epitaph, epitaph, epitaph_alone, folder, plain_environment, program as program_path, text,
};

/// A folder to run commands in, with a crashing program beside it.
struct Job {
    folder: TempDir,
    _here: CoresHere,
}

impl Job {
    /// Says why, and returns nothing, where this machine gives no cores.
    fn new() -> Option<Job> {
        let built = or_skip(Built::of(program("null_deref")))?;
        let folder = folder();
        let exe = folder.path().join("exe");
        fs::copy(&built.exe, &exe).unwrap();
        let work = folder.path().join("work");
        fs::create_dir(work).unwrap();
        Some(Job { folder, _here: or_skip(CoresHere::acquire())? })
    }

    fn exe(&self) -> PathBuf {
        self.folder.path().join("exe")
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// `epitaph run --out …` in the job's folder, to be followed by the command.
    fn run(&self) -> Epitaph {
        let epitaph = epitaph_alone().unwrap_or_else(epitaph);
        epitaph.within(self.folder.path().join("work")).arg("run").arg("--out").arg(self.out())
    }

    /// The summaries of crashes of this job's program that left cores: elsewhere on the machine, others may crash meanwhile.
    fn crashes(&self) -> Vec<Value> {
        let exe = text(self.exe());
        let is_ours = |summary: &Value| {
            summary["process"]["executable"] == *exe && summary["collection"]["collector"] != "kernel log"
        };
        sealed(&self.out()).into_values().filter(is_ours).collect()
    }
}

/// `epitaph run --out …` in `folder`, for commands that don't crash.
fn run_in(folder: &Path) -> Epitaph {
    epitaph().within(folder).args(["run", "--out", "out", "--"])
}

#[test]
fn the_status_is_the_commands_own() {
    let folder = folder();
    for (script, status) in
        [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -9 $$", 137), ("kill -15 $$", 143)]
    {
        run_in(folder.path()).args(["sh", "-c", script]).run().code(status);
    }
}

#[test]
fn a_command_that_cannot_be_started_ends_as_env_has_it() {
    let folder = folder();
    let answer = run_in(folder.path()).arg("no-such-program").run().code(127);
    answer.tells(&["error: cannot run `no-such-program`: ", "hint: it is in no folder of PATH"]);
    let plain = folder.path().join("plain");
    fs::write(&plain, "text").unwrap();
    let answer = run_in(folder.path()).arg(&plain).run().code(126);
    answer.tells(&[
        &format!("error: cannot run `{}`: Permission denied", text(&plain)),
        "hint: make it executable",
    ]);
    epitaph().args(["run", "--out", "out"]).run().code(2);
}

#[test]
fn a_crash_is_collected_and_its_status_passed_on() {
    let Some(job) = Job::new() else { return };
    let answer = job.run().arg("--").arg(job.exe()).run().code(139);
    assert_eq!(answer.stdout(), "", "{answer}");
    let crashes = job.crashes();
    assert_eq!(crashes.len(), 1, "{answer}");
    assert_chain(&functions(&crashes[0]), &["quantity_of", "price_of", "main"]);
    assert_eq!(crashes[0]["collection"]["command"], "run");
    assert_eq!(crashes[0]["collection"]["exit_status"], 139);
    assert_consistent(&job.out());
    answer.tells(&["exe died of SIGSEGV: ", "in quantity_of", "is kept as "]);
}

#[test]
fn the_limit_of_the_core_size_is_raised_for_the_command_alone() {
    let Some(job) = Job::new() else { return };
    let script = r#"ulimit -S -c 0; "$0" run --out "$1" -- sh -c 'ulimit -S -c'; ulimit -S -c"#;
    let mut shell = Command::new("sh");
    plain_environment(&mut shell).args(["-c", script]).arg(program_path()).arg(job.out());
    let output = shell.current_dir(job.folder.path().join("work")).output().unwrap();
    let limits = String::from_utf8(output.stdout).unwrap();
    assert!(!limits.starts_with("0\n") && limits.ends_with("\n0\n"), "{limits}");
}

#[test]
fn a_crash_behind_a_shell_gives_the_shells_status() {
    let Some(job) = Job::new() else { return };
    let script = format!("{}; exit $?", text(job.exe()));
    job.run().arg("--").args(["sh", "-c", &script]).run().code(139).tells(&["exe died of SIGSEGV"]);
    assert_eq!(job.crashes().len(), 1);
}

#[test]
fn a_crash_is_collected_where_the_sessions_leader_is_outside_of_the_container() {
    let Some(job) = Job::new() else { return };
    let namespace = ["--pid", "--fork", "--mount-proc"];
    let probe = Command::new("unshare").args(namespace).arg("true").output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        skipped("no PID namespace can be made here");
        return;
    }
    let mut command = Command::new("unshare");
    plain_environment(&mut command).args(namespace).arg(program_path());
    command.arg("run").arg("--out").arg(job.out()).arg("--").arg(job.exe());
    let output = command.current_dir(job.folder.path().join("work")).output().unwrap();
    assert_eq!(output.status.code(), Some(139), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(job.crashes().len(), 1);
}

#[test]
fn a_crash_that_the_command_hides_is_collected_too() {
    let Some(job) = Job::new() else { return };
    let script = format!("{}; true", text(job.exe()));
    let answer = job.run().arg("--").args(["sh", "-c", &script]).run().code(0);
    let crashes = job.crashes();
    assert_eq!(crashes.len(), 1, "{answer}");
    assert_eq!(crashes[0]["collection"]["exit_status"], 0);
    answer.tells(&["exe died of SIGSEGV", "in quantity_of"]);
}

#[test]
fn a_crash_changes_the_status_only_from_zero_and_on_demand() {
    let Some(job) = Job::new() else { return };
    let after = |end: &str| format!("{}; {end}", text(job.exe()));
    let run = |end: &str| job.run().arg("--fail-on-crash").args(["--", "sh", "-c", &after(end)]).run();
    run("true").code(3);
    run("exit 5").code(5);
    run("exit $?").code(139);
}

#[test]
fn without_a_crash_there_is_nothing_to_fail_for() {
    let folder = folder();
    let Some(epitaph) = epitaph_alone() else {
        return skipped("others' crashes can't be kept out here (root, or a user namespace)");
    };
    let out = folder.path().join("out");
    let epitaph = epitaph.within(folder.path()).args(["run", "--fail-on-crash", "--out", "out", "true"]);
    let answer = epitaph.run().code(0);
    assert_eq!((answer.stdout(), answer.stderr().as_str()), ("", ""), "{answer}");
    assert!(out.join("crashes").is_dir());
    assert_eq!(sealed(&out).len(), 0);
    assert_consistent(&out);
}

#[test]
fn standard_output_is_the_commands_alone() {
    let Some(job) = Job::new() else { return };
    let script = format!(r"printf 'a\0b\377\n\033[1m'; {}; printf 'end'", text(job.exe()));
    let answer = job.run().arg("--").args(["sh", "-c", &script]).run().code(0);
    assert_eq!(answer.raw_stdout(), b"a\0b\xff\n\x1b[1mend");
    answer.tells(&["exe died of SIGSEGV"]);
}

#[test]
fn standard_input_and_environment_are_the_commands() {
    let folder = folder();
    let answer =
        run_in(folder.path()).env("MARK", "x y").args(["sh", "-c", r#"cat; echo "$MARK $PWD""#]).run();
    let answer = answer.code(0);
    assert_eq!(answer.stdout(), format!("x y {}\n", text(folder.path())), "{answer}");
}

#[test]
fn arguments_with_hyphens_are_the_commands() {
    let folder = folder();
    let arguments = ["printf", "%s|", "--out", "x", "-h", "--", "--fail-on-crash"];
    let answer = run_in(folder.path()).args(arguments).run().code(0);
    assert_eq!(answer.stdout(), "--out|x|-h|--|--fail-on-crash|");
    let without_dashes = epitaph().within(folder.path()).args(["run", "--out", "out"]).args(arguments).run();
    assert_eq!(without_dashes.code(0).stdout(), "--out|x|-h|--|--fail-on-crash|");
    assert!(!folder.path().join("x").exists());
}

#[test]
fn a_signal_to_stop_reaches_the_command() {
    let folder = folder();
    let ready = folder.path().join("ready");
    let script = "trap 'echo stopping; exit 7' TERM; : >ready; while :; do sleep 0.02; done";
    let running = run_in(folder.path()).args(["sh", "-c", script]).start();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !ready.exists() {
        assert!(Instant::now() < deadline, "the command doesn't start");
        std::thread::sleep(Duration::from_millis(5));
    }
    let killed = Command::new("kill").args(["-TERM", &running.pid().to_string()]).status().unwrap();
    assert!(killed.success());
    let answer = running.finish().code(7);
    assert_eq!(answer.stdout(), "stopping\n", "{answer}");
}

#[test]
fn a_death_without_a_core_is_explained() {
    let Some(job) = Job::new() else { return };
    // The command gives up its own right to a core, which nobody can raise again.
    let script = r#"ulimit -c 0; exec "$0""#;
    let answer = job.run().args(["--", "sh", "-c", script]).arg(job.exe()).run().code(139);
    assert_eq!(job.crashes().len(), 0, "{answer}");
    answer.tells(&["warning: the command died without a core: ", "hint: "]);
}

#[test]
fn anothers_crash_does_not_hide_that_the_commands_own_left_no_core() {
    let Some(job) = Job::new() else { return };
    let other = job.folder.path().join("other");
    small_core(77, "other").write_to(&other).unwrap();
    let script = r#"cp "$1" core.77; ulimit -c 0; exec "$0""#;
    let answer = job.run().args(["--", "sh", "-c", script]).args([job.exe(), other]).run().code(139);
    answer.tells(&["other died of SIGSEGV", "warning: the command died without a core: "]);
}

#[test]
fn trouble_with_the_folder_changes_nothing_for_the_job() {
    let Some(job) = Job::new() else { return };
    fs::write(job.out(), "a file").unwrap();
    let script = format!("echo done; {}; exit 4", text(job.exe()));
    let answer = job.run().arg("--").args(["sh", "-c", &script]).run().code(4);
    assert_eq!(answer.stdout(), "done\n");
    answer.tells(&[&format!("{}: not a folder", text(job.out())), "exe died of SIGSEGV"]);
}

#[test]
fn a_second_run_keeps_the_first_ones_crash() {
    let Some(job) = Job::new() else { return };
    job.run().arg("--").arg(job.exe()).run().code(139);
    let first = job.crashes();
    job.run().arg("--").args(["sh", "-c", "rm core*; true"]).run().code(0);
    job.run().arg("--").arg(job.exe()).run().code(139);
    assert_eq!(job.crashes().len(), 2);
    assert!(job.crashes().contains(&first[0]));
    assert_consistent(&job.out());
}

#[test]
fn only_one_crash_is_kept_of_each_process() {
    let Some(job) = Job::new() else { return };
    job.run().arg("--").arg(job.exe()).run().code(139);
    let (id, _) = only_sealed_of(&job);
    epitaph().arg("collect").arg("--out").arg(job.out()).arg(job.folder.path().join("work")).run().code(0);
    assert_eq!(only_sealed_of(&job).0, id);
}

fn only_sealed_of(job: &Job) -> (String, Value) {
    let crashes = job.crashes();
    assert_eq!(crashes.len(), 1, "{crashes:#?}");
    if epitaph_alone().is_some() {
        return only_sealed(&job.out());
    }
    (text(crashes[0]["id"].as_str().unwrap()), crashes[0].clone())
}

/// Others crash on the same machine: a core beyond the command's own folder is its own only if its session is.
#[test]
fn cores_of_other_sessions_are_left_alone() {
    let Some(job) = Job::new() else { return };
    // Not alone: the folder has to be one of those that everybody's cores may be in.
    let elsewhere = tempfile::tempdir_in("/tmp").unwrap();
    let crash = |prefix: &str| {
        format!("cd '{}' && {prefix} '{}'; true", elsewhere.path().display(), job.exe().display())
    };
    let run = |script: String| {
        let run = epitaph().within(job.folder.path().join("work")).arg("run").arg("--out").arg(job.out());
        run.args(["--", "sh", "-c", &script]).run().code(0)
    };
    let answer = run(crash("setsid --wait"));
    assert!(answer.stderr().contains("of other sessions were left alone"), "{}", answer.stderr());
    assert_eq!(job.crashes().len(), 0);

    run(crash(""));
    assert_eq!(job.crashes().len(), 1);
}

/// A job whose stderr is a pipe, as in a CI system: what it says last is kept with the crash, and goes on unchanged.
#[test]
fn the_end_of_stderr_is_kept_on_demand() {
    let Some(job) = Job::new() else { return };
    // A daemon has the pipe open for longer than anybody waits.
    let script = r#"printf 'first\n\033[31msecret sesame-4f1d9c\033[0m\n::error::x\n[ RUN      ] Cart.Pays\n\377' >&2; sleep 30 >/dev/null & exec "$0""#;
    let started = Instant::now();
    let run = job.run().args(["--output-tail=4", "--", "sh", "-c", script]).arg(job.exe());
    let answer = run.env("DEPLOY_TOKEN", "sesame-4f1d9c").run().code(139);
    assert!(started.elapsed() < Duration::from_secs(25), "it ends with the command\n{answer}");
    let passed_on = b"first\n\x1b[31msecret sesame-4f1d9c\x1b[0m\n::error::x\n[ RUN      ] Cart.Pays\n\xff";
    assert!(answer.raw_stderr().starts_with(passed_on), "{answer}");
    let crashes = job.crashes();
    let lines = ["secret ***", "::error::x", "[ RUN      ] Cart.Pays", "\u{fffd}"];
    assert_eq!(crashes[0]["collection"]["output_tail"], serde_json::json!(lines), "{:#}", crashes[0]);
    assert_eq!(
        crashes[0]["test"],
        serde_json::json!({"name": "Cart.Pays", "framework": "gtest", "source": "output"})
    );
    for format in ["text", "markdown"] {
        let shown = epitaph().args(["report", "--format", format]).arg(job.out()).run().code(0);
        let shown = shown.says(&["The end of the command's stderr", "secret ***"]);
        assert!(!shown.stdout().lines().any(|line| line.starts_with("::error")) || format == "markdown");
    }
    assert_consistent(&job.out());
}

#[test]
fn nothing_of_stderr_is_kept_unless_it_is_asked_for() {
    let Some(job) = Job::new() else { return };
    job.run().args(["--", "sh", "-c", r#"echo no >&2; exec "$0""#]).arg(job.exe()).run().code(139);
    assert_eq!(job.crashes()[0]["collection"]["output_tail"], Value::Null);
    // A script without a first line, which the shell takes, writes there, too.
    let script = job.folder.path().join("script");
    fs::write(&script, "echo from a script >&2; exit 3").unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    job.run().args(["--output-tail", "--"]).arg(script).run().code(3).tells(&["from a script\n"]);
}

/// A command on a terminal keeps it.
#[test]
fn a_terminal_stays_the_commands() {
    let folder = folder();
    if !epitaph_testkit::tools::have("script") {
        return skipped("no script(1), so no terminal");
    }
    let mut script = Command::new("script");
    let command = format!("'{}' run --output-tail --out out -- sh -c 'test -t 2'", program_path().display());
    plain_environment(&mut script).args(["-qec", &command, "/dev/null"]).current_dir(folder.path());
    let output = script.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Starts epitaph by a shell, which prepares what it inherits and has it as `$0`, in `folder`.
fn prepared_by(folder: &Path, script: &str) -> std::process::Output {
    let mut shell = Command::new("sh");
    plain_environment(&mut shell).args(["-c", script]).arg(program_path()).current_dir(folder);
    shell.output().unwrap()
}

#[test]
fn a_limit_on_file_sizes_ends_only_what_it_is_for() {
    let folder = folder();
    let output =
        prepared_by(folder.path(), r#"ulimit -f 512; exec "$0" run --out out -- sh -c 'echo ran; exit 3'"#);
    assert_eq!((output.status.code(), &*output.stdout), (Some(3), &b"ran\n"[..]));
    // What the command itself writes ends it as ever.
    let script = r#"ulimit -f 1; exec "$0" run --out out -- sh -c 'head -c 9000 /dev/zero >big; exit $?'"#;
    let output = prepared_by(folder.path(), script);
    assert_eq!(output.status.code(), Some(153), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Whoever ignores SIGCHLD is not told how its children ended.
#[test]
fn the_status_is_the_commands_own_whatever_signals_are_ignored() {
    let folder = folder();
    for options in ["", "--timeout 60", "--capture ptrace"] {
        let script = format!(r#"trap '' CHLD; exec "$0" run {options} --out out -- sh -c 'exit 7'"#);
        let started = Instant::now();
        let output = prepared_by(folder.path(), &script);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{options}: {said}");
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}

#[test]
fn a_full_disk_behind_stderr_ends_no_command() {
    let folder = folder();
    let script = r#"exec "$0" run --output-tail --out out -- sh -c 'echo a >&2; sleep 0.1; echo b >&2; exit 5' 2>/dev/full"#;
    assert_eq!(prepared_by(folder.path(), script).status.code(), Some(5));
}

#[test]
fn an_earlier_commands_crash_is_none_of_the_next() {
    let Some(job) = Job::new() else { return };
    job.run().arg("--").arg(job.exe()).run().code(139);
    let answer = job.run().args(["--fail-on-crash", "--", "true"]).run().code(0);
    assert!(!answer.stderr().contains("died of SIGSEGV"), "{answer}");
    assert_eq!(job.crashes().len(), 1);
}

#[test]
fn a_crash_that_was_only_seen_is_told_and_counts() {
    let Some(job) = Job::new() else { return };
    // An orphan, whose end comes to us; the shell waits for it by the pipe that it holds.
    let script = r#"ulimit -c 0; (sh -c '"$0"; kill -SEGV $$' "$0" &) | cat; exit 0"#;
    let answer = job.run().args(["--fail-on-crash", "--", "sh", "-c", script]).arg(job.exe()).run().code(3);
    assert_eq!(job.crashes().len(), 0, "{answer}");
    answer.tells(&["warning: a process of the command died without a core: "]);
}

#[test]
fn a_folder_that_was_removed_is_nobodys() {
    let Some(job) = Job::new() else { return };
    let script = format!(
        r#"mkdir gone; cd gone; rmdir ../gone; exec "$0" run --out '{}' -- sh -c 'exit 4'"#,
        job.out().display()
    );
    let output = prepared_by(&job.folder.path().join("work"), &script);
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(sealed(&job.out()).len(), 0);
}

//! Filters of system calls (seccomp): what they kill is dumped all the same, and where they refuse ptrace, the command runs
//! as if nobody had wanted to trace it.

use std::process::Command;

use epitaph_testkit::crash::{CoresHere, or_skip};

use crate::fixtures::{assert_chain, assert_consistent, functions};
use crate::support::{plain_environment, program as program_path};
use crate::traced::Job;

#[test]
fn a_process_that_a_filter_kills_is_dumped_at_its_end() {
    let Some(job) = Job::with("filtered") else { return };
    for (mode, threads) in [("process", 1), ("threads", 5)] {
        let out = job.path().join("out");
        let _ = std::fs::remove_dir_all(&out);
        let script = format!(r#"ulimit -c 0; "$0" {mode}"#);
        let answer = job.script(&script).code(159);
        let dumped = job.dumped();
        assert_eq!(dumped.len(), 1, "{mode}: {answer}");
        let [crash] = &dumped[..] else { return };
        assert_chain(&functions(crash), &["ask_parent", if threads == 1 { "main" } else { "work" }]);
        assert_eq!(crash["threads"].as_array().unwrap().len(), threads, "{mode}: {answer}");
        assert_eq!(crash["cause"]["class"], "seccomp", "{mode}: {answer}");
        answer
            .tells(&["exe died of SIGSYS", "refused the system call getppid"])
            .hides(&["traced_not_dumped"]);
        assert_consistent(&out);
    }
}

#[test]
fn a_thread_that_a_filter_kills_alone_ends_nothing() {
    let Some(job) = Job::with("filtered") else { return };
    let answer = job.traced().arg("--").arg(job.exe()).arg("thread").run().code(7);
    assert_eq!(job.dumped().len(), 0, "{answer}");
}

/// The thread that waits for the child of its vfork doesn't stop meanwhile, so that nothing tells by that who lives.
#[test]
fn a_thread_that_a_filter_kills_beside_a_busy_one_is_not_its_process() {
    let Some(job) = Job::with("filtered") else { return };
    let answer = job.traced().arg("--").arg(job.exe()).arg("busy").run().code(139);
    let dumped = job.dumped();
    assert_eq!(dumped.len(), 1, "{answer}");
    assert_eq!(dumped[0]["signal"]["name"], "SIGSEGV", "{answer}");
    assert_chain(&functions(&dumped[0]), &["raise", "main"]);
}

/// Runs `epitaph run` where ptrace is refused with "operation not permitted", as by a container's filter, or by Yama.
fn run_where_ptrace_is_refused(job: &Job, options: &[&str], script: &str) -> (Option<i32>, String) {
    let mut command = Command::new(job.exe());
    command.arg("ptrace").arg(program_path()).args(["run", "--out", "out"]).args(options);
    command.args(["--", "sh", "-c", script]).arg(job.exe()).current_dir(job.path());
    let output = plain_environment(&mut command).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!told.contains("panicked"), "{told}");
    (output.status.code(), told)
}

#[test]
fn where_ptrace_is_refused_the_command_runs_untraced_and_that_is_said() {
    let Some(job) = Job::with("filtered") else { return };
    for (script, status) in [("exit 5", 5), ("exit 0", 0), ("kill -TERM $$", 143)] {
        let (code, told) = run_where_ptrace_is_refused(&job, &["--capture", "ptrace"], script);
        assert_eq!(code, Some(status), "{told}");
        assert!(told.contains("the command could not be traced"), "{told}");
        assert!(told.contains("Operation not permitted"), "{told}");
        assert!(told.contains("hint: a filter of system calls (seccomp) binds this process"), "{told}");
    }
    // By itself, it would trace what the kernel may write no cores of, while these go to files.
    let Some(_here) = or_skip(CoresHere::acquire()) else { return };
    let hard = r#"ulimit -H -c 0; exec "$0" ptrace "$1" run --out out -- "$0" process"#;
    let mut shell = Command::new("sh");
    shell.args(["-c", hard]).arg(job.exe()).arg(program_path()).current_dir(job.path());
    let output = plain_environment(&mut shell).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(159), "{told}");
    assert!(
        told.contains("the command could not be traced") && told.contains("died without a core"),
        "{told}"
    );
}

#[test]
fn where_ptrace_is_refused_a_timeout_still_ends_the_command() {
    let Some(job) = Job::with("filtered") else { return };
    let (code, told) =
        run_where_ptrace_is_refused(&job, &["--capture", "file", "--timeout", "300ms"], "sleep 60");
    assert_eq!(code, Some(124), "{told}");
    assert!(told.contains("took longer than 0.3 s and was ended; 0 of its processes were dumped"), "{told}");
}

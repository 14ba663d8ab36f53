//! `epitaph run --capture ptrace` and `--timeout`: cores that epitaph writes itself, and a job that goes on as if nobody
//! had been there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use epitaph_testkit::crash::{Built, or_skip, program};
use epitaph_testkit::need_tool;
use epitaph_testkit::scratch::Scratch;
use epitaph_testkit::skip::skipped;
use epitaph_testkit::tools;
use serde_json::Value;
use tempfile::TempDir;

use crate::fixtures::{assert_chain, assert_consistent, functions, sealed};
use crate::support::{Answer, folder, plain_environment, program as program_path, test_all, text};

/// How long something may take that should happen at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether cores of living processes can be written on this machine.
const CAN_DUMP: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));

/// A folder to run commands in.
pub(crate) struct Job {
    folder: TempDir,
}

impl Job {
    /// Says why, and returns nothing, where processes can't be traced or dumped.
    fn new() -> Option<Job> {
        if !CAN_DUMP {
            skipped("cores of living processes can't be written on this architecture");
            return None;
        }
        let job = Job { folder: folder() };
        let probe = job.traced().args(["--", "true"]).run().code(0);
        if probe.stderr().contains("could not be traced") {
            skipped("processes can't be traced here");
            return None;
        }
        Some(job)
    }

    /// A job with a program of the tests' beside it, as `exe`.
    pub(crate) fn with(name: &str) -> Option<Job> {
        let built = or_skip(Built::of(program(name)))?;
        let job = Job::new()?;
        // By another process: see `copy_files` of the testkit.
        let copied = Command::new("cp").arg("-p").arg(&built.exe).arg(job.exe()).status().unwrap();
        assert!(copied.success());
        Some(job)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn exe(&self) -> PathBuf {
        self.path().join("exe")
    }

    fn run(&self) -> crate::support::Epitaph {
        let epitaph = crate::support::epitaph_alone().unwrap_or_else(crate::support::epitaph);
        epitaph.within(self.path()).args(["run", "--out", "out"])
    }

    pub(crate) fn traced(&self) -> crate::support::Epitaph {
        self.run().args(["--capture", "ptrace"])
    }

    /// Runs a shell script, traced, with the program as `$0`.
    pub(crate) fn script(&self, script: &str) -> Answer {
        self.traced().args(["--", "sh", "-c", script]).arg(self.exe()).run()
    }

    fn crashes(&self) -> Vec<Value> {
        sealed(&self.path().join("out")).into_values().collect()
    }

    /// The crashes that were dumped while the process stood still.
    pub(crate) fn dumped(&self) -> Vec<Value> {
        self.crashes().into_iter().filter(|summary| summary["collection"]["source"] == "traced").collect()
    }
}

/// Waits until a file is there.
fn wait_for(path: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} never appeared", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_crash_behind_a_shell_is_dumped_where_the_kernel_may_write_nothing() {
    let Some(job) = Job::with("null_deref") else { return };
    let answer = job.script(r#"ulimit -c 0; "$0"; true"#).code(0);
    let dumped = job.dumped();
    assert_eq!((dumped.len(), job.crashes().len()), (1, 1), "{answer}");
    assert_chain(&functions(&dumped[0]), &["quantity_of", "price_of", "main"]);
    assert_eq!(dumped[0]["core"]["completeness"], "complete");
    answer.tells(&["exe died of SIGSEGV: ", "in quantity_of", "is kept as "]);
    assert_consistent(&job.path().join("out"));
}

#[test]
fn every_thread_is_dumped_with_its_name() {
    let Some(job) = Job::with("threads") else { return };
    job.traced().arg("--").arg(job.exe()).run().code(139);
    let dumped = job.dumped();
    let threads = dumped[0]["threads"].as_array().unwrap();
    assert_eq!(threads.len(), 9);
    assert!(threads.iter().all(|thread| thread["name"] == "exe"), "{threads:#?}");
    assert!(threads.iter().all(|thread| !thread["frames"].as_array().unwrap().is_empty()));
}

#[test]
fn the_status_is_the_commands_own() {
    let Some(job) = Job::new() else { return };
    for (script, status) in [
        ("exit 3", 3),
        ("kill -9 $$", 137),
        ("kill -TERM $$", 143),
        ("kill -40 $$", 168),
        ("ulimit -c 0; kill -ABRT $$", 134),
    ] {
        job.script(script).code(status);
    }
    let answer = job.traced().arg("no-such-program").run().code(127);
    answer.tells(&["error: cannot run `no-such-program`: ", "hint: it is in no folder of PATH"]);
    job.traced().arg(job.path()).run().code(126);
    let script = job.path().join("script");
    fs::write(&script, "exit $1\n").unwrap();
    assert!(Command::new("chmod").arg("+x").arg(&script).status().unwrap().success());
    job.traced().arg(&script).arg("9").run().code(9);
}

#[test]
fn signals_reach_the_command_and_its_handlers() {
    let Some(job) = Job::new() else { return };
    let answer = job.script("trap 'echo handled; exit 4' SEGV; kill -SEGV $$; sleep 5").code(4);
    assert_eq!(answer.stdout(), "handled\n");
    assert_eq!(job.dumped().len(), 0, "{answer}");

    let script = "trap 'exit 7' TERM; : >ready; while :; do sleep 0.02; done";
    let running = job.traced().args(["--", "sh", "-c", script]).start();
    wait_for(&job.path().join("ready"));
    assert!(Command::new("kill").args(["-TERM", &running.pid().to_string()]).status().unwrap().success());
    running.finish().code(7);
}

#[test]
fn what_job_control_stops_stays_stopped_until_it_is_continued() {
    let Some(job) = Job::new() else { return };
    let script = r#"
        sh -c 'while :; do echo; sleep 0.01; done >ticks' & child=$!
        while ! [ -s ticks ]; do sleep 0.01; done
        kill -STOP $child; sleep 0.2
        before=$(wc -c <ticks); sleep 0.3; [ "$before" = "$(wc -c <ticks)" ] || exit 1
        kill -CONT $child; sleep 0.3
        [ "$before" != "$(wc -c <ticks)" ] || exit 2
        kill -TERM $child; wait $child; exit $((100 + $? - 143))"#;
    job.script(script).code(100);
}

/// Programs that end in all ways at once, from processes that are not our children.
#[test]
fn many_crashes_at_once_are_all_dumped() {
    let Some(job) = Job::with("null_deref") else { return };
    let script = r#"ulimit -c 0; for i in 1 2 3 4 5 6; do "$0" & done; wait; (("$0" &) ; sleep 0.5); exit 0"#;
    let answer = job.script(script).code(0);
    assert_eq!(job.dumped().len(), 7, "{answer}");
}

/// One after the other, whose ends their parent waits for, and all at once; the last one crashes.
#[test]
fn thousands_of_forks_all_end_as_they_would() {
    let Some(job) = Job::with("null_deref") else { return };
    let forks = if test_all() { 5000 } else { 400 };
    let script = format!(
        r#"ulimit -c 0; ends=0; i=0
        while [ $i -lt {half} ]; do (exit 3); ends=$((ends + $?)); i=$((i + 1)); done
        [ $ends = {expected} ] || exit 1
        while [ $i -lt {forks} ]; do (exit 3) & i=$((i + 1)); done
        wait; (("$0" &) ; sleep 0.5); exit 7"#,
        half = forks / 2,
        expected = forks / 2 * 3,
    );
    let answer = job.script(&script).code(7);
    assert_eq!((job.dumped().len(), job.crashes().len()), (1, 1), "{answer}");
}

/// They are nowhere else.
#[test]
fn cores_beyond_the_limits_stay_where_they_were_written() {
    let Some(job) = Job::with("null_deref") else { return };
    let temporary = job.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    let script = r#"ulimit -c 0; "$0"; "$0"; "$0"; true"#;
    let run = job.traced().env("TMPDIR", &temporary).args(["--max-cores", "2"]);
    let answer = run.args(["--", "sh", "-c", script]).arg(job.exe()).run().code(0);
    assert_eq!(job.dumped().len(), 2, "{answer}");
    let answer = answer.tells(&["1 more crash was not kept", "cores that were not kept are left in "]);
    let left: Vec<String> = crate::support::files(&temporary).into_keys().collect();
    assert_eq!(left.len(), 1, "{left:?}\n{answer}");
    let shown = crate::support::epitaph().arg("show").arg(temporary.join(&left[0])).run().code(0);
    shown.says(&["exe died of SIGSEGV", "quantity_of"]);
}

#[test]
fn the_command_outlives_its_tracer() {
    let Some(job) = Job::new() else { return };
    let mut command = Command::new(program_path());
    plain_environment(&mut command).args(["run", "--capture", "ptrace", "--out", "out", "--", "sh", "-c"]);
    command.arg(": >ready; sleep 0.5; sh -c ': >alive'").current_dir(job.path());
    let mut tracer = command.spawn().unwrap();
    wait_for(&job.path().join("ready"));
    tracer.kill().unwrap();
    tracer.wait().unwrap();
    wait_for(&job.path().join("alive"));
}

#[test]
fn what_does_not_work_traced_is_let_alone() {
    let Some(job) = Job::with("null_deref") else { return };
    need_tool!("gdb", "gcc");
    let gdb = r#"ulimit -c 0; gdb -nx -batch -iex "set debuginfod enabled off" -ex run -ex bt "$0""#;
    let answer = job.script(gdb);
    assert!(answer.stdout().contains("in price_of"), "{answer}");
    assert_eq!(job.dumped().len(), 0, "{answer}");

    let scratch = Scratch::new();
    scratch.write("leak.c", "#include <stdlib.h>\nint main(void) { return !malloc(7); }\n");
    if let Err(said) = scratch.try_run("gcc -O0 -fsanitize=address -o leak leak.c") {
        return skipped(&said);
    }
    // Into the job's folder, for the job may not see the system's temporary files.
    let leak = job.path().join("leak");
    assert!(Command::new("cp").arg(scratch.path("leak")).arg(&leak).status().unwrap().success());
    let answer = job.traced().arg("--").arg(&leak).run();
    assert!(answer.stderr().contains("detected memory leaks"), "{answer}");
}

#[test]
fn nothing_is_collected_where_nothing_is_wanted() {
    let Some(job) = Job::with("null_deref") else { return };
    // Where neighbours can't be kept out, theirs may have been collected before.
    let before = job.crashes().len();
    let script = r#"ulimit -c 0; "$0""#;
    let answer =
        job.run().args(["--capture", "none", "--", "sh", "-c", script]).arg(job.exe()).run().code(139);
    assert_eq!(job.crashes().len(), before, "{answer}");
}

/// The processes of a job that hangs, each with a core, and what they wait for.
#[test]
fn a_command_that_takes_too_long_is_dumped_and_ended() {
    let Some(job) = Job::with("waits") else { return };
    for capture in ["file", "ptrace"] {
        let out = job.path().join("out");
        let _ = fs::remove_dir_all(&out);
        // Nobody may be left: neither the program nor the shell, which doesn't want to end.
        let script = r#"trap '' TERM; echo $$ >pid; "$0" ring 3 leave; exit 0"#;
        let started = Instant::now();
        let run = job.run().args(["--capture", capture, "--timeout", "1500ms", "--", "sh", "-c", script]);
        let answer = run.arg(job.exe()).run().code(124);
        assert!(started.elapsed() < Duration::from_secs(40));
        let dumped = job.dumped();
        assert_eq!(dumped.len(), 2, "{capture}: {answer}");
        answer
            .tells(&["took longer than 1.5 s and was ended; 2 of its processes", "Deadlock: 3 threads wait"]);
        let waits = dumped.iter().find(|summary| summary["process"]["name"] == "exe").unwrap();
        assert_eq!(waits["threads"].as_array().unwrap().len(), 4);
        assert_eq!(waits["collection"]["exit_status"], 124);
        assert_eq!(waits["core"]["content"], "slim");
        let pid = fs::read_to_string(job.path().join("pid")).unwrap();
        assert!(!Path::new("/proc").join(pid.trim()).exists(), "{capture}: the shell lives on");
        assert_consistent(&out);
    }
}

#[test]
fn a_command_that_is_in_time_is_left_alone() {
    let Some(job) = Job::new() else { return };
    let answer = job.run().args(["--timeout", "60", "--", "sh", "-c", "sleep 0.1; exit 5"]).run().code(5);
    assert_eq!(job.crashes().len(), 0, "{answer}");
    let left = fs::read_dir(job.path()).unwrap().count();
    assert_eq!(left, 1, "only the output folder is left: {}", text(job.path()));
}

/// What has stopped itself to be traced, and whose tracer dies before it comes to that, goes on.
#[test]
fn a_command_goes_on_where_its_tracer_dies_before_it_begins() {
    let Some(job) = Job::new() else { return };
    // The shell stands for the tracer.
    let script = r#"
        "$0" start-stopped $$ -- sh -c ': >alive' &
        while ! grep -q 'State:.T' /proc/$!/status; do sleep 0.01; done
        kill -KILL $$"#;
    let mut shell = Command::new("sh");
    plain_environment(&mut shell).args(["-c", script]).arg(program_path()).current_dir(job.path());
    assert_eq!(shell.status().unwrap().code(), None);
    wait_for(&job.path().join("alive"));

    // Whose tracer is gone already, nobody would continue.
    let mut alone = Command::new(program_path());
    plain_environment(&mut alone).args(["start-stopped", "1", "--", "sh", "-c", "exit 6"]);
    assert_eq!(alone.status().unwrap().code(), Some(6));
}

#[test]
fn a_time_limit_holds_where_nothing_can_be_dumped() {
    let Some(job) = Job::with("null_deref") else { return };
    let started = Instant::now();
    let run = job.run().env("TMPDIR", "/nowhere").args(["--timeout", "1s", "--", "sleep", "60"]);
    run.run().code(124);
    assert!(started.elapsed() < Duration::from_secs(40));
    // Beside the output folder there is room for what the system's temporary folder can't take.
    let traced = job.traced().env("TMPDIR", "/nowhere").arg("--").arg(job.exe()).run().code(139);
    assert!(!traced.stderr().contains("traced_not_dumped"), "{traced}");
    assert_eq!(
        job.dumped().iter().filter(|summary| summary["process"]["name"] == "exe").count(),
        1,
        "{traced}"
    );
}

#[test]
fn a_core_beyond_the_limit_on_file_sizes_costs_no_job() {
    let Some(job) = Job::with("null_deref") else { return };
    let script = r#"ulimit -f 8; exec "$0" run --capture ptrace --out out -- sh -c '"$0"; exit 4' "$1""#;
    let mut shell = Command::new("sh");
    plain_environment(&mut shell)
        .args(["-c", script])
        .arg(program_path())
        .arg(job.exe())
        .current_dir(job.path());
    assert_eq!(shell.output().unwrap().status.code(), Some(4));
}

/// A job with a program of this source beside it, as `exe`.
fn job_with_source(source: &str) -> Option<Job> {
    let job = Job::new()?;
    if !tools::have_or_skip(&["gcc"]) {
        return None;
    }
    let scratch = Scratch::new();
    scratch.write("main.c", source);
    scratch.run("gcc -g -pthread -o main main.c");
    // Into the job's folder, for the job may not see the system's temporary files.
    assert!(Command::new("cp").arg(scratch.path("main")).arg(job.exe()).status().unwrap().success());
    Some(job)
}

/// The kernel writes none either, and says nothing.
#[test]
fn a_process_that_turned_its_dumps_off_is_left_alone_and_told() {
    let source = "#include <signal.h>\n#include <sys/prctl.h>\n\
                  int main(void) { prctl(PR_SET_DUMPABLE, 0); return raise(SIGSEGV); }\n";
    let Some(job) = job_with_source(source) else { return };
    let answer = job.traced().arg("--").arg(job.exe()).run().code(139);
    assert_eq!(job.dumped().len(), 0, "{answer}");
    answer.tells(&["is not to be dumped: it asked for that, or changed its user"]);
}

/// Of a server's worker it is another thread than the first that dies, and that one may have ended.
#[test]
fn a_process_that_turned_its_dumps_off_is_left_alone_whichever_thread_dies() {
    const SOURCE: &str = "#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>
static void *crash(void *x) { usleep(50000); raise(SIGSEGV); return x; }
int main(int argc, char **argv) {
    pthread_t t;
    prctl(PR_SET_DUMPABLE, 0);
    pthread_create(&t, 0, crash, 0);
    if (argc > 1)
        pthread_exit(0);
    pthread_join(t, 0);
}
";
    let Some(job) = job_with_source(SOURCE) else { return };
    for first in ["waits", "ends"] {
        let exe = text(job.exe());
        let words: &[&str] = if first == "ends" { &[&exe, first] } else { &[&exe] };
        let answer = job.traced().arg("--").args(words).run().code(139);
        assert_eq!(job.dumped().len(), 0, "the first thread {first}: {answer}");
        answer.tells(&["is not to be dumped: it asked for that, or changed its user"]);
    }
}

/// As a server does that root started: the kernel writes no core of it (fs.suid_dumpable is 0).
#[test]
fn a_process_that_changed_its_user_is_left_alone_and_told() {
    if !rustix::process::geteuid().is_root() {
        skipped("only root changes its user");
        return;
    }
    let source = "#include <signal.h>\n#include <unistd.h>\n\
                  int main(void) { return setgid(65534) || setuid(65534) || raise(SIGSEGV); }\n";
    let Some(job) = job_with_source(source) else { return };
    let answer = job.traced().arg("--").arg(job.exe()).run().code(139);
    assert_eq!(job.dumped().len(), 0, "{answer}");
    answer.tells(&["is not to be dumped: it asked for that, or changed its user"]);
}

/// The memory is then to be had by the others alone.
#[test]
fn a_process_whose_first_thread_has_ended_is_dumped() {
    const SOURCE: &str = "#include <pthread.h>
#include <signal.h>
#include <unistd.h>
static void *crash(void *x) { usleep(50000); raise(SIGSEGV); return x; }
int main(void) { pthread_t t; pthread_create(&t, 0, crash, 0); pthread_exit(0); }
";
    let Some(job) = job_with_source(SOURCE) else { return };
    let answer = job.traced().arg("--").arg(job.exe()).run().code(139);
    let dumped = job.dumped();
    assert_eq!(dumped.len(), 1, "{answer}");
    assert_chain(&functions(&dumped[0]), &["raise", "crash"]);
    assert!(dumped[0]["process"]["command_line"].to_string().contains("exe"), "{:#}", dumped[0]["process"]);
}

/// The program is executed by another thread than the first; children crash before they execute anything.
#[test]
fn crashes_around_exec_are_dumped() {
    const SOURCE: &str = "#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static char **args;
static void *wait_for_ever(void *x) { for (;;) pause(); return x; }
static void *execute(void *x) { execl(args[0], args[0], \"crash\", (char *)0); return x; }
int main(int argc, char **argv) {
    pthread_t t;
    int status;
    if (argc > 1)
        return raise(SIGSEGV);
    if (vfork() == 0) {
        raise(SIGABRT);
        _exit(1);
    }
    wait(&status);
    args = argv;
    pthread_create(&t, 0, wait_for_ever, 0);
    pthread_create(&t, 0, execute, 0);
    wait_for_ever(0);
}
";
    let Some(job) = job_with_source(SOURCE) else { return };
    let answer = job.traced().arg("--").arg(job.exe()).run().code(139);
    let mut signals: Vec<String> =
        job.dumped().iter().map(|crash| crash["signal"]["name"].as_str().unwrap().to_owned()).collect();
    signals.sort();
    assert_eq!(signals, ["SIGABRT", "SIGSEGV"], "{answer}");
}

//! The measuring itself, with processes whose cost is known.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers stop it there and then")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use epitaph_bench::Sample;
use epitaph_bench::rounds::{Contestant, Outcome, Proof, Rounds, compete};
use epitaph_bench::run::{Ran, Runner, Task};
use epitaph_bench::tools::Tool;
use tempfile::TempDir;

fn runner(limit: Duration) -> (Runner, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let launcher = PathBuf::from(env!("CARGO_BIN_EXE_epitaph-bench"));
    (Runner::new(launcher, folder.path(), limit).unwrap(), folder)
}

fn patient() -> (Runner, TempDir) {
    runner(Duration::from_secs(60))
}

fn shell(script: &str) -> Task {
    let arguments = ["-c", script].map(Into::into).to_vec();
    Task { program: "/bin/sh".into(), arguments, ..Task::default() }
}

fn sample(runner: &Runner, task: &Task) -> Sample {
    match runner.run(task).unwrap() {
        Ran::Ended { sample, status: 0 } => sample,
        other => panic!("{other:?}: {}", runner.complaint().unwrap()),
    }
}

#[test]
fn memory_is_the_processs_own_and_not_of_one_before() {
    let (runner, _folder) = patient();
    let large = sample(&runner, &shell("exec dd if=/dev/zero of=/dev/null bs=64M count=1"));
    assert!((64e6..96e6).contains(&large.rss), "{large:?}");
    let small = sample(&runner, &shell(":"));
    assert!(small.rss < 16e6, "{small:?}");
}

#[test]
fn time_is_that_of_the_process_and_its_children() {
    let (runner, _folder) = patient();
    let idle = sample(&runner, &shell("sleep 0.2"));
    assert!(idle.wall >= 0.2 && idle.cpu < 0.15, "{idle:?}");
    let busy = sample(&runner, &shell("sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'"));
    assert!(busy.cpu > 0.02 && busy.cpu > 5.0 * idle.cpu, "{busy:?}, {idle:?}");
}

#[test]
fn what_takes_too_long_is_killed_with_all_it_started() {
    let (runner, folder) = runner(Duration::from_millis(300));
    let begin = Instant::now();
    let task = shell("(sleep 2; touch late) & sleep 60");
    assert_eq!(runner.run(&task).unwrap(), Ran::TimedOut);
    assert!(begin.elapsed() < Duration::from_secs(30));
    std::thread::sleep(Duration::from_millis(2500));
    assert!(!folder.path().join("late").exists());
}

#[test]
fn a_file_comes_through_a_pipe_and_what_was_made_before_goes() {
    let (runner, folder) = patient();
    let (input, made) = (folder.path().join("input"), folder.path().join("made"));
    std::fs::write(&input, "four").unwrap();
    let task = Task {
        piped: Some(input),
        makes: Some(made.clone()),
        ..shell("test -p /dev/stdin && test ! -e made && mkdir made && cat >made/it")
    };
    for _ in 0..2 {
        sample(&runner, &task);
        assert_eq!(std::fs::read(made.join("it")).unwrap(), b"four");
    }
}

#[test]
fn a_program_that_isnt_there_is_an_error_that_names_it() {
    let (runner, _folder) = patient();
    let task = Task { program: "/nowhere/tool".into(), ..Task::default() };
    let error = runner.run(&task).unwrap_err().to_string();
    assert!(error.contains("/nowhere/tool"), "{error}");
}

fn outcome(task: Option<Task>, says: &'static [&'static str], proof: Option<Proof>) -> Outcome {
    let (runner, _folder) = patient();
    let contestant = Contestant { tool: Tool::Gdb, task, says, proof };
    let rounds = Rounds { count: 3, patience: Duration::from_secs(60) };
    let standings = compete(&runner, &[contestant], rounds, &mut std::io::sink()).unwrap();
    standings.into_iter().next().unwrap().outcome
}

#[test]
fn only_what_does_its_job_is_measured() {
    let says = &["in spoil", "main"];
    let measured = outcome(Some(shell("echo '#0 in spoil'; echo '#1 in main'")), says, None);
    assert!(matches!(measured, Outcome::Measured(figures) if figures.runs == 3), "{measured:?}");
    let wrong = outcome(Some(shell("echo '#0 in spoil'")), says, None);
    assert_eq!(wrong, Outcome::Failed("main is not in its output".to_owned()));
    let failed = outcome(Some(shell("echo 'error: no such option' >&2; echo hint >&2; exit 2")), says, None);
    assert_eq!(failed, Outcome::Failed("status 2: error: no such option".to_owned()));
    let proof = Proof { script: "test -s \"$1\"", arguments: vec!["/dev/null".into()] };
    let unproved = outcome(Some(shell(":")), &[], Some(proof));
    assert!(matches!(unproved, Outcome::Failed(why) if why.starts_with("what it made is wrong")));
    assert_eq!(outcome(None, says, None), Outcome::Missing);
}

#[test]
fn a_slow_tool_has_fewer_turns() {
    let (runner, _folder) = patient();
    let slow = Contestant { tool: Tool::Gdb, task: Some(shell("sleep 0.2")), says: &[], proof: None };
    let rounds = Rounds { count: 4, patience: Duration::from_millis(300) };
    let standings = compete(&runner, &[slow], rounds, &mut std::io::sink()).unwrap();
    let runs = standings[0].figures().unwrap().runs;
    assert!((1..4).contains(&runs), "{runs}");
}

//! `epitaph run` and what decides whether and where there is a core: sanitizers, language runtimes, the core pattern.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use epitaph_testkit::crash::{Built, CoresHere, PatternGuard, or_skip, program};
use epitaph_testkit::need_tool;
use epitaph_testkit::skip::skipped;
use serde_json::Value;
use tempfile::TempDir;

use crate::fixtures::{functions, sealed};
use crate::support::{Answer, Epitaph, epitaph, folder, plain_environment, program as program_path, text};

/// A write beyond a block of the heap, which only a sanitizer notices.
const OVERFLOW: &str = "#include <stdlib.h>
int main(int argc, char **argv) { char *block = malloc(8); block[8 + argc] = **argv; free(block); return 0; }
";

/// `epitaph run --out OUT` in `work`.
fn run_in(work: &Path, out: &Path) -> Epitaph {
    epitaph().within(work).arg("run").arg("--out").arg(out)
}

/// The crashes of a program.
fn crashes_of(out: &Path, exe: &Path) -> Vec<Value> {
    sealed(out).into_values().filter(|summary| summary["process"]["executable"] == text(exe)).collect()
}

/// Builds a program with AddressSanitizer; nothing where this compiler has none.
fn with_sanitizer(compiler: &str, folder: &Path) -> Option<PathBuf> {
    let (source, exe) = (folder.join("overflow.c"), folder.join("exe"));
    fs::write(&source, OVERFLOW).unwrap();
    let mut build = Command::new(compiler);
    let built = build.args(["-g", "-fsanitize=address", "-o"]).arg(&exe).arg(&source).output().unwrap();
    if !built.status.success() {
        skipped(&format!("{compiler} builds no program with AddressSanitizer"));
        return None;
    }
    Some(exe)
}

/// Checks that the reason for there being no core is told; where a neighbour of the same session crashed meanwhile, there is
/// one.
fn says_why(answer: Answer, reason: &str) -> Answer {
    if answer.stderr().contains(" died of SIG") {
        return answer;
    }
    answer.tells(&[reason, "epitaph run --runtime-options"])
}

#[test]
fn a_sanitizers_report_leaves_a_core() {
    for compiler in ["gcc", "clang"] {
        need_tool!(compiler);
        let Some(_here) = or_skip(CoresHere::acquire()) else { return };
        let folder = folder();
        let Some(exe) = with_sanitizer(compiler, folder.path()) else { continue };
        let work = folder.path().join("work");
        fs::create_dir(&work).unwrap();
        let run = |out: &str| run_in(&work, &folder.path().join(out));

        let plain = |answer: Answer, out: &str| {
            assert_eq!(crashes_of(&folder.path().join(out), &exe).len(), 0, "{answer}");
        };
        let told = run("plain").arg("--").arg(&exe).run().code(1);
        let told = says_why(told, "(sanitizer_exit)");
        plain(told, "plain");
        // What somebody has decided stays as it is.
        let decided = run("decided")
            .env("ASAN_OPTIONS", "abort_on_error=0")
            .args(["--runtime-options", "--"])
            .arg(&exe);
        plain(decided.run().code(1), "decided");

        let asked = run("out").env("ASAN_OPTIONS", "exitcode=9").args(["--runtime-options", "--"]).arg(&exe);
        let answer = asked.run().code(134);
        let crashes = crashes_of(&folder.path().join("out"), &exe);
        assert_eq!(crashes.len(), 1, "{answer}");
        let class = crashes[0]["cause"]["class"].as_str().unwrap_or_default();
        assert!(class.starts_with("sanitizer"), "{class}\n{answer}");
        assert!(functions(&crashes[0]).contains(&"main".to_owned()), "{answer}");
    }
}

#[test]
fn a_go_program_leaves_a_core() {
    need_tool!("go");
    let Some(_here) = or_skip(CoresHere::acquire()) else { return };
    let folder = folder();
    let (work, exe) = (folder.path().join("work"), folder.path().join("exe"));
    fs::create_dir(&work).unwrap();
    let source = folder.path().join("main.go");
    fs::write(&source, "package main\n\nfunc main() { panic(\"enough\") }\n").unwrap();
    let built = Command::new("go").args(["build", "-o"]).arg(&exe).arg(&source).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let run = |out: &str| run_in(&work, &folder.path().join(out));
    says_why(run("plain").arg("--").arg(&exe).run().code(2), "(go_panic)");
    assert_eq!(crashes_of(&folder.path().join("plain"), &exe).len(), 0);
    run("single").env("GOTRACEBACK", "single").args(["--runtime-options", "--"]).arg(&exe).run().code(2);
    let answer = run("out").args(["--runtime-options", "--"]).arg(&exe).run().code(134);
    assert_eq!(crashes_of(&folder.path().join("out"), &exe).len(), 1, "{answer}");
}

/// A job in whose tree there is much to look through, under an absolute core pattern.
struct Absolute {
    folder: TempDir,
    cores: TempDir,
    exe: PathBuf,
    _pattern: PatternGuard,
}

impl Absolute {
    fn new() -> Option<Absolute> {
        let built = or_skip(Built::of(program("null_deref")))?;
        // Short: a pattern has 127 bytes.
        let cores = tempfile::tempdir_in("/tmp").unwrap();
        let pattern = match PatternGuard::set(&format!("{}/core.%p", cores.path().display())) {
            Ok(pattern) => pattern,
            Err(error) => {
                skipped(&format!("the core pattern can't be set: {error}"));
                return None;
            }
        };
        let folder = folder();
        let exe = folder.path().join("exe");
        fs::copy(&built.exe, &exe).unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        Some(Absolute { folder, cores, exe, _pattern: pattern })
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn run(&self, script: &str) -> Epitaph {
        let run = run_in(&self.work(), &self.folder.path().join("out"));
        run.args(["--", "sh", "-c", script]).arg(&self.exe)
    }

    fn crashes(&self) -> Vec<Value> {
        crashes_of(&self.folder.path().join("out"), &self.exe)
    }
}

#[test]
fn under_an_absolute_pattern_hidden_crashes_are_found_where_it_leads() {
    let Some(job) = Absolute::new() else { return };
    // What lies elsewhere in the job's tree is not looked at.
    crate::fixtures::small_core(77, "elsewhere").write_to(&job.work().join("core.77")).unwrap();
    let answer = job.run(r#""$0"; cp core.77 core.78; exit 0"#).run().code(0);
    assert_eq!(job.crashes().len(), 1, "{answer}");
    assert!(!answer.stderr().contains("elsewhere"), "{answer}");
    assert_eq!(fs::read_dir(job.cores.path()).unwrap().count(), 1, "the core stays");
}

#[test]
fn a_command_that_died_without_a_core_there_is_searched_for_everywhere() {
    let Some(job) = Absolute::new() else { return };
    let elsewhere = crate::fixtures::small_core(77, "elsewhere");
    elsewhere.write_to(&job.folder.path().join("given")).unwrap();
    let answer = job.run(r#"cp ../given core.77; ulimit -c 0; exec "$0""#).run().code(139);
    answer.tells(&["elsewhere died of SIGSEGV", "warning: the command died without a core: "]);
}

#[test]
fn the_search_has_a_budget_and_says_what_it_skipped() {
    let Some(_here) = or_skip(CoresHere::acquire()) else { return };
    let (work, out) = (folder(), folder());
    let run = |budget: &str| run_in(work.path(), out.path()).args(["--search-budget", budget, "--", "true"]);
    let answer = run("1ns").run().code(0);
    let told = format!("warning: there was no time to look for cores (to the end) in {}", text(work.path()));
    assert!(answer.stderr().contains(&told), "{answer}");
    run("1min").run().code(0).hides(&["there was no time"]);
}

/// Whether a crash here would leave a core is read from the kernel's settings, and no canary is sent to prove it: no process
/// is started before a command, nor after one that is well, and no thread but the one that passes signals on. There is
/// nothing to remember from one command to the next.
#[test]
fn a_command_costs_no_canary() {
    let Some(_here) = or_skip(CoresHere::acquire()) else { return };
    let folder = folder();
    // The shell is the first process of its PID namespace, epitaph the second.
    let script = r#""$0" run --out out -- sh -c 'echo $$'; sh -c 'echo $$'; :"#;
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--pid", "--fork", "sh", "-c", script]).arg(program_path());
    let output = plain_environment(&mut command).current_dir(folder.path()).output().unwrap();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return skipped(&format!("there can be no PID namespace here: {said}"));
    }
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(["3\n4\n", "4\n5\n"].contains(&&*told), "{output:?}");
}

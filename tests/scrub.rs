//! No secret leaves the machine: in a CI system, what is kept of a core has none, and still tells the same story.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use epitaph_testkit::crash::{Built, CoresHere, Crash, or_skip, program, without_core_limit};
use epitaph_testkit::debuggers::{EU_STACK, GDB};
use epitaph_testkit::{gdb, need_tool};
use memchr::memmem;
use serde_json::Value;
use tempfile::TempDir;

use crate::fixtures::{assert_chain, assert_consistent, functions, only_sealed, place_core};
use crate::support::{Answer, Epitaph, epitaph, files, folder, plain_environment, text};

/// The program's own token; backwards, it is the secret that the program makes.
const TOKEN: &str = "tkn-4f1d9cQ2x/7Zs+pWm8Lr3";
/// A variable that the program unsets.
const UNSET: &str = "unset-93be07AkQyTn";
/// After `--password`.
const PASSWORD: &str = "hunter2-hunter2-pw";
/// After `--api-key=`.
const API_KEY: &str = "key-55e0c1bd7f2a";
/// A variable whose name says nothing: it is of the environment all the same.
const PLAIN: &str = "plain-0b6a44e1";
/// Too short to be looked for elsewhere.
const PIN: &str = "PIN_KEY=8421";

fn made_by_the_program() -> String {
    TOKEN.chars().rev().collect()
}

/// A crash of `secrets.c`, with all of them.
struct Planted {
    exe: PathBuf,
    core: PathBuf,
    _dir: TempDir,
}

fn planted() -> Option<Planted> {
    let built = or_skip(Built::of(program("secrets")))?;
    let _here = or_skip(CoresHere::acquire())?;
    let mut command = without_core_limit(&built.exe);
    plain_environment(&mut command).current_dir(&built.work);
    command.env("DEPLOY_TOKEN", TOKEN).env("UNSET_SECRET", UNSET).env("NOTE", PLAIN).env("PIN_KEY", "8421");
    // The kernel keeps 80 bytes of them, which ends within one of these.
    command.args([
        "--password",
        PASSWORD,
        &format!("--api-key={API_KEY}"),
        &format!("--url=ci:{TOKEN}@host"),
    ]);
    assert!(!command.output().unwrap().status.success());
    let core = fs::read_dir(&built.work).unwrap().next().unwrap().unwrap().path();
    Some(Planted { exe: built.exe, core, _dir: built.dir })
}

/// `epitaph collect` of the planted crash, in CircleCI.
fn in_ci(planted: &Planted, out: &Path) -> Epitaph {
    let collect = epitaph().env("CI", "true").env("CIRCLECI", "true");
    collect.arg("collect").arg("--out").arg(out).arg(&planted.core)
}

/// Returns the bytes of every file below a folder, unpacked.
fn artifacts(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let unpacked = |(name, bytes): (String, Vec<u8>)| {
        let packed = Path::new(&name).extension().is_some_and(|extension| extension == "zst");
        if !packed {
            return (name, bytes);
        }
        let zstd = Command::new("zstd").arg("-dcq").arg(out.join(&name)).output().unwrap();
        assert!(zstd.status.success(), "{name}");
        (name, zstd.stdout)
    };
    files(out).into_iter().map(unpacked).collect()
}

/// Tells which secrets are in which files, as text or as UTF-16.
fn found(artifacts: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let whole = [TOKEN, &made_by_the_program(), UNSET, PASSWORD, API_KEY, PLAIN, PIN].map(str::to_owned);
    let mut found = Vec::new();
    for secret in whole {
        let wide: Vec<u8> = secret.bytes().flat_map(|byte| [byte, 0]).collect();
        for (name, bytes) in artifacts {
            for form in [secret.as_bytes(), &wide] {
                if memmem::find(bytes, form).is_some() {
                    found.push(format!("{secret} in {name}"));
                }
            }
        }
    }
    found
}

/// Takes the sealed core out of an output folder, and what gdb says of it.
fn stacks(planted: &Planted, core: &Path) -> Value {
    serde_json::to_value(gdb::backtrace(&planted.exe, core, 100).unwrap()).unwrap()
}

fn unpacked_core(out: &Path, id: &str, to: &TempDir) -> PathBuf {
    let core = to.path().join("core");
    let bytes = artifacts(out).remove(&format!("crashes/{id}/core.zst")).unwrap();
    fs::write(&core, bytes).unwrap();
    core
}

#[test]
fn in_a_ci_system_no_secret_is_kept_and_gdb_tells_the_same() {
    need_tool!("zstd");
    need_tool!("gdb");
    let Some(planted) = planted() else { return };
    let out = folder();
    let answer = in_ci(&planted, out.path()).run().code(0);
    assert_consistent(out.path());
    let (id, summary) = only_sealed(out.path());
    let core = &summary["core"];
    assert_eq!((&core["content"], &core["scrubbed"]), (&"slim".into(), &true.into()), "{core}");
    assert_eq!(core["size"].as_u64(), Some(fs::metadata(&planted.core).unwrap().len()));
    assert_eq!(core["slim"]["original_size"], core["size"]);
    assert!(core["slim"]["dropped_bytes"].as_u64().unwrap() > 8 << 20, "{core}");
    assert_chain(&functions(&summary), &["abort", "give_up", "handle", "main"]);
    let answer = answer.tells(&["secrets overwritten"]);

    assert_eq!(found(&artifacts(out.path())), Vec::<String>::new());
    for secret in [TOKEN, PASSWORD, API_KEY, UNSET] {
        assert!(!answer.stdout().contains(secret) && !answer.stderr().contains(secret), "{answer}");
    }
    let to = folder();
    let kept = unpacked_core(out.path(), &id, &to);
    assert_eq!(stacks(&planted, &kept), stacks(&planted, &planted.core));
    // Halves of a secret on both sides of a border of pages count too.
    let bytes = fs::read(kept).unwrap();
    for half in [&TOKEN[8..], &made_by_the_program()[8..]] {
        assert_eq!(memmem::find(&bytes, half.as_bytes()), None, "{half}");
    }
}

/// The same search finds them where they are kept: otherwise it would prove nothing.
#[test]
fn the_search_for_secrets_can_find_them() {
    need_tool!("zstd");
    let Some(planted) = planted() else { return };
    let all = [TOKEN, &made_by_the_program(), UNSET, PASSWORD, API_KEY, PLAIN, PIN].map(str::to_owned);
    for options in [&["--core", "full"][..], &["--core", "slim", "--scrub", "never"]] {
        let out = folder();
        in_ci(&planted, out.path()).args(options).run().code(0);
        let found = found(&artifacts(out.path()));
        for secret in &all {
            let of_core =
                found.iter().any(|found| found.starts_with(secret.as_str()) && found.ends_with("core.zst"));
            assert!(of_core, "{options:?}: {secret} is not among {found:?}");
        }
        let (_, summary) = only_sealed(out.path());
        assert_eq!(summary["core"]["scrubbed"], false);
    }
}

#[test]
fn a_whole_core_is_scrubbed_on_demand() {
    need_tool!("zstd");
    need_tool!("gdb");
    let Some(planted) = planted() else { return };
    let out = folder();
    let collect = epitaph().arg("collect").arg("--out").arg(out.path()).arg(&planted.core);
    collect.args(["--core", "full", "--scrub", "always"]).run().code(0);
    let (id, summary) = only_sealed(out.path());
    assert_eq!((&summary["core"]["content"], &summary["core"]["scrubbed"]), (&"full".into(), &true.into()));
    assert_eq!(found(&artifacts(out.path())), Vec::<String>::new());
    let to = folder();
    let kept = unpacked_core(out.path(), &id, &to);
    assert_eq!(fs::metadata(&kept).unwrap().len(), fs::metadata(&planted.core).unwrap().len());
    assert_eq!(stacks(&planted, &kept), stacks(&planted, &planted.core));
}

#[test]
fn a_slim_core_is_scrubbed_on_demand() {
    let Some(planted) = planted() else { return };
    let out = folder();
    for (variables, options, secrets) in
        [(&[][..], &[][..], true), (&[], &["--scrub", "always"], false), (&[("CI", "1")], &[], false)]
    {
        let core = out.path().join("core");
        let mut slim = epitaph().arg("slim").arg(&planted.core).arg("-o").arg(&core).args(options);
        for (name, value) in variables {
            slim = slim.env(name, value);
        }
        slim.run().code(0);
        let bytes = BTreeMap::from([("core".to_owned(), fs::read(&core).unwrap())]);
        assert_eq!(!found(&bytes).is_empty(), secrets, "{options:?}");
    }
}

/// Of programs without secrets, debuggers print the very same, registers and libraries too.
#[test]
fn debuggers_lose_nothing_by_scrubbing() {
    for name in ["threads", "plugin", "cxx_exception", "inlined_static"] {
        let Some(crash) = Crash::of_or_skip(program(name)) else { continue };
        let scrubbed = crash.core.with_file_name("scrubbed");
        let slim = epitaph().arg("slim").arg(&crash.core).arg("-o").arg(&scrubbed);
        slim.args(["--scrub", "always"]).run().code(0).tells(&["secrets overwritten"]);
        for debugger in [GDB, EU_STACK] {
            let [before, after] = [&crash.core, &scrubbed].map(|core| debugger.ask(&crash.exe, core));
            assert_eq!(before, after, "{name} in {}", debugger.program);
        }
    }
}

#[track_caller]
fn content(out: &Path) -> (String, bool) {
    let (_, summary) = only_sealed(out);
    let core = &summary["core"];
    (core["content"].as_str().unwrap().to_owned(), core["scrubbed"].as_bool().unwrap())
}

fn collect(job: &Path, out: &Path, options: &[&str]) -> Epitaph {
    epitaph().arg("collect").arg("--out").arg(out).arg(job).args(options)
}

#[test]
fn a_large_core_is_kept_slim_and_a_small_one_whole() {
    let job = folder();
    place_core(&job.path().join("core"), 1001);
    for (options, kept) in [
        (&[][..], "full"),
        (&["--slim-above", "1000"], "slim"),
        (&["--core", "slim"], "slim"),
        (&["--core", "full", "--slim-above", "0"], "full"),
    ] {
        let out = folder();
        collect(job.path(), out.path(), options).run().code(0);
        assert_eq!(content(out.path()), (kept.to_owned(), false), "{options:?}");
        assert_consistent(out.path());
    }
}

#[test]
fn the_original_of_a_slim_core_is_not_removed() {
    let job = folder();
    let core = job.path().join("core");
    place_core(&core, 1001);
    for options in [&["--core", "slim"][..], &["--core", "full", "--scrub", "always"]] {
        let out = folder();
        let answer = collect(job.path(), out.path(), options).arg("--remove").run().code(0);
        assert!(core.is_file(), "{answer}");
        answer.tells(&["not removed: it holds more than its copy", "hint: with --core full"]);
    }
}

#[test]
fn a_crash_is_the_same_however_it_is_kept() {
    let (job, out) = (folder(), folder());
    place_core(&job.path().join("core"), 1001);
    let known = |answer: Answer| answer.tells(&["0 new, 1 known, 0 failed"]);
    collect(job.path(), out.path(), &["--core", "slim"]).run().code(0);
    let before = files(out.path());
    let told = "kept before, and not whole: it stays as it is";
    known(collect(job.path(), out.path(), &[]).run().code(0)).hides(&[told]);
    known(collect(job.path(), out.path(), &["--core", "full"]).run().code(0))
        .tells(&[told, "hint: remove that folder"]);
    assert!(files(out.path()) == before);
}

/// What can't be read can't be scrubbed: in a CI system it is not kept, unless somebody says so.
#[test]
fn a_core_that_cannot_be_read_does_not_leave_a_ci_system() {
    let job = folder();
    let core = job.path().join("core");
    place_core(&core, 1001);
    let bytes = fs::read(&core).unwrap();
    fs::write(&core, &bytes[..100]).unwrap();
    let collected = |ci: bool, options: &[&str]| {
        let out = folder();
        let collect = collect(job.path(), out.path(), options);
        let answer = if ci { collect.env("CI", "true") } else { collect }.run().code(0);
        let (_, summary) = only_sealed(out.path());
        assert_consistent(out.path());
        (summary["core"]["file"].is_string(), answer)
    };
    let (kept, answer) = collected(true, &[]);
    assert!(!kept, "{answer}");
    answer.tells(&[&format!("the original stays at {}, and --core full keeps it as it is", text(&core))]);
    assert_eq!(fs::read(&core).unwrap(), &bytes[..100]);
    for (ci, options, expected) in [
        (true, &["--core", "full"][..], true),
        (true, &["--core", "slim", "--scrub", "never"], false),
        (false, &[], true),
        (false, &["--core", "slim"], true),
        (false, &["--scrub", "always"], false),
    ] {
        let (kept, answer) = collected(ci, options);
        assert_eq!(kept, expected, "{options:?} {answer}");
    }
}

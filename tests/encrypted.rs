//! Cores that only their recipients can read: made by `collect`, `run` and `push`, read by the stock `age`, and by `show` and
//! `pull` with the key.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use epitaph_testkit::crash::{Crash, program};
use epitaph_testkit::skip::skipped;
use epitaph_testkit::tools;
use tempfile::TempDir;

use crate::support::{Answer, epitaph, files, folder, text};

/// A pair of keys that `age-keygen` made.
pub(crate) struct Keys {
    pub(crate) public: String,
    file: PathBuf,
    _folder: TempDir,
}

/// Makes a pair of keys; `None`, said aloud, where there is no `age`.
pub(crate) fn keys() -> Option<Keys> {
    if !tools::have("age") || !tools::have("age-keygen") {
        skipped("there is no age: whether it decrypts what is encrypted is not known");
        return None;
    }
    let folder = folder();
    let file = folder.path().join("key.txt");
    tool("age-keygen", &["-o", &text(&file)]);
    let public = tool("age-keygen", &["-y", &text(&file)]);
    Some(Keys { public: public.trim().to_owned(), file, _folder: folder })
}

/// Runs a stock tool, and returns what it prints.
fn tool(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Decrypts a file with the stock `age`.
pub(crate) fn decrypt(keys: &Keys, encrypted: &Path, target: &Path) {
    tool("age", &["-d", "-i", &text(&keys.file), "-o", &text(target), &text(encrypted)]);
}

fn shown(path: &Path, options: &[&str]) -> Answer {
    epitaph().args(["show", "--threads", "crashed"]).args(options).arg(path).run()
}

/// The only crash in an output folder.
fn crash_in(out: &Path) -> PathBuf {
    let mut crashes = fs::read_dir(out.join("crashes")).unwrap();
    crashes.next().unwrap().unwrap().path()
}

#[test]
fn a_collected_core_is_read_by_its_recipients_alone() {
    let (Some(keys), Some(crash)) = (keys(), Crash::of_or_skip(program("null_deref"))) else { return };
    let (out, desk) = (folder(), folder());
    let collect = epitaph().args(["collect", "--core", "full", "--encrypt", &keys.public, "--out"]);
    let answer = collect.arg(out.path()).arg(&crash.core).env("CI", "true").run().code(0);
    answer.tells(&["(encrypted)"]).hides(&["secrets included"]);
    let place = crash_in(out.path());
    let core = place.join("core.zst.age");
    assert!(!place.join("core.zst").exists());
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(place.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["core"]["encryption"], "age");

    // The stock tools give back what the kernel wrote.
    let packed = desk.path().join("core.zst");
    decrypt(&keys, &core, &packed);
    tool("zstd", &["-dq", &text(&packed)]);
    assert!(fs::read(desk.path().join("core")).unwrap() == fs::read(&crash.core).unwrap());

    // Without the key, the story that was kept is told, and what to do.
    let answer = shown(out.path(), &[]).code(0);
    answer.tells(&["core.zst.age: it is encrypted", "--identity FILE"]).says(&["SIGSEGV"]);
    let alone = desk.path().join("a core");
    fs::copy(&core, &alone).unwrap();
    shown(&alone, &[]).code(1).tells(&["error: ", "it is encrypted", "--identity FILE"]);
    // With it, the core itself is read.
    let key = text(&keys.file);
    let identity = ["--identity", key.as_str()];
    shown(&alone, &identity).code(0).says(&["died of SIGSEGV", "price_of"]).hides(&["encrypted"]);
    shown(out.path(), &identity).code(0).hides(&["encrypted"]);
    let slim = desk.path().join("slim");
    epitaph().arg("slim").args(identity).arg(&alone).arg("-o").arg(&slim).run().code(0);
    shown(&slim, &[]).code(0).says(&["died of SIGSEGV", "price_of"]);

    // Another's key is no key.
    let others = self::keys().unwrap();
    shown(&alone, &["--identity", &text(&others.file)])
        .code(1)
        .tells(&["none of the given keys decrypts it"]);
    // Collected once more, it stays as it is.
    let again = epitaph().args(["collect", "--encrypt", &keys.public, "--out"]).arg(out.path());
    again.arg(&crash.core).run().code(0).tells(&["0 new, 1 known"]);
}

#[test]
fn a_pushed_core_leaves_encrypted_and_comes_back() {
    let (Some(keys), Some(crash)) = (keys(), Crash::of_or_skip(program("null_deref"))) else { return };
    let (out, store, state, desk) = (folder(), folder(), folder(), folder());
    epitaph().args(["collect", "--out"]).arg(out.path()).arg(&crash.core).run().code(0);
    let team = out.path().parent().unwrap().join("team.txt");
    fs::write(&team, format!("# the team\n{}\n", keys.public)).unwrap();
    let push = epitaph().args(["push", "--destination", "up", "--encrypt", &format!("@{}", text(&team))]);
    let push = push.arg("--state").arg(state.path()).args([out.path(), &crash.core]);
    push.arg(format!("file://{}", text(store.path()))).run().code(0);
    fs::remove_file(team).unwrap();
    assert_eq!(files(&state.path().join("encrypted")).len(), 0, "nothing is left behind");

    let pull =
        |options: &[&str]| epitaph().arg("pull").args(options).arg(store.path()).arg(desk.path()).run();
    pull(&[]).code(0);
    let place = crash_in(&desk.path().join("up"));
    let loose = desk.path().join("up").join(crash.core.file_name().unwrap());
    assert!(place.join("core.zst.age").is_file() && !place.join("core.zst").exists() && !loose.exists());
    shown(&desk.path().join("up"), &[]).tells(&["core.zst.age: it is encrypted"]).says(&["SIGSEGV"]);
    for _ in 0..2 {
        let answer = pull(&["--identity", &text(&keys.file)]).code(0);
        answer.tells(&["0 files copied", "2 cores were decrypted"]);
    }
    assert!(fs::read(&loose).unwrap() == fs::read(&crash.core).unwrap());
    let kept = crash_in(out.path()).join("core.zst");
    assert!(fs::read(place.join("core.zst")).unwrap() == fs::read(kept).unwrap());
    shown(&desk.path().join("up"), &[]).code(0).hides(&["encrypted"]);
}

#[test]
fn what_is_no_public_key_keeps_everything_here() {
    let (source, out) = (folder(), folder());
    let private = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ";
    let told = |answer: Answer, status: i32| {
        let answer = answer.code(status).tells(&["--encrypt: a private key of age"]);
        assert!(!(answer.stderr() + answer.stdout()).contains("QQQQ"), "{answer}");
    };
    let store = out.path().join("store");
    told(epitaph().args(["push", "--encrypt", private]).arg(source.path()).arg(&store).run(), 2);
    told(epitaph().args(["collect", "--out"]).arg(&store).env("EPITAPH_ENCRYPT", private).run(), 2);
    told(epitaph().args(["run", "--out"]).arg(&store).args(["--encrypt", private, "true"]).run(), 125);
    assert!(!store.exists());
    let missing = epitaph().args(["push", "--encrypt", "@nobody.txt"]).arg(source.path()).arg(&store).run();
    missing.code(2).tells(&["nobody.txt: cannot be read"]);
}

//! Cores that only their recipients can read: made by `collect`, `run` and `push`, read by the stock `age`, and by `show` and
//! `pull` with the key.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
    for report in ["summary.md", "index.html"] {
        let told = fs::read_to_string(out.path().join(report)).unwrap();
        assert!(told.contains("encrypted: needs the key"), "{report}: {told}");
    }

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
    shown(out.path(), &identity).code(0).says(&["encrypted: needs the key"]).hides(&["it is encrypted"]);
    // A file may come by redirection. A pipe can't be read at random, and what to do then is told.
    let from_file = fs::File::open(&core).unwrap();
    let answer = epitaph().arg("show").args(identity).arg("-").stdin(from_file).run().code(0);
    answer.says(&["died of SIGSEGV", "price_of"]);
    let mut cat = Command::new("cat").arg(&core).stdout(Stdio::piped()).spawn().unwrap();
    let piped = epitaph().arg("show").args(identity).arg("-").stdin(cat.stdout.take().unwrap()).run();
    piped.code(1).tells(&["it is encrypted, and comes through a pipe", "age -d"]).hides(&["--identity"]);
    cat.wait().unwrap();
    // Where all files lie in one folder, a core that was decrypted by hand is still that of its summary.
    let heap = desk.path().join("heap");
    fs::create_dir(&heap).unwrap();
    fs::copy(place.join("summary.json"), heap.join("summary.json")).unwrap();
    fs::copy(&core, heap.join("core.zst.age")).unwrap();
    decrypt(&keys, &core, &heap.join("core.zst"));
    let answer = epitaph().args(["show", "--json"]).arg(&heap).run().code(0);
    assert_eq!(answer.stdout().lines().count(), 1, "{answer}");
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
    // What is beside it speaks of what was sent.
    let json = |path: PathBuf| serde_json::from_slice::<serde_json::Value>(&fs::read(path).unwrap()).unwrap();
    let core = json(place.join("summary.json"))["core"].clone();
    let size = |path: &Path| path.metadata().unwrap().len();
    assert!(core["file"].as_str().unwrap().ends_with("/core.zst.age"), "{core:#}");
    assert_eq!(
        (&core["stored_size"], &core["encryption"]),
        (&size(&place.join("core.zst.age")).into(), &"age".into())
    );
    let list = fs::read_to_string(desk.path().join("up/crashes.jsonl")).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&list).unwrap()["core"], core);
    let manifest = json(desk.path().join("up/manifest.json"));
    for file in manifest["files"].as_array().unwrap() {
        let path = desk.path().join("up").join(file["path"].as_str().unwrap());
        let sum = tool("sha256sum", &[&text(&path)]);
        assert_eq!(
            (&file["size"], file["sha256"].as_str()),
            (&size(&path).into(), sum.split(' ').next()),
            "{file}"
        );
    }
    shown(&desk.path().join("up"), &[]).tells(&["core.zst.age: it is encrypted"]).says(&["SIGSEGV"]);
    for _ in 0..2 {
        let answer = pull(&["--identity", &text(&keys.file)]).code(0);
        answer.tells(&["0 files copied", "2 cores were decrypted"]);
    }
    assert!(fs::read(&loose).unwrap() == fs::read(&crash.core).unwrap());
    let kept = crash_in(out.path()).join("core.zst");
    assert!(fs::read(place.join("core.zst")).unwrap() == fs::read(kept).unwrap());
    shown(&desk.path().join("up"), &[]).code(0).hides(&["it is encrypted"]);
}

#[test]
fn what_no_pull_wrote_is_neither_replaced_nor_decrypted() {
    let (Some(keys), Some(others)) = (keys(), keys()) else { return };
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let (source, store, state, desk) = (folder(), folder(), folder(), folder());
    let seal = |keys: &Keys, from: &Path, to: &Path| {
        tool("age", &["-r", &keys.public, "-o", &text(to), &text(from)]);
    };
    for name in ["Makefile.age", "core.age", "fine.age"] {
        seal(&keys, &crash.core, &source.path().join(name));
    }
    fs::write(source.path().join("plain"), "secret: 1").unwrap();
    seal(&others, &source.path().join("plain"), &source.path().join("secrets.yaml.age"));
    let push = epitaph().args(["push", "--destination", "."]).arg("--state").arg(state.path());
    push.arg(source.path()).arg(format!("file://{}", text(store.path()))).run().code(0);

    // A checkout: nothing in it is a pull's, whatever a job's artifacts are called.
    let at = |name: &str| desk.path().join(name);
    fs::write(at("Makefile"), "all:\n").unwrap();
    fs::write(at("core"), vec![b'x'; usize::try_from(crash.core.metadata().unwrap().len()).unwrap()])
        .unwrap();
    seal(&keys, &crash.core, &at("mine.age"));
    seal(&others, &crash.core, &at("core.theirs.age"));
    let mine = fs::read(at("core")).unwrap();
    let pull = || {
        let key = text(&keys.file);
        epitaph().args(["pull", "--identity", &key]).arg(store.path()).arg(desk.path()).run()
    };
    for name in ["Makefile", "core"] {
        let taken = format!("something else is there as {}", text(at(name)));
        pull().code(1).tells(&[&taken, "1 cores were decrypted"]).hides(&["mine", "theirs"]);
    }
    assert_eq!(fs::read_to_string(at("Makefile")).unwrap(), "all:\n");
    assert!(fs::read(at("core")).unwrap() == mine);
    assert!(fs::read(at("fine")).unwrap() == fs::read(&crash.core).unwrap());
    assert!(!at("mine").exists());
    fs::remove_file(at("Makefile")).unwrap();
    fs::remove_file(at("core")).unwrap();
    // What is for others and no core, as far as is known, is no failure.
    pull().code(0).tells(&["secrets.yaml.age: none of the given keys", "3 cores were decrypted"]);
    assert!(fs::read(at("Makefile")).unwrap() == fs::read(&crash.core).unwrap());
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

//! `epitaph push --spool` and `--resume`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use serde_json::json;

use super::fault::Fault;
use super::proxy::{Act, Proxy};
use super::{Server, fill, manifests};
use crate::support::{Answer, epitaph, files, folder, text};

/// A store that can't be reached: a file stands where its folder should be.
fn unreachable(folder: &Path) -> String {
    fs::write(folder.join("file"), "").unwrap();
    text(folder.join("file/store"))
}

fn push(source: &Path, spool: &Path, store: &str) -> Answer {
    epitaph().args(["push", "--destination=up", "--job=j", "--spool"]).arg(spool).arg(source).arg(store).run()
}

fn resume(spool: &Path) -> Answer {
    epitaph().args(["push", "--resume", "--spool"]).arg(spool).run()
}

/// The names of pushes in a spool.
fn waiting(spool: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(spool).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "uploads");
    names.sort();
    names
}

#[test]
fn a_push_outlives_its_workspace() {
    let (source, place) = (folder(), folder());
    let spool = place.path().join("spool");
    fill(source.path(), 100_000);
    let expected = files(source.path());
    let store = unreachable(place.path());
    let answer = push(source.path(), &spool, &store).code(1);
    answer.tells(&["error: ", "2 files of this push are kept in ", "hint: `epitaph push --resume --spool "]);
    assert_eq!(waiting(&spool).len(), 1);
    let kept = spool.join(&waiting(&spool)[0]);
    for (path, mode) in [(&spool, 0o700), (&kept, 0o700), (&kept.join("push.json"), 0o600)] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
    }
    drop(source);
    // The store stays out of reach, and then it is there.
    resume(&spool).code(1).tells(&["error: ", "1 have failed, and wait for the next --resume"]);
    fs::remove_file(place.path().join("file")).unwrap();
    resume(&spool).code(0).tells(&["2 artifacts (", "as job j of local", "1 pushes of the spool "]);
    assert_eq!(waiting(&spool), [""; 0]);
    let back = folder();
    epitaph().args(["pull", &store]).arg(back.path()).run().code(0);
    assert_eq!(files(&back.path().join("up")), expected);
    resume(&spool).code(0).tells(&["0 pushes of the spool "]);
    assert_eq!(manifests(&files(Path::new(&store))).len(), 1);
}

#[test]
fn a_push_that_arrives_leaves_nothing() {
    let (source, place) = (folder(), folder());
    fill(source.path(), 1000);
    let (spool, store) = (place.path().join("spool"), place.path().join("store"));
    push(source.path(), &spool, &text(&store)).code(0);
    assert_eq!(waiting(&spool), [""; 0]);
    assert_eq!(fs::metadata(source.path().join("crashes/x1/core.zst")).unwrap().nlink(), 1);
    assert_eq!(manifests(&files(&store)).len(), 1);
}

#[test]
fn the_oldest_push_goes_first_and_each_keeps_its_job() {
    let (source, place) = (folder(), folder());
    let (spool, store) = (place.path().join("spool"), unreachable(place.path()));
    for job in ["1", "2", "3"] {
        fs::write(source.path().join("log"), job).unwrap();
        let push = epitaph().args(["push", "--destination=up", "--job", job, "--spool"]).arg(&spool);
        push.arg(source.path()).arg(&store).run().code(1);
        // The file is written anew, as programs do, and not in place.
        fs::remove_file(source.path().join("log")).unwrap();
    }
    fs::remove_file(place.path().join("file")).unwrap();
    let told = resume(&spool).code(0).stderr();
    let at = |job: &str| told.find(&format!("as job {job} of")).unwrap_or_else(|| panic!("{told}"));
    assert!(at("1") < at("2") && at("2") < at("3"), "{told}");
    for job in ["1", "2", "3"] {
        let back = folder();
        epitaph().args(["pull", "--job", job, &store]).arg(back.path()).run().code(0);
        assert_eq!(fs::read_to_string(back.path().join("up/log")).unwrap(), job);
    }
}

#[test]
fn what_does_not_fit_is_pushed_without_the_spool() {
    let (source, place) = (folder(), folder());
    fill(source.path(), 100_000);
    let (spool, store) = (place.path().join("spool"), place.path().join("store"));
    let push =
        || epitaph().args(["push", "--spool-quota", "50000", "--spool"]).arg(&spool).arg(source.path());
    push().arg(&store).run().code(0).tells(&["warning: this push is not spooled: the spool ", "hint: "]);
    assert_eq!(manifests(&files(&store)).len(), 1);
    assert_eq!(waiting(&spool), [""; 0]);
    // One that others may write to is not used either.
    fs::set_permissions(&spool, fs::Permissions::from_mode(0o777)).unwrap();
    push().arg(&store).run().code(0).tells(&["other users may write there"]);
    resume(&spool).code(1).tells(&["error: the spool ", "other users may write there", "hint: "]);
}

#[test]
fn only_a_store_that_is_named_gets_the_login() {
    let (source, place) = (folder(), folder());
    fill(source.path(), 1000);
    let spool = place.path().join("spool");
    // Nobody listens there.
    let (ours, theirs) = ("http://127.0.0.1:9/ours/", "http://127.0.0.1:9/theirs/");
    for url in [ours, theirs] {
        let push =
            epitaph().args(["push", "--attempts=1", "--spool"]).arg(&spool).arg(source.path()).arg(url);
        push.run().code(1);
    }
    let all = resume_with_token(&spool, &[]).code(1).hides(&["sesame"]);
    all.tells(&[
        "would get the login of EPITAPH_HTTP_*",
        "name the store: epitaph push --resume http://127.0.0.1:9/",
        "2 have failed",
    ]);
    let one = resume_with_token(&spool, &[ours]).code(1).hides(&["sesame", "would get"]);
    one.tells(&["1 have failed", "1 go to other stores"]);
    // However it is written.
    let record = spool.join(waiting(&spool).remove(0)).join("push.json");
    fs::write(&record, fs::read_to_string(&record).unwrap().replace("http://", "HTTP://")).unwrap();
    resume_with_token(&spool, &[])
        .code(1)
        .tells(&["HTTP://127.0.0.1:9/ours", "2 have failed"])
        .hides(&["refused"]);
    let kept: String =
        files(&spool).values().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
    assert!(!kept.contains("sesame"));
}

fn resume_with_token(spool: &Path, url: &[&str]) -> Answer {
    let resume = epitaph().args(["push", "--resume", "--attempts=1", "--spool"]).arg(spool).args(url);
    resume.env("EPITAPH_HTTP_TOKEN", "sesame").run()
}

#[test]
fn a_crafted_spool_sends_nothing_from_elsewhere() {
    let (source, place, elsewhere) = (folder(), folder(), folder());
    fs::write(elsewhere.path().join("secret"), "precious").unwrap();
    fs::write(source.path().join("log"), "harmless").unwrap();
    let (spool, store) = (place.path().join("spool"), unreachable(place.path()));
    push(source.path(), &spool, &store).code(1);
    fs::remove_file(place.path().join("file")).unwrap();
    let name = waiting(&spool).remove(0);
    let entry = spool.join(&name);
    // Another push is a link, one has no record that can be read, and one is only named like a push.
    symlink(elsewhere.path(), spool.join("20200101T000000.000000Z-00000000")).unwrap();
    fs::create_dir(spool.join("20200101T000000.000000Z-00000001")).unwrap();
    fs::write(spool.join("20200101T000000.000000Z-00000001/push.json"), "{\"schema\":").unwrap();
    fs::create_dir(spool.join("../20200101T000000.000000Z-00000002")).unwrap();
    // The file is a link, and the record names the other file.
    fs::remove_file(entry.join("0")).unwrap();
    symlink(elsewhere.path().join("secret"), entry.join("0")).unwrap();
    let mut record: serde_json::Value =
        serde_json::from_slice(&fs::read(entry.join("push.json")).unwrap()).unwrap();
    record["files"][0]["source"] = json!(elsewhere.path().join("secret"));
    record["files"]
        .as_array_mut()
        .unwrap()
        .push(json!({"path": "../../x", "source": "../secret", "size": 1}));
    fs::write(entry.join("push.json"), record.to_string()).unwrap();
    let answer = resume(&spool).code(1);
    answer.tells(&["is not a regular file", "bad record of a spooled push", "3 have failed"]);
    assert_eq!(files(Path::new(&store)).into_keys().collect::<Vec<_>>(), [""; 0]);
    assert_eq!(fs::read_to_string(elsewhere.path().join("secret")).unwrap(), "precious");
    assert_eq!(files(elsewhere.path()).len(), 1);
}

#[test]
fn resuming_without_a_spool_is_told_how() {
    let answer = epitaph().args(["push", "--resume"]).run().code(1);
    answer.tells(&[
        "error: no spool is named",
        "--spool or EPITAPH_PUSH_SPOOL",
        "when its command is given again",
    ]);
    let (source, store) = (folder(), folder());
    fill(source.path(), 1000);
    epitaph().args(["push", "--resume"]).arg(source.path()).arg(store.path()).run().code(0);
}

#[test]
fn what_has_arrived_is_seen_and_the_rest_waits() {
    let (source, place, s3) = (folder(), folder(), Server::s3());
    fill(source.path(), 9 << 20);
    let (spool, direct) = (place.path().join("spool"), s3.address().to_string());
    // The second part of the core never gets through.
    let act = |what: &str, _| if what.contains("partNumber=2") { Act::Fail(Fault::Reset) } else { Act::Pass };
    let proxy = Proxy::start(s3.address(), act);
    let at = proxy.address.to_string();
    let push = s3.epitaph(&at, "push").args(["--destination=up", "--spool"]).arg(&spool);
    let answer = push.arg(source.path()).arg(s3.url(&at)).run().code(1);
    answer.tells(&["1 artifacts (", "1 files of this push are kept in ", "core.zst: "]);
    assert_eq!(manifests(&s3.keys()).len(), 1, "the summary is seen");
    let before = proxy.seen().len();
    let again = Proxy::start(s3.address(), |_, _| Act::Pass);
    let at = again.address.to_string();
    s3.epitaph(&at, "push").args(["--resume", "--spool"]).arg(&spool).run().code(0);
    let parts = again.seen().iter().filter(|what| what.contains("partNumber=1")).count();
    assert_eq!(parts, 0, "the first part is not sent again: {:?} after {before}", again.seen());
    assert_eq!(waiting(&spool), [""; 0]);
    let back = folder();
    s3.epitaph(&direct, "pull").arg(s3.url(&direct)).arg(back.path()).run().code(0);
    assert_eq!(files(&back.path().join("up")), files(source.path()));
    let Server::S3(server) = &s3 else { unreachable!() };
    assert_eq!(server.unfinished(), [""; 0]);
}

//! `kill -9` at every request of a push, and at any time of one into a folder: what is finished afterwards is whole, there
//! once, and nothing is left behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::proxy::{Act, Proxy};
use super::{Server, fill, manifests};
use crate::support::{epitaph, files, folder, test_all, text};

/// Five parts of an object store's uploads.
const CORE: usize = (33 << 20) + 5;

/// Every how manieth request is tried where not all of them are.
const SOME: usize = 9;

/// Checks that a store holds one push of the source, whole, and that the spool is empty.
fn assert_whole(keys: &BTreeMap<String, Vec<u8>>, source: &Path, spool: &Path, when: &str) {
    let manifests = manifests(keys);
    assert_eq!(manifests.len(), 1, "{when}: {:?}", keys.keys());
    let expected = files(source);
    let mut arrived = BTreeMap::new();
    for artifact in manifests[0]["artifacts"].as_array().unwrap() {
        let sum = artifact["sha256"].as_str().unwrap();
        let content = keys.get(&format!("blobs/sha256/{}/{sum}", &sum[..2]));
        let path = artifact["path"].as_str().unwrap().strip_prefix("up/").unwrap();
        arrived.insert(path.to_owned(), content.cloned().unwrap_or_default());
    }
    assert!(arrived == expected, "{when}: content differs");
    let blobs = keys.keys().filter(|key| key.starts_with("blobs/")).count();
    assert_eq!(blobs, expected.len(), "{when}: {:?}", keys.keys());
    assert_eq!(files(spool).into_keys().collect::<Vec<_>>(), [""; 0], "{when}");
}

/// Tells whether a key is of a file on its way to its name. They are named by chance, so that none is in the way, and a gc
/// removes them a day later.
fn is_unfinished(key: &str) -> bool {
    key.starts_with("incoming/") || key.contains("/.incoming-")
}

/// Runs a push through a proxy, and returns its requests.
fn push(
    server: &Server,
    source: &Path,
    spool: &Path,
    act: impl Fn(usize) -> Act + Send + Sync + 'static,
) -> Vec<String> {
    let proxy = Proxy::start(server.address(), move |_, number| act(number));
    let at = proxy.address.to_string();
    let push = server.epitaph(&at, "push").args(["--destination=up", "--spool"]).arg(spool);
    let running = push.arg(source).arg(server.url(&at)).start();
    proxy.kills(running.pid());
    running.end();
    proxy.seen()
}

/// Kills at every request, or at some, before and after the server has seen it.
fn survives_every_request(start: impl Fn() -> Server) {
    let (source, place) = (folder(), folder());
    fill(source.path(), CORE);
    let spool = place.path().join("spool");
    let whole = start();
    let requests = push(&whole, source.path(), &spool, |_| Act::Pass).len();
    assert_whole(&whole.keys(), source.path(), &spool, "without a death");
    let step = if test_all() { 1 } else { SOME };
    let mut tried = 0;
    for number in (0..requests).step_by(step) {
        for act in [Act::KillBefore, Act::KillAfter] {
            let server = start();
            let seen =
                push(&server, source.path(), &spool, move |at| if at == number { act } else { Act::Pass });
            // Parts go side by side, so that another run may have a request less.
            let Some(killed_at) = seen.get(number) else { continue };
            let when = format!("{act:?} at request {number}, {killed_at}");
            let at = server.address().to_string();
            let resume = server.epitaph(&at, "push").args(["--resume", "--spool"]).arg(&spool);
            resume.run().code(0);
            let mut keys = server.keys();
            keys.retain(|key, _| !is_unfinished(key));
            assert_whole(&keys, source.path(), &spool, &when);
            if let Server::S3(s3) = &server {
                let left = s3.unfinished();
                let unnamed = matches!(act, Act::KillAfter) && killed_at.contains("?uploads");
                // Nobody was told the name of that one, which holds nothing.
                assert!(
                    left.is_empty() || unnamed && !left.iter().any(|name| name.contains("part")),
                    "{when}: {left:?}"
                );
            }
            tried += 1;
        }
    }
    assert!(tried > 2);
}

#[test]
fn at_every_request_to_an_object_store() {
    survives_every_request(Server::s3);
}

#[test]
fn at_every_request_to_a_web_server() {
    if Server::web().is_some() {
        survives_every_request(|| Server::web().unwrap());
    }
}

#[test]
fn at_any_time_of_a_push_into_a_folder() {
    let (source, place) = (folder(), folder());
    fill(source.path(), CORE);
    let spool = place.path().join("spool");
    fs::create_dir(&spool).unwrap();
    let times = if test_all() { 40 } else { 5 };
    for time in 0..times {
        let store = folder();
        let push = epitaph().args(["push", "--destination=up", "--spool"]).arg(&spool);
        let running = push.arg(source.path()).arg(store.path()).start();
        std::thread::sleep(Duration::from_millis(time * 400 / times));
        running.kill();
        // One that died before it had kept anything is given again by the job's next attempt.
        let kept = files(&spool).keys().any(|path| path.ends_with("/complete"));
        let resume = epitaph().args(["push", "--resume", "--spool"]).arg(&spool).run();
        if kept {
            resume.code(0);
        } else {
            drop(resume);
            fs::remove_dir_all(store.path().join("runs")).unwrap_or_default();
            fs::remove_dir_all(store.path().join("blobs")).unwrap_or_default();
            let push = epitaph().args(["push", "--destination=up", "--spool"]).arg(&spool);
            push.arg(source.path()).arg(store.path()).run().code(0);
        }
        let mut keys = files(store.path());
        keys.retain(|key, _| !is_unfinished(key));
        assert_whole(
            &keys,
            source.path(),
            &spool,
            &format!("after {time} of {times}: {}", text(store.path())),
        );
    }
}

//! `kill -9` of a push that encrypts: each encryption gives other bytes, and still what was sent of them is taken up.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::proxy::{Act, Proxy};
use super::{Server, manifests, noise};
use crate::encrypted::{Keys, decrypt, keys};
use crate::support::{Epitaph, files, folder, test_all};

/// Three parts of an object store's uploads.
const CORE: usize = (17 << 20) + 5;

/// Every how manieth request is tried where not all of them are.
const SOME: usize = 6;

/// Parts that a whole upload has.
const PARTS: usize = 3;

/// The file header of a core of x86-64 (gABI, 4.1), with nothing that makes sense behind it.
fn core() -> Vec<u8> {
    let mut core = noise(CORE);
    core[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    core[16..20].copy_from_slice(&[4, 0, 62, 0]);
    core
}

/// The command line of a push that encrypts, and remembers what it has sent.
fn push(server: &Server, at: &str, keys: &Keys, place: &Path, spooled: bool) -> Epitaph {
    let push = server.epitaph(at, "push").args(["--destination=up", "--encrypt", &keys.public]);
    let push = push.arg("--state").arg(place.join("state"));
    let push = if spooled { push.arg("--spool").arg(place.join("spool")) } else { push };
    push.arg(place.join("source")).arg(server.url(at))
}

/// How many parts a proxy has seen.
fn parts(seen: &[String]) -> usize {
    seen.iter().filter(|what| what.starts_with("PUT ") && what.contains("partNumber=")).count()
}

/// Checks that the store has one encrypted core, which is the one that was pushed.
fn assert_whole(keys: &Keys, server: &Server, place: &Path, when: &str) {
    let there = server.keys();
    let blobs: BTreeMap<_, _> = there.iter().filter(|(key, _)| key.starts_with("blobs/")).collect();
    assert_eq!(blobs.len(), 1, "{when}: {:?}", there.keys());
    let manifests = manifests(&there);
    assert!(!manifests.is_empty(), "{when}: {:?}", there.keys());
    for manifest in manifests {
        let artifact = &manifest["artifacts"][0];
        assert_eq!(artifact["path"], "up/core.age", "{when}");
        let sum = artifact["sha256"].as_str().unwrap();
        assert!(blobs.keys().all(|key| key.ends_with(sum)), "{when}: {:?}", there.keys());
    }
    let (sealed, opened) = (place.join("sealed"), place.join("opened"));
    fs::write(&sealed, blobs.into_values().next().unwrap()).unwrap();
    fs::remove_file(&opened).unwrap_or_default();
    decrypt(keys, &sealed, &opened);
    assert!(fs::read(&opened).unwrap() == core(), "{when}: content differs");
}

/// Kills one at a request, and finishes it. Tells how many requests there were.
fn killed_at(keys: &Keys, number: usize, act: Act, spooled: bool) -> usize {
    let (server, place) = (Server::s3(), folder());
    let place = place.path();
    fs::create_dir(place.join("source")).unwrap();
    fs::write(place.join("source/core"), core()).unwrap();
    let proxy = Proxy::start(server.address(), move |_, at| if at == number { act } else { Act::Pass });
    let running = push(&server, &proxy.address.to_string(), keys, place, spooled).start();
    proxy.kills(running.pid());
    running.end();
    let seen = proxy.seen();
    let when = format!("{act:?} at request {number}, {:?}, spooled: {spooled}", seen.get(number));
    if number < seen.len() {
        let again = Proxy::start(server.address(), |_, _| Act::Pass);
        let at = again.address.to_string();
        let rest = if spooled {
            let resume = server.epitaph(&at, "push").args(["--resume", "--spool"]).arg(place.join("spool"));
            resume.arg("--state").arg(place.join("state")).arg(server.url(&at))
        } else {
            push(&server, &at, keys, place, false)
        };
        rest.run().code(0);
        // Some were answered while their neighbours died.
        let (before, after) = (parts(&seen), parts(&again.seen()));
        let most = if seen.iter().any(|what| what.starts_with("POST ") && what.contains("uploadId=")) {
            0
        } else {
            PARTS
        };
        assert!(after <= most, "{when}: {after} parts after {before}");
    }
    assert_whole(keys, &server, place, &when);
    let Server::S3(s3) = &server else { return seen.len() };
    let unnamed =
        matches!(act, Act::KillAfter) && seen.get(number).is_some_and(|what| what.contains("?uploads"));
    assert!(unnamed || s3.unfinished().is_empty(), "{when}: {:?}", s3.unfinished());
    if !spooled {
        assert_eq!(files(&place.join("state")).into_keys().collect::<Vec<_>>(), [""; 0], "{when}");
    }
    seen.len()
}

#[test]
fn what_was_sent_of_an_encrypted_core_is_taken_up() {
    let Some(keys) = keys() else { return };
    for spooled in [false, true] {
        let requests = killed_at(&keys, usize::MAX, Act::Pass, spooled);
        let step = if test_all() { 1 } else { SOME };
        for number in (step / 2..requests).step_by(step) {
            for act in [Act::KillBefore, Act::KillAfter] {
                killed_at(&keys, number, act, spooled);
            }
        }
    }
}

//! Many clients, large files, and how long it takes.

use std::fs;
use std::io::Write as _;
use std::time::Instant;

use epitaph_testkit::need_tool;

use super::{LIST, Serving, contents, push, sh};
use crate::support::{epitaph, folder};

/// The most memory that a server may have had, in bytes. A debug build with 200 connections takes about 40 MB.
const PEAK: u64 = 128 << 20;

#[test]
fn two_hundred_downloads_at_once() {
    need_tool!("curl");
    let (source, store, target) = (folder(), folder(), folder());
    let content = |number: usize| format!("{number} ").repeat(20_000);
    for number in 0..200 {
        fs::write(source.path().join(format!("{number}")), content(number)).unwrap();
    }
    push(source.path(), store.path(), "0");
    let serving = Serving::start(store.path(), &[]);
    sh(
        &format!("curl -s $URL{LIST} | grep -o 'http://[^\"]*' | xargs -P200 -n1 curl -sfO"),
        target.path(),
        &serving,
    );
    assert!(contents(target.path()) == contents(source.path()));
    assert!(serving.peak() < PEAK, "{}", serving.peak());
}

#[test]
fn a_large_artifact_takes_no_memory() {
    need_tool!("curl");
    let out = folder();
    let (size, mark) = (2u64 << 30, "the end");
    let file = fs::File::create(out.path().join("core")).unwrap();
    file.set_len(size).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, mark.as_bytes(), size - mark.len() as u64).unwrap();
    let serving = Serving::start(out.path(), &[]);
    let path = format!("/artifacts/local/local/{}/0/core", out.path().file_name().unwrap().display());
    let told = serving.curl(&["-o", "/dev/null", "-w", "%{size_download}"], &path);
    assert_eq!(told, size.to_string());
    assert_eq!(serving.curl(&["-r", "-7"], &path), mark);
    assert_eq!(serving.curl(&["-r", &format!("{}-", size - 7)], &path), mark);
    assert!(serving.peak() < PEAK, "{}", serving.peak());
}

#[test]
fn pulling_five_hundred_artifacts_is_no_slower_than_wget() {
    need_tool!("curl", "wget");
    let (source, store) = (folder(), folder());
    for number in 0..500 {
        fs::write(source.path().join(format!("{number}")), number.to_string().repeat(5_000)).unwrap();
    }
    push(source.path(), store.path(), "0");
    let serving = Serving::start(store.path(), &[]);
    let (by_wget, by_pull) = (folder(), folder());
    let started = Instant::now();
    sh(
        &format!("curl -s $URL{LIST} | grep -o 'http://[^\"]*' | xargs -P4 -n1 wget -q"),
        by_wget.path(),
        &serving,
    );
    let wget = started.elapsed();
    let started = Instant::now();
    let pull = epitaph().env("EPITAPH_CIRCLECI_URL", &serving.url);
    pull.args(["pull", "circleci://github/acme/app/42"]).arg(by_pull.path()).run().code(0);
    let pull = started.elapsed();
    let mut out = std::io::stdout();
    let _ = writeln!(out, "500 artifacts: xargs -P4 wget {wget:.2?}, epitaph pull {pull:.2?}");
    assert!(contents(&by_pull.path().join("0")) == contents(source.path()));
    assert!(contents(by_wget.path()) == contents(source.path()));
    // Pull makes each file durable, which wget doesn't; on a busy disk that may take a while.
    assert!(pull < 2 * wget, "xargs -P4 wget took {wget:?}, epitaph pull {pull:?}");
}

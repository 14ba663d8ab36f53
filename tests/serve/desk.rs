//! `epitaph serve PATH --open` on a desk: a core, a heap of downloads, an output folder, each opened in a browser.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Serving;
use crate::fixtures::{place_core, small_core};
use crate::support::{epitaph, folder, text};

/// A browser that writes down what it is to show.
fn browser(folder: &Path) -> (PathBuf, PathBuf) {
    let (program, shown) = (folder.join("browser"), folder.join("shown"));
    fs::write(
        &program,
        format!("#!/bin/sh\nprintf %s \"$1\" >'{0}.part' && mv '{0}.part' '{0}'\n", text(&shown)),
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    (program, shown)
}

/// Serves a path with `--open`, and returns the page that the browser was sent to.
fn opened(shown: &Path) -> String {
    let desk = folder();
    let (program, address) = browser(desk.path());
    let temporary = text(desk.path());
    let browser = text(&program);
    let variables = [("EPITAPH_OPEN", "1"), ("BROWSER", browser.as_str()), ("TMPDIR", temporary.as_str())];
    let serving = Serving::start(shown, &variables);
    let limit = Instant::now() + Duration::from_secs(60);
    while !address.exists() {
        assert!(Instant::now() < limit, "no browser was started");
        std::thread::sleep(Duration::from_millis(20));
    }
    let url = fs::read_to_string(&address).unwrap();
    let path = url.strip_prefix(&serving.url).unwrap_or_else(|| panic!("{url}")).to_owned();
    let page = serving.curl(&[], &path);
    assert_eq!(serving.end("-TERM").0, Some(0));
    let left: Vec<_> = fs::read_dir(desk.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "its folder is gone again: {left:?}");
    page
}

#[test]
fn a_core_and_a_heap_of_downloads_are_opened_as_a_page() {
    let heap = folder();
    place_core(&heap.path().join("core.7"), 7);
    let page = opened(&heap.path().join("core.7"));
    assert!(page.contains(" died of SIGSEGV") || page.contains(">died of SIGSEGV<"), "{page}");
    small_core(8, "second").write_to(&heap.path().join("another")).unwrap();
    fs::write(heap.path().join("readme.txt"), "something else").unwrap();
    let page = opened(heap.path());
    assert!(page.contains("second") && page.contains("<h1>2 crashes"), "{page}");
}

#[test]
fn an_output_folder_is_opened_at_its_own_page() {
    let (job, out) = (folder(), folder());
    place_core(&job.path().join("core.7"), 7);
    epitaph().arg("collect").arg("--out").arg(out.path()).arg(job.path()).run().code(0);
    assert_eq!(opened(out.path()), fs::read_to_string(out.path().join("index.html")).unwrap());
}

#[test]
fn what_is_no_crash_is_refused() {
    let heap = folder();
    let file = heap.path().join("notes.txt");
    fs::write(&file, "no core").unwrap();
    epitaph().args(["serve", "--listen=127.0.0.1:0"]).arg(&file).run().code(1).tells(&["error: "]);
}

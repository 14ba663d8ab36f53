//! Source lines in summaries: from the folder that holds the sources, and kept with a crash. And the test's name, which is
//! kept likewise.

use std::fs;

use epitaph_testkit::crash::{Crash, program, sources_folder};
use serde_json::Value;

use crate::fixtures::only_sealed;
use crate::support::{epitaph, folder};

/// The source lines of the crashing thread's frames: function, line, and text of the line that the frame is at.
fn told(summary: &Value) -> Vec<(String, u64, String)> {
    let frames = summary["threads"][0]["frames"].as_array().unwrap();
    let with_source = frames.iter().filter_map(|frame| Some((frame, frame["source"].as_array()?)));
    let told = with_source.map(|(frame, lines)| {
        let line = frame["line"].as_u64().unwrap();
        let text = lines.iter().find(|source| source["line"] == line).unwrap()["text"].as_str().unwrap();
        (frame["function"].as_str().unwrap().to_owned(), line, text.trim().to_owned())
    });
    told.collect()
}

/// What the file itself has there.
fn written(source: &str, line: u64) -> String {
    let text = fs::read_to_string(sources_folder().join(source)).unwrap();
    text.lines().nth(line as usize - 1).unwrap().trim().to_owned()
}

#[test]
fn lines_come_from_beneath_the_source_root_alone() {
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let show = |root: &std::path::Path| {
        epitaph().args(["show", "--json", "--source-root"]).arg(root).arg(&crash.core).run().code(0).json()
    };
    let lines = told(&show(&sources_folder()));
    let functions: Vec<&str> = lines.iter().map(|(function, ..)| function.as_str()).collect();
    assert_eq!(functions, ["quantity_of", "price_of", "main"]);
    for (_, line, text) in &lines {
        assert_eq!(*text, written("null_deref.c", *line));
    }
    assert!(told(&show(&crash.work)).is_empty(), "the sources are elsewhere");
    let missing = epitaph().args(["show", "--source-root", "/no/such/folder"]).arg(&crash.core).run().code(0);
    assert!(missing.stderr().contains("/no/such/folder"), "{}", missing.stderr());
}

#[test]
fn lines_and_the_tests_name_stay_with_a_crash_that_is_collected() {
    let Some(crash) = Crash::of_or_skip(program("rust_tests")) else { return };
    let out = folder();
    let collect = epitaph().args(["collect", "--core", "slim", "--scrub", "always", "--out"]).arg(out.path());
    collect.arg(&crash.core).env("EPITAPH_SOURCE_ROOT", sources_folder()).run().code(0);
    let (_, kept) = only_sealed(out.path());
    assert!(!told(&kept).is_empty());
    assert_eq!(kept["test"]["name"], "tests::cart::an_empty_cart_costs_nothing");
    assert_eq!(kept["test"]["framework"], "cargo-test");
    // Shown where there are no sources.
    let shown = epitaph().args(["show", "--json"]).arg(out.path()).within(&crash.work).run().code(0).json();
    assert_eq!((told(&shown), &shown["test"]), (told(&kept), &kept["test"]));
}

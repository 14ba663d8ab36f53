//! The page of crashes, in a real browser: read, searched, linked to, by its keys, without scripts, and against hostile text.

mod browser;

use std::fs;
use std::path::{Path, PathBuf};

use epitaph_testkit::skip::skipped;
use serde_json::{Value, json};

use self::browser::Browser;
use crate::fixtures::{sealed, small_core};
use crate::support::{epitaph, folder, repository, test_all};

/// Collects crashes of three processes into a folder, and returns its page.
fn collected(out: &Path) -> PathBuf {
    let job = folder();
    for (pid, name) in [(1001, "first"), (1002, "second"), (1003, "third")] {
        small_core(pid, name).write_to(&job.path().join(format!("core.{pid}"))).unwrap();
    }
    epitaph().arg("collect").arg("--out").arg(out).arg(job.path()).run().code(0);
    out.join("index.html")
}

/// Renders summaries as a page in a folder.
pub(crate) fn page_of(summaries: &[Value], folder: &Path) -> PathBuf {
    let (lines, page) = (folder.join("crashes.jsonl"), folder.join("index.html"));
    // A file of summaries is known by the schema at its start.
    let line = |summary: &Value| format!("{{\"schema\":\"epitaph-crash/1\",{}\n", &summary.to_string()[1..]);
    let text: String = summaries.iter().map(line).collect();
    fs::write(&lines, text).unwrap();
    epitaph().args(["report", "--format", "html", "-o"]).arg(&page).arg(&lines).run().code(0);
    page
}

/// A summary with all that a page shows, of a kind of its own.
pub(crate) fn summary(number: usize) -> Value {
    let frame = |name: &str, line: usize| {
        let source: Vec<Value> = (line - 2..line + 3)
            .map(|line| json!({ "line": line, "text": format!("    step({line});") }))
            .collect();
        json!({
            "function": format!("{name}_{number}"), "file": format!("/ci/build/src/{name}.c"), "line": line,
            "in_app": true, "pc": "0x401136", "module": 0, "offset": "0x1136", "source": source,
        })
    };
    let threads: Vec<Value> = (0..4)
        .map(|tid| {
            json!({
                "tid": 100 + tid, "crashed": tid == 0, "name": format!("worker{}", tid % 2), "stop": "end",
                "frames": [frame("inner", 20), frame("outer", 40)],
                "registers": { "rip": "0x401136", "rax": "0x0", "rdi": "0x7f31a0041000" },
            })
        })
        .collect();
    json!({
        "tool": { "name": "epitaph", "version": "0" },
        "id": format!("20261122T1015{:02}Z-program-{number:08x}", number % 60),
        "time": format!("2026-11-22T{:02}:{:02}:{:02}Z", number / 3600 % 24, number / 60 % 60, number % 60),
        "process": { "pid": 1000 + number, "executable": format!("/ci/build/program{}", number % 5) },
        "signal": { "number": 11, "name": if number.is_multiple_of(3) { "SIGBUS" } else { "SIGSEGV" } },
        "core": { "file": "crashes/x/core.zst", "stored_size": 4096 },
        "cause": {
            "class": "wild_pointer", "confidence": "high", "summary": "write past the end of a mapping",
            "message": "queue: not empty\nsecond line",
            "access": { "kind": "write", "address": "0x7f31a0041010", "size": 8 },
            "instruction": { "text": "mov [rdi+0x10],rax", "registers": ["rax", "rdi"] },
            "evidence": ["the address lies 16 bytes after a mapping"],
        },
        "regions": [{ "start": "0x7f31a0000000", "end": "0x7f31a0041000", "permissions": "rw-", "kind": "anonymous" }],
        "signature": { "version": 1, "strict": format!("{number:016x}"), "basis": "dwarf" },
        "threads": threads,
        "modules": [
            { "name": "program", "path": "/ci/build/program", "main": true, "file_state": "verified", "build_id": "00ff" },
            { "name": "libc.so.6", "path": "/lib/libc.so.6", "file_state": "missing" },
        ],
        "warnings": [{ "code": "x", "text": "a warning" }],
    })
}

#[test]
fn the_kept_page_can_be_read_and_driven() {
    let Some(mut browser) = Browser::start_or_skip() else { return };
    let out = folder();
    let page = collected(out.path());
    browser.open(&page, "");
    assert_eq!(browser.ask("document.querySelectorAll('details.kind').length"), 3);
    assert_eq!(browser.ask("document.querySelectorAll('details.kind[open]').length"), 1);
    let headline = browser.ask("document.querySelector('h2').textContent");
    assert!(headline.as_str().unwrap().contains(" died of SIGSEGV: "), "{headline}");

    // Links lead to what is kept.
    let files =
        browser.ask("Array.from(document.querySelectorAll('.actions a'), (a) => decodeURI(a.pathname))");
    assert!(files.as_array().unwrap().len() >= 6, "{files}");
    for file in files.as_array().unwrap() {
        assert!(Path::new(file.as_str().unwrap()).is_file(), "{file} is not there");
    }

    // A link to a crash opens it.
    let id = sealed(out.path()).into_keys().next().unwrap();
    browser.open(&page, &format!("#{id}"));
    browser.until(&format!(
        "document.activeElement.id === {} && document.activeElement.closest('details').open",
        json!(id)
    ));

    // Search and keys.
    browser.press(&["/", "s", "e", "c", "o", "n", "d"]);
    browser.until("document.querySelectorAll('details.kind:not([hidden])').length === 1");
    assert_eq!(browser.ask("document.getElementById('found').textContent"), "1 of 3 kinds");
    browser.press(&["Escape"]);
    browser.until("document.querySelectorAll('details.kind:not([hidden])').length === 3");
    browser.press(&["?"]);
    browser.until("document.getElementById('keys').open");
    assert!(browser.complaints().is_empty());
}

#[test]
fn without_scripts_every_crash_can_be_read() {
    let Some(mut browser) = Browser::start_or_skip() else { return };
    let out = folder();
    let page = page_of(&(0..200).map(summary).collect::<Vec<_>>(), out.path());
    browser.allow_scripts(false);
    browser.open(&page, "");
    // The protocol still reads what scripts of the page may not.
    let document = browser.call("DOM.getDocument", json!({}));
    let count = |browser: &mut Browser, selector: &str| {
        let params = json!({ "nodeId": document["root"]["nodeId"], "selector": selector });
        browser.call("DOM.querySelectorAll", params)["nodeIds"].as_array().unwrap().len()
    };
    assert_eq!(count(&mut browser, "details.kind[open] article.crash .stack h3"), 1);
    assert_eq!(count(&mut browser, "article.crash"), 200, "also those that wait as text for a script");
    assert!(count(&mut browser, "noscript article.crash") > 0);
}

#[test]
fn hostile_text_is_shown_and_does_nothing() {
    const EVIL: &str = "</script></style></noscript></details><script>document.title='owned'</script>\
        <img src=x onerror=\"document.title='owned'\">\" autofocus onfocus=\"document.title='owned'\" \u{202e}\u{1b}[2J\n::error::x";
    let Some(mut browser) = Browser::start_or_skip() else { return };
    let out = folder();
    let mut all: Vec<Value> = (0..120).map(summary).collect();
    for (number, crash) in all.iter_mut().enumerate() {
        spoil(crash, EVIL);
        crash["signature"]["strict"] = json!(format!("{number}{EVIL}"));
    }
    let page = page_of(&all, out.path());
    for scripts in [true, false] {
        browser.allow_scripts(scripts);
        browser.open(&page, "");
        if scripts {
            browser.ask("for (const kind of document.querySelectorAll('details')) kind.open = true");
            browser.until("document.querySelectorAll('noscript').length === 0");
            assert_eq!(browser.ask("document.querySelectorAll('img, [onerror], [onfocus]').length"), 0);
            assert_eq!(browser.ask("document.querySelectorAll('article.crash').length"), 120);
            let text = browser.ask("document.querySelector('h2').textContent");
            assert!(text.as_str().unwrap().contains("<script>document.title='owned'</script>"), "{text}");
            assert_eq!(browser.ask("document.title"), "Crashes of 120 kinds");
        }
        let complaints = browser.complaints();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
}

/// Replaces the texts that a process chooses.
pub(crate) fn spoil(value: &mut Value, text: &str) {
    const CHOSEN: [&str; 10] = [
        "function",
        "file",
        "name",
        "executable",
        "summary",
        "message",
        "path",
        "text",
        "permissions",
        "build_id",
    ];
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(old) if CHOSEN.contains(&key.as_str()) => text.clone_into(old),
                    value => spoil(value, text),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| spoil(value, text)),
        _ => {}
    }
}

#[test]
fn a_thousand_crashes_are_open_within_a_second() {
    if !test_all() {
        return;
    }
    let Some(mut browser) = Browser::start_or_skip() else { return };
    let out = folder();
    let page = page_of(&(0..1000).map(summary).collect::<Vec<_>>(), out.path());
    // In processor time of the page's thread: others may use the machine meanwhile.
    browser.call("Performance.enable", json!({ "timeDomain": "threadTicks" }));
    browser.look(1280, "light");
    browser.open(&page, "");
    let metrics = browser.call("Performance.getMetrics", json!({}));
    let seconds =
        metrics["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == "TaskDuration");
    let seconds = seconds.unwrap()["value"].as_f64().unwrap();
    assert!(seconds < 1.0, "{seconds} s");
    assert_eq!(browser.ask("document.querySelectorAll('details.kind').length"), 1000);

    // One that waits as text is found, linked to, and reached by keys.
    browser.press(&["/", "i", "n", "n", "e", "r", "_", "7"]);
    browser.until("document.querySelectorAll('details.kind:not([hidden])').length === 111");
    browser.press(&["Escape", "j", "j", "j"]);
    browser.until("Array.from(document.querySelectorAll('details.kind')).indexOf(document.activeElement.parentElement) === 2");
    browser.click(".chip[data-value=SIGBUS]");
    browser.until("document.querySelectorAll('details.kind:not([hidden])').length === 334");
    let late = browser.ask("Array.from(document.querySelectorAll('noscript')).at(-1).dataset.crash");
    browser.open(&page, &format!("#{}", late.as_str().unwrap()));
    browser.until(&format!("document.activeElement.id === {late}"));
    browser.until("Math.abs(document.activeElement.closest('details').getBoundingClientRect().top) < 120");
    assert!(browser.complaints().is_empty());
}

/// By axe-core, with every fold open, in both colours and widths.
#[test]
fn a_checker_of_accessibility_finds_nothing() {
    if !test_all() {
        return;
    }
    let Some(mut browser) = Browser::start_or_skip() else { return };
    let Ok(axe) = fs::read_to_string(repository().join("target/axe/node_modules/axe-core/axe.min.js")) else {
        skipped("axe-core is not installed (make test-all installs it where there is npm)");
        return;
    };
    let out = folder();
    let mut crashes: Vec<Value> = (0..12).map(summary).collect();
    crashes[3]["signature"] = crashes[4]["signature"].clone();
    let page = page_of(&crashes, out.path());
    for (width, colours) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.look(width, colours);
        browser.open(&page, "");
        browser.ask("for (const fold of document.querySelectorAll('details')) fold.open = true");
        browser.ask(&axe);
        let found = browser.ask(
            "axe.run(document, { resultTypes: ['violations'] }).then((all) => \
             JSON.stringify(all.violations.map((it) => [it.id, it.nodes[0].html, it.nodes[0].failureSummary]), null, 1))",
        );
        assert_eq!(found, "[]", "{width} {colours}: {}", found.as_str().unwrap_or_default());
        assert_eq!(
            browser.ask("document.documentElement.scrollWidth <= innerWidth"),
            true,
            "{width}: it fits"
        );
    }
}

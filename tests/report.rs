//! `epitaph report`: every format, from cores, summaries and output folders.

use std::fs;
use std::path::Path;

use epitaph_testkit::crash::{Crash, program};
use serde_json::Value;
use tempfile::TempDir;

use crate::fixtures::{elements, place_core, sealed, small_core};
use crate::support::{Answer, epitaph, folder, text};

/// An output folder with the crashes of three processes: `first`, `second` and `third`.
fn three_crashes() -> TempDir {
    let (job, out) = (folder(), folder());
    for (pid, name) in [(1001, "first"), (1002, "second"), (1003, "third")] {
        small_core(pid, name).write_to(&job.path().join(format!("core.{pid}"))).unwrap();
    }
    epitaph().arg("collect").arg("--out").arg(out.path()).arg(job.path()).run().code(0);
    assert_eq!(sealed(out.path()).len(), 3);
    out
}

fn report(format: &str, path: &Path) -> Answer {
    epitaph().args(["report", "--format", format]).arg(path).run().code(0)
}

#[test]
fn text_is_what_show_prints() {
    let Some(crash) = Crash::of_or_skip(program("threads")) else { return };
    // But for values, which are private: reports have none unless a summary does.
    let shown = epitaph().args(["show", "--variables", "none"]).arg(&crash.core).run().code(0);
    assert_eq!(report("text", &crash.core).stdout(), shown.stdout());
    // It is the default.
    assert_eq!(epitaph().arg("report").arg(&crash.core).run().code(0).stdout(), shown.stdout());
}

#[test]
fn text_of_several_has_a_rule_between_them() {
    let out = three_crashes();
    let answer = report("text", out.path());
    assert_eq!(answer.stdout().matches(&"=".repeat(72)).count(), 2, "{answer}");
    answer.says(&["first died of SIGSEGV", "second died of SIGSEGV", "third died of SIGSEGV"]);
}

#[test]
fn json_is_an_object_a_line_from_every_source() {
    let out = three_crashes();
    let names = |answer: Answer| -> Vec<Value> {
        answer.json_lines().iter().map(|summary| summary["process"]["name"].clone()).collect()
    };
    for format in ["json", "jsonl"] {
        assert_eq!(names(report(format, out.path())), ["first", "second", "third"]);
        assert_eq!(names(report(format, &out.path().join("crashes.jsonl"))), ["first", "second", "third"]);
    }
    let (id, summary) = sealed(out.path()).into_iter().next().unwrap();
    for file in ["summary.json", ""] {
        let answer = report("json", &out.path().join("crashes").join(&id).join(file));
        assert_eq!(answer.json(), summary, "{file:?}");
    }
    let one = folder();
    place_core(&one.path().join("core"), 4711);
    assert_eq!(report("json", &one.path().join("core")).json()["process"]["pid"], 4711);
}

#[test]
fn the_kept_reports_are_what_report_gives() {
    let out = three_crashes();
    for (format, file) in [
        ("jsonl", "crashes.jsonl"),
        ("markdown", "summary.md"),
        ("junit", "junit/epitaph.xml"),
        ("html", "index.html"),
    ] {
        let kept = fs::read_to_string(out.path().join(file)).unwrap();
        assert_eq!(report(format, out.path()).stdout(), kept, "{file}");
        assert_eq!(report(format, &out.path().join("crashes.jsonl")).stdout(), kept, "{file}");
    }
}

#[test]
fn junit_is_well_formed_and_has_a_case_for_each_crash() {
    let out = three_crashes();
    let answer = report("junit", out.path());
    let names = elements(answer.stdout());
    assert_eq!(names[..2], ["testsuites", "testsuite"]);
    let count = |name: &str| names.iter().filter(|element| *element == name).count();
    assert_eq!((count("testcase"), count("error"), count("system-out")), (3, 3, 3));
    answer.says(&[
        r#"tests="3" skipped="0" failures="0" errors="3""#,
        r#"classname="second""#,
        r#"type="null_deref""#,
    ]);
}

#[test]
fn markdown_has_a_heading_for_each_crash() {
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let other = folder();
    place_core(&other.path().join("core"), 4711);
    let answer =
        epitaph().args(["report", "--format=markdown"]).arg(&crash.core).arg(other.path()).run().code(0);
    let headings: Vec<&str> = answer.stdout().lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(headings.len(), 2, "{answer}");
    assert!(headings[0].starts_with("## `exe` died of SIGSEGV: "), "{answer}");
    assert_eq!(answer.stdout().lines().filter(|line| line.starts_with("```")).count() % 2, 0, "{answer}");
    answer.says(&["**Where:** in `quantity_of` at `", "null_deref.c:14", "quantity_of", "price_of"]);
}

#[test]
fn a_document_goes_to_a_file_on_demand() {
    let out = three_crashes();
    let file = out.path().join("report.md");
    for option in ["-o", "--output"] {
        let answer = epitaph()
            .args(["report", "--format", "markdown", option])
            .arg(&file)
            .arg(out.path())
            .run()
            .code(0);
        assert_eq!(answer.stdout(), "");
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            fs::read_to_string(out.path().join("summary.md")).unwrap()
        );
        fs::remove_file(&file).unwrap();
    }
    let nowhere = out.path().join("no/such/folder.md");
    let answer = epitaph().arg("report").arg("-o").arg(&nowhere).arg(out.path()).run().code(1);
    answer.tells(&[&format!("error: cannot write {}: No such file", text(&nowhere))]);
}

#[test]
fn the_format_can_be_a_variable() {
    let out = three_crashes();
    let answer = epitaph().env("EPITAPH_FORMAT", "junit").arg("report").arg(out.path()).run().code(0);
    assert!(answer.stdout().starts_with("<?xml "), "{answer}");
}

#[test]
fn a_folder_without_crashes_gives_an_empty_document() {
    let (job, out) = (folder(), folder());
    epitaph().arg("collect").arg("--out").arg(out.path()).arg(job.path()).run().code(0);
    let answer = report("junit", out.path());
    assert_eq!(elements(answer.stdout()), ["testsuites", "testsuite"]);
    assert_eq!(report("text", out.path()).stdout(), "No crashes.\n");
    assert_eq!(report("json", out.path()).stdout(), "");
    let answer = epitaph().arg("show").arg(out.path()).run().code(0);
    assert_eq!(answer.stdout(), "");
    answer.tells(&[&format!("epitaph: {}: no crash was collected into it", text(out.path()))]);
    // A folder that was never one of ours may be a wrong path.
    let answer = epitaph().arg("report").arg(job.path()).run().code(1);
    answer.tells(&["there is neither a core nor a summary in it", "hint: "]);
}

#[test]
fn what_cannot_be_read_does_not_hide_the_others() {
    let out = three_crashes();
    let missing = out.path().join("missing");
    let answer = epitaph().args(["report", "--format", "junit"]).arg(&missing).arg(out.path()).run().code(1);
    assert_eq!(elements(answer.stdout()).iter().filter(|name| *name == "testcase").count(), 3);
    answer.tells(&[&format!("error: {}: no such file", text(&missing))]);
}

/// A job's own report, in which the third crash's test is.
const OF_THE_JOB: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="2" errors="0"><testsuite name="Cart" tests="2" errors="0" failures="0">
  <testcase classname="Cart" name="Empty"/>   
  <testcase classname="Cart" name="Full"/></testsuite></testsuites>
"#;

/// Summaries of two crashes, one of them in a test.
fn summaries(folder: &Path) -> std::path::PathBuf {
    let list = folder.join("crashes.jsonl");
    let one = r#"{"schema":"epitaph-crash/1","tool":{"name":"epitaph","version":"0"},"id":"2026-1","signal":{"number":11,"name":"SIGSEGV"},"test":{"name":"Cart.Full","framework":"gtest"},"process":{"pid":7,"executable":"/ci/shop-tests"}}"#;
    let other = one.replace("2026-1", "2026-2").replace("Cart.Full", "Cart.Gone");
    fs::write(&list, format!("{one}\n{other}\n")).unwrap();
    list
}

#[test]
fn crashes_are_merged_into_the_jobs_own_report() {
    let job = folder();
    let (list, junit) = (summaries(job.path()), job.path().join("junit.xml"));
    fs::write(&junit, OF_THE_JOB).unwrap();
    let merge = || epitaph().arg("report").arg("--merge").arg(&junit);
    let answer = merge().arg(&list).run().code(0);
    let answer = answer.tells(&["1 in the test cases that died, 1 in cases of their own"]);
    let names = elements(answer.stdout());
    let count = |name: &str| names.iter().filter(|element| *element == name).count();
    assert_eq!((count("testcase"), count("error")), (3, 2), "{answer}");
    assert!(answer.stdout().contains("\n<testsuites tests=\"3\" errors=\"2\">"), "{answer}");
    assert!(answer.stdout().contains("<testcase classname=\"Cart\" name=\"Empty\"/>   \n"));
    assert_eq!(fs::read_to_string(&junit).unwrap(), OF_THE_JOB, "what goes to stdout changes no file");

    // In its place, and again without a change.
    for _ in 0..2 {
        merge().arg("-o").arg(&junit).arg(&list).run().code(0);
        assert_eq!(fs::read_to_string(&junit).unwrap(), answer.stdout());
    }
    assert_eq!(fs::read_dir(job.path()).unwrap().count(), 2, "nothing is left beside it");
}

#[test]
fn a_report_that_cannot_be_merged_into_stays() {
    let job = folder();
    let (list, junit) = (summaries(job.path()), job.path().join("junit.xml"));
    for (broken, why) in [
        (&OF_THE_JOB[..130], "was cut"),
        ("<!DOCTYPE x [<!ENTITY a 'a'>]><testsuite name='&a;'/>", "document type"),
        ("<html/>", "no JUnit report"),
    ] {
        fs::write(&junit, broken).unwrap();
        let merge = epitaph().arg("report").arg("--merge").arg(&junit).arg("-o").arg(&junit).arg(&list);
        merge.run().code(1).tells(&["cannot be merged into: ", why, "hint: "]);
        assert_eq!(fs::read_to_string(&junit).unwrap(), broken);
    }
    let missing = job.path().join("missing.xml");
    let merge = epitaph().arg("report").arg("--merge").arg(&missing).arg(&list);
    merge.run().code(1).tells(&["cannot read ", "missing.xml"]);
}

#[test]
fn every_format_for_ci_systems_tells_what_is_new() {
    let out = three_crashes();
    let (_, known) = sealed(out.path()).into_iter().next().unwrap();
    let baseline = out.path().join("known.json");
    fs::write(&baseline, known.to_string()).unwrap();
    let against = |format: &str| {
        epitaph().args(["report", "--format", format, "--baseline"]).arg(&baseline).arg(out.path()).run()
    };
    // Crashes without names are told apart by their places, so that one is known and two are not.
    let sarif = against("sarif").code(0).json();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let states = |state: &str| results.iter().filter(|result| result["baselineState"] == state).count();
    assert!(states("unchanged") == 1 && states("new") + states("updated") == 2, "{sarif:#}");
    assert!(against("html").code(0).stdout().contains("against a baseline of 1 crash"));
    assert!(against("junit").code(0).stdout().contains("message=\"known: "));
    assert!(against("github").code(0).stdout().contains("::warning title="));
    assert!(against("azure").code(0).stdout().contains("##vso[task.logissue type=warning"));
    let findings = against("gitlab").code(0).json();
    let severities: Vec<&Value> = findings.as_array().unwrap().iter().map(|it| &it["severity"]).collect();
    assert!(severities.contains(&&Value::from("major")), "{findings:#}");
    against("text").code(1).tells(&["hint: `epitaph group --baseline`"]);
}

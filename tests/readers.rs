//! The readers that people use read our formats: parsers of JUnit, a validator of SARIF, GitHub's Markdown, a validator of
//! HTML, jq. They are packages of PyPI and npm (`make peers`), so this is one of the long tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use epitaph_testkit::skip::skipped;
use epitaph_testkit::tools;
use serde_json::{Value, json};

use crate::page::{page_of, spoil, summary};
use crate::support::{epitaph, folder, repository, test_all};

/// What a process may choose to do harm with.
const EVIL: &str = "</script><script>alert(1)</script><img src=x onerror=alert(1)>]]>&amp;&lt; ![x](https://evil.example/x) \
    [y](javascript:alert(1)) www.evil.example @octocat | `` ``` {0} operator[](int) \u{202e}\u{1b}[2J\u{0}\n::error::x\n";

/// Finds a reader; `None` where it isn't installed.
fn reader(path: &str) -> Option<PathBuf> {
    if !test_all() {
        return None;
    }
    let program = repository().join("target/readers").join(path);
    if program.exists() {
        return Some(program);
    }
    skipped(&format!("{path} is not installed (make peers installs it where there are python3 and npm)"));
    None
}

/// Crashes of three kinds, and one whose every text is hostile.
fn crashes(folder: &Path) -> PathBuf {
    let mut all: Vec<Value> = (0..4).map(summary).collect();
    (all[1]["signature"], all[1]["process"]) = (all[0]["signature"].clone(), all[0]["process"].clone());
    all[2]["test"] = json!({ "name": "tests/test_cart.py::test_sum[1]", "framework": "pytest" });
    spoil(&mut all[3], EVIL);
    page_of(&all, folder);
    folder.join("crashes.jsonl")
}

fn rendered(format: &str, crashes: &Path, name: &str) -> PathBuf {
    let document = crashes.parent().unwrap().join(name);
    let answer =
        epitaph().args(["report", "--source-root=/ci/build", "--format", format, "-o"]).arg(&document);
    answer.arg(crashes).run().code(0);
    document
}

fn accepted(output: &Output) -> String {
    let told = [output.stdout.clone(), output.stderr.clone()].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(output.status.success(), "{told}");
    told
}

fn python(program: &Path, script: &str, arguments: &[&Path]) -> String {
    accepted(&Command::new(program).args(["-c", script]).args(arguments).output().unwrap())
}

#[test]
fn junitparser_and_junit2html_read_our_junit_and_what_was_merged() {
    let (Some(parser), Some(page)) = (reader("bin/python"), reader("bin/junit2html")) else { return };
    let out = folder();
    let list = crashes(out.path());
    let own = rendered("junit", &list, "own.xml");
    let (job, merged) = (out.path().join("job.xml"), out.path().join("merged.xml"));
    fs::write(
        &job,
        r#"<testsuites><testsuite name="pytest" errors="0" failures="1" skipped="0" tests="1"><testcase classname="tests.test_cart" name="test_sum[1]"><failure message="worker crashed">own words</failure></testcase></testsuite></testsuites>"#,
    )
    .unwrap();
    epitaph().args(["report", "--merge"]).arg(&job).arg("-o").arg(&merged).arg(&list).run().code(0);
    const COUNT: &str = "import sys, junitparser\n\
        for path in sys.argv[1:]:\n\
        \x20 suites = list(junitparser.JUnitXml.fromfile(path))\n\
        \x20 cases = [case for suite in suites for case in suite]\n\
        \x20 bad = [result for case in cases for result in case.result]\n\
        \x20 print(len(cases), len(bad), sum(suite.tests for suite in suites), sum(suite.errors + suite.failures for suite in suites))\n\
        \x20 assert all(result.message and 'died of' in result.message for result in bad)\n";
    let counts = python(&parser, COUNT, &[&own, &merged]);
    assert_eq!(counts, "4 4 4 4\n4 4 4 4\n");
    for report in [&own, &merged] {
        let html = report.with_extension("html");
        accepted(&Command::new(&page).arg(report).arg(&html).output().unwrap());
        let html = fs::read_to_string(html).unwrap();
        assert!(html.contains("died of SIG") && !html.contains("<img src=x"), "{html}");
    }
}

#[test]
fn a_validator_of_sarif_finds_no_error() {
    let Some(validator) = reader("node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool") else {
        return;
    };
    let (Some(tools), Some(parser)) = (reader("bin/sarif"), reader("bin/python")) else { return };
    let out = folder();
    let list = crashes(out.path());
    let document = rendered("sarif", &list, "all.sarif");
    let against = out.path().join("against.sarif");
    let group = epitaph().args(["group", "--format=sarif", "--baseline"]).arg(&list).arg("-o").arg(&against);
    group.arg(&list).run().code(0);
    // The schema of OASIS comes with the validator.
    let schema = validator.with_file_name("sarif-2.1.0.json");
    const VALIDATE: &str = "import sys, json, jsonschema\n\
        schema = json.load(open(sys.argv[1]))\n\
        print(sum(1 for _ in jsonschema.validators.validator_for(schema)(schema).iter_errors(json.load(open(sys.argv[2])))))\n";
    let errors = |path: &Path| python(&parser, VALIDATE, &[&schema, path]).trim().to_owned();
    for path in [&document, &against] {
        assert_eq!(errors(path), "0");
        let told = accepted(&Command::new(&validator).arg("validate").arg(path).output().unwrap());
        assert!(told.contains("Analysis completed successfully.") && !told.contains(": error "), "{told}");
    }
    // It can find one.
    let broken = out.path().join("broken.sarif");
    fs::write(
        &broken,
        fs::read_to_string(&document).unwrap().replace("\"level\":\"error\"", "\"level\":\"loud\""),
    )
    .unwrap();
    assert_ne!(errors(&broken), "0");
    let told = accepted(&Command::new(tools).arg("summary").arg(&document).output().unwrap());
    assert!(told.contains("error: 3") && told.contains("wild_pointer"), "{told}");
}

#[test]
fn githubs_markdown_shows_text_and_nothing_else() {
    let Some(parser) = reader("bin/python") else { return };
    let out = folder();
    let list = crashes(out.path());
    const RENDER: &str = "import sys, cmarkgfm\n\
        from cmarkgfm.cmark import Options\n\
        print(cmarkgfm.github_flavored_markdown_to_html(open(sys.argv[1]).read(), options=Options.CMARK_OPT_UNSAFE))\n";
    let group = out.path().join("group.md");
    epitaph().args(["group", "--format=markdown", "-o"]).arg(&group).arg(&list).run().code(0);
    for document in [rendered("markdown", &list, "summary.md"), group] {
        let html = python(&parser, RENDER, &[&document]);
        for acting in ["<script", "<img", "<a ", "javascript:alert(1)\""] {
            assert!(!html.contains(acting), "{acting} in {html}");
        }
        assert!(html.contains("inner_0"), "{html}");
    }
}

#[test]
fn a_validator_of_html_finds_no_error() {
    let Some(validator) = reader("node_modules/.bin/html-validate") else { return };
    let out = folder();
    let list = crashes(out.path());
    let groups = out.path().join("groups.html");
    epitaph().args(["group", "--format=html", "-o"]).arg(&groups).arg(&list).run().code(0);
    for page in [out.path().join("index.html"), groups] {
        let mut command = Command::new(&validator);
        // Without its rules of style: of the standard's alone.
        let preset = ["--preset", "standard", "--rule", "long-title:off", "--rule", "no-inline-style:off"];
        let output = command.args(preset).arg(&page).current_dir(out.path()).output().unwrap();
        accepted(&output);
    }
}

#[test]
fn jq_reads_every_line() {
    if !test_all() {
        return;
    }
    if !tools::have("jq") {
        skipped("jq is not installed");
        return;
    }
    let out = folder();
    let list = crashes(out.path());
    let lines = rendered("jsonl", &list, "all.jsonl");
    let count = |filter: &str, document: &Path| {
        accepted(&Command::new("jq").args(["-s", filter]).arg(document).output().unwrap()).trim().to_owned()
    };
    assert_eq!(count("length", &lines), "4");
    assert_eq!(count("[.[].threads[0].frames[0].function] | unique | length", &lines), "4");
    let findings = rendered("gitlab", &list, "gitlab.json");
    assert_eq!(
        count(
            ".[0] | map(select(.fingerprint and .location.path and .location.lines.begin)) | length",
            &findings
        ),
        "3"
    );
}

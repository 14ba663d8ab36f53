use epitaph_summary::TestCase;

use super::*;
use crate::fixtures;

/// A crash of a program in a test.
fn crash(id: &str, program: &str, framework: &str, test: &str) -> CrashSummary {
    let mut summary = fixtures::null_deref();
    summary.id = Some(id.to_owned());
    summary.process.as_mut().unwrap().executable = Some(format!("/ci/build/{program}"));
    summary.test = (!test.is_empty()).then(|| TestCase {
        name: test.to_owned(),
        framework: Some(framework.to_owned()),
        source: None,
    });
    summary
}

fn merged(report: &str, summaries: &[CrashSummary]) -> (String, Vec<Placed>) {
    let merged = merge(report.as_bytes(), summaries, &Options::default()).unwrap();
    (String::from_utf8(merged.xml).unwrap(), merged.placed)
}

/// The elements of a report with their attributes, to look at what has changed.
fn document(xml: &str) -> Document {
    scan::scan(xml.as_bytes()).unwrap()
}

fn case<'a>(document: &'a Document, name: &str) -> &'a scan::Case {
    document.cases.iter().find(|case| case.name == name).unwrap_or_else(|| panic!("{name}: {document:#?}"))
}

const GTEST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="3" failures="1" errors="0" skipped='1' name="AllTests">
  <!-- a <comment> & more -->
  <testsuite name="Cart" tests="3" failures="1" errors="0" skipped="1">
    <testcase name="Empty" classname="Cart" time="0.1"><failure message="was &lt;3&gt;" type=""><![CDATA[was <3>]]></failure></testcase>
    <testcase name="Full" classname="Cart"/>
    <testcase name="Later" classname="Cart"><skipped message="not run"/></testcase>
  </testsuite>
</testsuites>
"#;

#[test]
fn a_failed_case_keeps_its_words_beneath_the_crash() {
    let (xml, placed) = merged(GTEST, &[crash("2026-1", "tests", "gtest", "Cart.Empty")]);
    assert_eq!(placed, [Placed::Matched]);
    let after = document(&xml);
    let case = case(&after, "Empty");
    let failure = &case.outcomes[0].tag;
    let message = failure.value("message").unwrap();
    assert!(message.contains("died of SIGSEGV") && message.ends_with("; was <3>"), "{message}");
    assert!(xml.contains("#0") && xml.contains("<![CDATA[was <3>]]></failure>"), "{xml}");
    assert!(xml.contains("crash: 2026-1"), "{xml}");
    // It failed before: the counts stay.
    assert!(
        xml.contains(r#"<testsuites tests="3" failures="1" errors="0" skipped='1' name="AllTests">"#),
        "{xml}"
    );
}

#[test]
fn a_case_that_had_not_failed_becomes_an_error_and_is_counted() {
    let crashes =
        [crash("2026-1", "tests", "gtest", "Cart.Full"), crash("2026-2", "tests", "gtest", "Cart.Later")];
    let (xml, placed) = merged(GTEST, &crashes);
    assert_eq!(placed, [Placed::Matched, Placed::Matched]);
    let after = document(&xml);
    for suite in &after.suites {
        let counts = ["tests", "failures", "errors", "skipped"].map(|name| suite.tag.value(name).unwrap());
        assert_eq!(counts, ["3", "1", "2", "0"]);
    }
    for name in ["Full", "Later"] {
        let kinds: Vec<_> = case(&after, name).outcomes.iter().map(|it| it.kind).collect();
        assert_eq!(kinds, [scan::Kind::Error, scan::Kind::Output]);
    }
    assert!(xml.contains("reported as skipped: not run"), "{xml}");
    // What isn't changed is there to the byte.
    let untouched = "  <!-- a <comment> & more -->\n";
    assert!(xml.contains(untouched) && xml.contains("<![CDATA[was <3>]]></failure></testcase>"), "{xml}");
}

#[test]
fn a_case_that_is_missing_is_added_where_it_belongs() {
    let crashes = [crash("2026-1", "tests", "gtest", "Cart.Gone"), crash("2026-2", "helper", "", "")];
    let (xml, placed) = merged(GTEST, &crashes);
    assert_eq!(placed, [Placed::Added, Placed::Added]);
    let after = document(&xml);
    assert_eq!(case(&after, "Gone").class, "Cart");
    assert_eq!(
        after.suites.iter().map(|suite| suite.name.as_str()).collect::<Vec<_>>(),
        ["AllTests", "Cart", "epitaph"]
    );
    let counts = |index: usize| {
        ["tests", "errors"].map(|name| after.suites[index].tag.value(name).unwrap().to_owned())
    };
    assert_eq!([counts(0), counts(1), counts(2)], [["5", "2"], ["4", "1"], ["1", "1"]]);
}

#[test]
fn merging_twice_changes_nothing() {
    let crashes = [crash("2026-1", "tests", "gtest", "Cart.Empty"), crash("2026-2", "x", "", "")];
    let (once, _) = merged(GTEST, &crashes);
    let (twice, placed) = merged(&once, &crashes);
    assert_eq!((twice == once, placed), (true, vec![Placed::AlreadyThere; 2]));
}

#[test]
fn tests_are_found_as_their_frameworks_report_them() {
    let report = |class: &str, name: &str| {
        format!(
            "<testsuite name=\"s\"><testcase classname=\"{class}\" name=\"{name}\"/><testcase name=\"x\"/></testsuite>"
        )
    };
    for (framework, test, class, name) in [
        ("gtest", "Sizes/Cart.Holds/3", "Sizes/Cart", "Holds/3"),
        (
            "pytest",
            "tests/test_cart.py::TestCart::test_sum[1-a]",
            "tests.test_cart.TestCart",
            "test_sum[1-a]",
        ),
        ("nextest", "cart::tests::sum", "shop::cart", "cart::tests::sum"),
        ("cargo-test", "cart::tests::sum", "cart::tests", "sum"),
        ("ctest", "cart_sum", "cart_sum", "cart_sum"),
        ("catch2", "carts can be summed", "shop.global", "carts can be summed"),
        ("go-test", "TestCart/empty", "example.org/shop", "TestCart/empty"),
        ("boost-test", "cart/sum", "cart", "sum"),
    ] {
        let (_, placed) = merged(&report(class, name), &[crash("2026-1", "shop", framework, test)]);
        assert_eq!(placed, [Placed::Matched], "{framework}: {test}");
    }
    for (test, class, name) in
        [("sum", "a", "sum_of_all"), ("Cart.Empty", "Bag", "Empty"), ("a.b", "xa", "b")]
    {
        let (_, placed) = merged(&report(class, name), &[crash("2026-1", "shop", "gtest", test)]);
        assert_eq!(placed, [Placed::Added], "{test}");
    }
}

#[test]
fn of_several_that_fit_the_programs_decides_or_none_is_taken() {
    let report = "<testsuites><testsuite name=\"shop::cart\"><testcase classname=\"shop::cart\" name=\"tests::works\"/></testsuite>\
        <testsuite name=\"shop::bag\"><testcase classname=\"shop::bag\" name=\"tests::works\"/></testsuite></testsuites>";
    let (xml, placed) = merged(report, &[crash("2026-1", "bag-0123456789abcdef", "nextest", "tests::works")]);
    assert_eq!(placed, [Placed::Matched]);
    assert!(xml.find("<error").unwrap() > xml.find("classname=\"shop::bag\"").unwrap(), "{xml}");
    let (_, placed) = merged(report, &[crash("2026-1", "other", "nextest", "tests::works")]);
    assert_eq!(placed, [Placed::Added]);
}

#[test]
fn what_is_no_report_is_refused() {
    let refused = |xml: &[u8]| merge(xml, &[fixtures::abort()], &Options::default()).unwrap_err().to_string();
    let bomb = r#"<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><testsuite name="&b;"/>"#;
    for (xml, why) in [
        ("", "there is no element in it"),
        ("no xml at all", "text around the first element"),
        ("<html><body/></html>", "its first element is <html>"),
        ("<testsuite><testcase></testsuite>", "not well-formed"),
        ("<testsuite><testcase name=\"a\"", "it was cut"),
        ("<testsuites><testsuite><testcase name=\"a\">", "it was cut"),
        ("<testsuite a=\"1\" a=\"2\"/>", "not well-formed"),
        ("<testsuite/><testsuite/>", "its first element"),
        (bomb, "document type"),
    ] {
        assert!(refused(xml.as_bytes()).contains(why), "{xml}: {}", refused(xml.as_bytes()));
    }
    assert!(refused(b"\xff\xfe<\0t\0").contains("UTF-16"));
    let deep = "<testsuite>".repeat(100_000);
    assert!(refused(deep.as_bytes()).contains("deep"));
}

#[test]
fn hostile_text_stays_text_in_any_encoding() {
    let mut hostile = fixtures::hostile();
    hostile.id = Some("2026-1".into());
    for (head, ascii) in [("", false), ("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>", true)] {
        let report = format!("{head}<testsuite tests=\"1\" errors=\"0\"><testcase name=\"a\"/></testsuite>");
        let (xml, _) = merged(&report, std::slice::from_ref(&hostile));
        let after = document(&xml);
        assert_eq!((after.cases.len(), after.suites[0].tag.value("errors")), (2, Some("1")));
        assert_eq!(xml.is_ascii(), ascii, "{head}");
        assert!(!xml.contains("[[ATTACHMENT|/etc") && !xml.contains("<script>"), "{xml}");
    }
}

use std::collections::BTreeMap;

use epitaph_summary::group::{Digest, Grouping, Source};
use epitaph_summary::{Basis, Frame, Signature, SourceLine, Thread};

use super::*;
use crate::fixtures;

fn rendered(summaries: &[CrashSummary]) -> String {
    page(summaries, &[], &crate::kinds::grouped(summaries), &Options::default()).into_string()
}

/// What stands between the page's style and its script.
fn body(page: &str) -> &str {
    let (_, rest) = page.split_once("</style>").unwrap();
    rest.rsplit_once("<script>").unwrap().0
}

/// The names of elements and attributes in a page, and how often they occur.
fn markup(page: &str) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    let mut count = |name: &str| *names.entry(name.to_owned()).or_default() += 1;
    for tag in body(page).split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        // Values are in double quotes, and have none within.
        for (place, part) in tag.split('"').enumerate().filter(|(place, _)| place % 2 == 0) {
            let skip = usize::from(place == 0);
            part.split_whitespace().take(skip).for_each(&mut count);
            part.split_whitespace().skip(skip).for_each(|name| count(name.trim_end_matches('=')));
        }
    }
    names
}

#[test]
fn the_page_is_small_and_whole() {
    assert!(STYLE.len() + SCRIPT.len() < 60 << 10);
    let page = rendered(&[fixtures::null_deref()]);
    for reference in [" src=", "url(", "@import", "http://", "https://", "fetch(", "innerHTML", "style=\""] {
        assert!(!page.contains(reference), "{reference}");
    }
    assert!(page.len() - STYLE.len() - SCRIPT.len() < 20 << 10, "{}", page.len());
}

#[test]
fn a_policy_names_the_style_and_the_script_by_their_hashes() {
    let page = rendered(&[]);
    let (_, style) = page.split_once("<style>").unwrap();
    assert_eq!(style.split_once("</style>").unwrap().0, STYLE, "as it was hashed");
    let (_, script) = page.split_once("<script>").unwrap();
    assert_eq!(script.split_once("</script>").unwrap().0, SCRIPT, "as it was hashed");
    assert!(page.contains("default-src 'none'; style-src 'sha256-") && !page.contains("unsafe-inline"));
}

#[test]
fn a_crash_is_told_from_its_cause_to_its_files() {
    let page = rendered(&[fixtures::wild_write()]);
    let mut rest = page.as_str();
    for told in [
        "<h2>",
        "died of SIGABRT after SIGSEGV",
        "probably write past the end of a mapping",
        "mov [rdi+0x10],rax",
        "<svg role=\"img\"",
        "16 bytes after the end",
        "crashed</h3>",
        "<ol class=\"frames\">",
        "Registers",
        "Facts",
        "Mapped files",
    ] {
        let (_, after) = rest.split_once(told).unwrap_or_else(|| panic!("{told} is missing, or too early"));
        rest = after;
    }
}

#[test]
fn source_is_shown_where_it_is_known_and_the_line_is_brought_out() {
    let mut summary = fixtures::null_deref();
    let frame = &mut summary.threads[0].frames[0];
    (frame.in_app, frame.line) = (Some(true), Some(20));
    frame.source = (15..26).map(|line| SourceLine { line, text: format!("\tif (a < {line})") }).collect();
    let page = rendered(&[summary]);
    assert!(
        page.contains("<span class=\"hit\"><span class=\"ln\">20</span>     if (a &lt; 20)\n</span>"),
        "{page}"
    );
    assert!(page.contains("<details open>"));
}

#[test]
fn machinery_can_be_unfolded_and_inlined_frames_say_so() {
    let page = rendered(&[fixtures::assertion()]);
    let unfolds =
        "<li class=\"gone\"><details><summary>… #0-#4 abort machinery, up to __assert_fail (libc.so.6) …";
    assert!(page.contains(unfolds), "{page}");
    assert!(rendered(&[fixtures::full()]).contains("repeat the functions of"));
    let mut inlined = fixtures::null_deref();
    inlined.threads[0].frames[0].inlined = true;
    assert!(rendered(&[inlined]).contains("<span class=\"tag\">inlined</span>"));
}

#[test]
fn equal_stacks_of_threads_are_shown_once_and_bounded() {
    let mut summary = fixtures::many_threads();
    let stacks = |summary: &CrashSummary| {
        rendered(std::slice::from_ref(summary)).matches("<section class=\"thread\">").count()
    };
    assert!(stacks(&summary) < 5);
    let frame = summary.threads[1].frames[0].clone();
    summary.threads = (0..2000)
        .map(|number| Thread {
            tid: Some(number),
            crashed: number == 0,
            frames: vec![Frame { function: Some(format!("f{number}")), ..frame.clone() }; 300],
            ..Thread::default()
        })
        .collect();
    let page = rendered(&[summary.clone()]);
    assert_eq!(stacks(&summary), 100);
    assert!(
        page.contains("1,899 more stacks in the summary.") && page.contains("100 more frames"),
        "{}",
        page.len()
    );
    assert!(page.len() < 8 << 20);
}

#[test]
fn hostile_text_adds_neither_elements_nor_attributes() {
    let harmless: Vec<String> =
        [fixtures::hostile(), fixtures::full(), fixtures::wild_write(), fixtures::deadlock()]
            .iter()
            .flat_map(|summary| markup(&rendered(std::slice::from_ref(summary))).into_keys())
            .collect();
    let known = [
        "a",
        "article",
        "b",
        "br",
        "button",
        "circle",
        "code",
        "dd",
        "details",
        "dialog",
        "div",
        "dl",
        "dt",
        "figcaption",
        "figure",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "header",
        "kbd",
        "li",
        "line",
        "main",
        "ol",
        "p",
        "pre",
        "rect",
        "section",
        "span",
        "summary",
        "svg",
        "table",
        "tbody",
        "td",
        "text",
        "th",
        "thead",
        "time",
        "tr",
        "ul",
        "body",
        "aria-label",
        "aria-labelledby",
        "autofocus",
        "class",
        "cx",
        "cy",
        "data-program",
        "data-signal",
        "datetime",
        "download",
        "height",
        "hidden",
        "href",
        "id",
        "open",
        "r",
        "role",
        "scope",
        "tabindex",
        "text-anchor",
        "title",
        "type",
        "width",
        "x",
        "x1",
        "x2",
        "y",
        "y1",
        "y2",
    ];
    for name in harmless {
        assert!(name.starts_with('/') || known.contains(&name.as_str()), "{name:?}");
    }
    let page = rendered(&[fixtures::hostile()]);
    let body = body(&page);
    assert!(body.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && body.contains("\\u{202e}"), "shown");
    assert!(!body.contains("##") && !body.contains('\u{202e}') && !body.contains('\u{1b}'));
    assert!(!body.contains("href=\"javascript") && !body.contains("href=\"http"));
    // A runner takes a line that begins with `::` for a command.
    assert!(!body.lines().any(|line| line.trim_start().starts_with("::")));
}

#[test]
fn a_name_of_megabytes_is_cut_and_said_to_be() {
    let mut summary = fixtures::full();
    let long = || Some("A<b>".repeat(1 << 15));
    summary.process.as_mut().unwrap().executable = long();
    summary.cause.as_mut().unwrap().message = long();
    (summary.id, summary.time) = (long(), long());
    for thread in &mut summary.threads {
        thread.name = long();
        thread.frames[0].function = long();
        thread.frames[0].file = long();
    }
    let page = rendered(&[summary]);
    assert!(page.len() < 128 << 10, "{}", page.len());
    assert!(page.contains("(cut: "));
}

fn many(count: u32, kinds: u32) -> Vec<CrashSummary> {
    let crash = |number: u32| {
        let mut summary = fixtures::cpp_exception();
        summary.id = Some(format!("2026{number:04}-x"));
        summary.time = Some(format!("2026-11-22T10:{:02}:{:02}Z", number / 60 % 60, number % 60));
        let strict = Some(format!("{:016x}", number % kinds));
        summary.signature = Some(Signature { strict, ..Signature::default() });
        summary
    };
    (0..count).map(crash).collect()
}

#[test]
fn crashes_of_a_kind_stand_together_and_each_has_its_place() {
    let page = rendered(&many(100, 4));
    assert_eq!(page.matches("<details class=\"kind\"").count(), 4);
    assert_eq!(page.matches("<article class=\"crash\"").count(), 12, "three of each kind are told");
    assert_eq!(page.matches("<li class=\"row\"").count(), 88, "the others have rows");
    for number in 0..100 {
        assert_eq!(page.matches(&format!("id=\"2026{number:04}-x\"")).count(), 1, "{number}");
    }
    assert!(page.contains("<h1>100 crashes of 4 kinds</h1>") && page.contains("25 crashes, "));
    assert_eq!(page.matches("<details class=\"kind\" open").count(), 1);
}

#[test]
fn what_was_not_kept_is_told() {
    let mut crash = fixtures::abort();
    crash.warnings = vec![epitaph_summary::Warning::new("quota", "the folder is <full>")];
    let page = page(&[], &[crash], &GroupReport::default(), &Options::default()).into_string();
    assert!(page.contains("No crashes.") && page.contains("1 more crash was not kept"));
    assert!(page.contains("the folder is &lt;full&gt;"));
}

#[test]
fn links_lead_beneath_the_page_alone() {
    let mut summary = fixtures::null_deref();
    summary.core.as_mut().unwrap().file = Some("crashes/a b/core.zst".into());
    summary.modules[0].file = Some("../../etc/passwd".into());
    let page = rendered(&[summary]);
    assert!(page.contains("href=\"crashes/a%20b/core.zst\" download"));
    assert!(!page.contains("href=\"../") && !page.contains("etc/passwd\""));
}

#[test]
fn what_is_new_known_and_gone_stands_with_each_kind() {
    let crash = |id: &str, strict: &str| {
        let mut summary = fixtures::null_deref();
        let signature =
            Signature { strict: Some(strict.into()), basis: Some(Basis::Dwarf), ..Signature::default() };
        (summary.id, summary.signature) = (Some(id.into()), Some(signature));
        summary
    };
    let digest = |summary: &CrashSummary| Digest::of(summary).unwrap();
    let (known, gone) = (crash("1-x", "a"), crash("2-x", "b"));
    let new = fixtures::cpp_exception();
    let (mut now, mut before) = (Grouping::default(), Grouping::default());
    for summary in [&new, &known] {
        now.add(digest(summary), &Source::default());
    }
    let mut gone = digest(&gone);
    (gone.title, gone.phys, gone.exact) = (Some("it <never> came again".into()), None, None);
    gone.trace = Digest::of(&CrashSummary::new("0")).unwrap().trace;
    for digest in [digest(&known), gone] {
        before.add(digest, &Source::default());
    }
    let groups = now.report(Some(&before), 0.0, "0");
    let summaries = [known, new];
    let page = page(&summaries, &[], &groups, &Options::default()).into_string();
    let mut rest = page.as_str();
    for told in [
        "against a baseline of 2 crashes: 1 new, 1 known, 1 gone",
        "data-status=\"new\"",
        "<span class=\"standing new\">new</span>",
        "data-status=\"known\"",
        "Only in the baseline: 1 signature",
        "it &lt;never&gt; came again",
    ] {
        let (_, after) = rest.split_once(told).unwrap_or_else(|| panic!("{told} is missing: {page}"));
        rest = after;
    }
}

//! What must hold for every format and every summary.

use epitaph_summary::{Cause, CrashSummary};
use serde_json::Value;

use crate::fixtures;
use crate::{Format, Options, Threads, render, text};

fn rendered(summaries: &[CrashSummary], format: Format, options: &Options) -> String {
    let mut out = Vec::new();
    render(summaries, format, options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Compares with `tests/data/<name>`. `UPDATE_EXPECTED=1` rewrites it.
fn expect(name: &str, actual: &str) {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == actual, "{path} differs (UPDATE_EXPECTED=1 rewrites it); the output is\n{actual}");
}

#[test]
fn text_is_as_reviewed() {
    for (name, summary) in fixtures::all() {
        expect(&format!("{name}.txt"), &rendered(&[summary], Format::Text, &Options::default()));
    }
}

#[test]
fn text_in_colour_and_in_a_narrow_terminal_is_as_reviewed() {
    let narrow = Options { color: true, width: Some(60), threads: Threads::Crashed, ..Options::default() };
    expect("missing_modules.ansi", &rendered(&[fixtures::missing_modules()], Format::Text, &narrow));
    let narrower = Options { width: Some(40), ..narrow };
    expect("assertion.ansi", &rendered(&[fixtures::assertion()], Format::Text, &narrower));
}

#[test]
fn markdown_is_as_reviewed() {
    let pair = [fixtures::assertion(), fixtures::missing_modules()];
    expect("pair.md", &rendered(&pair, Format::Markdown, &Options::default()));
    expect("hostile.md", &rendered(&[fixtures::hostile()], Format::Markdown, &Options::default()));
}

#[test]
fn junit_is_as_reviewed() {
    let three = [fixtures::wild_write(), fixtures::assertion(), fixtures::wild_write()];
    expect("three.xml", &rendered(&three, Format::Junit, &Options::default()));
    expect("none.xml", &rendered(&[], Format::Junit, &Options::default()));
    expect("hostile.xml", &rendered(&[fixtures::hostile()], Format::Junit, &Options::default()));
}

#[test]
fn no_crash_is_said_or_is_nothing() {
    assert_eq!(rendered(&[], Format::Text, &Options::default()), "No crashes.\n");
    assert_eq!(rendered(&[], Format::Markdown, &Options::default()), "No crashes.\n");
    assert_eq!(rendered(&[], Format::Json, &Options::default()), "");
    assert_eq!(rendered(&[], Format::Jsonl, &Options::default()), "");
}

#[test]
fn the_two_halves_are_the_whole() {
    for (name, summary) in fixtures::all() {
        let options = Options::default();
        let mut halves = Vec::new();
        text::story(&summary, &options, &mut halves).unwrap();
        text::rest(&summary, &options, &mut halves).unwrap();
        assert_eq!(
            String::from_utf8(halves).unwrap(),
            rendered(&[summary], Format::Text, &options),
            "{name}"
        );
    }
}

#[test]
fn one_summary_is_indented_and_several_are_json_lines() {
    let (a, b) = (fixtures::hostile(), fixtures::full());
    let one = rendered(std::slice::from_ref(&a), Format::Json, &Options::default());
    assert!(one.starts_with("{\n  \"schema\"") && one.ends_with("}\n"));
    assert_eq!(serde_json::from_str::<CrashSummary>(&one).unwrap(), a);
    let both = [a, b];
    for format in [Format::Json, Format::Jsonl] {
        let lines = rendered(&both, format, &Options::default());
        assert!(lines.ends_with('\n'));
        let read: Vec<CrashSummary> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, both);
    }
    assert_eq!(rendered(&both[..1], Format::Jsonl, &Options::default()).lines().count(), 1);
}

/// A small generator of our own (an LCG with Knuth's constants): the same summaries in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// Visits every value beneath `value`, which may be changed.
fn visit(value: &mut Value, change: &mut impl FnMut(&mut Value)) {
    change(value);
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|value| visit(value, change)),
        Value::Array(values) => values.iter_mut().for_each(|value| visit(value, change)),
        _ => {}
    }
}

/// What is required of every output, whatever the summary.
fn check(summaries: &[CrashSummary], options: &Options) {
    for format in Format::all() {
        check_format(summaries, *format, options);
    }
}

fn check_format(summaries: &[CrashSummary], format: Format, options: &Options) {
    let output = rendered(summaries, format, options);
    assert_eq!(output, rendered(summaries, format, options), "{format} is not the same twice");
    assert!(output.ends_with('\n'), "{format}");
    for line in output.lines() {
        assert!(!line.trim_start().starts_with("::"), "{format} begins a command: {line}");
        assert!(!line.contains("##[") && !line.contains("##vso["), "{format} holds a command: {line}");
        let drives =
            |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!line.contains(drives) || options.color, "{format} drives the terminal: {line:?}");
    }
    if format == Format::Junit {
        let report = quick_junit::Report::deserialize_from_str(&output).unwrap();
        assert_eq!((report.tests, report.errors), (summaries.len(), summaries.len()));
        let attachments = output.matches("[[ATTACHMENT|").count();
        assert!(attachments <= summaries.len(), "{output}");
    }
}

#[test]
fn any_field_may_be_absent() {
    let full = serde_json::to_value(fixtures::full()).unwrap();
    let mut dice = Dice(2);
    let mut partial = 0;
    for round in 0..400 {
        let mut value = full.clone();
        // From almost whole to almost empty.
        let odds = [40, 10, 3, 2][round % 4];
        visit(&mut value, &mut |value| match value {
            Value::Object(fields) => {
                let required =
                    ["schema", "tool", "name", "version", "code", "text", "class", "kind", "line", "id"];
                fields.retain(|name, _| required.contains(&name.as_str()) || dice.roll(odds) != 0);
            }
            Value::Array(values) => values.retain(|_| dice.roll(odds) != 0),
            _ => {}
        });
        let summary: CrashSummary = serde_json::from_value(value).unwrap();
        partial += usize::from(!summary.threads.is_empty());
        let threads = if round % 2 == 0 { Threads::All } else { Threads::Crashed };
        check(&[summary], &Options { threads, width: Some(round), ..Options::default() });
    }
    assert!((100..400).contains(&partial), "the rounds are too much alike: {partial}");
}

#[test]
fn numbers_may_be_absurd() {
    for absurd in [0, 1, u32::MAX] {
        let mut value = serde_json::to_value(fixtures::full()).unwrap();
        visit(&mut value, &mut |value| match value {
            Value::Number(number) if number.is_u64() => *value = absurd.into(),
            _ => {}
        });
        value["system"]["bits"] = 64.into();
        value["signal"]["number"] = 11.into();
        value["signal"]["code"] = 1.into();
        value["signal"]["after"] = Value::Null;
        value["signal"]["after"] = value["signal"].clone();
        check(&[serde_json::from_value(value).unwrap()], &Options::default());
    }
}

#[test]
fn no_text_of_a_crash_acts_anywhere() {
    let texts = [
        "::error::x",
        "  ::error::x",
        "\n::error::x\r\n",
        "\u{200b}::error::x",
        "##vso[task.complete]x",
        "#\u{200d}#[error]x",
        "\u{1b}[2J\u{9b}2J",
        "\u{202e}\u{2067}\u{2028}",
        "]]>\u{0}\u{ffff}<&\"'",
        "[[ATTACHMENT|/etc/passwd]]",
        "```\n</details>\n```",
        "",
        " ",
        "/",
    ];
    check(&[fixtures::hostile(), fixtures::hostile()], &Options::default());
    for text in texts {
        let mut value = serde_json::to_value(fixtures::full()).unwrap();
        visit(&mut value, &mut |value| match value {
            // Addresses and tokens are no free texts.
            Value::String(old) if !old.starts_with("0x") => *value = text.into(),
            _ => {}
        });
        let everywhere: CrashSummary = serde_json::from_value(value).unwrap();
        let colored = Options { color: true, ..Options::default() };
        let narrow = Options { width: Some(40), ..Options::default() };
        for options in [Options::default(), colored, narrow] {
            check(std::slice::from_ref(&everywhere), &options);
        }
    }
}

#[test]
fn texts_of_any_length_are_bounded() {
    let mut summary = fixtures::hostile();
    let usual = rendered(std::slice::from_ref(&summary), Format::Text, &Options::default()).len();
    let line = "::error::x \u{202e}##vso[x]\n";
    let (longest, long) = (line.repeat(400_000), line.repeat(1_000));
    let cause = summary.cause.as_mut().unwrap();
    (cause.summary, cause.message) = (Some("short".into()), Some(longest));
    cause.evidence = vec![long.clone(); 3];
    cause.instruction.as_mut().unwrap().text = Some(long.clone());
    summary.other_causes = vec![Cause { message: Some(long.clone()), ..cause.clone() }];
    summary.regions[0].name = Some(long.clone());
    summary.test.as_mut().unwrap().name = long.clone();
    summary.signature.as_mut().unwrap().strict = Some(long.clone());
    summary.threads[0].frames[0].source[0].text = long.clone();
    summary.threads[0].waits_on.as_mut().unwrap().kind = long;
    let narrow = Options { width: Some(40), ..Options::default() };
    for format in [Format::Text, Format::Markdown, Format::Junit] {
        check_format(std::slice::from_ref(&summary), format, &narrow);
    }
    let text = rendered(&[summary], Format::Text, &Options::default());
    assert!(text.len() < usual + 40_000, "{} bytes", text.len());
    assert!(text.contains("... 399,980 more lines ..."), "{text}");
}

#[test]
fn markdown_keeps_to_its_budget_and_its_structure() {
    let all: Vec<CrashSummary> = fixtures::all().into_iter().map(|(_, summary)| summary).collect();
    let whole = rendered(&all, Format::Markdown, &Options { max_bytes: None, ..Options::default() });
    assert!(!whole.contains("stay below"));
    let mut longest = 0;
    for max_bytes in (0..whole.len() + 400).step_by(409).chain((0..300).step_by(11)) {
        let options = Options { max_bytes: Some(max_bytes), ..Options::default() };
        let cut = rendered(&all, Format::Markdown, &options);
        assert!(cut.len() <= max_bytes, "{} > {max_bytes}", cut.len());
        assert!(cut == whole || cut.is_empty() || cut.contains("stay below"), "{max_bytes}: not said\n{cut}");
        let lines = |start: &str| cut.lines().filter(|line| line.starts_with(start)).count();
        assert_eq!(lines("```") % 2, 0, "{max_bytes}: a code block stays open\n{cut}");
        assert_eq!(lines("<details>"), lines("</details>"), "{max_bytes}");
        longest = longest.max(cut.len());
    }
    assert_eq!(longest, whole.len());
}

#[test]
fn markdown_cuts_the_least_important_first() {
    let crashes = vec![fixtures::many_threads(); 5];
    let sized =
        |max_bytes| rendered(&crashes, Format::Markdown, &Options { max_bytes, ..Options::default() });
    let whole = sized(None).len();
    let count = |text: &str, what: &str| text.matches(what).count();
    let cut = sized(Some(whole * 3 / 4));
    assert_eq!((count(&cut, "## `renderer`"), count(&cut, "render_tile  ")), (5, 5));
    assert!(count(&cut, "logger") < 5, "{cut}");
    let cut = sized(Some(whole / 4));
    assert_eq!((count(&cut, "## `renderer`"), count(&cut, "<details>")), (5, 0));
    assert!(cut.contains("other parts: 10"), "{cut}");
    let cut = sized(Some(600));
    assert!((1..5).contains(&count(&cut, "## `renderer`")), "{cut}");
    assert!(cut.contains("whole crashes: "), "{cut}");
}

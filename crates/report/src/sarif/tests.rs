use epitaph_summary::{Cause, Confidence, Frame, Hex, SourceLine};

use super::*;
use crate::fixtures;
use crate::kinds::grouped;

fn rendered(summaries: &[CrashSummary], room: Room) -> Value {
    let groups = grouped(summaries);
    let findings = finding::of_summaries(summaries, &groups);
    log(&findings, &[], Some(Path::new("/ci/build")), room)
}

fn results(log: &Value) -> &Vec<Value> {
    log["runs"][0]["results"].as_array().unwrap()
}

fn all() -> Vec<CrashSummary> {
    let mut all: Vec<CrashSummary> = fixtures::all().into_iter().map(|(_, summary)| summary).collect();
    all.push(fixtures::full());
    for (number, summary) in all.iter_mut().enumerate() {
        summary.id = Some(format!("2026-{number}"));
    }
    all
}

#[test]
fn each_kind_is_a_result_of_a_rule() {
    let log = rendered(&all(), OF_GITHUB);
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(results(&log).len() > 10);
    for result in results(&log) {
        let rule = &rules[result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].is_string());
        assert!(result["partialFingerprints"]["primaryLocationLineHash"].is_string());
        let invocations = log["runs"][0]["invocations"].as_array().unwrap();
        if let Some(index) = result["provenance"]["invocationIndex"].as_u64() {
            let invocation = &invocations[index as usize];
            assert!(index > 0 && invocation["exitSignalName"].is_string(), "{invocation:#}");
        }
    }
}

#[test]
fn a_crash_is_told_with_its_place_its_stack_and_the_way_to_it() {
    let mut summary = fixtures::wild_write();
    summary.cause = Some(Cause::new("use_after_free", Confidence::Medium, "use of freed memory"));
    let frame = |function: &str, file: &str, line| Frame {
        function: Some(function.into()),
        file: Some(file.into()),
        line: Some(line),
        pc: Some(Hex(0x401136)),
        in_app: Some(true),
        ..Frame::default()
    };
    let mut first = frame("lex", "/ci/build/src/a b.c", 20);
    first.source = (19..22).map(|line| SourceLine { line, text: format!("\tline {line}") }).collect();
    summary.signal.as_mut().unwrap().after = None;
    summary.threads[0].frames =
        vec![first, frame("parse", "/ci/build/src/parse.c", 7), frame("main", "/elsewhere/main.c", 3)];
    let log = rendered(&[summary], OF_GITHUB);
    let result = &results(&log)[0];
    assert_eq!((&result["ruleId"], &result["level"]), (&json!("use_after_free"), &json!("error")));
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"], json!({ "uri": "src/a%20b.c", "uriBaseId": "SRCROOT" }));
    assert_eq!(place["region"], json!({ "startLine": 20, "snippet": { "text": "    line 20" } }));
    assert_eq!(place["contextRegion"]["endLine"], 21);
    let stack = result["stacks"][0]["frames"].as_array().unwrap();
    assert_eq!(stack.len(), 3);
    assert_eq!(
        stack[2]["location"]["physicalLocation"]["artifactLocation"]["uri"],
        "file:///elsewhere/main.c"
    );
    assert_eq!(stack[0]["location"]["physicalLocation"]["address"]["absoluteAddress"], 0x401136);
    // The outermost call comes first, and what isn't in the repository is no part of it.
    let flow = result["codeFlows"][0]["threadFlows"][0]["locations"].as_array().unwrap();
    let steps: Vec<&Value> = flow.iter().map(|step| &step["location"]["message"]["text"]).collect();
    assert_eq!(steps, ["parse", "lex"]);
    assert_eq!(result["relatedLocations"][0]["message"]["text"], "called by parse");
}

#[test]
fn what_has_no_room_is_left_out_and_said() {
    let all: Vec<CrashSummary> = (0..40)
        .map(|number| {
            let mut summary = fixtures::cpp_exception();
            summary.id = Some(format!("2026-{number}"));
            summary.signature = None;
            summary
        })
        .collect();
    let whole = rendered(&all, OF_GITHUB);
    let bytes = whole["runs"][0]["results"].to_string().len();
    assert!(whole["runs"][0]["invocations"][0].get("toolExecutionNotifications").is_none());
    let half = rendered(&all, Room { results: 30, bytes: bytes / 2 });
    assert!(half["runs"][0]["results"].to_string().len() <= bytes / 2 + 100);
    let stacks = results(&half).iter().filter(|result| result.get("stacks").is_some()).count();
    assert!(results(&half).len() > stacks && stacks > 0, "{stacks} of {}", results(&half).len());
    let said = half["runs"][0]["invocations"][0]["toolExecutionNotifications"].to_string();
    assert!(said.contains("more result") && said.contains("no room for the stacks of"), "{said}");
}

#[test]
fn hostile_text_makes_neither_rules_nor_links_nor_long_messages() {
    let log = rendered(&[fixtures::hostile()], OF_GITHUB);
    let text = log.to_string();
    assert!(!text.contains('\u{202e}') && !text.contains("##vso"));
    for message in texts(&log) {
        assert!(!message.contains("](https") || message.contains("\\](https"), "{message}");
        assert!(message.chars().count() <= 1000);
    }
    let result = &results(&log)[0];
    assert_eq!(result["ruleId"], "crash");
    assert!(result["message"]["text"].as_str().unwrap().chars().count() <= 1000);
    let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
    assert!(uri.chars().all(|c| c.is_ascii_graphic() && !"<>\"{}|\\^`".contains(c)), "{uri}");
}

/// The texts of all messages.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("message").and_then(|message| message["text"].as_str());
            own.into_iter().chain(fields.values().flat_map(texts)).collect()
        }
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

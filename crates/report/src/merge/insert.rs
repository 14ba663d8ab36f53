//! What is put into a report, where, and how its counts follow.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::case_name::Wanted;
use super::edit::Edits;
use super::scan::{Case, Document, Kind, Suite, Tag};
use crate::junit::{Taken, Told, unique};

/// How text is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Escape {
    /// Whether all that isn't ASCII becomes a reference: the report's own encoding is none that is written here.
    pub(super) ascii: bool,
}

impl Escape {
    /// Text that stays text, in elements and in values.
    fn text(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 16);
        for c in text.chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&apos;"),
                '\n' | '\t' => out.push(c),
                // XML 1.0 has no other control characters, and none of these.
                c if c.is_control() || u32::from(c) & 0xfffe == 0xfffe => out.push('\u{fffd}'),
                c if self.ascii && !c.is_ascii() => {
                    // Writing to a string doesn't fail.
                    let _ = write!(out, "&#{};", u32::from(c));
                }
                c => out.push(c),
            }
        }
        if self.ascii { out.replace('\u{fffd}', "&#65533;") } else { out }
    }
}

/// What has changed in each suite: tests, failures, errors, skipped.
#[derive(Debug, Default)]
pub(super) struct Counts(HashMap<usize, [i64; 4]>);

impl Counts {
    fn add(&mut self, suites: &[usize], change: [i64; 4]) {
        for suite in suites {
            let own = self.0.entry(*suite).or_default();
            for (own, change) in own.iter_mut().zip(change) {
                *own += change;
            }
        }
    }
}

/// Puts crashes into the case that they died in.
pub(super) fn into_case(
    case: &Case,
    crashes: &[Told],
    escape: Escape,
    counts: &mut Counts,
    edits: &mut Edits,
) {
    let of = |kinds: &[Kind]| case.outcomes.iter().find(|it| kinds.contains(&it.kind));
    let failed = of(&[Kind::Failure, Kind::Error]);
    let skipped = of(&[Kind::Skipped]);
    let output = of(&[Kind::Output]);
    let mut own = String::new();
    let mut story: Vec<&str> =
        crashes.iter().map(|told| told.story.as_str()).filter(|it| !it.is_empty()).collect();
    let said = skipped
        .and_then(|skipped| skipped.tag.value("message"))
        .map(|why| format!("reported as skipped: {why}"));
    story.extend(said.as_deref());
    let messages: Vec<&str> = crashes.iter().map(|told| told.message.as_str()).collect();
    let message = messages.join("; ");
    match failed {
        // Its own words stay, beneath what is known of the crash.
        Some(failed) => before_words(&failed.tag, &message, &story.join("\n\n"), escape, edits),
        None => {
            let kind = crashes.first().map(|told| told.kind.as_str()).unwrap_or_default();
            own.push_str(&error(kind, &message, &story.join("\n\n"), escape));
            counts.add(&case.suites, [0, 0, 1, -i64::from(skipped.is_some())]);
            if let Some(skipped) = skipped {
                // Readers show a case with both as skipped.
                edits.replace(skipped.tag.bytes.start..skipped.end, String::new());
            }
        }
    }
    let told: Vec<&str> =
        crashes.iter().map(|told| told.output.as_str()).filter(|it| !it.is_empty()).collect();
    let told = told.join("\n\n");
    match output {
        Some(output) if !told.is_empty() => before_words(&output.tag, "", &told, escape, edits),
        None if !told.is_empty() => own.push_str(&system_out(&told, escape)),
        _ => {}
    }
    if own.is_empty() {
        return;
    }
    if case.tag.is_empty {
        let end = case.tag.bytes.end;
        edits.replace(end.saturating_sub(2)..end, format!(">{own}</{}>", case.tag.element));
    } else {
        edits.insert(case.inner_end, own);
    }
}

/// Puts text before what an element says, and a message before its own.
fn before_words(tag: &Tag, message: &str, text: &str, escape: Escape, edits: &mut Edits) {
    if !message.is_empty() {
        let message = escape.text(message);
        match tag.place("message") {
            Some(place) if place.is_empty() => edits.insert(place.start, message),
            Some(place) => edits.insert(place.start, format!("{message}; ")),
            None => edits.insert(tag.bytes.start + 1 + tag.element.len(), format!(" message=\"{message}\"")),
        }
    }
    let text = if text.is_empty() { String::new() } else { format!("\n{}\n", escape.text(text)) };
    let end = tag.bytes.end;
    if tag.is_empty {
        edits.replace(end.saturating_sub(2)..end, format!(">{text}</{}>", tag.element));
    } else {
        edits.insert(end, text);
    }
}

fn error(kind: &str, message: &str, story: &str, escape: Escape) -> String {
    let (kind, message) = (escape.text(kind), escape.text(message));
    let story = if story.is_empty() { String::new() } else { format!("\n{}\n", escape.text(story)) };
    format!("<error type=\"{kind}\" message=\"{message}\">{story}</error>")
}

fn system_out(text: &str, escape: Escape) -> String {
    format!("<system-out>\n{}\n</system-out>", escape.text(text))
}

/// Adds cases that are missing to a suite; without one, in a new suite at the end of the report.
pub(super) fn into_suite(
    suite: Option<(usize, &Suite)>,
    document: &Document,
    crashes: Vec<(Wanted, Told)>,
    taken: &mut Taken,
    escape: Escape,
    counts: &mut Counts,
    edits: &mut Edits,
) {
    let count = crashes.len() as i64;
    let mut cases = String::new();
    for (wanted, told) in crashes {
        let name = unique(&wanted.class, &wanted.name, taken);
        let output = if told.output.is_empty() { String::new() } else { system_out(&told.output, escape) };
        let (name, class) = (escape.text(&name), escape.text(&wanted.class));
        let error = error(&told.kind, &told.message, &told.story, escape);
        let _ = writeln!(cases, "<testcase name=\"{name}\" classname=\"{class}\">{error}{output}</testcase>");
    }
    let change = [count, 0, count, 0];
    let Some((index, suite)) = suite else {
        let Some(root) = document.suites.first() else { return };
        counts.add(&[0], change);
        let totals = format!("tests=\"{count}\" failures=\"0\" errors=\"{count}\" skipped=\"0\"");
        append(root, &format!("<testsuite name=\"epitaph\" {totals}>\n{cases}</testsuite>\n"), edits);
        return;
    };
    let mut suites = suite.around.clone();
    suites.push(index);
    counts.add(&suites, change);
    append(suite, &cases, edits);
}

/// Puts elements at the end of a suite.
fn append(suite: &Suite, text: &str, edits: &mut Edits) {
    let end = suite.tag.bytes.end;
    if suite.tag.is_empty {
        edits.replace(end.saturating_sub(2)..end, format!(">\n{text}</{}>", suite.tag.element));
    } else {
        edits.insert(suite.inner_end, text.to_owned());
    }
}

/// Writes the counts anew that have changed, where a suite has them.
pub(super) fn correct_counts(document: &Document, counts: &Counts, edits: &mut Edits) {
    for (index, change) in &counts.0 {
        let Some(suite) = document.suites.get(*index) else { continue };
        for (name, change) in ["tests", "failures", "errors", "skipped"].into_iter().zip(change) {
            let before = suite.tag.value(name).and_then(|value| value.trim().parse::<i64>().ok());
            if let (Some(before), Some(place), true) = (before, suite.tag.place(name), *change != 0) {
                edits.replace(place, before.saturating_add(*change).max(0).to_string());
            }
        }
    }
}

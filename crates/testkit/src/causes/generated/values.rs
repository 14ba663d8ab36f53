//! What is drawn for a function: names, numbers, and what it says.

use std::collections::BTreeMap;

use crate::chance::Chance;

const VERBS: [&str; 16] = [
    "load", "parse", "visit", "flush", "merge", "score", "route", "emit", "trim", "choose", "weigh", "bind",
    "track", "settle", "fold", "probe",
];
const NOUNS: [&str; 16] = [
    "order", "cache", "frame", "token", "ledger", "widget", "packet", "shard", "cursor", "bucket", "recipe",
    "tile", "branch", "sample", "ticket", "margin",
];
/// Parts of what programs say: with what formats, escapes and parsers stumble over, but nothing that a string literal of
/// some language can't hold as it is.
const SAYINGS: [&str; 14] = [
    "cannot open the file",
    "no such ticket: 4711",
    "at /srv/data:8080",
    "(errno 2)",
    "it's too late",
    "expected <int>, found <text>",
    "größer als erlaubt",
    "a & b | c",
    "50 of 40",
    "name=value; other=1",
    "Assertion failed?",
    "panicked!",
    "[1, 2, 3]",
    "what(): nothing",
];

/// What each `@word` of a function stands for.
#[derive(Clone, Debug)]
pub(super) struct Values(BTreeMap<&'static str, String>);

impl Values {
    /// Draws the values of the function of this number. No two functions of a program have one name.
    pub(super) fn draw(chance: &mut Chance, number: usize, callee: Option<&str>) -> Values {
        let name = format!("{}_{}{number}", chance.pick(&VERBS), chance.pick(&NOUNS));
        let mut type_name = chance.pick(&NOUNS).to_owned();
        type_name[..1].make_ascii_uppercase();
        let sayings: Vec<&str> = (0..=chance.below(3)).map(|_| chance.pick(&SAYINGS)).collect();
        let mut between = |low: usize, high: usize| (low + chance.below(high - low)).to_string();
        let mut values = BTreeMap::from([
            ("self", name),
            ("type", format!("{type_name}{number}")),
            ("text", sayings.join(", ")),
            ("k", between(2, 40)),
            ("small", between(2, 4000)),
            ("size", between(100, 1000)),
            ("pages", between(1, 30)),
        ]);
        values.insert("word", chance.pick(&NOUNS).to_owned());
        values.insert("verdict", chance.pick(&["SECCOMP_RET_TRAP", "SECCOMP_RET_KILL_PROCESS"]).to_owned());
        let mut digits = |low: usize, high: usize| low + chance.below(high - low);
        // No part of the address space's middle is ever mapped, and these are no addresses at all.
        values.insert("wild", format!("{:#x}", digits(0x1000, 0x4000) << 32 | digits(0, 1 << 20) << 12));
        values.insert("hole", format!("{:#x}", digits(0x0100, 0x7f00) << 48 | digits(1, 1 << 40)));
        values.insert("ascii", format!("{:#x}", u64::from_ne_bytes([digits(0x41, 0x7b) as u8; 8])));
        values.extend(callee.map(|callee| ("callee", callee.to_owned())));
        Values(values)
    }

    /// Adds a value.
    pub(super) fn with(mut self, word: &'static str, value: impl Into<String>) -> Values {
        self.0.insert(word, value.into());
        self
    }

    /// The function's name.
    pub(super) fn name(&self) -> &str {
        &self.0["self"]
    }

    /// Fills a text in.
    ///
    /// # Panics
    /// When nothing was drawn for a word of it.
    pub(super) fn fill(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('@') {
            let end = after.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(after.len());
            let (word, after) = after.split_at(end);
            out.push_str(before);
            out.push_str(self.0.get(word).unwrap_or_else(|| panic!("there is nothing for @{word}")));
            rest = after;
        }
        out + rest
    }
}

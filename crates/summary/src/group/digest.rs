//! What grouping needs of a summary, read straight from its JSON.

use serde::de::{Deserialize, Deserializer};

use super::few::fingerprint;
use super::raw::Raw;
use super::report::CrashPlace;
use super::text::{LastPart, Lines, Text};
use super::trace::{Trace, symbol, trace};
use crate::cause::Cause;
use crate::model::{CrashSummary, SCHEMA};
use crate::rules::{Place, Rules};
use crate::signature::{Basis, Signature, sign};
use crate::test_case::TestCase;

/// What grouping needs of one crash. It takes a kilobyte or less, however large the summary is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// The crash's id.
    pub id: Option<String>,
    /// When the process died (RFC 3339, UTC); absent too where what the summary says is no such time.
    pub time: Option<String>,
    /// What died, without what differs from build to build.
    pub subject: Option<String>,
    /// The crash in one line.
    pub title: Option<String>,
    /// The cause's class.
    pub class: Option<String>,
    /// The cause in a sentence.
    pub cause: Option<String>,
    /// The test that died.
    pub test: Option<String>,
    /// The signature's hashes, as the summary has them.
    pub strict: Option<String>,
    /// Of machine frames alone.
    pub phys: Option<String>,
    /// Of build IDs and offsets.
    pub exact: Option<String>,
    /// What the names came from.
    pub basis: Option<Basis>,
    /// Which rules made the signature.
    pub rules: Option<String>,
    /// The lines that `strict` is the hash of.
    pub lines: Vec<String>,
    /// The crashing thread's frames, as far as they count.
    pub trace: Trace,
    /// Where it is blamed on.
    pub place: Option<CrashPlace>,
    /// Whether its core was kept.
    pub core: bool,
    /// Whether its program was kept.
    pub program: bool,
    /// Which rule says that this crash is on purpose.
    pub ignored: Option<String>,
    /// Stands for the process where there is no id.
    pub(super) process: u64,
}

/// One JSON value of a file that may hold summaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A summary.
    Crash(Box<Digest>),
    /// Something else, and the schema that it names, if any.
    Other(Option<String>),
}

impl Digest {
    /// Returns what grouping needs of a summary that was read as a whole; `None` if it is of another schema.
    pub fn of(summary: &CrashSummary) -> Option<Digest> {
        // By way of JSON, so that there is one way only. This is for the few summaries that need more than reading.
        let entry = serde_json::to_value(summary).and_then(Entry::deserialize);
        match entry.ok()? {
            Entry::Crash(digest) => Some(*digest),
            Entry::Other(_) => None,
        }
    }

    /// Whether the signature is by these rules.
    pub fn is_signed_by(&self, rules: &Rules) -> bool {
        self.strict.is_some() && self.rules.as_ref() == Some(&rules.id())
    }

    /// Returns what grouping needs of a summary whose signature is missing or by other rules than `rules`.
    pub fn signed(mut summary: CrashSummary, rules: &Rules) -> Option<Digest> {
        summary.signature = sign(&summary, rules);
        let CrashSummary { threads, modules, .. } = &mut summary;
        for frame in threads.iter_mut().flat_map(|thread| &mut thread.frames) {
            let module = frame.module.and_then(|module| modules.get(module as usize));
            let verdict = rules.judge(&Place {
                module: module.and_then(|module| module.path.as_deref()).unwrap_or_default(),
                main: module.is_some_and(|module| module.main),
                function: frame.function.as_deref(),
                raw_name: frame.raw_name.as_deref(),
                file: frame.function_file(),
                language: frame.language,
            });
            (frame.in_app, frame.rule) = (Some(verdict.in_app), verdict.rule);
        }
        Digest::of(&summary)
    }

    /// Notes whether the crash is on purpose, by these rules.
    pub fn note_ignored(&mut self, rules: &Rules) {
        let mut facts = CrashSummary::new("");
        facts.cause = self.class.clone().map(|class| Cause { class, ..Cause::default() });
        facts.test = self.test.clone().map(|name| TestCase { name, ..TestCase::default() });
        facts.signature = Some(Signature {
            title: self.title.clone(),
            subject: self.subject.clone(),
            frames: self.lines.clone(),
            ..Signature::default()
        });
        self.ignored = rules.ignores(&facts).map(|ignore| ignore.reason.clone());
    }

    /// Stands for the crash: equal for two digests of the same one.
    pub(super) fn identity(&self) -> u64 {
        self.id.as_ref().map_or(self.process, fingerprint)
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entry, D::Error> {
        let raw = Raw::deserialize(deserializer)?;
        if raw.schema.as_ref().is_none_or(|schema| schema.0 != SCHEMA) {
            return Ok(Entry::Other(raw.schema.map(|schema| schema.0)));
        }
        Ok(Entry::Crash(Box::new(raw.into())))
    }
}

impl From<Raw> for Digest {
    fn from(raw: Raw) -> Digest {
        fn text<const MAX: usize>(text: Option<Text<MAX>>) -> Option<String> {
            text.map(|text| text.0)
        }
        let Lines(lines) = raw.signature.frames;
        let time = text(raw.time).filter(|time| sorts_as_text(time));
        let executable = raw.process.executable.map(|LastPart(name)| name);
        let process = (raw.process.pid, &executable, &time, raw.threads.place);
        // The frame that the signature begins with, or else the first of the user's own.
        let first = lines.get(1).map(|name| symbol(name));
        let at = raw.threads.own.iter().position(|(symbol, _)| Some(*symbol) == first).unwrap_or(0);
        let place = raw.threads.own.into_iter().nth(at).map(|(_, place)| place);
        let (class, cause) = raw.cause.map_or((None, None), |cause| (Some(cause.class), cause.summary));
        Digest {
            process: fingerprint(&process),
            id: text(raw.id),
            time,
            subject: text(raw.signature.subject).or(executable).or(text(raw.process.name)),
            title: text(raw.signature.title),
            class: text(class),
            cause: text(cause),
            test: raw.test.map(|test| test.name.0),
            strict: text(raw.signature.strict),
            phys: text(raw.signature.phys),
            exact: text(raw.signature.exact),
            basis: raw.signature.basis,
            rules: text(raw.signature.rules),
            trace: trace(&raw.threads.frames, lines.get(1..).unwrap_or_default()),
            lines,
            place,
            core: raw.core.is_some_and(|core| core.file.is_some()),
            program: raw.modules.0,
            ignored: None,
        }
    }
}

/// Tells whether a time is one that sorts as a text: `2026-11-22T10:15:01Z`, with or without parts of a second.
fn sorts_as_text(time: &str) -> bool {
    let Some((start, rest)) = time.split_at_checked("2026-11-22T10:15:01".len()) else { return false };
    let shape = "0000-00-00T00:00:00".bytes().zip(start.bytes());
    let mut shape =
        shape.map(|(expected, byte)| if expected == b'0' { byte.is_ascii_digit() } else { byte == expected });
    let fraction = rest.strip_suffix('Z').map(|rest| rest.strip_prefix('.').unwrap_or(rest));
    shape.all(|fits| fits) && fraction.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::super::trace::symbol;
    use super::*;
    use crate::{Confidence, Core, Frame, FrameRule, Module, Process, Settings, Thread};

    fn crash(json: &str) -> Digest {
        match serde_json::from_str(json).unwrap() {
            Entry::Crash(digest) => *digest,
            Entry::Other(schema) => panic!("{schema:?}"),
        }
    }

    fn frame(function: &str, in_app: bool, rule: Option<FrameRule>) -> Frame {
        Frame { function: Some(function.into()), in_app: Some(in_app), rule, ..Frame::default() }
    }

    fn summary() -> CrashSummary {
        let mut summary = CrashSummary::new("0.1.0");
        summary.id = Some("20261122T101501Z-parser-sigsegv-1".into());
        summary.time = Some("2026-11-22T10:15:01Z".into());
        summary.process = Some(Process { executable: Some("/b/parser-0".into()), ..Process::default() });
        summary.cause = Some(Cause::new("null_deref:read", Confidence::High, "null pointer read"));
        summary.signature = Some(Signature {
            strict: Some("0123456789abcdef".into()),
            basis: Some(Basis::Dwarf),
            subject: Some("parser".into()),
            title: Some("null pointer read in lex".into()),
            frames: vec!["null_deref:read".into(), "lex".into()],
            ..Signature::default()
        });
        summary.test = Some(TestCase { name: "Parser.Empty".into(), ..TestCase::default() });
        let idle = Thread { frames: vec![frame("poll", true, None)], ..Thread::default() };
        let frames = vec![
            frame("abort", false, Some(FrameRule::Cut)),
            frame("lex", true, None),
            frame("memcpy", false, None),
            frame("parse", true, None),
        ];
        summary.threads = vec![idle, Thread { crashed: true, frames, ..Thread::default() }];
        summary.core = Some(Core { file: Some("crashes/x/core.zst".into()), ..Core::default() });
        summary.modules =
            vec![Module { main: true, file: Some("buildid/00/executable".into()), ..Module::default() }];
        summary
    }

    #[test]
    fn a_digest_has_what_grouping_needs() {
        let digest = Digest::of(&summary()).unwrap();
        assert_eq!(digest, crash(&serde_json::to_string(&summary()).unwrap()));
        assert_eq!(digest.subject.as_deref(), Some("parser"));
        assert_eq!(digest.class.as_deref(), Some("null_deref:read"));
        assert_eq!(digest.cause.as_deref(), Some("null pointer read"));
        assert_eq!(digest.test.as_deref(), Some("Parser.Empty"));
        assert_eq!(digest.strict.as_deref(), Some("0123456789abcdef"));
        assert_eq!(digest.lines, ["null_deref:read", "lex"]);
        assert_eq!(digest.trace.symbols(), [symbol("lex"), symbol("parse")]);
        assert!(digest.core && digest.program);
    }

    #[test]
    fn the_order_of_fields_is_of_no_account() {
        let first = crash(
            r#"{"schema":"epitaph-crash/1","tool":{},"threads":[{"crashed":false,"frames":[{"function":"poll"}]},
            {"crashed":true,"frames":[{"function":"lex","in_app":true}]}],"signature":{"frames":["x","lex"]},"modules":[{"main":true,"file":"x"}]}"#,
        );
        let last = crash(
            r#"{"modules":[{"file":"x","main":true}],"signature":{"frames":["x","lex"]},"threads":[{"frames":[{"function":"poll"}],"crashed":false},
            {"frames":[{"in_app":true,"function":"lex"}],"crashed":true}],"tool":{},"schema":"epitaph-crash/1"}"#,
        );
        assert_eq!(first, last);
        assert_eq!(first.trace.symbols(), [symbol("lex")]);
    }

    #[test]
    fn what_is_no_summary_is_told_apart() {
        let other = |json: &str| serde_json::from_str::<Entry>(json).unwrap();
        assert_eq!(other(r#"{"files":[{"path":"x"}]}"#), Entry::Other(None));
        assert_eq!(
            other(r#"{"schema":"epitaph-crash/2","stacks":7}"#),
            Entry::Other(Some("epitaph-crash/2".into()))
        );
        assert!(serde_json::from_str::<Entry>("7").is_err());
        assert!(serde_json::from_str::<Entry>(r#"{"schema":"epitaph-crash/1","threads":7}"#).is_err());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let long = "x".repeat(1 << 16);
        let mut summary = summary();
        let signature = summary.signature.get_or_insert_default();
        signature.title = Some(long.clone());
        signature.subject = Some(long.clone());
        signature.frames = vec![long.clone(); 100];
        summary.test = Some(TestCase { name: long.clone(), ..TestCase::default() });
        summary.time = Some(long.clone());
        summary.process = Some(Process { executable: Some(long.clone()), ..Process::default() });
        summary.threads =
            vec![Thread { crashed: true, frames: vec![frame(&long, true, None); 100], ..Thread::default() }];
        let digest = Digest::of(&summary).unwrap();
        let kept = digest.lines.iter().map(String::len).sum::<usize>()
            + [digest.title, digest.subject, digest.test].iter().flatten().map(String::len).sum::<usize>();
        assert!(kept < 2048, "{kept}");
        assert_eq!(digest.time, None);
        assert!(digest.trace.symbols().len() <= 20);
    }

    #[test]
    fn only_times_that_sort_are_taken() {
        for time in ["2026-11-22T10:15:01Z", "2026-11-22T10:15:01.123456789Z"] {
            assert!(sorts_as_text(time), "{time}");
        }
        for time in
            ["", "2026-11-22", "2026-11-22T10:15:01", "2026-11-22T10:15:01+01:00", "yesterday at noon, ooZ"]
        {
            assert!(!sorts_as_text(time), "{time}");
        }
    }

    #[test]
    fn what_other_rules_signed_is_signed_anew() {
        let mut summary = summary();
        summary.modules[0].path = Some("/b/parser-0".into());
        for frame in &mut summary.threads[1].frames {
            frame.module = Some(0);
        }
        let settings = Settings::parse("[frames]\nskip = [\"lex\"]").unwrap();
        let rules = Rules::with(settings);
        assert!(!Digest::of(&summary).unwrap().is_signed_by(&rules));
        let digest = Digest::signed(summary.clone(), &rules).unwrap();
        assert!(digest.is_signed_by(&rules));
        assert_eq!(digest.lines.get(1).map(String::as_str), Some("parse"), "{:?}", digest.lines);
        assert_eq!(digest.trace.symbols().first(), Some(&symbol("parse")));
        let plain = Digest::signed(summary, &Rules::default()).unwrap();
        assert_eq!(plain.trace.symbols().first(), Some(&symbol("lex")));
    }

    #[test]
    fn rules_tell_what_is_on_purpose() {
        let settings =
            Settings::parse("[[ignore]]\ntest = \"Parser.*\"\nfunction = \"lex\"\nreason = \"a death test\"");
        let rules = Rules::with(settings.unwrap());
        let mut digest = Digest::of(&summary()).unwrap();
        digest.note_ignored(&rules);
        assert_eq!(digest.ignored.as_deref(), Some("a death test"));
        digest.test = Some("Lexer.Empty".into());
        digest.note_ignored(&rules);
        assert_eq!(digest.ignored, None);
    }

    #[test]
    fn the_same_process_is_known_without_an_id() {
        let mut summary = summary();
        summary.id = None;
        let identity = |summary: &CrashSummary| Digest::of(summary).unwrap().identity();
        let first = identity(&summary);
        assert_eq!(first, identity(&summary));
        summary.threads[1].frames[1].pc = Some(crate::Hex(0x1234));
        assert_ne!(first, identity(&summary), "another run has other addresses");
    }
}

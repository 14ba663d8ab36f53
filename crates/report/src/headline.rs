//! The one sentence that says what died of what.

use epitaph_summary::{Cause, Confidence, CrashSummary, Signal};

use crate::escape::{begins_harmlessly, brief, clean};
use crate::frames::basename;

/// The class of what isn't known beyond its signal.
pub(crate) const UNKNOWN_SIGNAL: &str = "unknown_signal";

/// The class of a core of a process that nothing ended.
const NOT_A_CRASH: &str = "not_a_crash";

/// The most characters of a cause's sentence; the summary promises 200.
const CAUSE_LIMIT: usize = 400;

/// The most characters of a test's name.
const TEST_LIMIT: usize = 200;

/// What died of what. All texts are clean.
#[derive(Debug)]
pub(crate) struct Headline {
    /// The test that was running, if it is known.
    pub(crate) test: Option<String>,
    /// The program's name, if any is known.
    pub(crate) subject: Option<String>,
    /// `died of SIGSEGV`.
    pub(crate) fate: String,
    /// `null pointer write`: the cause, or what the signal says where that isn't known.
    pub(crate) why: Option<String>,
}

impl Headline {
    /// Returns the sentence of a summary.
    pub(crate) fn of(summary: &CrashSummary) -> Headline {
        let cause = summary.cause.as_ref().filter(|cause| cause.class != UNKNOWN_SIGNAL);
        let why = cause
            .and_then(cause_sentence)
            .or_else(|| summary.signal.as_ref().filter(|signal| signal_name(signal).is_some()).and_then(why));
        Headline { test: test_name(summary), subject: program(summary), fate: fate(summary), why }
    }

    /// Returns how the sentence begins: the test, if it is known.
    pub(crate) fn beginning(&self) -> String {
        self.test.as_ref().map(|test| format!("test {test}: ")).unwrap_or_default()
    }

    /// Returns the whole sentence as text.
    pub(crate) fn sentence(&self) -> String {
        let why = self.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("{}{} {}{why}", self.beginning(), self.subject_or_placeholder(), self.fate)
    }

    /// Returns test and subject as they can begin a line: in quotes where that could begin a CI command or a fold.
    pub(crate) fn subject_at_line_start(&self) -> String {
        let subject = self.subject_or_placeholder();
        let quote = if begins_harmlessly(subject) { "" } else { "\"" };
        format!("{}{quote}{subject}{quote}", self.beginning())
    }

    fn subject_or_placeholder(&self) -> &str {
        self.subject.as_deref().unwrap_or("A process")
    }
}

/// Returns the name of the test that was running, clean.
pub(crate) fn test_name(summary: &CrashSummary) -> Option<String> {
    let name = summary.test.as_ref().map(|test| test.name.as_str()).filter(|name| !name.is_empty())?;
    Some(brief(name, TEST_LIMIT))
}

/// Tells whether a signal ended the process, as far as is known: a core of a living one is no crash.
pub(crate) fn is_crash(summary: &CrashSummary) -> bool {
    let not_a_crash = summary.cause.as_ref().is_some_and(|cause| cause.class == NOT_A_CRASH);
    !not_a_crash && summary.signal.as_ref().is_some_and(|signal| signal_name(signal).is_some())
}

/// Says how it ended: `died of SIGABRT after SIGSEGV`.
fn fate(summary: &CrashSummary) -> String {
    let cause = summary.cause.as_ref();
    let dumped_alive = summary.core.as_ref().and_then(|core| core.producer.as_deref()) == Some("gcore");
    let signal = summary.signal.as_ref();
    match signal.and_then(signal_name) {
        _ if cause.is_some_and(|cause| cause.class == NOT_A_CRASH) => "was dumped while it ran".to_owned(),
        None if dumped_alive => "was dumped while it ran".to_owned(),
        None => "died of an unknown cause".to_owned(),
        Some(name) => {
            let before = signal.and_then(|signal| signal.after.as_deref()).and_then(signal_name);
            let before = before.filter(|before| *before != name).map(|before| format!(" after {before}"));
            format!("died of {name}{}", before.unwrap_or_default())
        }
    }
}

/// Returns a cause's sentence, clean, with how sure it is where that isn't quite.
pub(crate) fn cause_sentence(cause: &Cause) -> Option<String> {
    let told = cause.summary.as_deref().filter(|text| !text.is_empty());
    let sentence = told.or(Some(cause.class.as_str()).filter(|class| !class.is_empty()))?;
    let doubt = match cause.confidence {
        None | Some(Confidence::High) => "",
        Some(Confidence::Medium) => "probably ",
        Some(_) => "perhaps ",
    };
    Some(format!("{doubt}{}", brief(sentence, CAUSE_LIMIT)))
}

/// Returns what the program is called: its file's name, which unlike `comm` is not cut and not a thread's.
pub(crate) fn program(summary: &CrashSummary) -> Option<String> {
    let process = summary.process.as_ref();
    let executable = process.and_then(|process| process.executable.as_deref());
    let main = summary.modules.iter().find(|module| module.main);
    let name = executable
        .map(basename)
        .or_else(|| process?.name.as_deref())
        .or_else(|| main?.name.as_deref())
        .or_else(|| main?.path.as_deref().map(basename))?;
    (!name.is_empty()).then(|| clean(name).into_owned())
}

/// Returns the signal's name, clean: `SIGSEGV`, or `signal 77` where it has none. Number 0 is no signal.
pub(crate) fn signal_name(signal: &Signal) -> Option<String> {
    let name = signal.name.as_deref().filter(|name| !name.is_empty()).map(|name| clean(name).into_owned());
    name.or_else(|| signal.number.filter(|number| *number != 0).map(|number| format!("signal {number}")))
}

/// Says what a signal itself tells of why it came.
pub(crate) fn why(signal: &Signal) -> Option<String> {
    if let Some(description) = signal.description.as_deref().filter(|text| !text.is_empty()) {
        return Some(clean(description).into_owned());
    }
    let mut parts: Vec<String> = Vec::new();
    parts.extend(signal.code_name.as_deref().map(|name| clean(name).into_owned()));
    parts.extend(signal.fault_address.map(|address| format!("address {address}")));
    parts.extend(signal.sender_pid.map(|pid| match signal.sender_uid {
        Some(uid) => format!("sent by pid {pid} (uid {uid})"),
        None => format!("sent by pid {pid}"),
    }));
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use epitaph_summary::{Core, Hex, Process};

    use super::*;

    fn of(signal: Signal) -> String {
        let mut summary = CrashSummary::new("0");
        summary.process = Some(Process { name: Some("worker".into()), ..Process::default() });
        summary.signal = Some(signal);
        Headline::of(&summary).sentence()
    }

    #[test]
    fn the_sentence_says_what_is_known() {
        assert_eq!(of(Signal::default()), "worker died of an unknown cause");
        assert_eq!(of(Signal { number: Some(77), ..Signal::default() }), "worker died of signal 77");
        let sent = Signal {
            name: Some("SIGABRT".into()),
            sender_pid: Some(9),
            sender_uid: Some(0),
            ..Signal::default()
        };
        assert_eq!(of(sent), "worker died of SIGABRT: sent by pid 9 (uid 0)");
        let fault = Signal {
            name: Some("SIGSEGV".into()),
            code_name: Some("SEGV_MAPERR".into()),
            fault_address: Some(Hex(16)),
            ..Signal::default()
        };
        assert_eq!(of(fault.clone()), "worker died of SIGSEGV: SEGV_MAPERR, address 0x10");
        let described = Signal { description: Some("read of address 0x10".into()), ..fault };
        assert_eq!(of(described), "worker died of SIGSEGV: read of address 0x10");
        assert_eq!(Headline::of(&CrashSummary::new("0")).sentence(), "A process died of an unknown cause");
    }

    #[test]
    fn a_live_process_did_not_die() {
        let mut summary = CrashSummary::new("0");
        summary.core = Some(Core { producer: Some("gcore".into()), ..Core::default() });
        summary.signal = Some(Signal { number: Some(0), ..Signal::default() });
        assert_eq!(Headline::of(&summary).sentence(), "A process was dumped while it ran");
    }

    #[test]
    fn a_name_that_could_be_a_command_does_not_begin_a_line() {
        for (name, shown) in [("::error::x", "\"::error::x\""), ("--- x", "\"--- x\""), ("a.out", "a.out")] {
            let subject = Some(name.to_owned());
            let headline = Headline { test: None, subject, fate: String::new(), why: None };
            assert_eq!(headline.subject_at_line_start(), shown);
        }
    }

    #[test]
    fn a_cause_says_how_sure_it_is() {
        let mut summary = CrashSummary::new("0");
        summary.signal = Some(Signal {
            name: Some("SIGSEGV".into()),
            description: Some("access to address 0x0".into()),
            ..Signal::default()
        });
        let mut told = |class: &str, confidence| {
            summary.cause = Some(Cause::new(class, confidence, "use after free"));
            Headline::of(&summary).why.unwrap()
        };
        assert_eq!(told("use_after_free", Confidence::High), "use after free");
        assert_eq!(told("use_after_free", Confidence::Medium), "probably use after free");
        assert_eq!(told("use_after_free", Confidence::Low), "perhaps use after free");
        assert_eq!(told(UNKNOWN_SIGNAL, Confidence::Low), "access to address 0x0");
        assert_eq!(told(NOT_A_CRASH, Confidence::High), "use after free");
        assert_eq!(Headline::of(&summary).fate, "was dumped while it ran");
    }
}

//! The one sentence that says what died of what, and where.

use epitaph_summary::{Cause, Confidence, CrashSummary, Frame, Signal, Thread};

use crate::escape::{begins_harmlessly, clean};
use crate::frames::{self, Location};
use crate::machinery::is_machinery;

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
        Headline { test: test_name(summary), subject: program(summary), fate: fate(summary, cause), why }
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

/// Where a crash is blamed on. All texts are clean.
#[derive(Debug)]
pub(crate) struct Place {
    /// The function, without its offset.
    pub(crate) function: Option<String>,
    /// Where that is.
    pub(crate) location: Option<Location>,
}

impl Place {
    /// Returns the place that a summary blames; `None` if its stack says nothing.
    pub(crate) fn of(summary: &CrashSummary) -> Option<Place> {
        let (_, thread) = main_thread(summary)?;
        let frame = thread.frames.get(blamed_frame(summary, thread)?)?;
        let place = Place { function: frames::function(frame), location: frames::location(summary, frame) };
        (place.function.is_some() || place.location.is_some()).then_some(place)
    }

    /// Returns `in f` and how its location is added: `at file:line` or `(module)`; or `at module+0x12`.
    pub(crate) fn phrases(&self) -> (Option<String>, Option<String>) {
        let function = self.function.as_ref().map(|function| format!("in {function}"));
        let location = self.location.as_ref().map(|location| match location {
            Location::Module(module) if function.is_some() => format!("({module})"),
            other => format!("at {}", other.as_str()),
        });
        (function, location)
    }

    /// Returns `in f at file:line`.
    pub(crate) fn phrase(&self) -> String {
        let (function, location) = self.phrases();
        [function, location].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// Returns the thread whose story is told, with its index: the crashing one, or the first.
pub(crate) fn main_thread(summary: &CrashSummary) -> Option<(usize, &Thread)> {
    let crashed = summary.threads.iter().position(|thread| thread.crashed).unwrap_or(0);
    summary.threads.get(crashed).map(|thread| (crashed, thread))
}

/// Returns the index of the frame to name.
///
/// That is the first of the program's own that has a name, or else has none; or else the first that isn't machinery. Where
/// a signal handler ended the process, it is looked for in what the signal interrupted.
pub(crate) fn blamed_frame(summary: &CrashSummary, thread: &Thread) -> Option<usize> {
    let handled = summary.signal.as_ref().is_some_and(|signal| signal.after.is_some());
    let handler = thread.frames.iter().position(frames::is_trampoline).filter(|_| handled);
    let from = handler.map_or(0, |handler| handler + 1);
    let candidates = || thread.frames.iter().enumerate().skip(from);
    let first = |wanted: &dyn Fn(&Frame) -> bool| candidates().find(|(_, frame)| wanted(frame));
    let own = |frame: &Frame| frame.in_app == Some(true);
    let named = |frame: &Frame| frame.function.is_some();
    first(&|frame| own(frame) && named(frame))
        .or_else(|| first(&own))
        .or_else(|| first(&|frame| named(frame) && !is_machinery(frame)))
        .or_else(|| first(&named))
        .or_else(|| candidates().next())
        .map(|(index, _)| index)
}

/// Returns the name of the test that was running, clean.
pub(crate) fn test_name(summary: &CrashSummary) -> Option<String> {
    let name = summary.test.as_ref().map(|test| test.name.as_str()).filter(|name| !name.is_empty())?;
    Some(clean(&shortened(name, TEST_LIMIT)).into_owned())
}

/// Says how it ended: `died of SIGABRT after SIGSEGV`.
fn fate(summary: &CrashSummary, cause: Option<&Cause>) -> String {
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
    Some(format!("{doubt}{}", clean(&shortened(sentence, CAUSE_LIMIT))))
}

/// Returns what the program is called: its file's name, which unlike `comm` is not cut and not a thread's.
pub(crate) fn program(summary: &CrashSummary) -> Option<String> {
    let process = summary.process.as_ref();
    let executable = process.and_then(|process| process.executable.as_deref());
    let main = summary.modules.iter().find(|module| module.main);
    let name = executable
        .map(frames::basename)
        .or_else(|| process?.name.as_deref())
        .or_else(|| main?.name.as_deref())
        .or_else(|| main?.path.as_deref().map(frames::basename))?;
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

/// Returns a text of at most `limit` characters, with `...` where its end was.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    if text.chars().nth(limit).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(3)).collect();
    format!("{kept}...")
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
    fn a_stripped_program_is_blamed_before_a_named_library() {
        let library =
            Frame { function: Some("__libc_start_main".into()), in_app: Some(false), ..Frame::default() };
        let own = Frame { pc: Some(Hex(0x1189)), in_app: Some(true), ..Frame::default() };
        let mut summary = CrashSummary::new("0");
        summary.threads = vec![Thread { frames: vec![own, library], ..Thread::default() }];
        assert_eq!(Place::of(&summary).unwrap().phrase(), "at 0x1189");
    }

    #[test]
    fn shortened_text_keeps_to_its_limit() {
        assert_eq!(shortened("größer", 6), "größer");
        assert_eq!(shortened("größeres", 6), "grö...");
        assert_eq!(shortened("größeres", 2), "...");
    }
}

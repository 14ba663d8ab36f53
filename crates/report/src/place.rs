//! Where it happened: the thread whose story is told, and the frame that is blamed.

use epitaph_summary::{AccessKind, CrashSummary, Frame, FrameRule, Hex, Thread};

use crate::frames::{self, Location, is_machinery};

const SIGABRT: i32 = 6;

/// The signals of faults.
const FAULTS: [&str; 6] = ["SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS"];

/// Where a crash is blamed on. All texts are clean.
#[derive(Debug)]
pub(crate) struct Place {
    /// The function, without its offset.
    pub(crate) function: Option<String>,
    /// Where that is.
    pub(crate) location: Option<Location>,
    /// What it had called, where it happened there: a library's function, and the library.
    pub(crate) inside: Option<String>,
    /// The line of an interpreted program that had called it: `Cart.pay at /shop/cart.py:7`.
    pub(crate) called_from: Option<String>,
}

impl Place {
    /// Returns the place that a summary blames; `None` if its stack says nothing.
    pub(crate) fn of(summary: &CrashSummary) -> Option<Place> {
        let (_, thread) = main_thread(summary)?;
        let blamed = blamed_frame(summary, thread)?;
        let frame = thread.frames.get(blamed)?;
        let place = Place {
            function: frames::function(frame),
            location: frames::location(summary, frame),
            inside: inside(summary, thread, blamed),
            called_from: called_from(summary, thread, blamed),
        };
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

    /// Returns `in f at file:line, inside g (libg.so)`.
    pub(crate) fn whole_phrase(&self) -> String {
        let inside = self.inside.as_ref().map(|inside| format!(", inside {inside}")).unwrap_or_default();
        let called_from = self.called_from.as_ref().map(|caller| format!(", called from {caller}"));
        format!("{}{inside}{}", self.phrase(), called_from.unwrap_or_default())
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
    let from = first_frame(summary, thread);
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

/// Returns the index of the first frame of what went wrong: after that of the handler which ended the process.
fn first_frame(summary: &CrashSummary, thread: &Thread) -> usize {
    let handled = summary.signal.as_ref().is_some_and(|signal| signal.after.is_some());
    let handler = thread.frames.iter().position(frames::is_trampoline).filter(|_| handled);
    handler.map_or(0, |handler| handler + 1)
}

/// Returns what the frame of index `blamed` had called, unless that only ended the process.
fn inside(summary: &CrashSummary, thread: &Thread, blamed: usize) -> Option<String> {
    let from = first_frame(summary, thread);
    let called = thread.frames.get(from..blamed)?;
    // What stands above is how it died or waited, unless it faulted there, or a rule tells where that ends.
    let last_cut =
        called.iter().rposition(|frame| frame.rule == Some(FrameRule::Cut)).map_or(0, |cut| cut + 1);
    if from == 0 && last_cut == 0 && !faulted(summary) {
        return None;
    }
    let told = |frame: &&Frame| !is_machinery(frame) && !frames::is_trampoline(frame);
    let frame = called.get(last_cut..)?.iter().find(told)?;
    // An inlined one is in the caller's module.
    let module = frames::module_name(summary, frame).filter(|_| !frame.inlined);
    let module = module.map(|module| format!(" ({module})")).unwrap_or_default();
    match frames::function(frame) {
        Some(name) => Some(format!("{}{}", frames::plain_name(&name), module)),
        // Of a jump to nowhere, the cause tells the address.
        None => frames::location(summary, frame)
            .filter(|_| frame.module.is_some() || frame.pc != executed(summary))
            .map(|location| location.as_str().to_owned()),
    }
}

/// Returns the interpreted frame that had called the machine's frame of index `blamed`: the user's own, or else the first.
fn called_from(summary: &CrashSummary, thread: &Thread, blamed: usize) -> Option<String> {
    let mut callers = thread.frames.get(blamed..)?.iter();
    if callers.next()?.language.is_some() {
        return None;
    }
    let interpreted = callers.filter(|frame| frame.language.is_some());
    let own = interpreted.clone().find(|frame| frame.in_app == Some(true));
    let caller = own.or_else(|| interpreted.clone().next())?;
    let location = frames::location(summary, caller).map(|location| format!(" at {}", location.as_str()));
    Some(format!("{}{}", frames::name(caller), location.unwrap_or_default()))
}

/// Returns the address that could not be executed.
fn executed(summary: &CrashSummary) -> Option<Hex> {
    let access = summary.cause.as_ref()?.access.as_ref()?;
    access.address.filter(|_| access.kind == Some(AccessKind::Execute))
}

/// Tells whether the thread brought the signal upon itself by what it executed.
fn faulted(summary: &CrashSummary) -> bool {
    let Some(signal) = &summary.signal else { return false };
    let name = signal.name.as_deref().unwrap_or_default();
    signal.sender_pid.is_none() && FAULTS.contains(&name)
}

/// Tells whether the process aborted, by itself or by another's hand.
pub(crate) fn is_abort(summary: &CrashSummary) -> bool {
    summary.signal.as_ref().is_some_and(|signal| signal.number == Some(SIGABRT))
}

#[cfg(test)]
mod tests {
    use epitaph_summary::{Access, Cause, Confidence, Signal};

    use super::*;
    use crate::fixtures;

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
    fn a_fault_in_a_library_is_told_with_the_own_code_that_called_it() {
        let frame = |function: &str, own, rule| Frame {
            function: Some(function.to_owned()),
            in_app: Some(own),
            rule,
            ..Frame::default()
        };
        let mut summary = CrashSummary::new("0");
        let cut = Some(FrameRule::Cut);
        let frames =
            vec![frame("strlen", false, None), frame("g_strdup", false, None), frame("f", true, None)];
        summary.threads = vec![Thread { frames, ..Thread::default() }];
        let whole = |summary: &CrashSummary| Place::of(summary).unwrap().whole_phrase();
        assert_eq!(whole(&summary), "in f");
        summary.signal = Some(Signal { name: Some("SIGSEGV".into()), ..Signal::default() });
        assert_eq!(whole(&summary), "in f, inside strlen");
        // How it aborted is no place.
        summary.signal = Some(Signal { number: Some(SIGABRT), ..Signal::default() });
        assert_eq!(whole(&summary), "in f");
        summary.threads[0].frames[0].rule = cut;
        assert_eq!(whole(&summary), "in f, inside g_strdup");
        summary.threads[0].frames[1].rule = cut;
        assert_eq!(whole(&summary), "in f");
    }

    #[test]
    fn behind_a_handler_the_place_is_what_it_interrupted() {
        let mut summary = fixtures::wild_write();
        assert_eq!(Place::of(&summary).unwrap().phrase(), "in compute at src/compute.c:310");
        summary.signal.as_mut().unwrap().after = None;
        assert_eq!(Place::of(&summary).unwrap().phrase(), "in on_alarm at src/timer.c:22");
    }

    #[test]
    fn a_jump_to_nowhere_is_no_place() {
        let nowhere = Frame { pc: Some(Hex(0)), ..Frame::default() };
        let own = Frame { function: Some("f".into()), in_app: Some(true), ..Frame::default() };
        let mut summary = CrashSummary::new("0");
        summary.signal = Some(Signal { name: Some("SIGSEGV".into()), ..Signal::default() });
        summary.threads = vec![Thread { frames: vec![nowhere, own], ..Thread::default() }];
        let whole = |summary: &CrashSummary| Place::of(summary).unwrap().whole_phrase();
        assert_eq!(whole(&summary), "in f, inside 0x0");
        let mut cause = Cause::new("exec_null", Confidence::High, "call of a null function pointer");
        cause.access =
            Some(Access { kind: Some(AccessKind::Execute), address: Some(Hex(0)), ..Access::default() });
        summary.cause = Some(cause);
        assert_eq!(whole(&summary), "in f");
    }
}

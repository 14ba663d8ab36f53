//! The names in a signature: the first of the user's own functions.

use std::collections::HashMap;

use super::cycles;
use super::model::Basis;
use super::overflow;
use super::story::{Form, Mark, first_frame};
use super::subject::module_name;
use super::view::{SIGNAL_FRAME, View};
use crate::model::CrashSummary;
use crate::names::normalize;
use crate::rules::{Place, Rules, Verdict, is_go_source};
use crate::thread::{Frame, FrameRule, Language, SymbolSource, Thread, Trust};

/// How many names count.
pub(super) const NAMES: usize = 5;
/// How many addresses count.
const ADDRESSES: usize = 10;

/// Which frames are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// All: those of inlined calls too.
    Logical,
    /// Machine frames alone, and nothing that debug information tells of them.
    Machine,
}

/// What a signature is made of.
#[derive(Debug)]
pub(super) struct Key {
    /// Names, innermost first; at least one.
    pub(super) names: Vec<String>,
    /// What they came from.
    pub(super) basis: Basis,
    /// Whether it was the allocator that the first of them called.
    pub(super) in_heap: bool,
}

/// A frame as rules see it.
#[derive(Clone, Debug)]
pub(super) struct Judged<'a> {
    pub(super) frame: &'a Frame,
    /// The function, normalized.
    pub(super) name: Option<String>,
    pub(super) mark: Mark,
}

impl Judged<'_> {
    /// Tells whether it is the user's own code and not machinery. A frame that may be a leftover on the stack isn't.
    pub(super) fn is_story(&self) -> bool {
        let told = match self.mark.rule {
            None => self.mark.in_app,
            Some(rule) => rule == FrameRule::Sentinel,
        };
        told && self.frame.trust != Some(Trust::Scan)
    }
}

/// What a function is known by: its module's index, its name, its source file and its language.
type Function<'a> = (Option<u32>, Option<&'a str>, Option<&'a str>, Option<Language>);

/// Judges frames. A function is judged once.
pub(super) struct Judge<'a> {
    crash: &'a CrashSummary,
    rules: &'a Rules,
    names: Names,
    known: HashMap<Function<'a>, (Option<String>, Verdict)>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(crash: &'a CrashSummary, rules: &'a Rules, names: Names) -> Judge<'a> {
        Judge { crash, rules, names, known: HashMap::new() }
    }

    /// Judges those of the frames that are looked at.
    pub(super) fn all(&mut self, frames: &'a [Frame]) -> Vec<Judged<'a>> {
        let logical = self.names == Names::Logical;
        // What an interpreter runs is known without any debug information.
        let is_looked_at = |frame: &&Frame| logical || !frame.inlined || frame.language.is_some();
        frames.iter().filter(is_looked_at).map(|frame| self.one(frame)).collect()
    }

    fn one(&mut self, frame: &'a Frame) -> Judged<'a> {
        let function = frame.function.as_deref();
        if function == Some(SIGNAL_FRAME) {
            return Judged { frame, name: None, mark: Mark { trampoline: true, ..Mark::default() } };
        }
        // That a source file isn't the user's is known by debug information; Go's own table tells them always.
        let language = frame.language;
        let told = |file: &&str| self.names == Names::Logical || is_go_source(file) || language.is_some();
        let file = frame.function_file().filter(told);
        let (crash, rules) = (self.crash, self.rules);
        let (name, verdict) =
            self.known.entry((frame.module, function, file, language)).or_insert_with(|| {
                let module = crash.module_of(frame);
                let place = Place {
                    module: module.and_then(|module| module.path.as_deref()).unwrap_or_default(),
                    main: module.is_some_and(|module| module.main),
                    function,
                    raw_name: None,
                    file,
                    language,
                };
                let name = function.map(|name| normalized(name, language));
                let verdict = rules.judge_named(&place, name.as_deref());
                (name, verdict)
            });
        let mark = Mark { in_app: verdict.in_app, rule: verdict.rule, trampoline: false };
        Judged { frame, name: name.clone(), mark }
    }
}

/// Returns a function's name as signatures write it. Compilers don't mangle what an interpreter runs.
fn normalized(name: &str, language: Option<Language>) -> String {
    if language.is_some() { name.to_owned() } else { normalize(name) }
}

/// Makes the key of a thread that ended its process.
pub(super) fn of_thread(
    crash: &CrashSummary,
    thread: &Thread,
    rules: &Rules,
    form: Form,
    names: Names,
) -> Option<Key> {
    let mut judge = Judge::new(crash, rules, names);
    let view = View::of(thread);
    let (inner, outer) = (judge.all(view.inner), judge.all(view.outer));
    let marks: Vec<Mark> = inner.iter().map(|judged| judged.mark).collect();
    let first = first_frame(&marks, form, is_behind_handler(crash));
    let inner = inner.get(first..).unwrap_or_default();
    if form == Form::Overflow
        && let Some(key) = overflow::key(inner)
    {
        return Some(key);
    }
    let story = Story::of(inner, &outer);
    let innermost = inner.iter().take_while(|judged| !judged.is_story());
    let in_heap = form == Form::Fault
        && innermost
            .filter(|judged| !judged.mark.in_app)
            .any(|judged| judged.name.as_deref().is_some_and(Rules::is_heap));
    story.key(crash, inner, in_heap)
}

/// Tells whether the signal that ended the process came after a fault that a handler caught.
pub(crate) fn is_behind_handler(crash: &CrashSummary) -> bool {
    crash.signal.as_ref().is_some_and(|signal| signal.after.is_some())
}

/// The user's own functions of a thread, as far as they belong to one story.
pub(super) struct Story<'j, 'a> {
    frames: Vec<&'j Judged<'a>>,
    /// The user's own function that everything began with, `main`: what a compiler may have inlined or jumped out of.
    entry: Option<&'j Judged<'a>>,
    /// How many of `frames` stand before the gap.
    before_gap: usize,
}

impl<'j, 'a> Story<'j, 'a> {
    /// Takes the frames of a story from all that begin with it. It ends where the thread begins, or where a signal handler
    /// does: what that interrupted is chance.
    pub(super) fn of(inner: &'j [Judged<'a>], outer: &'j [Judged<'a>]) -> Story<'j, 'a> {
        let mut story = Story { frames: Vec::new(), entry: None, before_gap: 0 };
        let ended = story.add(inner);
        story.before_gap = story.frames.len();
        if !ended {
            story.add(outer);
        }
        story
    }

    fn add(&mut self, judged: &'j [Judged<'a>]) -> bool {
        for judged in judged {
            let ends = judged.mark.rule == Some(FrameRule::End);
            if ends && judged.mark.in_app {
                self.entry = Some(judged);
            }
            if ends || (judged.mark.trampoline && !self.frames.is_empty()) {
                return true;
            }
            if judged.is_story() {
                self.frames.push(judged);
            }
        }
        false
    }

    /// Names the first of the functions: of the user's own, or else what everything began with, or else what there is.
    pub(super) fn key(&self, crash: &CrashSummary, all: &[Judged<'_>], in_heap: bool) -> Option<Key> {
        let frames: Vec<&Judged<'_>> = if !self.frames.is_empty() {
            self.frames.clone()
        } else if let Some(entry) = self.entry {
            vec![entry]
        } else {
            let named = all.iter().find(|judged| judged.name.is_some());
            let some =
                named.or_else(|| all.iter().find(|judged| judged.frame.module.is_some())).or(all.first());
            vec![some?]
        };
        let nameless = frames.iter().all(|judged| judged.name.is_none());
        let called = |judged: &&Judged<'_>| match &judged.name {
            Some(name) => name.clone(),
            None => unnamed(crash, judged.frame, nameless),
        };
        let mut names: Vec<String> = frames.iter().take(self.before_gap.max(1)).map(called).collect();
        cycles::collapse(&mut names);
        // What was left out is the middle of a recursion: it goes on beyond it.
        let recursion = names.clone();
        let beyond = frames.iter().skip(self.before_gap.max(1)).map(called);
        names.extend(beyond.skip_while(|name| recursion.contains(name)));
        cycles::collapse(&mut names);
        names.truncate(NAMES);
        Some(Key { names, basis: basis(frames.into_iter().take(NAMES)), in_heap })
    }
}

/// Writes what has no name: its module, and where no frame has a name its address there.
fn unnamed(crash: &CrashSummary, frame: &Frame, with_address: bool) -> String {
    let module = crash.module_of(frame).and_then(|module| module.path.as_deref().or(module.name.as_deref()));
    let module = module.map_or("?", module_name);
    match frame.offset {
        Some(offset) if with_address => format!("{module}+{offset}"),
        _ => format!("{module}!?"),
    }
}

/// Returns the worst of what names came from. Go's own table names inlined calls as debug information does.
pub(super) fn basis<'j>(frames: impl Iterator<Item = &'j Judged<'j>>) -> Basis {
    let of = |judged: &Judged<'_>| {
        judged.name.as_ref()?;
        Some(match judged.frame.symbol_source {
            Some(SymbolSource::Dwarf | SymbolSource::Pclntab | SymbolSource::Interpreter) => Basis::Dwarf,
            _ => Basis::Symtab,
        })
    };
    frames.filter_map(of).max().unwrap_or(Basis::Address)
}

/// Lists the first addresses of a thread by build ID and offset. Where a stack was full, those that come again and again:
/// where exactly it was full is chance.
pub(super) fn exact(crash: &CrashSummary, thread: &Thread, form: Form) -> Vec<String> {
    let machine = View::of(thread).inner.iter().filter(|frame| !frame.inlined);
    let place = |frame: &Frame| {
        let module = crash.module_of(frame)?;
        let path = module.path.as_deref().unwrap_or_default();
        let id = module.build_id.as_deref().unwrap_or_else(|| module_name(path));
        Some(format!("{id}+{}", frame.offset?))
    };
    let places = machine.filter_map(place);
    if form == Form::Overflow {
        overflow::frequent(places, ADDRESSES)
    } else {
        places.take(ADDRESSES).collect()
    }
}

//! The call chain of a program: which functions call each other in which way, and where each one is written.

use super::snippet::Snippet;
use crate::chance::Chance;

/// The language of a source file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    C,
    Cxx,
    Rust,
}

/// Where a function is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the source file of this number, of its language.
    File(usize),
    /// In the header of its language: a copy in every file that includes it.
    Header,
}

/// What the compiler is told about a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linkage {
    /// Other files see it.
    Extern,
    /// Only its own file sees it.
    Static,
    /// It may be inlined, and every file has its own.
    Inline,
}

/// What the compiler is told to do with a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    AlwaysInline,
    NeverInline,
    Cold,
    Hot,
}

/// One function of the chain.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Its name, without a namespace.
    pub(super) name: String,
    /// What it does.
    pub(super) snippet: Snippet,
    pub(super) language: Language,
    pub(super) place: Place,
    pub(super) linkage: Linkage,
    pub(super) wish: Wish,
    /// Namespaces or modules that it is in, outermost first; an empty name is the anonymous one.
    pub(super) scope: Vec<&'static str>,
    /// Whether its caller is written in another language.
    pub(super) shared: bool,
}

/// The pieces that a chain of one language may be made of.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) language: Language,
    pub(super) calls: Vec<Snippet>,
    pub(super) crashes: Vec<Snippet>,
    /// How many source files there are.
    pub(super) files: usize,
    /// The scopes that a function may be in.
    pub(super) scopes: &'static [&'static [&'static str]],
}

/// Draws a chain of functions, outermost first, the last of which crashes. The first of `pieces` is the language of
/// `main`, which is in file 0.
pub(super) fn draw(chance: &mut Chance, pieces: &[&Pieces], fits: impl Fn(&Snippet) -> bool) -> Vec<Step> {
    let calls = 1 + chance.below(7);
    let mut steps: Vec<Step> = Vec::new();
    for number in 0..=calls {
        let own_stack = steps.iter().any(|step| step.snippet.is("no_guard"));
        let before = steps.last();
        let of = pieces[chance.below(pieces.len())];
        let choice = if number < calls { &of.calls } else { &of.crashes };
        let snippet = loop {
            let snippet = &choice[chance.below(choice.len())];
            if fits(snippet) && !(own_stack && snippet.is("guard")) {
                break snippet.clone();
            }
        };
        let step = place(chance, format!("f{number}"), snippet, of, before, pieces[0].language);
        steps.push(step);
    }
    steps
}

/// Draws where a function is written, such that the one before it, or `main`, can call it.
fn place(
    chance: &mut Chance,
    name: String,
    snippet: Snippet,
    of: &Pieces,
    before: Option<&Step>,
    main: Language,
) -> Step {
    let (caller, caller_place) = before.map_or((main, Place::File(0)), |step| (step.language, step.place));
    let language = of.language;
    let place = match chance.below(5) {
        0 if language == caller => Place::Header,
        0 | 1 if language == caller => caller_place,
        _ => Place::File(chance.below(of.files)),
    };
    let seen_by_caller_alone = place == Place::Header || (language, place) == (caller, caller_place);
    let linkage = match chance.below(3) {
        _ if place == Place::Header => Linkage::Inline,
        0 if seen_by_caller_alone => Linkage::Static,
        1 if seen_by_caller_alone => Linkage::Inline,
        _ => Linkage::Extern,
    };
    let wish = match chance.below(8) {
        0 | 1 if seen_by_caller_alone && linkage != Linkage::Extern && !snippet.is("no_inline") => {
            Wish::AlwaysInline
        }
        2..4 => Wish::NeverInline,
        4 => Wish::Cold,
        5 => Wish::Hot,
        _ => Wish::Nothing,
    };
    let shared = language != caller;
    let scope = of.scopes[chance.below(of.scopes.len())];
    let nameless = scope.contains(&"") && linkage == Linkage::Extern;
    let scope = if shared || nameless { Vec::new() } else { scope.to_vec() };
    Step { name, snippet, language, place, linkage, wish, scope, shared }
}

/// The functions that a backtrace has to show, innermost first: those that certainly have a frame, on the stack that
/// the program crashed on.
pub(super) fn told(steps: &[Step]) -> Vec<String> {
    let mut told = Vec::new();
    let throws = steps.last().is_some_and(|step| step.snippet.is("throws"));
    for step in steps {
        if step.snippet.is("new_stack") {
            told.clear();
        }
        if throws && step.snippet.is("noexcept") {
            break; // the stack may be unwound up to here before the program is ended
        }
        for frame in &step.snippet.frames {
            let is_itself = *frame == "@self";
            let starts_a_stack = is_itself && step.snippet.is("new_stack");
            if !starts_a_stack && (!is_itself || step.wish == Wish::NeverInline) {
                told.push(frame.replace("@self", &step.name));
            }
        }
    }
    told.reverse();
    told
}

/// The number of the step that defines a function: a part of its path starts with `f` and the number. (There are fewer
/// than ten, so that Rust's `f32` is none of them.)
pub(super) fn number_of(function: &str) -> Option<usize> {
    function.split("::").find_map(|part| {
        let digits = part.strip_prefix('f')?.split('_').next()?;
        digits.parse().ok().filter(|_| digits.len() == 1)
    })
}

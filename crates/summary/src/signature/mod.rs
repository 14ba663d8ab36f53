//! What makes two crashes the same.
//!
//! [`sign`] makes a [`Signature`] from a summary alone, so that it can be made anew by other rules. It takes the cause's
//! class, as far as it is the same for one bug from run to run and from build to build, and the names of the first few of
//! the user's own functions, freed from what differs between builds. It looks at no path, no line, no address of a run, no
//! argument, and not at the executable's name.

mod class;
mod cycles;
mod hang;
mod key;
mod model;
mod overflow;
mod story;
mod subject;
mod title;
mod view;

use crate::digest::digest;
use crate::model::CrashSummary;
use crate::rules::Rules;
use crate::thread::{Frame, Thread};

pub use model::{Basis, Signature};
pub use view::{SIGNED_INNER_FRAMES, SIGNED_OUTER_FRAMES};

use class::Class;
use key::{Key, Names};
use story::{Form, Mark, first_frame};
use view::SIGNAL_FRAME;

/// The version of what is hashed and how.
const VERSION: u32 = 1;
/// What every hash begins with.
const PREFIX: &str = "epitaph-sig-1\n";

/// Makes the signature of a crash; `None` if not even one frame is known.
///
/// That of a process that hung, and wasn't killed by a fault of its own, is made of all threads: it is whole when they are
/// all there ([`needs_all_threads`]).
pub fn sign(crash: &CrashSummary, rules: &Rules) -> Option<Signature> {
    let thread = told_thread(crash)?;
    let class = Class::of(crash);
    let names = |names| key_of(crash, thread, rules, &class, names);
    let logical = names(Names::Logical)?;
    let machine = names(Names::Machine);
    let mut lines = vec![class.line(&logical)];
    lines.extend(logical.names.iter().cloned());
    let loose: Vec<&String> = lines.iter().take(2).collect();
    let phys = machine.map(|machine| [vec![class.line(&machine)], machine.names].concat());
    let exact = key::exact(crash, thread, class.form());
    Some(Signature {
        version: VERSION,
        strict: Some(hash(&lines)),
        phys: phys.map(|lines| hash(&lines)),
        loose: Some(hash(&loose)),
        exact: (!exact.is_empty()).then(|| hash(&exact)),
        basis: Some(logical.basis),
        title: Some(title::of(&class, &logical.names)),
        subject: subject::of(crash),
        frames: lines,
        rules: Some(rules.id()),
    })
}

/// Tells whether the signature is made of all threads.
pub fn needs_all_threads(crash: &CrashSummary) -> bool {
    Class::of(crash).form() == Form::Hang
}

/// Returns the thread whose story is told: the crashing one, or the first.
fn told_thread(crash: &CrashSummary) -> Option<&Thread> {
    crash.crashing_thread().or(crash.threads.first()).filter(|thread| !thread.frames.is_empty())
}

/// Returns the index of the frame that the story of a thread begins with, by what its frames themselves say of rules.
pub(crate) fn first_told(crash: &CrashSummary, thread: &Thread) -> usize {
    let mark = |frame: &Frame| Mark {
        in_app: frame.in_app == Some(true),
        rule: frame.rule,
        trampoline: frame.function.as_deref() == Some(SIGNAL_FRAME),
    };
    let marks: Vec<Mark> = thread.frames.iter().take(SIGNED_INNER_FRAMES).map(mark).collect();
    let form = if thread.crashed { Class::of(crash).form() } else { Form::Hang };
    first_frame(&marks, form, thread.crashed && key::is_behind_handler(crash))
}

fn key_of(crash: &CrashSummary, thread: &Thread, rules: &Rules, class: &Class, names: Names) -> Option<Key> {
    match class.form() {
        Form::Hang => hang::key(crash, rules, names),
        form => key::of_thread(crash, thread, rules, form, names),
    }
}

/// Hashes lines: 16 hex digits.
fn hash<T: AsRef<str>>(lines: &[T]) -> String {
    // A line has no line breaks but its own: else two could be made to look like one.
    let lines: Vec<String> =
        lines.iter().map(|line| line.as_ref().replace(['\n', '\r'], " ") + "\n").collect();
    digest(std::iter::once(PREFIX).chain(lines.iter().map(String::as_str)), 8)
}

#[cfg(test)]
mod tests;

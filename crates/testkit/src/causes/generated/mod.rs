//! Programs made up from a seed: a chain of functions of random names and shapes, the innermost of which dies in a way
//! that is known from its making; built by a random compiler at a random level.
//!
//! A seed makes the same program on every machine.

mod language;
mod piece;
mod values;

use super::{Case, Made};
use crate::chance::Chance;
use language::Language;
use piece::Piece;
use values::Values;

/// A handler of its own that a fault is seen by first, as C writes it. The signal that ends the program is another one by
/// all but the last.
const HANDLERS: [&str; 4] = [
    "    on_all(action);",
    "    action.sa_flags = SA_SIGINFO;\n    action.sa_sigaction = on_fault_told;\n    on_all(action);",
    ON_ANOTHER_STACK,
    "    action.sa_handler = on_fault_again;\n    on_all(action);",
];
const ON_ANOTHER_STACK: &str = "    on_another_stack(action);";
const SIGABRT: i32 = 6;

/// Makes a program up.
pub(super) fn of_seed(seed: u64) -> Case {
    let mut chance = Chance::of_seed(seed);
    let language = Language::draw(&mut chance);
    let kind = pick(&mut chance, &language.pieces().kinds).clone();
    of(&mut chance, seed, language, &kind)
}

/// Makes a program up that dies in this way.
fn of(chance: &mut Chance, seed: u64, language: Language, kind: &Piece) -> Case {
    let mut values = Values::draw(chance, 0, None);
    let mut truth = kind.truth(&values);
    let mut functions = vec![kind.text(&values)];
    let mut shapes = Vec::new();
    for number in 1..=chance.below(6) + 1 {
        let shape = loop {
            let shape = pick(chance, &language.pieces().shapes);
            if !(shape.head.is("once") && shapes.contains(&shape.head.name)) {
                break shape;
            }
        };
        values = Values::draw(chance, number, Some(values.name()));
        functions.push(shape.text(&values));
        shapes.push(shape.head.name.clone());
    }
    let threads = chance.one_in(4) && !kind.head.is("main_thread") && !kind.head.is("hang");
    let handler = handler(chance, kind, threads);
    let signal = match handler {
        Some(handler) if handler != HANDLERS[3] => SIGABRT,
        _ => kind.head.signal,
    };
    let idle = if chance.one_in(5) { "    pthread_create(&thread, NULL, idle, NULL);\n" } else { "" };
    let values = values
        .clone()
        .with("functions", functions.join("\n"))
        .with("includes", language.includes())
        .with("first", values.name())
        .with("start", (3 + chance.below(9)).to_string())
        .with(
            "threads",
            if language == Language::Rust { threads.to_string() } else { u8::from(threads).to_string() },
        )
        .with("setup", handler.unwrap_or_default())
        .with("idle", idle)
        .with("open", if language == Language::Cxx { "extern \"C\" {" } else { "" })
        .with("close", if language == Language::Cxx { "}" } else { "" });
    let step = language.command(chance, kind);
    if !is_certain(kind, &step) {
        truth.places.clear();
    }
    shapes.reverse();
    Case {
        bug: format!("{} (seed {seed})", kind.head.name),
        build: format!(
            "{} in {}{}",
            step.join(" "),
            shapes.join(" > "),
            if threads { ", a thread" } else { "" }
        ),
        truth,
        signal,
        made: Made::Up { files: vec![(language.source().to_owned(), values.fill(language.program()))], step },
    }
}

/// Tells whether the function that dies is certain to be the one that the debug information names. Where it was inlined, what
/// it does may have been moved and merged with what its caller does, and then belongs to the caller by the line table.
fn is_certain(kind: &Piece, step: &[String]) -> bool {
    let plain = ["-O0", "opt-level=0", "-gcflags=-l"];
    kind.head.is("overflow") || step.iter().any(|word| plain.contains(&word.as_str()))
}

/// Draws a handler for a fault that the program can handle.
fn handler(chance: &mut Chance, kind: &Piece, threads: bool) -> Option<&'static str> {
    let often = chance.one_in(3);
    if kind.head.is("overflow") {
        (often && !threads).then_some(ON_ANOTHER_STACK)
    } else {
        (often && kind.head.is("fault")).then(|| chance.pick(&HANDLERS))
    }
}

fn pick<'a>(chance: &mut Chance, of: &'a [Piece]) -> &'a Piece {
    &of[chance.below(of.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_makes_one_program() {
        let whole = |seed| format!("{:?}", of_seed(seed));
        assert_eq!(whole(4711), whole(4711));
        assert_ne!(whole(4711), whole(4712));
    }

    #[test]
    fn every_kind_comes_up_and_no_placeholder_is_left() {
        let mut seen = BTreeSet::new();
        for seed in 0..2000 {
            let case = of_seed(seed);
            assert!(case.signal != 0 && !case.truth.classes.is_empty(), "{case:?}");
            assert_eq!(case.truth.classes.len() > 1, case.truth.why.is_some(), "{case:?}");
            let Made::Up { files, .. } = &case.made else { panic!("{case:?}") };
            assert!(!files[0].1.contains('@'), "{}", files[0].1);
            seen.insert(case.bug.split(' ').next().unwrap_or_default().to_owned());
        }
        let all = Language::ALL.iter().flat_map(|language| &language.pieces().kinds);
        assert_eq!(seen, all.map(|kind| kind.head.name.clone()).collect());
    }
}

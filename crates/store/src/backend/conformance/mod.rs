//! What every backend must do, tried on real ones.
//!
//! `operations` has the table of operations, `stores` the backends it is tried on: a folder, an object store in this
//! process, web servers, with `EPITAPH_TEST_ALL` the object stores of others too, and those whose URLs
//! `EPITAPH_TEST_STORES` names, separated by spaces. A row is printed for each store:
//! `cargo test -p epitaph-store conformance`.

#[path = "../../../tests/store/support/in_process.rs"]
mod in_process;
mod operations;
mod stores;

use std::io::{self, Write as _};

use operations::Case;

use super::Backend;

/// What a store is known not to do, by the name of the operation, and why that is right.
type Lacks = &'static [(&'static str, Expected, &'static str)];

/// How an operation must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Works,
    /// Known not to work.
    Fails,
    /// It may or may not.
    ByChance,
}

/// Tries every operation, prints a row of the table, and fails where the outcome is not what is documented.
async fn conforms(name: &str, backend: &dyn Backend, lacks: Lacks, many: usize) {
    let mut row = Vec::new();
    let mut wrong = Vec::new();
    for Case { name: operation, run } in operations::TABLE {
        let outcome = run(backend, many).await;
        let known = lacks.iter().find(|(lacking, ..)| lacking == operation);
        row.push(format!("{operation} {}", if outcome.is_ok() { "ok" } else { "–" }));
        match (outcome, known.map_or(Expected::Works, |(_, expected, _)| *expected)) {
            (Err(why), Expected::Works) => wrong.push(format!("{operation}: {why}")),
            (Ok(()), Expected::Fails) => wrong.push(format!("{operation} works, against {known:?}")),
            _ => {}
        }
    }
    // Past the test harness, which keeps what a passing test prints to itself.
    let _ = writeln!(io::stdout(), "| {name} | {} |", row.join(" | "));
    assert!(wrong.is_empty(), "{name}: {}", wrong.join("; "));
}

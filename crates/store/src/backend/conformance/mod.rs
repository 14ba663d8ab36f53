//! What every backend must do, tried on real ones.
//!
//! `operations` has the table of operations, `stores` the backends it is tried on: a folder and web servers always,
//! what stands in for the object stores of clouds with `EPITAPH_TEST_ALL`, and those whose URLs `EPITAPH_TEST_STORES`
//! names, separated by spaces. A test prints a row a store: `cargo test -p epitaph-store conformance -- --nocapture`.

mod operations;
mod stores;

use operations::Case;

use super::Backend;

/// What a store is known not to do, by the name of the operation, and why that is right.
type Lacks = &'static [(&'static str, &'static str)];

/// Tries every operation, prints a row of the table, and fails where the outcome is not what is documented.
async fn conforms(name: &str, backend: &dyn Backend, lacks: Lacks, many: usize) {
    let mut row = Vec::new();
    let mut wrong = Vec::new();
    for Case { name: operation, run } in operations::TABLE {
        let outcome = run(backend, many).await;
        let known = lacks.iter().find(|(lacking, _)| lacking == operation);
        row.push(format!("{operation} {}", if outcome.is_ok() { "ok" } else { "–" }));
        match (outcome, known) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Err(why), None) => wrong.push(format!("{operation}: {why}")),
            (Ok(()), Some((_, why))) => wrong.push(format!("{operation} works, although {why}")),
        }
    }
    println!("| {name} | {} |", row.join(" | "));
    assert!(wrong.is_empty(), "{name}: {}", wrong.join("; "));
}

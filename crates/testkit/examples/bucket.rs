//! Starts an object store with an empty bucket (moto, azurite or radosgw), prints what a shell needs to use it, and keeps it
//! until its standard input ends: `cargo run -p epitaph-testkit --example bucket -- radosgw`.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use epitaph_testkit::servers::objects;

fn main() -> ExitCode {
    let start = match std::env::args().nth(1).as_deref() {
        Some("moto") => objects::moto,
        Some("azurite") => objects::azurite,
        Some("radosgw") => objects::radosgw,
        _ => return ExitCode::from(2),
    };
    // What is missing has been said.
    let Some(bucket) = start() else { return ExitCode::FAILURE };
    let mut text = format!("export BUCKET='{}'", bucket.url);
    for (name, value) in &bucket.variables {
        text = format!("{text}; export {name}='{value}'");
    }
    let mut out = std::io::stdout();
    let told = writeln!(out, "{text}").and_then(|()| out.flush());
    // The other side ends it, or has ended.
    let waited = told.and_then(|()| std::io::stdin().read_to_end(&mut Vec::new()));
    if waited.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

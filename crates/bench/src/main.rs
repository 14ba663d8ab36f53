//! The program that `make bench` runs.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use epitaph_bench::args::{Args, Command, Wanted};
use epitaph_bench::report::{self, Results};
use epitaph_bench::session::Session;
use epitaph_bench::{BenchError, launch};

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Compare(wanted) => compare(&wanted),
        Command::Growth(wanted) => growth(&wanted),
        Command::Overhead(wanted) => overhead(&wanted),
        Command::Launch { report, program, arguments } => launch(&report, &program, &arguments),
    };
    let Err(error) = done else { return ExitCode::SUCCESS };
    // With standard error closed there is nobody to tell.
    let _unseen = writeln!(std::io::stderr(), "error: {error}");
    ExitCode::FAILURE
}

fn compare(wanted: &Wanted) -> Result<(), BenchError> {
    let results = Session::new(wanted, &mut std::io::stderr())?.compare()?;
    let mut text = String::new();
    let _infallible = report::comparison(&results, &mut text);
    print(&text, &results, wanted)
}

fn growth(wanted: &Wanted) -> Result<(), BenchError> {
    let results = Session::new(wanted, &mut std::io::stderr())?.growth()?;
    let mut text = String::new();
    let _infallible = report::growth(&results, &mut text);
    print(&text, &results, wanted)
}

fn overhead(wanted: &Wanted) -> Result<(), BenchError> {
    let mut progress = std::io::stderr();
    let session = Session::new(wanted, &mut progress)?;
    let mut text = String::new();
    let _infallible = report::overhead::heading(session.machine(), &mut text);
    say(&text)?;
    let results = session.overhead(|cost| {
        let mut text = String::new();
        let _infallible = report::overhead::row(cost, &mut text);
        say(&text)
    })?;
    let mut text = String::from("\n");
    let _infallible = report::remarks(&results, &mut text);
    print(&text, &results, wanted)
}

fn print(text: &str, results: &Results, wanted: &Wanted) -> Result<(), BenchError> {
    say(text)?;
    let Some(path) = &wanted.json else { return Ok(()) };
    let what = format!("writing {}", path.display());
    let json = serde_json::to_vec_pretty(results)
        .map_err(|source| BenchError::Json { what: what.clone(), source })?;
    std::fs::write(path, json).map_err(io(&what))
}

fn say(text: &str) -> Result<(), BenchError> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(io("writing the tables"))
}

fn io(what: &str) -> impl FnOnce(std::io::Error) -> BenchError {
    let what = what.to_owned();
    move |source| BenchError::Io { what, source }
}

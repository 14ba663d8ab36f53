//! `epitaph`: collects core dumps and tells what died, where and why.
//!
//! This crate holds what a command line needs and nothing that a library could do: arguments, the wiring of the
//! other crates, printing, and exit codes. Data goes to stdout, everything else to stderr.

mod announce;
mod args;
mod browser;
mod canary;
mod checkout;
mod ci;
mod circleci_token;
mod collection;
mod collectors;
mod commands;
mod config;
mod coreless;
mod crashes;
mod debuginfod;
mod desk;
mod earlier;
mod environment;
mod error;
mod examine;
mod exit;
mod input;
mod keep;
mod kept;
mod keys;
mod leaving;
mod oidc;
mod order;
mod output;
mod output_tail;
mod progress;
mod reduce;
mod retention;
mod sealed;
mod searched;
mod sources;
mod spool;
mod summaries;
mod terminal;
mod tokens;
mod told;

use std::process::ExitCode;

use crate::args::{Args, Command};
use crate::exit::Exit;

fn main() -> ExitCode {
    let args = match Args::read() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors. What can't be printed is nobody's to read.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let done = match args.command {
        Command::Show(args) => commands::show::run(&args),
        Command::Collect(args) => Ok(commands::collect::run(&args)),
        Command::Run(args) => Ok(commands::run::run(&args)),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::StartStopped(args) => Ok(commands::run::start_stopped(&args)),
        Command::Slim(args) => commands::slim::run(&args),
        Command::Group(args) => commands::group::run(&args),
        Command::Report(args) => commands::report::run(&args),
        Command::Push(args) => commands::push::run(&args),
        Command::Pull(args) => commands::pull::run(&args),
        Command::Ls(args) => commands::ls::run(&args),
        Command::Serve(args) => commands::serve::run(&args),
        Command::Init(args) => commands::init::run(&args),
        Command::Gc(args) => commands::gc::run(&args),
        Command::Handler(args) => commands::handler::run(&args),
        Command::Completions(args) => commands::documents::completions(&args),
        Command::Man => commands::documents::man(),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(error) if error.is_broken_pipe() => Exit::Done.into(),
        Err(error) => {
            error.print();
            Exit::Failed.into()
        }
    }
}

//! Reading the command line.

use clap::{Error, Parser, Subcommand};

use super::late::Late;
use super::{Args, Command, RunArgs};

/// The command line of `run`, without the other commands.
#[derive(Debug, Parser)]
#[command(name = "epitaph")]
struct RunAlone {
    #[command(subcommand)]
    command: Alone,
}

#[derive(Debug, Subcommand)]
enum Alone {
    Run(Late<RunArgs>),
}

impl Args {
    /// Reads the command line of this process.
    ///
    /// `run` may stand before each command of a build: for it, the other commands are not described to clap, unless there is
    /// something to say.
    pub(crate) fn read() -> Result<Args, Error> {
        let is_run = std::env::args_os().nth(1).is_some_and(|word| word == "run");
        match is_run.then(RunAlone::try_parse) {
            Some(Ok(RunAlone { command: Alone::Run(args) })) => Ok(Args { command: Command::Run(args) }),
            // Help and errors are in the words of the whole.
            Some(Err(_)) | None => Args::try_parse(),
        }
    }
}

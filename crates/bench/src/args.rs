//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// Measures epitaph against gdb and others, or how its cost grows; prints Markdown.
#[derive(Debug, Parser)]
#[command(name = "epitaph-bench", max_term_width = 100)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Let epitaph, gdb, eu-stack, lldb and coretriage take turns at the same cores
    Compare(Wanted),
    /// Measure epitaph on ever larger cores
    Growth(Wanted),
    /// Measure what `epitaph run` adds to the commands that it runs
    Overhead(Wanted),
    /// Run one command and write what it took: what the others start each process through
    #[command(hide = true)]
    Launch {
        /// The file for the result.
        report: PathBuf,
        /// The program.
        program: OsString,
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// What is measured, and how.
#[derive(Debug, clap::Args)]
pub struct Wanted {
    /// The epitaph to measure
    #[arg(long, value_name = "FILE", default_value = "target/release/epitaph")]
    pub epitaph: PathBuf,
    /// Where inputs are made and kept, and where bin/ may hold other tools
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    pub folder: PathBuf,
    /// Measure only this (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// How many times each tool is measured, after once to warm up
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub rounds: usize,
    /// Leave out what takes minutes or gigabytes
    #[arg(long)]
    pub quick: bool,
    /// Kill what takes longer, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = parse_seconds)]
    pub limit: Duration,
    /// Write the results as JSON too
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).map_err(|error| format!("not a number of seconds: {error}"))
}

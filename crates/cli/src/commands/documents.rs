//! `epitaph completions` and `epitaph man`: documents made from the command line's own definition.

use std::io::{self, Write};

use clap::CommandFactory;

use crate::args::{Args, CompletionsArgs};
use crate::error::Error;
use crate::exit::Exit;
use crate::terminal;

/// Prints the completions for a shell.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<Exit, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "epitaph", &mut script);
    terminal::plain_stdout().write_all(&script)?;
    Ok(Exit::Done)
}

/// Prints the manual page, with a section for each command.
pub(crate) fn man() -> Result<Exit, Error> {
    let mut page = Vec::new();
    let mut command = Args::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    sections(&command, "EPITAPH", &mut page)?;
    terminal::plain_stdout().write_all(&page)?;
    Ok(Exit::Done)
}

/// Writes a section for each subcommand of a command, and for theirs.
fn sections(command: &clap::Command, name: &str, page: &mut Vec<u8>) -> io::Result<()> {
    let is_told = |subcommand: &&clap::Command| subcommand.get_name() != "help" && !subcommand.is_hide_set();
    for subcommand in command.get_subcommands().filter(is_told) {
        let name = format!("{name} {}", subcommand.get_name().to_uppercase());
        let man = clap_mangen::Man::new(subcommand.clone());
        writeln!(page, ".SH \"{name}\"")?;
        man.render_synopsis_section(page)?;
        man.render_description_section(page)?;
        man.render_options_section(page)?;
        if let Some(text) = subcommand.get_after_help() {
            writeln!(page, ".PP\n{}", text.to_string().replace('\\', "\\\\").replace('-', "\\-"))?;
        }
        sections(subcommand, &name, page)?;
    }
    Ok(())
}

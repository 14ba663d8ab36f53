//! A command's arguments, made only where that command is asked for.
//!
//! clap describes every argument of every command before it reads the first word. For `run`, which may stand before each
//! command of a build, that cost more than all that it does itself.

use std::ops::Deref;

use clap::builder::Resettable;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches};

use super::variables::as_people_set_them;

/// The arguments of one command, which are described to clap once it needs them.
#[derive(Debug)]
pub(crate) struct Late<T>(T);

impl<T> Deref for Late<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: FromArgMatches> FromArgMatches for Late<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Late<T>, Error> {
        T::from_arg_matches(matches).map(Late)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl<T: Args> Args for Late<T> {
    fn augment_args(command: Command) -> Command {
        command.defer(|command| describe(command, T::augment_args))
    }

    fn augment_args_for_update(command: Command) -> Command {
        command.defer(|command| describe(command, T::augment_args_for_update))
    }
}

/// Adds arguments to a command. What groups of them are documented with would become the command's description: clap's
/// derived code sets that only before, where the arguments come late.
fn describe(command: Command, augment: fn(Command) -> Command) -> Command {
    let (about, long) = (command.get_about().cloned(), command.get_long_about().cloned());
    let command = as_people_set_them(augment(command));
    command.about(Resettable::from(about)).long_about(Resettable::from(long))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a group of arguments is.
    #[derive(Debug, Args)]
    struct Group {
        /// How many
        #[arg(long, default_value_t = 3)]
        count: u32,
    }

    #[derive(Debug, Args)]
    struct Whole {
        #[command(flatten)]
        group: Group,
    }

    fn command() -> Command {
        let told = |command: Command| command.about("What it does");
        Command::new("tool")
            .subcommand(told(Late::<Whole>::augment_args(Command::new("this"))))
            .subcommand(told(Late::<Whole>::augment_args(Command::new("other"))))
    }

    #[test]
    fn arguments_are_made_for_the_command_that_is_asked_for() {
        let mut tool = command();
        let matches = tool.try_get_matches_from_mut(["tool", "this", "--count", "7"]).unwrap();
        let (_, matches) = matches.subcommand().unwrap();
        assert_eq!(Late::<Whole>::from_arg_matches(matches).unwrap().group.count, 7);
        let has_arguments = |name: &str| {
            let command = tool.find_subcommand(name).unwrap();
            command.get_arguments().any(|argument| argument.get_id() == "count")
        };
        assert!(has_arguments("this") && !has_arguments("other"));
    }

    #[test]
    fn a_command_keeps_its_description() {
        let mut tool = command();
        tool.build();
        for command in tool.get_subcommands().filter(|command| command.get_name() != "help") {
            assert_eq!(command.get_about().unwrap().to_string(), "What it does");
            assert!(command.get_arguments().any(|argument| argument.get_id() == "count"));
        }
    }
}

//! What the variables of options may hold: what people and CI systems really put into them.

use clap::builder::FalseyValueParser;
use clap::{Arg, ArgAction, Command};

/// What the names of options' variables begin with.
const OURS: &[u8] = b"EPITAPH_";

/// Lets flags be set by any usual word (`1`, `true`, `yes`, `on`), and takes variables that are empty for unset ones: that
/// is what `${{ vars.NAME }}` in a workflow gives where nobody has set NAME, and no reason to refuse to run a job.
pub(super) fn as_people_set_them(command: Command) -> Command {
    // Most jobs set none: then there is nothing to look at for each of dozens of options.
    let is_any_set = std::env::vars_os().any(|(name, _)| name.as_encoded_bytes().starts_with(OURS));
    if is_any_set { command.mut_args(of_one) } else { command }
}

fn of_one(option: Arg) -> Arg {
    let is_empty =
        option.get_env().is_some_and(|name| std::env::var_os(name).is_some_and(|it| it.is_empty()));
    let option = if is_empty { option.env(None::<&str>) } else { option };
    match option.get_action() {
        ArgAction::SetTrue => option.value_parser(FalseyValueParser::new()),
        _ => option,
    }
}

//! The user's browser.

use std::process::{Command, Stdio};

use crate::environment::variable;
use crate::terminal;

/// The variable that names browsers: commands with colons between them, in which `%s` is the address.
const BROWSER: &str = "BROWSER";
/// What opens an address on most desktops.
const OPENER: &str = "xdg-open";

/// Starts the user's browser on a page, and lets it be; where there is none, the address is said.
pub(crate) fn open(url: &str) {
    let chosen = variable(BROWSER);
    let first = chosen.as_deref().and_then(|list| list.split(':').find(|command| !command.trim().is_empty()));
    let words = command(first.unwrap_or(OPENER), url);
    let Some((program, arguments)) = words.split_first() else { return };
    terminal::note(&format!("{program} opens {url}"));
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        // Waited for, so that it leaves no zombie while this goes on.
        Ok(mut browser) => drop(std::thread::spawn(move || browser.wait())),
        Err(error) => {
            terminal::warning(&format!(
                "no browser could be started ({program}: {error}): open {url} in one"
            ));
        }
    }
}

/// The words of a command, without a shell: what is in an address means nothing to it.
fn command(command: &str, url: &str) -> Vec<String> {
    let mut words: Vec<String> = command.split_whitespace().map(|word| word.replace("%s", url)).collect();
    if !command.contains("%s") {
        words.push(url.to_owned());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_takes_its_place_or_comes_last() {
        assert_eq!(command("firefox", "http://x/"), ["firefox", "http://x/"]);
        assert_eq!(command("w3m -o a=%s --x", "http://x/;rm"), ["w3m", "-o", "a=http://x/;rm", "--x"]);
    }
}

//! `epitaph init`: the lines that put epitaph into a CI system's configuration.
//!
//! Each system's lines are a file beside this one. They install the static binary by address and hash, run the job's
//! command with it, collect after a failure, and store what was kept. Values of the user's stand in them only where the
//! file's language can't take them for anything else.

use std::fmt::Write as _;
use std::io::Write as _;

use epitaph_summary::CiProvider;
use sha2::{Digest, Sha256};

use crate::args::InitArgs;
use crate::error::{Error, message};
use crate::exit::Exit;
use crate::terminal;

/// Set by `make dist`: then this very file is what jobs are to install.
const IS_DIST: bool = option_env!("EPITAPH_DIST").is_some();

/// The variables that the lines read.
const DOWNLOAD_URL: &str = "EPITAPH_DOWNLOAD_URL";
const SHA256: &str = "EPITAPH_SHA256";

/// Prints the lines, and says on stderr what is left to be set.
pub(crate) fn run(args: &InitArgs) -> Result<Exit, Error> {
    let provider = args.provider.0;
    let url = args.download_url.as_deref().map(checked_url).transpose()?;
    let sha256 = match &args.sha256 {
        Some(given) => Some(given.clone()),
        None if IS_DIST => Some(own_sha256()?),
        None => None,
    };
    let settings =
        [Setting { name: DOWNLOAD_URL, value: url }, Setting { name: SHA256, value: sha256.as_deref() }];
    let lines = lines(provider, &settings, &command(provider, &args.command)?);
    terminal::plain_stdout().write_all(lines.as_bytes())?;
    if url.is_none() {
        terminal::note(&format!(
            "the lines take the binary's address from {DOWNLOAD_URL}: set it in the CI system's project"
        ));
        terminal::hint("or give --download-url: where you publish what `make dist` builds");
    }
    if sha256.is_none() {
        terminal::note(&format!(
            "the lines take the binary's hash from {SHA256}: set it in the CI system's project"
        ));
        terminal::hint("or give --sha256: `make dist` writes it beside the binary");
    }
    Ok(Exit::Done)
}

/// A variable of the job.
struct Setting<'a> {
    name: &'static str,
    /// Its value, if the lines are to set it.
    value: Option<&'a str>,
}

impl Setting<'_> {
    /// The line that sets it, or says who does.
    fn line(&self, provider: CiProvider) -> String {
        let name = self.name;
        match (self.value, provider) {
            (Some(value), CiProvider::Jenkins) => format!("{name} = '{value}'"),
            (Some(value), _) => format!("{name}: \"{value}\""),
            // The only system that gives a project's variables to no job by itself.
            (None, CiProvider::GitHub) => format!("{name}: ${{{{ vars.{name} }}}}"),
            (None, CiProvider::Jenkins) => format!("// {name} comes from Jenkins' own settings"),
            (None, _) => format!("# {name} comes from the project's own variables"),
        }
    }
}

/// The lines of a system, with all that was left open.
fn lines(provider: CiProvider, settings: &[Setting], command: &str) -> String {
    let mut out = String::new();
    for line in template(provider).lines() {
        if let Some(indent) = line.strip_suffix("{{settings}}") {
            out.extend(settings.iter().map(|setting| format!("{indent}{}\n", setting.line(provider))));
            continue;
        }
        let line = line.replace("{{version}}", env!("CARGO_PKG_VERSION")).replace("{{command}}", command);
        out.push_str(&line);
        out.push('\n');
    }
    out
}

fn template(provider: CiProvider) -> &'static str {
    match provider {
        CiProvider::CircleCi => include_str!("circleci.yml"),
        CiProvider::GitHub => include_str!("github.yml"),
        CiProvider::GitLab => include_str!("gitlab.yml"),
        CiProvider::Buildkite => include_str!("buildkite.yml"),
        CiProvider::Jenkins => include_str!("jenkins.groovy"),
        CiProvider::Azure => include_str!("azure.yml"),
    }
}

/// Returns the address, if it means nothing but itself between quotes in YAML, Groovy and the systems' own templates.
fn checked_url(url: &str) -> Result<&str, Error> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#@!*+,;=&%()".contains(c);
    let has_scheme = ["https://", "http://", "file://"].iter().any(|scheme| url.starts_with(scheme));
    if has_scheme && url.chars().all(is_plain) {
        return Ok(url);
    }
    Err(message(
        format!("--download-url {url:?} is not an address that can stand in a configuration"),
        Some(
            "give https://HOST/PATH, with anything but letters, digits and -._~:/?#@!*+,;=&%() percent-encoded",
        ),
    ))
}

/// Returns the command as the lines have it: as it is, or for a shell if it is more than words.
fn command(provider: CiProvider, command: &str) -> Result<String, Error> {
    if command.trim().is_empty() || command.chars().any(char::is_control) {
        let hint = "put several lines into a script, and give its name";
        return Err(message(format!("--command {command:?} is not one line"), Some(hint)));
    }
    let is_words = command.chars().all(|c| c.is_ascii_alphanumeric() || " -._/=:@%+,".contains(c));
    // A word with `=` at the beginning would be an assignment.
    let begins_with_program = command.split_whitespace().next().is_some_and(|word| !word.contains('='));
    let quoted = if is_words && begins_with_program {
        command.to_owned()
    } else {
        format!("bash -c '{}'", command.replace('\'', r"'\''"))
    };
    Ok(match provider {
        CiProvider::Buildkite => quoted.replace('$', "$$"),
        // Between three single quotes, Groovy takes what a backslash follows for something else.
        CiProvider::Jenkins => quoted.replace('\\', r"\\").replace('\'', r"\'"),
        _ => quoted,
    })
}

/// The hash of the file that this runs from.
fn own_sha256() -> Result<String, Error> {
    let path = std::env::current_exe()?;
    let bytes = std::fs::read(&path)
        .map_err(|error| Error::from(error).context(format!("cannot read {}", path.display())))?;
    let mut hex = String::new();
    for byte in Sha256::digest(bytes) {
        // Writing to a string can't fail.
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(provider: CiProvider, url: Option<&str>) -> String {
        let settings = [Setting { name: DOWNLOAD_URL, value: url }, Setting { name: SHA256, value: None }];
        lines(provider, &settings, "make check")
    }

    #[test]
    fn nothing_is_left_open() {
        for provider in CiProvider::ALL {
            let lines = printed(provider, Some("https://host/epitaph"));
            assert!(lines.contains(".epitaph/epitaph run -- make check"), "{lines}");
            assert!(lines.contains(env!("CARGO_PKG_VERSION")), "{lines}");
            for open in ["{{settings}}", "{{command}}", "{{version}}"] {
                assert!(!lines.contains(open), "{lines}");
            }
            let set = match provider {
                CiProvider::Jenkins => "EPITAPH_DOWNLOAD_URL = 'https://host/epitaph'\n",
                _ => "EPITAPH_DOWNLOAD_URL: \"https://host/epitaph\"\n",
            };
            assert!(lines.contains(set), "{lines}");
            assert!(!printed(provider, None).contains(set));
        }
    }

    #[test]
    fn an_address_can_mean_nothing_else() {
        assert!(checked_url("https://host/v1/epitaph?x=1&y=%20").is_ok());
        for bad in [
            "",
            "host/x",
            "ftp://x",
            "https://a b",
            "https://a'b",
            "https://a\"b",
            "https://a$(b)",
            "https://a\n",
            "https://a\\",
            "https://a{{b}}",
            "https://a`b`",
        ] {
            assert!(checked_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_command_is_one_for_the_shell_where_it_has_to_be() {
        let of = |provider, text| command(provider, text).unwrap();
        assert_eq!(of(CiProvider::GitLab, "make -j4 check"), "make -j4 check");
        assert_eq!(of(CiProvider::GitLab, "A=1 make"), "bash -c 'A=1 make'");
        assert_eq!(of(CiProvider::GitLab, "a && echo 'b' $c"), r"bash -c 'a && echo '\''b'\'' $c'");
        assert_eq!(of(CiProvider::Buildkite, "echo $c"), "bash -c 'echo $$c'");
        assert_eq!(of(CiProvider::Jenkins, r"echo \"), r"bash -c \'echo \\\'");
        assert!(command(CiProvider::GitLab, "a\nb").is_err() && command(CiProvider::GitLab, " ").is_err());
    }
}

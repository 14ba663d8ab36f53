//! What the environment says, beyond the options that clap reads from it.

use epitaph_store::{StoreOptions, Token};
use epitaph_summary::Masks;

use crate::error::{Error, message};
use crate::tokens;

/// Variables that may hold a CircleCI token, in order.
const CIRCLECI_TOKENS: [&str; 3] = ["EPITAPH_CIRCLECI_TOKEN", "CIRCLE_TOKEN", "CIRCLECI_TOKEN"];
/// The variable that names a file with one.
const CIRCLECI_TOKEN_FILE: &str = "EPITAPH_CIRCLECI_TOKEN_FILE";
/// The variable with the address of another CircleCI server than the public one.
const CIRCLECI_URL: &str = "EPITAPH_CIRCLECI_URL";
/// Variables by which CI systems say that they are one.
const CI_MARKS: [&str; 7] =
    ["CI", "CIRCLECI", "GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "JENKINS_URL", "TF_BUILD"];

/// Returns a variable's value, if it is set, not empty, and text.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Tells whether this runs in a CI system.
pub(crate) fn in_ci() -> bool {
    CI_MARKS.iter().filter_map(|name| variable(name)).any(|value| !["false", "0"].contains(&value.as_str()))
}

/// Returns the masks for this environment: the values of all variables that are named like secrets.
pub(crate) fn masks() -> Masks {
    let secret = std::env::vars_os().filter_map(|(name, value)| {
        Masks::is_secret_name(&name.to_string_lossy()).then(|| value.to_string_lossy().into_owned())
    });
    Masks::new(secret)
}

/// Returns how to open stores: tokens come from the environment or a file, never from the command line, where every
/// user of the machine could read them.
pub(crate) fn store_options(transfers: Option<usize>) -> Result<StoreOptions, Error> {
    let mut options = StoreOptions::default();
    if let Some(path) = variable(CIRCLECI_TOKEN_FILE) {
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Error::from(error).context(format!("cannot read {path} ({CIRCLECI_TOKEN_FILE})"))
        })?;
        options.circleci_token = Some(Token::new(&text)?);
    } else if let Some((name, text)) = CIRCLECI_TOKENS.iter().find_map(|name| Some((*name, variable(name)?)))
    {
        options.circleci_token = Some(
            Token::new(&text).map_err(|error| Error::from(error).context(format!("the token in {name}")))?,
        );
    }
    options.circleci_url = variable(CIRCLECI_URL);
    tokens::add(&mut options)?;
    options.ca_file = variable("SSL_CERT_FILE").map(Into::into);
    if let Some(transfers) = transfers {
        if transfers == 0 {
            return Err(message("--jobs 0 would transfer nothing", Some("give 1 or more")));
        }
        options.network.transfers = transfers;
    }
    Ok(options)
}

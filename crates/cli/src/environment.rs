//! What the environment says, beyond the options that clap reads from it.

use std::path::{Path, PathBuf};

use epitaph_store::{CloudSettings, HttpLogin, StoreKind, StoreOptions};
use epitaph_summary::{CiJob, CiProvider, Masks};

use crate::args::OidcArgs;
use crate::circleci_token;
use crate::error::{Error, message};
use crate::oidc;
use crate::tokens;

/// The variable with a bearer token for a store behind a web server.
const HTTP_TOKEN: &str = "EPITAPH_HTTP_TOKEN";
/// The variable that names a file with one.
const HTTP_TOKEN_FILE: &str = "EPITAPH_HTTP_TOKEN_FILE";
/// The variable with a user's name for such a store.
const HTTP_USER: &str = "EPITAPH_HTTP_USER";
/// The variable with that user's password.
const HTTP_PASSWORD: &str = "EPITAPH_HTTP_PASSWORD";
/// The variable that names a file with it.
const HTTP_PASSWORD_FILE: &str = "EPITAPH_HTTP_PASSWORD_FILE";
/// The variable with the address of another CircleCI server than the public one.
const CIRCLECI_URL: &str = "EPITAPH_CIRCLECI_URL";
/// The variable by which most CI systems say that they are one, besides the one of their own.
const CI_MARK: &str = "CI";

/// Returns a variable's value, if it is set, not empty, and text.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Tells whether this runs in a CI system.
pub(crate) fn in_ci() -> bool {
    let is_any = variable(CI_MARK).is_some_and(|value| !["false", "0"].contains(&value.as_str()));
    is_any || CiProvider::detect(variable).is_some()
}

/// Returns the masks for this environment: the values of all variables that are named like secrets.
pub(crate) fn masks() -> Masks {
    let secret = std::env::vars_os().filter_map(|(name, value)| {
        Masks::is_secret_name(&name.to_string_lossy()).then(|| value.to_string_lossy().into_owned())
    });
    Masks::new(secret)
}

/// Returns how to open the store at a URL: tokens come from the environment or a file, never from the command line, where
/// every user of the machine could read them. Only what that store is asked with is looked at.
pub(crate) fn store_options(
    url: &str,
    transfers: Option<usize>,
    oidc: OidcArgs,
) -> Result<StoreOptions, Error> {
    let circleci_url = variable(CIRCLECI_URL).or_else(own_circleci);
    let asked = StoreKind::of(url, circleci_url.as_deref())?;
    let mut options = StoreOptions { circleci_url, ..StoreOptions::default() };
    match asked {
        StoreKind::CircleCi => {
            options.circleci_token = circleci_token::find(options.circleci_url.as_deref())?;
        }
        StoreKind::Web => options.http_login = http_login()?,
        _ => {}
    }
    tokens::add(&mut options, asked)?;
    oidc::add(&mut options, oidc.oidc)?;
    options.ca_file = variable("SSL_CERT_FILE").map(Into::into);
    let variables = std::env::vars_os();
    options.cloud = CloudSettings::from_variables(
        variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
    );
    if let Some(transfers) = transfers {
        options.network.transfers = transfers;
    }
    Ok(options)
}

/// Returns the CircleCI server that this job runs on, if it is one of somebody's own: the job's own page says so.
fn own_circleci() -> Option<String> {
    CiProvider::detect(variable).filter(|provider| *provider == CiProvider::CircleCi)?;
    CiJob::of(CiProvider::CircleCi, variable).own_server()
}

/// Returns where pushes remember what they have sent: the folder that was given, or the one for such things of the
/// XDG Base Directory Specification. Without a home there is none.
pub(crate) fn push_state(given: Option<&Path>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = || absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    given.map(Path::to_owned).or_else(|| Some(state()?.join("epitaph")))
}

/// Returns who asks a store behind a web server, if the environment says so: a token goes before a password.
fn http_login() -> Result<Option<HttpLogin>, Error> {
    if let Some((name, token)) = secret(HTTP_TOKEN, HTTP_TOKEN_FILE)? {
        let login = HttpLogin::bearer(&token);
        return login.map(Some).map_err(|error| Error::from(error).context(format!("the token in {name}")));
    }
    let Some(user) = variable(HTTP_USER) else { return Ok(None) };
    let Some((name, password)) = secret(HTTP_PASSWORD, HTTP_PASSWORD_FILE)? else {
        let hint = format!("set {HTTP_PASSWORD} or {HTTP_PASSWORD_FILE}");
        return Err(message(format!("{HTTP_USER} is set, but no password"), Some(&hint)));
    };
    let login = HttpLogin::basic(&user, password.trim_end_matches(['\r', '\n']));
    login
        .map(Some)
        .map_err(|error| Error::from(error).context(format!("the login in {HTTP_USER} and {name}")))
}

/// Returns a secret and the variable it comes from: one that names a file with it, or else one that holds it.
pub(crate) fn secret(
    variable_with_it: &'static str,
    variable_with_file: &'static str,
) -> Result<Option<(&'static str, String)>, Error> {
    let Some(path) = variable(variable_with_file) else {
        return Ok(variable(variable_with_it).map(|text| (variable_with_it, text)));
    };
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Error::from(error).context(format!("cannot read {path} ({variable_with_file})")))?;
    Ok(Some((variable_with_file, text)))
}

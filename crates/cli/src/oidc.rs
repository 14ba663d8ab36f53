//! What this job's CI system says of it to others who trust it (OpenID Connect), so that a store needs no keys.

use epitaph_store::{OidcToken, StoreOptions, Token};
use epitaph_summary::CiProvider;

use crate::environment::{secret, variable};
use crate::error::{Error, message};

/// The variable with such a token, whatever the system; it goes before those of the system itself.
const TOKEN: &str = "EPITAPH_OIDC_TOKEN";
/// The variable that names a file with one.
const TOKEN_FILE: &str = "EPITAPH_OIDC_TOKEN_FILE";
/// Where CircleCI puts it, the newer form first.
const CIRCLECI: [&str; 2] = ["CIRCLE_OIDC_TOKEN_V2", "CIRCLE_OIDC_TOKEN"];
/// Where GitLab's documents let `id_tokens:` put it: a job chooses the name itself.
const GITLAB: [&str; 2] = ["GITLAB_OIDC_TOKEN", "ID_TOKEN"];
/// Where GitHub gives one to jobs that may ask, and with what token.
const GITHUB: (&str, &str) = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN");

/// Adds to the options what the job shows instead of keys, if that is asked for.
pub(crate) fn add(options: &mut StoreOptions, asked: bool) -> Result<(), Error> {
    if asked {
        options.oidc = Some(token()?);
    }
    Ok(())
}

fn token() -> Result<OidcToken, Error> {
    if let Some((name, text)) = secret(TOKEN, TOKEN_FILE)? {
        return ready(name, &text);
    }
    let first = |names: [&'static str; 2]| names.into_iter().find_map(|name| Some((name, variable(name)?)));
    let (found, advice) = match CiProvider::detect(variable) {
        Some(CiProvider::CircleCi) => {
            (first(CIRCLECI), "CircleCI gives one to jobs that use a context, and to no forked pull request")
        }
        Some(CiProvider::GitLab) => {
            (first(GITLAB), "give the job `id_tokens:` with GITLAB_OIDC_TOKEN and its `aud:`")
        }
        Some(CiProvider::GitHub) => {
            if let (Some(url), Some(text)) = (variable(GITHUB.0), variable(GITHUB.1)) {
                let token = Token::new(&text);
                let token =
                    token.map_err(|error| Error::from(error).context(format!("the token in {}", GITHUB.1)));
                return Ok(OidcToken::GitHub { url, token: token? });
            }
            (None, "give the job `permissions: id-token: write`")
        }
        _ => (None, "set EPITAPH_OIDC_TOKEN, or EPITAPH_OIDC_TOKEN_FILE"),
    };
    match found {
        Some((name, text)) => ready(name, &text),
        None => Err(message("--oidc: this job was given no OpenID Connect token", Some(advice))),
    }
}

fn ready(name: &str, text: &str) -> Result<OidcToken, Error> {
    let token = Token::new(text);
    token.map(OidcToken::Ready).map_err(|error| Error::from(error).context(format!("the token in {name}")))
}

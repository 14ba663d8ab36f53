//! The tokens of CI systems, and where their servers are. Both come from the environment: from the command line every
//! user of the machine could read them, and a URL that somebody pastes must not say who gets a token.

use epitaph_store::{GitlabToken, StoreKind, StoreOptions, Token};

use crate::environment::variable;
use crate::error::Error;

/// Where a token is looked for: variables with a token, in order, and one that names a file with one.
struct Place {
    variables: &'static [&'static str],
    file: &'static str,
}

const GITHUB: Place = Place {
    variables: &["EPITAPH_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"],
    file: "EPITAPH_GITHUB_TOKEN_FILE",
};
/// The second one is set in the jobs of GitHub Actions.
const GITHUB_URLS: [&str; 2] = ["EPITAPH_GITHUB_URL", "GITHUB_SERVER_URL"];

const GITLAB: Place =
    Place { variables: &["EPITAPH_GITLAB_TOKEN", "GITLAB_TOKEN"], file: "EPITAPH_GITLAB_TOKEN_FILE" };
/// A job's own token, which GitLab sets.
const GITLAB_JOB: Place = Place { variables: &["CI_JOB_TOKEN"], file: "" };
/// The second one is set in the jobs of GitLab.
const GITLAB_URLS: [&str; 2] = ["EPITAPH_GITLAB_URL", "CI_SERVER_URL"];

/// Adds to the options where GitHub and GitLab are, and the token of the one that is asked: what is wrong with the other's
/// is nobody's trouble.
pub(crate) fn add(options: &mut StoreOptions, asked: StoreKind) -> Result<(), Error> {
    options.github_url = GITHUB_URLS.iter().find_map(|name| variable(name));
    options.gitlab_url = GITLAB_URLS.iter().find_map(|name| variable(name));
    match asked {
        StoreKind::Github => options.github_token = GITHUB.token()?,
        StoreKind::Gitlab => {
            options.gitlab_token = match GITLAB.token()? {
                Some(token) => Some(GitlabToken::Private(token)),
                None => GITLAB_JOB.token()?.map(GitlabToken::Job),
            };
        }
        _ => {}
    }
    Ok(())
}

impl Place {
    fn token(&self) -> Result<Option<Token>, Error> {
        let (text, whence) = if let Some(path) = variable(self.file) {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| Error::from(error).context(format!("cannot read {path} ({})", self.file)))?;
            (text, path)
        } else if let Some((name, text)) =
            self.variables.iter().find_map(|name| Some((*name, variable(name)?)))
        {
            (text, name.to_owned())
        } else {
            return Ok(None);
        };
        let token = Token::new(&text);
        token.map(Some).map_err(|error| Error::from(error).context(format!("the token in {whence}")))
    }
}

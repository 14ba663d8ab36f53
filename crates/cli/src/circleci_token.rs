//! Where a token for CircleCI comes from: a file, the environment, or the settings of CircleCI's own command line.

use epitaph_store::Token;

use crate::environment::variable;
use crate::error::Error;

/// Variables that may hold a token, in order: ours, that of CircleCI's documentation, and that of its command line.
const TOKENS: [&str; 4] = ["EPITAPH_CIRCLECI_TOKEN", "CIRCLE_TOKEN", "CIRCLECI_TOKEN", "CIRCLECI_CLI_TOKEN"];
/// The variable that names a file with one.
const TOKEN_FILE: &str = "EPITAPH_CIRCLECI_TOKEN_FILE";
/// The settings of CircleCI's command line, in the home folder.
const CLI_SETTINGS: &str = ".circleci/cli.yml";
/// The server that those settings are for where they name none, and that is asked where none is configured.
const PUBLIC: &str = "https://circleci.com";

/// Returns the token for `server`, if there is one.
pub(crate) fn find(server: Option<&str>) -> Result<Option<Token>, Error> {
    if let Some(path) = variable(TOKEN_FILE) {
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Error::from(error).context(format!("cannot read {path} ({TOKEN_FILE})")))?;
        let token = Token::new(&text);
        let named = token.map_err(|error| Error::from(error).context(format!("the token in {path}")));
        return named.map(Some);
    }
    if let Some((name, text)) = TOKENS.iter().find_map(|name| Some((*name, variable(name)?))) {
        let token = Token::new(&text);
        let named = token.map_err(|error| Error::from(error).context(format!("the token in {name}")));
        return named.map(Some);
    }
    let settings = std::env::home_dir().map(|home| home.join(CLI_SETTINGS));
    let settings = settings.and_then(|path| std::fs::read_to_string(path).ok());
    // Those are another program's: a token there that can't be sent is none.
    let token = settings.and_then(|settings| of_settings(&settings, server.unwrap_or(PUBLIC)));
    Ok(token.and_then(|token| Token::new(&token).ok()))
}

/// The token in settings of CircleCI's command line, if they are for this server.
fn of_settings(settings: &str, server: &str) -> Option<String> {
    let host = setting(settings, "host").unwrap_or(PUBLIC);
    let bare = |address: &str| address.trim_end_matches('/').to_ascii_lowercase();
    if bare(host) != bare(server) {
        return None;
    }
    setting(settings, "token").filter(|token| !token.is_empty()).map(str::to_owned)
}

/// A value at the top level of a YAML file, which for those settings is one line.
fn setting<'a>(settings: &'a str, name: &str) -> Option<&'a str> {
    let value = settings.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let value = value.split(" #").next().unwrap_or_default().trim();
    let unquoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    Some(unquoted('"').or_else(|| unquoted('\'')).unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: &str =
        "host: https://ci.example/\nendpoint: graphql-unstable\ntoken: \"abc\" # mine\n  token: no\n";

    #[test]
    fn settings_are_for_one_server() {
        assert_eq!(of_settings(SETTINGS, "https://CI.example").as_deref(), Some("abc"));
        assert_eq!(of_settings(SETTINGS, PUBLIC), None);
        assert_eq!(of_settings(SETTINGS, "https://ci.example.evil"), None);
        assert_eq!(of_settings("token: abc\n", PUBLIC).as_deref(), Some("abc"));
        assert_eq!(of_settings("token: 'abc'", "https://ci.example"), None);
        for empty in ["", "token:", "token: \"\"", "tokens: abc", "host: https://circleci.com"] {
            assert_eq!(of_settings(empty, PUBLIC), None, "{empty}");
        }
    }
}

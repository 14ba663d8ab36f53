//! `epitaph serve`: show a store, a folder or cores in a browser, to scripts and to debuggers.

use std::io::Write;

use epitaph_serve::{AccessToken, Options, ServeError, Server, Source};

use crate::args::{OidcArgs, ServeArgs};
use crate::environment::{store_options, variable};
use crate::error::{Error, with_causes};
use crate::exit::Exit;
use crate::{browser, desk, terminal};

/// The variable with the token that clients must send.
const TOKEN: &str = "EPITAPH_SERVE_TOKEN";

/// Serves until it is told to end.
pub(crate) fn run(args: &ServeArgs) -> Result<Exit, Error> {
    let options = Options {
        listen: args.listen.clone(),
        token: token(args)?,
        hosts: args.host.clone(),
        public_url: args.public_url.clone(),
        ..Options::default()
    };
    // Kept until the server ends.
    let desk = desk::prepare(&args.url, args)?;
    let location = desk.as_ref().map_or(args.url.as_str(), |desk| desk.location());
    let source = Source::open(location, &store_options(location, None, OidcArgs::default())?)?;
    let shown = if desk.is_some() { args.url.clone() } else { source.url().to_owned() };
    let start = source.start().to_owned();
    let server = Server::bind(source, &options, |problem: &ServeError| {
        terminal::warning(&terminal::clean(&with_causes(problem)));
    })?;
    let url = server.url();
    server.run(|| tell(&url, &start, &shown, args.open))?;
    Ok(Exit::Done)
}

/// Says where it is: to programs on stdout, to people on stderr, and to a browser.
fn tell(url: &str, start: &str, source: &str, in_browser: bool) {
    let mut out = terminal::stdout();
    // Who doesn't read it may know the address.
    let _ = writeln!(out, "{url}").and_then(|()| out.flush());
    terminal::note(&format!("{source} is shown at {url}, until Ctrl-C"));
    if in_browser {
        browser::open(&format!("{url}{start}"));
    }
}

/// The token comes from a file or the environment, never from the command line, where every user of the machine could
/// read it.
fn token(args: &ServeArgs) -> Result<Option<AccessToken>, Error> {
    let (text, place) = if let Some(path) = &args.token_file {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::from(error).context(format!("cannot read {}", path.display())))?;
        (text, path.display().to_string())
    } else if let Some(text) = variable(TOKEN) {
        (text, TOKEN.to_owned())
    } else {
        return Ok(None);
    };
    let token = AccessToken::new(&text);
    Ok(Some(token.map_err(|error| Error::from(error).context(format!("the token in {place}")))?))
}

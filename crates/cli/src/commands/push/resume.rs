//! `epitaph push --resume`: send what waits in a spool.

use std::collections::HashSet;

use epitaph_store::{Spool, Spooled, Store};

use super::options_for;
use crate::args::PushArgs;
use crate::error::{Error, message};
use crate::exit::Exit;
use crate::progress::Transfers;
use crate::terminal;

/// What has become of the pushes.
#[derive(Default)]
struct Counts {
    done: usize,
    /// Those that were tried, or could not be.
    failed: usize,
    /// Those that go elsewhere.
    others: usize,
    /// Those that another process sends.
    busy: usize,
}

/// Sends the pushes that wait, the oldest first; only those to one store, if it is named.
pub(super) fn run(spool: &Spool, only: Option<&str>, args: &PushArgs) -> Result<Exit, Error> {
    let address =
        |url| -> Result<String, Error> { Ok(Store::open_with(url, &options_for(url, args)?)?.address()?) };
    let only = only.map(address).transpose()?;
    let mut counts = Counts::default();
    // A store that is out of reach is not asked again: each attempt takes its time.
    let mut out_of_reach = HashSet::new();
    for name in spool.waiting()? {
        let mut spooled = match spool.claim(&name) {
            Ok(Some(spooled)) => spooled,
            Ok(None) => {
                counts.busy += 1;
                continue;
            }
            Err(error) => {
                Error::from(error).print();
                counts.failed += 1;
                continue;
            }
        };
        let url = spooled.url().to_owned();
        if only.as_ref().is_some_and(|only| *only != url) {
            counts.others += 1;
            continue;
        }
        if out_of_reach.contains(&url) {
            counts.failed += 1;
            continue;
        }
        match send(&mut spooled, only.is_some(), args) {
            Ok(Exit::Done) => counts.done += 1,
            Ok(_) => counts.failed += 1,
            Err(error) => {
                error.context(format!("the push {name}")).print();
                counts.failed += 1;
                out_of_reach.insert(url);
            }
        }
    }
    counts.tell(spool);
    Ok(if counts.failed > 0 { Exit::Failed } else { Exit::Done })
}

/// Sends one push. It is an error where nothing of it has arrived.
fn send(spooled: &mut Spooled, named: bool, args: &PushArgs) -> Result<Exit, Error> {
    let options = options_for(spooled.url(), args)?;
    // Who could write into the spool must not get the login.
    let is_web = spooled.url().to_ascii_lowercase().starts_with("http");
    if is_web && !named && options.http_login.is_some() {
        let hint = format!("name the store: epitaph push --resume {}", spooled.url());
        let why =
            format!("{} would get the login of EPITAPH_HTTP_*, which the spool can't decide", spooled.url());
        return Err(message(why, Some(&hint)));
    }
    let store = Store::open_with(spooled.url(), &options)?;
    let push_options = spooled.options();
    let pushed = store.push_spooled(spooled, &Transfers::new())?;
    let nothing = pushed.artifacts.is_empty() && spooled.left() > 0;
    let exit = super::tell(pushed, &store, &push_options);
    if nothing {
        return Err(message(format!("nothing has arrived in {}", store.url()), None));
    }
    Ok(exit)
}

impl Counts {
    fn tell(&self, spool: &Spool) {
        let folder = spool.path().display();
        terminal::note(&format!("{} pushes of the spool {folder} are done", self.done));
        if self.failed > 0 {
            terminal::note(&format!("{} have failed, and wait for the next --resume", self.failed));
        }
        if self.others > 0 {
            terminal::note(&format!("{} go to other stores, and wait", self.others));
        }
        if self.busy > 0 {
            terminal::note(&format!("{} are sent by another process", self.busy));
        }
    }
}

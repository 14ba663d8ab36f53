//! Other collectors of cores, as far as `collect` and `run` have to do with them.

use std::path::Path;
use std::time::{Duration, SystemTime};

use epitaph_capture::{Candidate, Host, Patience, in_journal, take_out_of_journal, wait_for_dumps};

use crate::environment::variable;
use crate::error::with_causes;
use crate::spool::Spool;
use crate::terminal;

/// A wait that is shorter is not worth a word.
const UNNOTICED: Duration = Duration::from_secs(3);

/// Waits until the collector that the core pattern leads to, if it leads to one, is done with the cores of `dead`.
pub(crate) fn wait(host: &Host, dead: &[u32], since: SystemTime, patience: Patience) {
    let Some(waited) = wait_for_dumps(host, dead, since, patience) else { return };
    let (program, seconds) = (waited.collector.program(), waited.took.as_secs());
    if waited.unfinished {
        terminal::warning(&format!(
            "{program} was still writing a core after {seconds} s: it was not waited for"
        ));
        terminal::hint("run `epitaph collect` once it is done");
    } else if waited.took >= UNNOTICED {
        terminal::note(&format!("{program} was waited for, for {seconds} s"));
    }
}

/// Returns the users whose cores are this job's: this one, and whoever called `sudo` to become it.
pub(crate) fn our_users() -> impl Iterator<Item = u32> {
    let caller = variable("SUDO_UID").and_then(|user| user.parse().ok());
    [rustix::process::geteuid().as_raw()].into_iter().chain(caller)
}

/// Cores that were taken out of the journal, and the folder that they lie in.
pub(crate) type TakenOut = (Vec<Candidate>, Option<Spool>);

/// Takes the cores out of the journal that systemd-coredump keeps there of the processes `dead` or, without any, of our
/// users' that died after `since`. They lie near `out` until the folder is closed.
pub(crate) fn from_journal(host: &Host, dead: &[u32], since: SystemTime, out: &Path) -> TakenOut {
    let users: Vec<u32> = our_users().collect();
    let processes = in_journal(host, dead, &users, since);
    if processes.is_empty() {
        return TakenOut::default();
    }
    let spool = match Spool::new(out) {
        Ok(spool) => spool,
        Err(error) => {
            error.print_as_warning();
            return TakenOut::default();
        }
    };
    let (cores, failed) = take_out_of_journal(host, &processes, since, spool.path());
    for error in failed {
        terminal::warning(&with_causes(&error));
    }
    (cores, Some(spool))
}

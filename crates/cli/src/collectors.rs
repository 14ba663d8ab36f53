//! Other collectors of cores, as far as `collect` and `run` have to do with them.

use std::path::Path;
use std::time::{Duration, SystemTime};

use epitaph_capture::{Candidate, Host, Patience, in_journal, take_out_of_journal, wait_for_dumps};
use tempfile::TempDir;

use crate::environment::variable;
use crate::error::{Error, with_causes};
use crate::spool;
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

/// What was taken out of the journal.
#[derive(Default)]
pub(crate) struct FromJournal {
    pub(crate) cores: Vec<Candidate>,
    /// Where they lie. They are whole and have their secrets, and the journal still has them: they go with this.
    pub(crate) folder: Option<TempDir>,
    /// How many could not be had.
    pub(crate) failed: usize,
}

/// Takes the cores out of the journal that systemd-coredump keeps there of the processes `dead` or, without any, of our
/// users' that died after `since`, into a folder near `out`.
pub(crate) fn from_journal(host: &Host, dead: &[u32], since: SystemTime, out: &Path) -> FromJournal {
    let users: Vec<u32> = our_users().collect();
    let cores = in_journal(host, dead, &users, since);
    if cores.is_empty() {
        return FromJournal::default();
    }
    let folder = match spool::temporary_folder("epitaph-journal-", out) {
        Ok(folder) => folder,
        Err(error) => {
            let what = "there is no temporary folder for cores, so none is taken out of the journal";
            Error::from(error).context(what).print_as_warning();
            return FromJournal { failed: cores.len(), ..FromJournal::default() };
        }
    };
    let taken = take_out_of_journal(host, &cores, since, folder.path());
    let failed = taken.failed.len() + taken.left;
    for error in taken.failed {
        terminal::warning(&with_causes(&error));
    }
    if taken.left > 0 {
        terminal::warning(&format!(
            "{} more cores are in the journal and were not taken out: they are too many, too large, or it took too long",
            taken.left
        ));
        terminal::hint("coredumpctl dump PID -o core.PID takes one out, epitaph collect core.PID keeps it");
    }
    FromJournal { cores: taken.cores, folder: Some(folder), failed }
}

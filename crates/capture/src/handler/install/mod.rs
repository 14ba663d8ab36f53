//! Putting the handler into the kernel's settings, and taking it out again.
//!
//! A plan is made first, with every check that can be made without changing anything; it can be shown, or applied. What
//! the settings were is written to the spool before the first of them is changed, so that they can be put back whatever
//! happens next.

mod settings;
mod status;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::config::{AT_ONCE, Config, HandlerLimits, Saved};
use super::error::HandlerError;
use super::own_pattern::OwnPattern;
use super::server;
use super::spool::Spool;
use super::trusted;
use crate::container;
use crate::host::Host;
use crate::pattern::{CorePattern, Rules, Target};
use settings::{CORE_PATTERN, PIPE_LIMIT, Setting};

pub use status::{Status, UserCores};

/// What is to be installed.
#[derive(Clone, Debug)]
pub struct InstallOptions {
    /// What is to be given the cores.
    pub to: Destination,
    /// Where it is to keep cores.
    pub spool: PathBuf,
    /// How much it may keep.
    pub limits: HandlerLimits,
    /// Whether it may take the place of another handler, or be installed from a container.
    pub force: bool,
}

/// What is to be given the cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A program, which the kernel starts for each.
    Program(PathBuf),
    /// The socket in the spool, on which `handler serve` listens.
    Socket,
}

/// One setting that is to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its file beneath `/proc/sys`.
    pub path: PathBuf,
    /// What is there, which may be any bytes.
    pub from: Vec<u8>,
    /// What will be, likewise.
    pub to: Vec<u8>,
}

/// An installation that would work.
#[derive(Debug)]
pub struct Plan {
    host: Host,
    spool: Spool,
    config: Config,
    changes: Vec<Change>,
}

impl Plan {
    /// Checks everything that can be checked, and changes nothing.
    pub fn new(host: &Host, options: &InstallOptions) -> Result<Plan, HandlerError> {
        let spool = Spool::at(&options.spool);
        // The folder itself may still have to be made.
        let existing = options.spool.ancestors().find(|folder| folder.exists());
        trusted::check(existing.unwrap_or(Path::new("/")))?;
        let text = match &options.to {
            Destination::Program(path) => {
                let program = path.canonicalize().map_err(HandlerError::file(path, "found"))?;
                trusted::check(&program)?;
                OwnPattern::program_text(&program, spool.path())?
            }
            Destination::Socket => {
                if !host.modes().iter().any(|mode| mode == "socket") {
                    return Err(HandlerError::NoSockets);
                }
                spool.check()?;
                server::check_listening(spool.path())?;
                OwnPattern::socket_text(spool.path())?
            }
        };
        Plan::of(host, text, spool, options)
    }

    fn of(host: &Host, text: String, spool: Spool, options: &InstallOptions) -> Result<Plan, HandlerError> {
        let pattern = Setting::read(host, CORE_PATTERN)?;
        let pipe_limit = Setting::read(host, PIPE_LIMIT)?;
        let in_force = CorePattern::parse(&pattern.value, Rules::default());
        let ours = OwnPattern::of(&in_force);
        let other = ours.is_none() && !matches!(in_force.target(), Target::File(_));
        if other && !options.force {
            return Err(HandlerError::OtherHandler { pattern: pattern.text() });
        }
        if let Some(evidence) = container::evidence(host).filter(|_| !options.force) {
            return Err(HandlerError::Container { evidence });
        }
        let before = pipe_limit.number();
        let saved = match ours {
            Some(ours) => before_ours(&ours.spool)?,
            None => Saved { core_pattern: pattern.value.clone(), core_pipe_limit: before },
        };
        let starts_programs = matches!(options.to, Destination::Program(_));
        // Any limit makes the kernel keep `/proc/PID` until the handler has finished.
        let limit = if before == 0 && starts_programs { AT_ONCE } else { before };
        let changes = [pipe_limit.change(limit.to_string()), pattern.change(text)];
        Ok(Plan {
            host: host.clone(),
            spool,
            config: Config { limits: options.limits, pipe_limit: limit, saved },
            changes: changes.into_iter().filter(|change| change.from != change.to).collect(),
        })
    }

    /// Returns the settings that are to be changed, in order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Makes the spool, writes down what the settings are, changes them, and checks that the kernel has kept them. Where
    /// it has not, they are as before.
    pub fn apply(&self) -> Result<(), HandlerError> {
        if !rustix::process::geteuid().is_root() {
            return Err(HandlerError::NotRoot);
        }
        self.spool.make()?;
        self.config.write(self.spool.path())?;
        settings::apply(&self.host, &self.changes)
    }
}

/// Returns what was there before our handler, however often it was installed since, with whatever spool; the kernel's
/// defaults where nobody has written it down. `spool` is that of the pattern in force.
fn before_ours(spool: &Path) -> Result<Saved, HandlerError> {
    let unknown = || Saved { core_pattern: b"core".to_vec(), core_pipe_limit: 0 };
    Ok(trusted_config(spool)?.map_or_else(unknown, |config| config.saved))
}

/// Reads what was written down in a spool, of which nothing is known but its path.
fn trusted_config(spool: &Path) -> Result<Option<Config>, HandlerError> {
    let path = Config::path(spool);
    if std::fs::symlink_metadata(&path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(None);
    }
    trusted::check(&path)?;
    Config::read(spool)
}

/// What uninstalling did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uninstalled {
    /// The settings that were put back.
    pub changes: Vec<Change>,
    /// The pattern that somebody has set since, which was left alone.
    pub left_alone: Option<String>,
    /// Where the cores still are.
    pub spool: PathBuf,
}

/// Puts the settings back as they were before the handler was installed. Cores stay where they are.
///
/// The spool is that of the pattern in force, unless `spool` says otherwise. With `dry_run`, nothing is changed, and what
/// would be done is returned.
pub fn uninstall(host: &Host, spool: Option<&Path>, dry_run: bool) -> Result<Uninstalled, HandlerError> {
    let pattern = Setting::read(host, CORE_PATTERN)?;
    let own = OwnPattern::of(&CorePattern::parse(&pattern.value, Rules::default()));
    let spool = match (spool, &own) {
        (Some(spool), _) => spool.to_owned(),
        (None, Some(own)) => own.spool.clone(),
        (None, None) => {
            return Err(HandlerError::NotInstalled {
                what: format!("the core pattern is {:?}", pattern.text()),
            });
        }
    };
    let what = || format!("{} does not say what there was before", Config::path(&spool).display());
    let config = trusted_config(&spool)?.ok_or_else(|| HandlerError::NotInstalled { what: what() })?;
    let pipe_limit = Setting::read(host, PIPE_LIMIT)?;
    let mut changes = Vec::new();
    if own.is_some() {
        changes.push(pattern.change(config.saved.core_pattern));
    }
    if pipe_limit.number() == config.pipe_limit {
        changes.push(pipe_limit.change(config.saved.core_pipe_limit.to_string()));
    }
    changes.retain(|change| change.from != change.to);
    if !dry_run {
        if !rustix::process::geteuid().is_root() {
            return Err(HandlerError::NotRoot);
        }
        settings::apply(host, &changes)?;
        let path = Config::path(&spool);
        std::fs::remove_file(&path).map_err(HandlerError::file(path, "removed"))?;
    }
    let left_alone = own.is_none().then(|| pattern.text());
    Ok(Uninstalled { changes, left_alone, spool })
}

#[cfg(test)]
mod tests;

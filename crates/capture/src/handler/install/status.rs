//! What is installed, and what it has kept.

use std::path::{Path, PathBuf};

use super::settings::{CORE_PATTERN, PIPE_LIMIT, Setting};
use crate::handler::config::{Config, HandlerLimits};
use crate::handler::error::HandlerError;
use crate::handler::notice::DEFAULT_SPOOL;
use crate::handler::own_pattern::{OwnPattern, Way};
use crate::handler::server;
use crate::handler::spool::Spool;
use crate::handler::trusted;
use crate::host::Host;
use crate::pattern::{CorePattern, Rules};

/// The handler, as it is installed or not.
#[derive(Clone, Debug)]
pub struct Status {
    /// The core pattern in force.
    pub pattern: String,
    /// What it says of our handler, if it is ours.
    pub own: Option<OwnPattern>,
    /// Why crashes would be lost though the pattern is ours.
    pub trouble: Option<String>,
    /// `kernel.core_pipe_limit`.
    pub pipe_limit: u32,
    /// Where cores are, or would be, kept.
    pub spool: PathBuf,
    /// How much is kept, where this can be read: it is root's to know.
    pub limits: Option<HandlerLimits>,
    /// What is kept, by user.
    pub users: Vec<UserCores>,
}

/// What is kept of one user's crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserCores {
    /// The user.
    pub uid: u32,
    /// How many crashes.
    pub crashes: usize,
    /// The bytes that they take on disk.
    pub bytes: u64,
    /// How many more were counted and not kept, where this can be read.
    pub counted: u64,
}

impl Status {
    /// Looks at the host. The spool is that of the pattern in force, unless `spool` says otherwise.
    pub fn of(host: &Host, spool: Option<&Path>) -> Result<Status, HandlerError> {
        let pattern = Setting::read(host, CORE_PATTERN)?;
        let own = OwnPattern::of(&CorePattern::parse(&pattern.value, Rules::default()));
        let folder = spool.map(Path::to_owned).or_else(|| own.as_ref().map(|own| own.spool.clone()));
        let spool = Spool::at(folder.unwrap_or_else(|| PathBuf::from(DEFAULT_SPOOL)));
        let trouble = own.as_ref().and_then(|own| {
            let usable = match &own.way {
                Way::Program { path, .. } => trusted::check(path),
                Way::Socket { .. } => server::check_listening(&own.spool),
            };
            usable.and_then(|()| spool.check()).err().map(|error| error.to_string())
        });
        let users = spool.users().into_iter().map(|user| {
            let (crashes, bytes) = user.usage();
            UserCores { uid: user.uid(), crashes, bytes, counted: user.counted() }
        });
        Ok(Status {
            pattern: pattern.text(),
            trouble,
            pipe_limit: Setting::read(host, PIPE_LIMIT)?.number(),
            limits: Config::read(spool.path()).ok().flatten().map(|config| config.limits),
            users: users.collect(),
            spool: spool.path().to_owned(),
            own,
        })
    }
}

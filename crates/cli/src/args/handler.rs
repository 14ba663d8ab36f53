//! The handler that the kernel starts.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Subcommand;
use epitaph_capture::handler::HandlerLimits;

use super::late::Late;

#[derive(Debug, clap::Args)]
pub(crate) struct HandlerArgs {
    #[command(subcommand)]
    pub(crate) command: HandlerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HandlerCommand {
    /// Receive a core on standard input: what the kernel starts
    Run(Late<HandlerRunArgs>),
    /// Read the core that `handler run` hands over, without its rights
    #[command(hide = true)]
    Work(Late<HandlerWorkArgs>),
    /// Receive cores by a socket, on kernels that give cores to one (Linux 6.16 and later): a daemon
    Serve(Late<HandlerServeArgs>),
    /// Receive a core from the connection that `handler serve` hands over
    #[command(hide = true)]
    Take(Late<HandlerServeArgs>),
    /// Make this program the host's handler of cores
    Install(Late<HandlerInstallArgs>),
    /// Put the host's settings back as they were before
    Uninstall(Late<HandlerUninstallArgs>),
    /// Tell whether it is installed, and what it has kept; status 1 where it isn't, or will not work
    Status(Late<HandlerStatusArgs>),
}

#[derive(Debug, clap::Args)]
pub(crate) struct HandlerRunArgs {
    /// What the kernel tells of the crash, as `handler install` asks it to
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "NAME=VALUE")]
    pub(crate) arguments: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HandlerWorkArgs {
    /// The user to become
    pub(crate) uid: u32,
    /// The group to become
    pub(crate) gid: u32,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HandlerServeArgs {
    /// Where cores are kept, in a folder for each user; the socket is there as well
    #[arg(long, value_name = "DIR", default_value = epitaph_capture::handler::DEFAULT_SPOOL, env = "EPITAPH_SPOOL")]
    pub(crate) spool: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HandlerInstallArgs {
    /// The program that the kernel is to start; this one if not given. Root alone may be able to change it
    #[arg(long, value_name = "FILE", env = "EPITAPH_HANDLER_PROGRAM")]
    pub(crate) program: Option<PathBuf>,
    /// Let the kernel give cores to `epitaph handler serve`, which must be running, rather than start a program
    #[arg(long, conflicts_with = "program", env = "EPITAPH_HANDLER_SOCKET")]
    pub(crate) socket: bool,
    /// Where cores are kept, in a folder for each user
    #[arg(long, value_name = "DIR", default_value = epitaph_capture::handler::DEFAULT_SPOOL, env = "EPITAPH_SPOOL")]
    pub(crate) spool: PathBuf,
    /// Most bytes that the crashes of one user may take; its oldest ones go first
    #[arg(long, value_name = "BYTES", default_value_t = HandlerLimits::default().quota, env = "EPITAPH_QUOTA")]
    pub(crate) quota: u64,
    /// Bytes of the disk to leave free: where fewer are, only slim cores are kept
    #[arg(long, value_name = "BYTES", default_value_t = HandlerLimits::default().keep_free, env = "EPITAPH_KEEP_FREE")]
    pub(crate) keep_free: u64,
    /// How many crashes of one signature are kept in a day; the others are counted
    #[arg(long, value_name = "N", default_value_t = HandlerLimits::default().first, env = "EPITAPH_FIRST")]
    pub(crate) first: u32,
    /// Take the place of another handler, or install from within a container
    #[arg(long, env = "EPITAPH_FORCE")]
    pub(crate) force: bool,
    /// Only tell what would be changed
    #[arg(long, env = "EPITAPH_DRY_RUN")]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HandlerUninstallArgs {
    /// Where cores are kept, if the core pattern doesn't say so any more
    #[arg(long, value_name = "DIR", env = "EPITAPH_SPOOL")]
    pub(crate) spool: Option<PathBuf>,
    /// Only tell what would be changed
    #[arg(long, env = "EPITAPH_DRY_RUN")]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HandlerStatusArgs {
    /// Where cores are kept, if the core pattern doesn't say so any more
    #[arg(long, value_name = "DIR", env = "EPITAPH_SPOOL")]
    pub(crate) spool: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long, env = "EPITAPH_JSON")]
    pub(crate) json: bool,
}

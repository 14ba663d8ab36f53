//! Our own handler of core dumps: the program that the kernel starts for each crash, and how it is put in place.
//!
//! The kernel starts it as root of the host, for a process that may be hostile, and the dying process waits until it
//! has read the core. So the work is divided between two processes:
//!
//! - The *receiver* ([`receive`]) is root and parses nothing of the core. It looks at `/proc/PID` before a byte of the
//!   core is read, proves that this is the process that crashed, makes the files in the [`Spool`], hands them to the
//!   other, and decides what is kept: the first few of each signature, within a quota for each user.
//! - The *worker* ([`work`]) is the user whose process crashed, or nobody, and may gain no rights. It reads headers and
//!   notes from the pipe, writes the slim core from the process's own memory, judges it, and compresses the whole core
//!   into the file that it was given.
//!
//! Where the kernel gives cores to a socket instead, a [`Server`] starts a receiver for each connection ([`take`]), which
//! learns from `/proc` what is otherwise among its arguments. All else is the same.
//!
//! The slim core is sealed before the whole one is read: whatever ends the handler leaves it, or only files whose names
//! end in `.partial`. Where the kernel's dump is documented: core(5), "Piping core dumps to a program".
//!
//! [`Plan`], [`uninstall`] and [`Status`] put the handler into the kernel's settings, take it out, and look at it.

mod caller;
mod channel;
mod config;
mod crasher;
mod error;
mod files;
mod handshake;
mod harden;
mod install;
mod kernel_log;
mod live;
mod notice;
mod own_pattern;
mod proc_files;
mod receive;
mod server;
mod spool;
mod trusted;
mod worker;

pub use config::HandlerLimits;
pub use error::HandlerError;
pub(crate) use harden::LONGEST_LIFE;
pub use install::{Change, Destination, InstallOptions, Plan, Status, Uninstalled, UserCores, uninstall};
pub use notice::{DEFAULT_SPOOL, Notice};
pub use own_pattern::{OwnPattern, Way};
pub use receive::{Kept, Received, receive, take};
pub use server::Server;
pub(crate) use server::check_listening;
pub use spool::Spool;
pub use worker::work;

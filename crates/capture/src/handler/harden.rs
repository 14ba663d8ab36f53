//! The handler's own processes: what they may do, and what they leave when they themselves crash.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, nice, set_dumpable_behavior, set_parent_process_death_signal,
    setrlimit, umask,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_keep_capabilities, set_no_new_privs,
};

use super::error::HandlerError;

/// The receiver's life in seconds: whoever waits for the dying process waits no longer. Its alarm ends it.
const WATCHDOG: u32 = 600;
/// After this many seconds, a handler is gone: what is still unfinished then, nobody is writing.
pub(crate) const LONGEST_LIFE: u64 = WATCHDOG as u64 + 60;
/// The limit on cores that makes the kernel refuse a dump to a pipe: the handler that crashes itself must not start
/// another (linux/fs/coredump.c, "RLIMIT_CORE is set to 1").
const NO_RECURSION: u64 = 1;
/// How much sooner than others the handler is killed where memory runs out (proc_pid_oom_score_adj(5)), out of 1000.
const KILLED_SOONER: &str = "500";
/// How much less of the processor the handler gets than the job.
const NICER: i32 = 5;

/// What the worker may use.
const WORKER_LIMITS: [(Resource, u64); 4] = [
    (Resource::As, 4 << 30),
    (Resource::Cpu, WATCHDOG as u64),
    (Resource::Nofile, 256),
    (Resource::Core, NO_RECURSION),
];

/// Makes the receiver's process safe; before anything else, and before a descriptor is opened. Returns the pipe that
/// the core comes through, which was standard input.
pub(super) fn receiver() -> Result<OwnedFd, HandlerError> {
    // The duplicate's number is above 2, and it is closed in programs that are started.
    let core =
        io::stdin().as_fd().try_clone_to_owned().map_err(HandlerError::process("take standard input"))?;
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(HandlerError::file("/dev/null", "opened"))?;
    let replaced = rustix::stdio::dup2_stdin(&null)
        .and_then(|()| rustix::stdio::dup2_stdout(&null))
        .and_then(|()| rustix::stdio::dup2_stderr(&null));
    replaced.map_err(|error| HandlerError::process("replace standard streams")(error.into()))?;
    umask(Mode::RWXG | Mode::RWXO);
    undumpable().map_err(HandlerError::process("hide its memory"))?;
    nix::unistd::alarm::set(WATCHDOG);
    // The rest is courtesy.
    let _ = OpenOptions::new()
        .write(true)
        .open("/proc/self/oom_score_adj")
        .and_then(|mut file| file.write_all(KILLED_SOONER.as_bytes()));
    let _ = nice(NICER);
    Ok(core)
}

/// Makes root's process the user's, and gives up whatever the worker doesn't need, before it is handed anything.
pub(super) fn worker(uid: u32, gid: u32) -> Result<(), HandlerError> {
    let process = |what| move |error: rustix::io::Errno| HandlerError::process(what)(error.into());
    become_user(uid, gid)?;
    set_no_new_privs(true).map_err(process("give up new privileges"))?;
    // A change of user resets this one as well.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(process("end with the receiver"))?;
    WORKER_LIMITS.into_iter().try_for_each(|(resource, limit)| lower(resource, limit))
}

/// Lets this process and whatever it starts write no file beyond so many bytes.
pub(super) fn limit_files(bytes: u64) -> Result<(), HandlerError> {
    lower(Resource::Fsize, bytes)
}

/// Lowers a limit for good. One that is lower already stays.
fn lower(resource: Resource, limit: u64) -> Result<(), HandlerError> {
    let hard = rustix::process::getrlimit(resource).maximum.map_or(limit, |hard| hard.min(limit));
    setrlimit(resource, Rlimit { current: Some(hard), maximum: Some(hard) })
        .map_err(|error| HandlerError::process("limit itself")(error.into()))
}

/// Becomes the user, of no groups but this one, in such a way that none of the user's other processes can trace this one
/// at any time.
///
/// A change of user makes a process as dumpable as `fs.suid_dumpable` says (linux/kernel/cred.c, `commit_creds`), which
/// may be all. Until that is taken back, the capabilities that are kept keep the user's processes off: nobody may trace
/// who has more of them (linux/security/commoncap.c, `cap_ptrace_access_check`).
fn become_user(uid: u32, gid: u32) -> Result<(), HandlerError> {
    let failed = HandlerError::process("give up root's rights");
    let become_user = || -> io::Result<()> {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        set_keep_capabilities(true)?;
        setgroups(&[])?;
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid)?;
        undumpable()?;
        let none = CapabilitySet::empty();
        Ok(set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?)
    };
    become_user().map_err(failed)
}

/// Its memory holds that of others: nobody may trace it, and it leaves no core.
fn undumpable() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

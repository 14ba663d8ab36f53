//! Making threads stand still.

use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::Stop;
use crate::ptrace;

/// How long threads are waited for that don't stop: those that the kernel is busy with (a disk that doesn't answer, a
/// parent in vfork).
const PATIENCE: Duration = Duration::from_secs(1);
/// How often those are looked at.
const PAUSE: Duration = Duration::from_micros(200);

/// Makes traced threads stand still. Returns those that do, and how they were stopped: by us, or by something else that
/// came first. How those end that don't is left for whoever waits for that.
pub(super) fn halt(threads: &[Pid]) -> Vec<(Pid, Stop)> {
    let mut busy: Vec<Pid> =
        threads.iter().copied().filter(|thread| ptrace::interrupt(*thread).is_ok()).collect();
    let deadline = Instant::now() + PATIENCE;
    let mut stopped = Vec::new();
    loop {
        busy.retain(|thread| {
            // Of one that has ended, the kernel says that there is nothing to wait for.
            match waitid(WaitId::Pid(*thread), WaitIdOptions::STOPPED | WaitIdOptions::NOHANG) {
                Ok(Some(status)) => {
                    stopped.extend(Stop::of_tracee(&status).map(|stop| (*thread, stop)));
                    false
                }
                Ok(None) | Err(Errno::INTR) => true,
                Err(_) => false,
            }
        });
        if busy.is_empty() || Instant::now() > deadline {
            return stopped;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Lists the threads of a process.
pub(super) fn tasks(process: Pid) -> Vec<Pid> {
    let Ok(folder) = std::fs::read_dir(format!("/proc/{}/task", process.as_raw_pid())) else {
        return Vec::new();
    };
    folder.flatten().filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)).collect()
}

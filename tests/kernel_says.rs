//! What the kernel itself logs of a core that it did not write, on the real kernel.

use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use epitaph_testkit::crash::PatternGuard;
use epitaph_testkit::skip::skipped;

use crate::support::{epitaph_alone, folder, text};

/// The kernel logs ten such lines in five seconds at most, whoever's they are.
const TRIES: usize = 6;
const PAUSE: Duration = Duration::from_secs(2);

#[test]
fn a_socket_whose_server_accepts_too_slowly_is_told() {
    let (job, named) = (folder(), tempfile::tempdir().unwrap());
    let modes = std::fs::read_to_string("/proc/sys/kernel/core_modes").unwrap_or_default();
    if !modes.contains("socket") {
        return skipped("this kernel sends no cores to sockets");
    }
    if std::fs::File::open("/dev/kmsg").is_err() {
        return skipped("the kernel's log can't be read");
    }
    let path = named.path().join("cores");
    let _pattern = match PatternGuard::set(&format!("@{}", text(&path))) {
        Ok(pattern) => pattern,
        Err(error) => return skipped(&format!("the core pattern can't be set: {error}")),
    };
    let socket = UnixListener::bind(&path).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    // One connection waits, and nobody ever accepts it.
    let _waiting = UnixStream::connect(&path).unwrap();
    let mut said = String::new();
    for _ in 0..TRIES {
        let Some(run) = epitaph_alone() else {
            return skipped("others' crashes can't be kept out here (root, or a user namespace)");
        };
        let run = run.within(job.path()).args(["run", "--capture", "file", "--out", "out", "--"]);
        let answer = run.args(["sh", "-c", "kill -SEGV $$"]).run().code(139);
        if answer.stderr().contains("(pattern_socket_busy)") {
            return;
        }
        // In a container, the kernel looks for the socket outside of it, and others read its log.
        if answer.stderr().contains("outside of this container") {
            return skipped("the socket can't be reached from outside of this container");
        }
        said = answer.to_string();
        std::thread::sleep(PAUSE);
    }
    panic!("the full backlog was never told\n{said}");
}

//! What the kernel logs of a core that it did not write.
//!
//! Since Linux 6.11, each such line names the process: `coredump: PID(NAME): WHY` (`coredump_report` in
//! linux/include/linux/coredump.h, with `task_tgid_vnr`: the id that the process itself knows), at most ten in five
//! seconds. Others can write into that log as well; their lines are marked as theirs.

use std::time::Duration;

use super::prefix;

/// What such lines begin with.
const MARK: &str = "coredump: ";
/// The first number of a record that is not the kernel's own: its priority is below that (syslog(2), facility 0).
const FIRST_OF_OTHERS: u32 = 8;
/// The longest text that is kept.
const LONGEST: usize = 400;

/// A core that the kernel did not write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedCore {
    /// The process.
    pub pid: u32,
    /// Why, in the kernel's words.
    pub why: String,
}

/// Finds the refusals in what `/dev/kmsg` gives, each with when it was logged, since the machine was started.
pub(super) fn refused_cores(log: &str) -> Vec<(Duration, RefusedCore)> {
    let is_kernels = |line: &&str| {
        let priority = line.split_once(',').and_then(|(priority, _)| priority.parse::<u32>().ok());
        priority.is_some_and(|priority| priority < FIRST_OF_OTHERS)
    };
    let refused = |line: &str| {
        let (logged, message) = prefix::split(line);
        Some((logged?, refused(message)?))
    };
    log.lines().filter(is_kernels).filter_map(refused).collect()
}

fn refused(message: &str) -> Option<RefusedCore> {
    let (pid, rest) = message.strip_prefix(MARK)?.split_once('(')?;
    // The name may hold anything that isn't a control character.
    let (_name, why) = rest.split_once("): ")?;
    Some(RefusedCore { pid: pid.parse().ok()?, why: why.chars().take(LONGEST).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a kernel of 6.18 wrote them.
    #[test]
    fn refusals_are_read_with_their_processes() {
        let log = "4,1,79754768103,-;coredump: 25507(epitaph-canary): RLIMIT_CORE is set to 1, aborting core\n\
                   4,2,79760135341,-;coredump: 25563(a (b): Coredump socket connection /run/cores failed -11\n\
                   6,3,79760135342,-;a[7]: segfault at 0 ip 559f625d6311 sp 7fffb3e2fda8 error 4\n\
                   12,4,79760135343,-;coredump: 7(forged): over core_pipe_limit, skipping core dump\n\
                   4,5,1,-;coredump: x(a): y\n4,6,1,-;coredump: 7\n";
        let refused = refused_cores(log);
        let told: Vec<(u32, &str)> =
            refused.iter().map(|(_, refused)| (refused.pid, &*refused.why)).collect();
        assert_eq!(
            told,
            [
                (25507, "RLIMIT_CORE is set to 1, aborting core"),
                (25563, "Coredump socket connection /run/cores failed -11"),
            ]
        );
    }
}

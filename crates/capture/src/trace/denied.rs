//! Why this process may trace nobody, not even what it starts.

use crate::host::Host;

/// `CAP_SYS_PTRACE` (linux/capability.h).
const SYS_PTRACE: u32 = 19;
/// What a status file says of a process that filters bind (proc_pid_status(5), `SECCOMP_MODE_FILTER`).
const FILTERED: &str = "2";

/// Says why nothing can be traced on `host`, and what lets it, where that shows: Yama (its `ptrace_scope`,
/// Documentation/admin-guide/LSM/Yama.rst) forbids it from 2 on, not below, for what is traced is ours; else it is a
/// filter of system calls, as containers have.
pub fn why_untraced(host: &Host) -> Option<&'static str> {
    let status = std::fs::read_to_string(host.path("/proc/self/status")).unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| Some(line.strip_prefix(name)?.trim()));
    let rights = field("CapEff:").and_then(|rights| u64::from_str_radix(rights, 16).ok()).unwrap_or(0);
    match host.sysctl_number("kernel/yama/ptrace_scope") {
        Some(3..) => Some(
            "kernel.yama.ptrace_scope is 3: nobody may trace until this machine is started again without that",
        ),
        Some(2) if rights & 1 << SYS_PTRACE == 0 => Some(
            "kernel.yama.ptrace_scope is 2: only root may trace; `sysctl kernel.yama.ptrace_scope=1` lets \
                  everybody trace what they start",
        ),
        _ if field("Seccomp:") == Some(FILTERED) => Some(
            "a filter of system calls (seccomp) binds this process, as in many containers: those are to be \
                  started with `--cap-add SYS_PTRACE` or `--security-opt seccomp=unconfined`",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::fake;

    #[test]
    fn what_forbids_tracing_is_told_only_where_it_does() {
        let why = |scope: &str, status: &str| {
            let settings = [("kernel/yama/ptrace_scope", scope)];
            let (root, host) = fake(if scope.is_empty() { &[] } else { &settings });
            std::fs::create_dir_all(root.path().join("proc/self")).unwrap();
            std::fs::write(root.path().join("proc/self/status"), status).unwrap();
            why_untraced(&host).map(|why| why.split(':').next().unwrap_or_default())
        };
        let (nobody, root) =
            ("CapEff:\t0000000000000000\nSeccomp:\t0\n", "CapEff:\t000001ffffffffff\nSeccomp:\t0\n");
        let filtered = "CapEff:\t0000000000000000\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        let filter = Some("a filter of system calls (seccomp) binds this process, as in many containers");
        for (scope, status, expected) in [
            ("", nobody, None),
            ("", filtered, filter),
            ("0\n", nobody, None),
            ("1\n", nobody, None),
            ("1\n", filtered, filter),
            ("2\n", nobody, Some("kernel.yama.ptrace_scope is 2")),
            ("2\n", root, None),
            ("3\n", root, Some("kernel.yama.ptrace_scope is 3")),
            ("3\n", filtered, Some("kernel.yama.ptrace_scope is 3")),
            ("words\n", "", None),
        ] {
            assert_eq!(why(scope, status), expected, "{scope} {status}");
        }
    }
}

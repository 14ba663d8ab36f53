//! Are we in a container? A program or socket that is given cores never is.

use std::path::Path;

use crate::host::Host;

/// The inode of the host's own pid namespace (`PROC_PID_INIT_INO`, the same on every Linux).
const HOSTS_PID_NAMESPACE: &str = "pid:[4026531836]";
/// Files that container engines leave, and what they say.
const MARKERS: [(&str, &str); 3] = [
    ("/.dockerenv", "/.dockerenv exists"),
    ("/run/.containerenv", "/run/.containerenv exists"),
    ("/run/systemd/container", "/run/systemd/container exists"),
];
/// Parts of the first process's control group that only containers have.
const CONTROL_GROUPS: [&str; 4] = ["docker", "kubepods", "containerd", "lxc"];

/// Returns what shows that this process runs in a container, if anything does.
pub(crate) fn evidence(host: &Host) -> Option<&'static str> {
    let namespace = std::fs::read_link(host.path("/proc/self/ns/pid")).ok();
    if namespace.is_some_and(|namespace| namespace != Path::new(HOSTS_PID_NAMESPACE)) {
        return Some("its pid namespace is not the host's");
    }
    if let Some((_, evidence)) = MARKERS.iter().find(|(path, _)| host.path(path).exists()) {
        return Some(evidence);
    }
    let groups = std::fs::read_to_string(host.path("/proc/1/cgroup")).unwrap_or_default();
    CONTROL_GROUPS
        .iter()
        .any(|name| groups.contains(name))
        .then_some("its first process is in a container's control group")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn host_with(namespace: &str, files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        std::fs::create_dir_all(host.path("/proc/self/ns")).unwrap();
        symlink(namespace, host.path("/proc/self/ns/pid")).unwrap();
        for (path, content) in files {
            std::fs::create_dir_all(host.path(path).parent().unwrap()).unwrap();
            std::fs::write(host.path(path), content).unwrap();
        }
        (root, host)
    }

    #[test]
    fn each_mark_of_a_container_counts() {
        let host = |namespace, files: &[_]| {
            let (_root, host) = host_with(namespace, files);
            evidence(&host)
        };
        assert_eq!(host(HOSTS_PID_NAMESPACE, &[("/proc/1/cgroup", "0::/init.scope\n")]), None);
        assert!(host("pid:[4026532451]", &[]).unwrap().contains("namespace"));
        assert!(host(HOSTS_PID_NAMESPACE, &[("/.dockerenv", "")]).unwrap().contains("dockerenv"));
        assert!(host(HOSTS_PID_NAMESPACE, &[("/run/.containerenv", "")]).is_some());
        assert!(host(HOSTS_PID_NAMESPACE, &[("/proc/1/cgroup", "12:pids:/kubepods/x\n")]).is_some());
    }
}

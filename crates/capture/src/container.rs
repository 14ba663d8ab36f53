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
    if let Ok(namespace) = std::fs::read_link(host.path("/proc/self/ns/pid")) {
        if namespace != Path::new(HOSTS_PID_NAMESPACE) {
            return Some("its pid namespace is not the host's");
        }
        // A virtual machine that was made of a container's image has that image's marks, and is none.
        if has_mounts_of_init(host) {
            return None;
        }
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

/// Tells whether this process sees the very mounts that process 1 sees: a copy of them, as each mount namespace has,
/// has ids of its own. Unlike the namespaces' names, anyone may read these.
fn has_mounts_of_init(host: &Host) -> bool {
    let first_mount = |process: &str| {
        let mounts = std::fs::read_to_string(host.path("/proc").join(process).join("mountinfo")).ok()?;
        Some(mounts.split_whitespace().next()?.to_owned())
    };
    first_mount("self").is_some_and(|own| first_mount("1") == Some(own))
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
    #[test]
    fn marks_of_an_image_say_nothing_where_the_mounts_are_those_of_the_first_process() {
        let mounts = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n";
        let files =
            |first| [("/.dockerenv", ""), ("/proc/self/mountinfo", mounts), ("/proc/1/mountinfo", first)];
        let (_root, machine) = host_with(HOSTS_PID_NAMESPACE, &files(mounts));
        assert_eq!(evidence(&machine), None);
        let (_root, copied) =
            host_with(HOSTS_PID_NAMESPACE, &files("310 1 254:0 / / rw - ext4 /dev/vda rw\n"));
        assert!(evidence(&copied).is_some());
        let (_root, inside) = host_with("pid:[4026532451]", &files(mounts));
        assert!(evidence(&inside).unwrap().contains("namespace"));
    }
}

//! The processes of the job: all that descend from this one, which adopts those whose parents have ended.

use std::collections::BTreeMap;

use rustix::process::{Pid, Signal, getpid, kill_process};

use crate::live::facts::parent;

/// Lists the processes that descend from this one, parents before their children.
pub(crate) fn descendants() -> Vec<Pid> {
    let mut children: BTreeMap<i32, Vec<Pid>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        if let Some((process, parent)) = process.and_then(|process| Some((process, parent(process)?))) {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut tree = Vec::new();
    let mut parents = vec![getpid()];
    while let Some(parent) = parents.pop() {
        let own = children.remove(&parent.as_raw_pid()).unwrap_or_default();
        tree.extend(&own);
        parents.extend(own);
    }
    tree
}

/// Sends a signal to every process of the job.
pub(crate) fn signal_tree(signal: Signal) {
    for process in descendants() {
        // It may have ended just now, or have become somebody else's.
        let _ = kill_process(process, signal);
    }
}

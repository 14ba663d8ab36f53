//! Dumping a tree of processes that takes too long: all of them stand still at the same time, so that their cores show
//! who waits for whom.

use std::collections::{HashMap, HashSet};

use rustix::process::Pid;

use super::halt::{halt, tasks};
use super::tree::descendants;
use super::{Dumper, Dumps, Stop, Tracer, let_go};
use crate::live::Standing;
use crate::ptrace;

/// How often the tree is looked at: what is started while others are being stopped is stopped, too.
const MOST_ROUNDS: usize = 16;

/// Stops every process of the job, dumps each, and lets them go on: those that `tracer` follows stay traced.
pub(crate) fn dump_tree(dumper: &Dumper, mut tracer: Option<&mut Tracer>) -> Dumps {
    let mut dumps = Dumps::default();
    let mut processes: HashMap<Pid, Vec<(Pid, Stop)>> = HashMap::new();
    let mut seen: HashSet<Pid> = HashSet::new();
    for _ in 0..MOST_ROUNDS {
        let mut new: HashMap<Pid, Pid> = HashMap::new();
        for process in descendants() {
            for task in tasks(process).into_iter().filter(|task| seen.insert(*task)) {
                // Refused for what is traced already: by us, or by a debugger, which keeps it.
                let _ = ptrace::seize(task, false);
                new.insert(task, process);
            }
        }
        if new.is_empty() {
            break;
        }
        for (task, stop) in halt(&new.keys().copied().collect::<Vec<Pid>>()) {
            if let Some(process) = new.get(&task) {
                processes.entry(*process).or_default().push((task, stop));
            }
        }
    }
    let mut processes: Vec<_> = processes.into_iter().collect();
    processes.sort_by_key(|(process, _)| process.as_raw_pid());
    for (process, stopped) in &processes {
        let threads = stopped.iter().map(|(thread, _)| *thread).collect();
        dumper.dump(&Standing { process: *process, threads, ending: None }, &mut dumps);
    }
    for (thread, stop) in processes.into_iter().flat_map(|(_, stopped)| stopped) {
        match tracer.as_deref_mut() {
            Some(tracer) => tracer.stopped(thread, stop),
            None => let_go(thread, stop),
        }
    }
    dumps
}

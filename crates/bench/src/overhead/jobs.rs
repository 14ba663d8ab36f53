//! The commands that are run.

use std::path::Path;
use std::process::{Command, Stdio};

use super::Way;
use crate::BenchError;
use crate::run::Task;

/// A command.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name, for the command line.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// A shell script that makes what it needs, in its folder.
    prepare: &'static str,
    /// The command itself; with a space in it, a shell script.
    command: &'static str,
    /// The ways in which its cost is of interest: what starting and looking costs, the shortest command shows best.
    pub(crate) ways: &'static [Way],
    promises: &'static [(Way, Promise)],
}

/// What is promised of `epitaph run`.
#[derive(Clone, Copy, Debug)]
pub enum Promise {
    /// It adds at most so many seconds.
    Added(f64),
    /// It adds at most this share of what the command takes alone.
    Share(f64),
}

/// Returns every command.
pub fn jobs() -> Vec<Job> {
    vec![
        Job {
            name: "true",
            title: "true(1)",
            prepare: "",
            command: "/bin/true",
            ways: &Way::ALL,
            promises: &[(Way::OnePlace, Promise::Added(0.002))],
        },
        Job {
            name: "compile",
            title: "40 files compiled, two at a time",
            prepare: "cp \"$TESTDATA\"/bench/busy.c .",
            command: "seq 40 | xargs -P 2 -I N gcc -g -O1 -c -o N.o busy.c",
            ways: &[Way::Traced, Way::OnePlace],
            promises: &[(Way::Traced, Promise::Share(0.05))],
        },
        Job {
            name: "forks",
            title: "1,000 programs, one after the other",
            prepare: "",
            command: "i=0; while [ $i -lt 1000 ]; do /bin/true; i=$((i + 1)); done",
            ways: &[Way::Traced],
            promises: &[],
        },
        Job {
            name: "threads",
            title: "10,000 threads, one after the other",
            prepare: "gcc -O2 -pthread -o threads \"$TESTDATA\"/bench/threads.c",
            command: "exec ./threads 10000",
            ways: &[Way::Traced],
            promises: &[],
        },
    ]
}

impl Job {
    /// Returns what is promised of a way to run it.
    pub fn promise(&self, way: Way) -> Option<Promise> {
        self.promises.iter().find(|(of, _)| *of == way).map(|(_, promise)| *promise)
    }

    /// Makes what it needs in `folder`; says why it can't.
    pub(super) fn prepare(&self, folder: &Path) -> Result<Result<(), String>, BenchError> {
        let testdata = epitaph_testkit::crash::sources_folder().join("..");
        let output = Command::new("sh")
            .args(["-euc", self.prepare])
            .env("TESTDATA", testdata)
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .map_err(BenchError::io("starting sh"))?;
        let said = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok(if output.status.success() { Ok(()) } else { Err(said()) })
    }

    /// Returns the command by itself.
    pub(super) fn task(&self) -> Task {
        if !self.command.contains(' ') {
            return Task { program: self.command.into(), ..Task::default() };
        }
        let arguments = ["-c", self.command].map(Into::into).to_vec();
        Task { program: "/bin/sh".into(), arguments, ..Task::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_can_be_prepared() {
        for job in jobs() {
            let folder = tempfile::tempdir().unwrap();
            assert_eq!(job.prepare(folder.path()).unwrap(), Ok(()), "{}", job.name);
        }
    }

    #[test]
    fn what_is_promised_is_measured() {
        for job in jobs() {
            assert!(job.promises.iter().all(|(way, _)| job.ways.contains(way)), "{}", job.name);
        }
    }

    #[test]
    fn only_a_script_needs_a_shell() {
        let programs: Vec<_> = jobs().iter().map(|job| job.task().program).collect();
        assert_eq!(programs[0], Path::new("/bin/true"));
        assert_eq!(programs[1], Path::new("/bin/sh"));
    }
}

//! Letting tools take turns at one core.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Serialize;

use crate::run::{Ran, Runner, Task};
use crate::tools::Tool;
use crate::{BenchError, Figures, Sample};

/// What one tool does at a core, and how it is known to have done it.
#[derive(Clone, Debug)]
pub struct Contestant {
    /// The tool.
    pub tool: Tool,
    /// What it is run with; nothing where it is not installed.
    pub task: Option<Task>,
    /// What must be in its output: a fast failure is no win.
    pub says: &'static [&'static str],
    /// How what it made is checked, once.
    pub proof: Option<Proof>,
}

/// A shell script that fails where what was made is wrong.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The script.
    pub script: &'static str,
    /// Its `$1` and so on.
    pub arguments: Vec<PathBuf>,
}

/// How often tools take turns.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    /// How many times each is measured, after a first time that only warms the page cache.
    pub count: usize,
    /// A tool that has run for longer than this at one core is not measured again.
    pub patience: Duration,
}

/// How a tool did.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// The tool.
    pub tool: Tool,
    /// What it took, or why that isn't known.
    pub outcome: Outcome,
}

/// What a tool took, or why that isn't known.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It did what it was asked for.
    Measured(Figures),
    /// It failed, or what it printed is wrong.
    Failed(String),
    /// It was killed after this many seconds.
    TimedOut(f64),
    /// It is not installed.
    Missing,
}

impl Standing {
    /// Returns what the tool took, if it did what it was asked for.
    pub fn figures(&self) -> Option<Figures> {
        match self.outcome {
            Outcome::Measured(figures) => Some(figures),
            _ => None,
        }
    }
}

/// A contestant and what it has shown so far.
struct Running<'a> {
    contestant: &'a Contestant,
    task: &'a Task,
    samples: Vec<Sample>,
    spent: f64,
    out: Option<Outcome>,
}

/// Lets the contestants take turns, and returns how they did, in their order.
///
/// # Errors
/// When something fails that is not a tool's fault.
pub fn compete(
    runner: &Runner,
    contestants: &[Contestant],
    rounds: Rounds,
    progress: &mut dyn Write,
) -> Result<Vec<Standing>, BenchError> {
    let mut running: Vec<Running<'_>> = contestants
        .iter()
        .filter_map(|contestant| {
            let task = contestant.task.as_ref()?;
            Some(Running { contestant, task, samples: Vec::new(), spent: 0.0, out: None })
        })
        .collect();
    for round in 0..=rounds.count {
        for one in running.iter_mut().filter(|one| one.out.is_none()) {
            if one.spent > rounds.patience.as_secs_f64() && !one.samples.is_empty() {
                continue;
            }
            one.turn(runner, round == 0)?;
            let _unseen = write!(progress, ".");
            let _unseen = progress.flush();
        }
    }
    let standing = |contestant: &Contestant| {
        let ran = running.iter().find(|one| one.contestant.tool == contestant.tool);
        let outcome = match ran {
            None => Outcome::Missing,
            Some(one) => match (&one.out, Figures::of(&one.samples)) {
                (Some(out), _) => out.clone(),
                (None, Some(figures)) => Outcome::Measured(figures),
                (None, None) => Outcome::Failed("it was never measured".to_owned()),
            },
        };
        Standing { tool: contestant.tool, outcome }
    };
    Ok(contestants.iter().map(standing).collect())
}

impl Running<'_> {
    fn turn(&mut self, runner: &Runner, warming: bool) -> Result<(), BenchError> {
        let (sample, status) = match runner.run(self.task)? {
            Ran::Ended { sample, status } => (sample, status),
            Ran::TimedOut => {
                self.out = Some(Outcome::TimedOut(runner.limit().as_secs_f64()));
                return Ok(());
            }
        };
        self.spent += sample.wall;
        self.out = self.wrong(runner, status, warming)?.map(Outcome::Failed);
        if self.out.is_none() && !warming {
            self.samples.push(sample);
        }
        Ok(())
    }

    /// Says what is wrong with a run, if anything is.
    fn wrong(&self, runner: &Runner, status: i32, prove: bool) -> Result<Option<String>, BenchError> {
        if !self.contestant.tool.accepts(status) {
            let complaint = runner.complaint()?;
            return Ok(Some(format!("status {status}: {complaint}")));
        }
        let printed = runner.printed()?;
        if let Some(says) = self.contestant.says.iter().find(|says| !contains(&printed, says.as_bytes())) {
            return Ok(Some(format!("{says} is not in its output")));
        }
        match &self.contestant.proof {
            Some(proof) if prove => proof.fails(),
            _ => Ok(None),
        }
    }
}

impl Proof {
    /// Says what the script says when it fails.
    fn fails(&self) -> Result<Option<String>, BenchError> {
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", self.script, "proof"])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(BenchError::io("starting bash"))?;
        if output.status.success() {
            return Ok(None);
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok(Some(format!("what it made is wrong: {said}")))
    }
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_anywhere() {
        assert!(contains(b"in spoil (busy.c:30)", b"spoil"));
        assert!(!contains(b"in spo", b"spoil"));
        assert!(!contains(b"", b"spoil"));
    }

    #[test]
    fn a_proof_that_fails_says_why() {
        let proof = |script| Proof { script, arguments: vec!["/etc/passwd".into()] };
        assert_eq!(proof("test -f \"$1\"").fails().unwrap(), None);
        let why = proof("echo \"$1 is odd\" >&2; false | true").fails().unwrap();
        assert_eq!(why.as_deref(), Some("what it made is wrong: /etc/passwd is odd"));
    }
}

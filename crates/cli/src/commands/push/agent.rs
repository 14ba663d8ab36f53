//! `epitaph push PATH… buildkite:` and `azure:[NAME]`: files go where the CI system itself keeps a job's artifacts, by the
//! system's own means, for its agent alone has the right to put them there.
//!
//! Buildkite's agent is a command ("buildkite-agent artifact upload" of its documentation). The agent of Azure Pipelines reads
//! what the job prints ("Logging commands", `artifact.upload`), and uploads when the step has ended. Neither says here whether
//! everything has arrived, as a store does.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use epitaph_report::annotations::azure_upload;
use epitaph_summary::CiProvider;

use crate::args::PushArgs;
use crate::ci;
use crate::error::{Error, message};
use crate::exit::Exit;
use crate::leaving;
use crate::terminal;

/// The program of Buildkite's agent.
const BUILDKITE: &str = "buildkite-agent";
/// What the artifacts of Azure's job are called if no name is given.
const NAME: &str = "crashes";

/// Whose agent is asked.
pub(super) enum Agent<'a> {
    Buildkite,
    /// With the name of the artifact.
    Azure(&'a str),
}

impl<'a> Agent<'a> {
    /// Understands `buildkite:`, `azure:` and `azure:NAME`; nothing if the URL is of a store.
    pub(super) fn of(url: &'a str) -> Option<Agent<'a>> {
        match url.split_once(':')? {
            ("buildkite", "") => Some(Agent::Buildkite),
            ("azure", "") => Some(Agent::Azure(NAME)),
            // azure://CONTAINER is an object store.
            ("azure", name) if !name.starts_with("//") => Some(Agent::Azure(name)),
            _ => None,
        }
    }

    /// Hands the paths over.
    pub(super) fn push(&self, paths: &[PathBuf], args: &PushArgs) -> Result<Exit, Error> {
        let name = self.name();
        let no_use = [
            ("--encrypt", !args.encrypt.encrypt.is_empty()),
            ("--spool", args.spool.is_some()),
            ("--destination", args.destination.is_some() && matches!(self, Agent::Buildkite)),
        ];
        if let Some((option, _)) = no_use.into_iter().find(|(_, given)| *given) {
            let hint = "`collect` and `run` take --encrypt themselves; the others are for stores";
            return Err(message(
                format!("{option} can't be had with {name}: its agent takes files as they are"),
                Some(hint),
            ));
        }
        // Its scheme says that they leave this machine.
        leaving::warn_of_raw_cores(paths, &format!("{name}://"));
        match self {
            Agent::Buildkite => paths.iter().try_for_each(|path| upload(path))?,
            Agent::Azure(artifact) => print(artifact, paths, args)?,
        }
        Ok(Exit::Done)
    }

    fn name(&self) -> &'static str {
        match self {
            Agent::Buildkite => "buildkite",
            Agent::Azure(_) => "azure",
        }
    }
}

/// Has Buildkite's agent upload what is in a folder, or one file. It takes patterns, so that no name from the folder is given
/// to it: it is run within.
fn upload(path: &Path) -> Result<(), Error> {
    let is_folder = path.metadata().map_err(|error| unreadable(path, error))?.is_dir();
    let (within, pattern) = if is_folder {
        (path.to_owned(), "**/*")
    } else {
        let real = path.canonicalize().map_err(|error| unreadable(path, error))?;
        let is_plain = |name: &&str| {
            let mut bytes = name.bytes();
            bytes.all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) && !name.starts_with('-')
        };
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(is_plain) else {
            let why = format!("{} has a name that {BUILDKITE} would take for a pattern", path.display());
            return Err(message(why, Some("push the folder that it is in")));
        };
        (real.parent().unwrap_or(Path::new("/")).to_owned(), name)
    };
    let mut command = Command::new(BUILDKITE);
    command.args(["artifact", "upload", pattern]).current_dir(&within).stdin(Stdio::null());
    let status = command.status().map_err(|error| {
        Error::from(error).context(format!("cannot run {BUILDKITE}, which every job of Buildkite has"))
    })?;
    if status.success() {
        terminal::note(&format!("{BUILDKITE} has uploaded {}", path.display()));
        return Ok(());
    }
    Err(message(format!("{BUILDKITE} could not upload {}: {status}", path.display()), None))
}

/// Prints what the agent of Azure Pipelines takes for a command.
fn print(artifact: &str, paths: &[PathBuf], args: &PushArgs) -> Result<(), Error> {
    if ci::provider(args.ci) != Some(CiProvider::Azure) {
        let hint = "push to a store; or, if its agent does read what this prints, give --ci azure";
        return Err(message("this is no job of Azure Pipelines: nothing would take the files", Some(hint)));
    }
    // All of them, or nothing: the agent uploads as soon as it has read a line.
    let mut lines = String::new();
    for path in paths {
        let real = path.canonicalize().map_err(|error| unreadable(path, error))?;
        let Some(text) = real.to_str() else {
            return Err(message(
                format!("{} has a name that is no UTF-8, which the agent can't be told", real.display()),
                None,
            ));
        };
        lines.push_str(&azure_upload(artifact, args.destination.as_deref(), text));
        lines.push('\n');
    }
    std::io::Write::write_all(&mut terminal::plain_stdout(), lines.as_bytes())?;
    terminal::note(&format!(
        "the agent uploads {} paths as the artifact {artifact} when this step has ended",
        paths.len()
    ));
    Ok(())
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::from(error).context(format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_named_as_no_store_is() {
        let name = |url| match Agent::of(url) {
            Some(Agent::Azure(name)) => Some(name),
            Some(Agent::Buildkite) => Some("-"),
            None => None,
        };
        assert_eq!(name("buildkite:"), Some("-"));
        assert_eq!((name("azure:"), name("azure:linux")), (Some("crashes"), Some("linux")));
        for store in ["azure://container/x", "az://c", "buildkite", "azure", "buildkite:x", "./azure:", "C:x"]
        {
            assert_eq!(name(store), None, "{store}");
        }
    }
}

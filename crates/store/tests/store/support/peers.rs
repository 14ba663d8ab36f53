//! The CI systems' own clients and published descriptions, which `make peers` installs: what they understand of a stand-in,
//! the service may well have said.

use std::path::{Path, PathBuf};
use std::process::Command;

use epitaph_testkit::skip::skipped;
use epitaph_testkit::tools::{find, find_peer};
use serde_json::Value;

/// Whether the long sweeps were asked for.
fn test_all() -> bool {
    std::env::var_os("EPITAPH_TEST_ALL").is_some_and(|value| !value.is_empty() && value != "0")
}

/// A script of this folder that drives a client; `None` where that can't be done, or isn't asked for.
pub(crate) struct Peer {
    interpreter: PathBuf,
    script: PathBuf,
    /// Where the packages of npm are.
    modules: PathBuf,
}

impl Peer {
    /// GitHub's client for artifacts, and the description of its API.
    pub(crate) fn github() -> Option<Peer> {
        let peer = Peer::of("github_peers.mjs", find("node"))?;
        if ["@actions/artifact", "@octokit/openapi", "ajv"]
            .iter()
            .all(|name| peer.modules.join(name).is_dir())
        {
            return Some(peer);
        }
        skipped(
            "GitHub's own client, and its API's description, are not installed (make peers installs them)",
        );
        None
    }

    /// The client of GitLab's API that GitLab's documentation lists for Python.
    pub(crate) fn gitlab() -> Option<Peer> {
        let python = find_peer("python3");
        let works = |python: &PathBuf| {
            Command::new(python).args(["-c", "import gitlab"]).output().is_ok_and(|run| run.status.success())
        };
        Peer::of("gitlab_peers.py", python.filter(|python| !test_all() || works(python)))
    }

    fn of(script: &str, interpreter: Option<PathBuf>) -> Option<Peer> {
        if !test_all() {
            return None;
        }
        let crates = Path::new(env!("CARGO_MANIFEST_DIR"));
        let Some(interpreter) = interpreter else {
            skipped(&format!("{script}: its client is not installed (make peers installs it)"));
            return None;
        };
        let script = crates.join("tests/store").join(script);
        Some(Peer { interpreter, script, modules: crates.join("../../target/peers/node_modules") })
    }

    /// Runs the script, and returns the JSON of its last line: clients print what they do before that.
    pub(crate) fn ask(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Value {
        let mut command = Command::new(&self.interpreter);
        command.arg(&self.script).args(arguments).env("NODE_MODULES", &self.modules);
        let answer = command.envs(variables.iter().copied()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, errors) = (text(&answer.stdout), text(&answer.stderr));
        assert!(answer.status.success(), "{arguments:?}\n{out}\n{errors}");
        let last = out.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}\n{out}\n{errors}"))
    }
}

//! Arguments and locals as gdb spells them.

use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::{GdbError, PATIENCE};

/// The script that runs inside gdb.
const SCRIPT: &str = include_str!("variables.py");

/// A logical frame.
#[derive(Clone, Debug, Deserialize)]
pub struct FrameVariables {
    /// Its function.
    pub function: Option<String>,
    /// Its program counter: that of the frame that it is inlined into.
    pub pc: u64,
    /// Its arguments.
    pub arguments: Vec<Variable>,
    /// Its locals, innermost block first.
    pub locals: Vec<Variable>,
}

/// A name and its value.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Variable {
    /// The name.
    pub name: String,
    /// The value, as gdb spells it.
    pub value: String,
}

/// Asks gdb for the variables of up to `max_frames` innermost frames of the thread that crashed.
pub fn variables(exe: &Path, core: &Path, max_frames: usize) -> Result<Vec<FrameVariables>, GdbError> {
    let folder = tempfile::tempdir()?;
    let (script, answer) = (folder.path().join("variables.py"), folder.path().join("answer.json"));
    std::fs::write(&script, SCRIPT)?;
    let output = Command::new("timeout")
        .args([&PATIENCE.to_string(), "gdb", "-nx", "-batch"])
        .args(["-iex", "set debuginfod enabled off", "-iex", "set auto-load off"])
        .args([exe, core])
        .arg("-x")
        .arg(&script)
        .env("EPITAPH_ORACLE_OUT", &answer)
        .env("EPITAPH_ORACLE_FRAMES", max_frames.to_string())
        .env_remove("DEBUGINFOD_URLS")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()?;
    match std::fs::read(&answer) {
        Ok(json) => Ok(serde_json::from_slice(&json)?),
        Err(_) => Err(GdbError::NoAnswer {
            status: output.status,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }),
    }
}

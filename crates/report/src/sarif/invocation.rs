//! What ran: epitaph, and each program that died (SARIF 2.1.0, 3.20).

use epitaph_summary::CrashSummary;
use serde_json::{Map, Value, json};

use super::location;
use super::message::{message, plain};
use crate::escape::brief;

/// The most characters of a command line.
const COMMAND: usize = 1000;

/// epitaph's own run, and what it has to say of it.
pub(super) fn own(notices: &[String]) -> Value {
    let notices: Vec<Value> =
        notices.iter().map(|text| json!({ "level": "warning", "message": message(text) })).collect();
    let mut own = Map::new();
    own.insert("executionSuccessful".into(), true.into());
    if !notices.is_empty() {
        own.insert("toolExecutionNotifications".into(), notices.into());
    }
    own.into()
}

/// The run of a program that died; none if nothing is known of it.
pub(super) fn of_crash(crash: &CrashSummary) -> Option<Value> {
    let mut run = Map::new();
    let mut add = |name: &str, value: Option<Value>| run.extend(value.map(|value| (name.to_owned(), value)));
    if let Some(process) = &crash.process {
        let command = process.command_line.as_deref().filter(|command| !command.is_empty());
        add("commandLine", command.map(|command| brief(command, COMMAND).into()));
        add("processId", process.pid.map(Value::from));
        let path = process.executable.as_deref().filter(|path| path.starts_with('/'));
        add("executableLocation", path.and_then(|path| location::artifact(path, None)));
    }
    if let Some(signal) = &crash.signal {
        add("exitSignalName", signal.name.as_deref().map(|name| plain(name).into()));
        add("exitSignalNumber", signal.number.map(Value::from));
        let status = signal.number.filter(|number| (1..128).contains(number));
        add("exitCode", status.map(|number| Value::from(number + 128)));
        add("exitCodeDescription", status.map(|_| "128 + signal, as shells say it".into()));
    }
    if run.is_empty() {
        return None;
    }
    run.insert("executionSuccessful".into(), true.into());
    Some(run.into())
}

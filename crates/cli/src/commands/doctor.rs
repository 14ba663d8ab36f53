//! `epitaph doctor`: will a crash here leave a core?

use std::ffi::CString;
use std::io::Write;

use epitaph_capture::{
    CANARY_NAME, CanaryError, Diagnosis, Fate, FixError, Fixed, Flight, Host, NoCore, diagnose, fix,
};
use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Value, json};

use crate::args::DoctorArgs;
use crate::canary;
use crate::error::{Error, with_causes};
use crate::exit::Exit;
use crate::terminal;

/// The shape of what `--json` prints.
const SCHEMA: &str = "epitaph-doctor/1";

/// Says the one reason why a crash here leaves no core, or proves that it leaves one.
pub(crate) fn run(args: &DoctorArgs) -> Result<Exit, Error> {
    if args.canary {
        return crash();
    }
    let canary = canary::of_this_program()?;
    let host = Host::real();
    let mut diagnosis = diagnose(&host, &canary);
    let mut mended = Ok(Vec::new());
    if args.fix {
        mended = fix(&host, &diagnosis);
        if mended.as_ref().is_ok_and(|fixed| !fixed.is_empty()) {
            diagnosis = diagnose(&host, &canary);
        }
    }
    let mut out = terminal::stdout();
    if args.json {
        writeln!(out, "{}", as_json(&diagnosis, &mended))?;
    } else {
        as_text(&diagnosis, &mut out)?;
    }
    out.flush()?;
    drop(out);
    if !args.json {
        tell_the_rest(&diagnosis);
    }
    tell_mended(args, &diagnosis, mended);
    Ok(if diagnosis.reason.is_none() { Exit::Done } else { Exit::Failed })
}

/// Ends this process by SIGSEGV.
fn crash() -> Result<Exit, Error> {
    let name = CString::new(CANARY_NAME).map_err(std::io::Error::from)?;
    rustix::thread::set_name(&name).map_err(std::io::Error::from)?;
    // The first one may only turn off the handler by which Rust's runtime tells a stack overflow.
    for _ in 0..3 {
        kill_process(getpid(), Signal::SEGV).map_err(std::io::Error::from)?;
    }
    Ok(Exit::Failed)
}

fn as_text(diagnosis: &Diagnosis, out: &mut impl Write) -> Result<(), Error> {
    match &diagnosis.reason {
        None => writeln!(out, "A crash here leaves a core that epitaph can collect.")?,
        Some(reason) => {
            let sentence = terminal::clean(&reason.sentence);
            writeln!(
                out,
                "A crash here leaves no core that epitaph can collect: {sentence} ({}).",
                reason.code
            )?;
            writeln!(out, "What to do: {}.", terminal::clean(&reason.advice))?;
        }
    }
    if let Ok(flight) = &diagnosis.canary {
        writeln!(out, "Proof: {}.", terminal::clean(&proof(flight, diagnosis.reason.as_ref())))?;
    }
    Ok(())
}

fn proof(flight: &Flight, reason: Option<&NoCore>) -> String {
    let canary = match reason {
        // The canary's limit was raised, and the job's is not.
        Some(_) => {
            "a program that crashed on purpose, with its core size limit raised as `epitaph run` does it,"
        }
        None => "a program that crashed on purpose",
    };
    match &flight.fate {
        Fate::Core { path, size, missing, removed } => {
            let lacks = if *missing > 0 {
                format!(" that lacks {}", terminal::bytes(*missing))
            } else {
                String::new()
            };
            let then = if *removed { "it is removed again" } else { "it is left there" };
            format!(
                "{canary} left a core of {}{lacks}, {}; {then} ({} ms)",
                terminal::bytes(*size),
                path.display(),
                flight.took.as_millis()
            )
        }
        Fate::Lost { dumped, stub } => {
            let said = match (dumped, stub) {
                (_, Some(path)) => {
                    format!("left a file that is no core, {}, which is removed again", path.display())
                }
                (true, None) => "left a core, as the kernel says, and none is found".to_owned(),
                (false, None) => "left no core".to_owned(),
            };
            format!("{canary} {said} ({} ms)", flight.took.as_millis())
        }
    }
}

/// Tells why there is no proof, and what may go wrong all the same.
fn tell_the_rest(diagnosis: &Diagnosis) {
    if let Err(error) = &diagnosis.canary {
        terminal::warning(&format!("no program was let crash on purpose: {}", with_causes(error)));
        if let Some(hint) = error.hint() {
            terminal::hint(hint);
        }
    }
    for risk in &diagnosis.risks {
        terminal::warning(&format!("{} ({})", risk.sentence, risk.code));
        terminal::hint(&risk.advice);
    }
}

fn tell_mended(args: &DoctorArgs, diagnosis: &Diagnosis, mended: Result<Vec<Fixed>, FixError>) {
    match mended {
        Ok(fixed) => {
            for change in &fixed {
                terminal::note(&format!("{}; to take it back: {}", change.sentence, change.undo));
            }
            if args.fix && fixed.is_empty() && diagnosis.reason.is_some() {
                terminal::note("nothing was changed: this is not for --fix to mend");
            }
        }
        Err(error) => {
            let hint = error.hint();
            Error::new(error, hint).print_as_warning();
        }
    }
}

fn as_json(diagnosis: &Diagnosis, mended: &Result<Vec<Fixed>, FixError>) -> Value {
    let fixed: Vec<Value> =
        mended.iter().flatten().map(|it| json!({"what": it.sentence, "undo": it.undo})).collect();
    json!({
        "schema": SCHEMA,
        "tool": {"name": "epitaph", "version": env!("CARGO_PKG_VERSION")},
        "ok": diagnosis.reason.is_none(),
        "reason": diagnosis.reason.as_ref().map(words),
        "risks": diagnosis.risks.iter().map(words).collect::<Vec<_>>(),
        "canary": flight(&diagnosis.canary),
        "host": facts(diagnosis),
        "fixed": fixed,
        "fix_error": mended.as_ref().err().map(|error| with_causes(error)),
    })
}

fn words(row: &NoCore) -> Value {
    json!({"code": row.code, "sentence": row.sentence, "advice": row.advice})
}

fn flight(canary: &Result<Flight, CanaryError>) -> Value {
    let flight = match canary {
        Ok(flight) => flight,
        Err(error) => return json!({"outcome": "none", "error": with_causes(error)}),
    };
    let milliseconds = u64::try_from(flight.took.as_millis()).unwrap_or(u64::MAX);
    match &flight.fate {
        Fate::Core { path, size, missing, removed } => json!({
            "outcome": if *missing > 0 { "cut_core" } else { "core" },
            "pid": flight.pid, "path": path.to_string_lossy(), "size": size, "missing": missing, "removed": removed,
            "milliseconds": milliseconds,
        }),
        Fate::Lost { dumped, stub } => json!({
            "outcome": if stub.is_some() { "stub" } else { "no_core" },
            "pid": flight.pid, "path": stub.as_ref().map(|path| path.to_string_lossy()), "dumped": dumped,
            "milliseconds": milliseconds,
        }),
    }
}

fn facts(diagnosis: &Diagnosis) -> Value {
    let situation = &diagnosis.situation;
    json!({
        "core_pattern": situation.pattern.as_ref().ok().map(|pattern| String::from_utf8_lossy(pattern.raw())),
        "core_pipe_limit": situation.pipe_limit,
        "suid_dumpable": situation.suid_dumpable,
        "limit_soft": situation.limit.soft,
        "limit_hard": situation.limit.hard,
        "file_size_limit": situation.inherited.file_size_limit,
        "umask": format!("{:04o}", situation.inherited.umask),
        "coredump_filter": situation.inherited.dump_filter.map(|filter| format!("{filter:#x}")),
        "container": situation.container,
        "folder": situation.folder.as_ref().map(|folder| folder.path.to_string_lossy()),
    })
}

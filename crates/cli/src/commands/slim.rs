//! `epitaph slim`: make a small core of a large one.

use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use epitaph_bundle::{OpenLimits, OpenedCore, save_core, write_core};
use epitaph_elf::{CoreFile, SlimCore, SlimOptions, SlimReport};
use epitaph_triage::{Silent, Triaged};

use crate::args::{DebuginfodArgs, SearchArgs, SlimArgs};
use crate::environment;
use crate::error::{Error, message, of_core};
use crate::examine::{Examiner, NOT_KEPT};
use crate::exit::Exit;
use crate::reduce::{secrets_left, slim_core, wants};
use crate::{input, keys, terminal};

/// Bytes that are kept of a core that is read as a stream, besides headers and notes: as many as let the whole program
/// do with 32 MB, and as the stacks and records of 2,000 threads take.
const STREAMED: usize = 20 << 20;

/// Writes the slim core, and says on stderr what was left out.
pub(crate) fn run(args: &SlimArgs) -> Result<Exit, Error> {
    let limits = OpenLimits { memory: STREAMED, ..OpenLimits::default() };
    let opened = input::open(&args.core, None, &limits, &keys::identities(&args.identity)?)?;
    if let Some(damage) = &opened.damage {
        terminal::warning(&format!("{}: {damage}", args.core.display()));
    }
    let core = CoreFile::open(opened.source.clone()).map_err(|error| of_core(&opened.path, error))?;
    for defect in &core.process().defects {
        terminal::warning(&format!("{}: {defect}", args.core.display()));
    }
    let options =
        SlimOptions { budget: args.budget, also: read_for_cause(&opened), ..SlimOptions::default() };
    let of_this_core = |error: Error| error.context(args.core.display().to_string());
    let scrub = wants(args.scrub, environment::in_ci());
    let (slim, left_out) = slim_core(&Arc::new(core), &options, scrub).map_err(of_this_core)?;
    if left_out > 0 {
        terminal::warning(&secrets_left(&opened, left_out));
    }
    let written = write(&slim, &opened, &args.output)?;
    tell(args, slim.report(), slim.size(), written);
    Ok(Exit::Done)
}

/// Finds the memory that tells why the process died, and says if a pipe has carried some of it past. Only files of this
/// machine are looked at; a core that can't be triaged is made slim all the same.
fn read_for_cause(opened: &OpenedCore) -> Vec<Range<u64>> {
    let search = SearchArgs {
        debuginfod: DebuginfodArgs { no_debuginfod: true, ..DebuginfodArgs::default() },
        ..SearchArgs::default()
    };
    // What is read to explain a death doesn't depend on rules.
    let examined =
        Examiner::new(&search, Arc::default()).crashed_thread_only(true).examine(opened, None, &mut Silent);
    let Ok(Triaged { summary, read_for_cause, .. }) = examined else { return Vec::new() };
    for warning in summary.warnings.iter().filter(|warning| warning.code == NOT_KEPT) {
        terminal::warning(&warning.text);
    }
    read_for_cause
}

/// Writes the slim core; returns the size of the file, where it became one.
fn write(slim: &SlimCore, opened: &OpenedCore, output: &Path) -> Result<Option<u64>, Error> {
    if output == Path::new("-") {
        write_core(slim, &mut terminal::plain_stdout(), Path::new("standard output"))?;
        return Ok(None);
    }
    if opened.is_at(output) {
        let text = format!("{}: this is the core itself, which is never overwritten", output.display());
        return Err(message(text, Some("name another file with -o")));
    }
    // What is neither a file nor a folder (a pipe, a device) is written to, not replaced.
    let special = std::fs::metadata(output).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
    if special {
        let unwritable = |error| Error::from(error).context(output.display().to_string());
        let mut file: File = OpenOptions::new().write(true).open(output).map_err(unwritable)?;
        write_core(slim, &mut file, output)?;
        return Ok(None);
    }
    Ok(Some(save_core(slim, output, opened.died())?))
}

fn tell(args: &SlimArgs, report: &SlimReport, size: u64, written: Option<u64>) {
    let compressed = written.filter(|written| *written != size);
    let compressed =
        compressed.map(|written| format!(" ({} compressed)", terminal::bytes(written))).unwrap_or_default();
    let made_of = &report.made_of;
    terminal::note(&format!(
        "{}: {}{compressed} of {}; left out {} of memory{}",
        args.output.display(),
        terminal::bytes(size),
        terminal::bytes(made_of.original_size),
        terminal::bytes(made_of.dropped_bytes),
        if made_of.scrubbed { "; secrets overwritten" } else { "" },
    ));
    let kept = &report.kept;
    let parts = [
        ("stacks", kept.stacks),
        ("threads", kept.threads),
        ("cause", kept.cause),
        ("modules", kept.modules),
        ("data", kept.data),
        ("small mappings", kept.small),
        ("pointed to", kept.pointed),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!("{what} {}", terminal::bytes(count)))
        .collect();
    terminal::note(&format!("kept {}", parts.join(", ")));
    if made_of.cut_stacks > 0 {
        terminal::warning(&format!(
            "{} stacks were too large and lack their middles: debuggers can't show all of their frames",
            made_of.cut_stacks
        ));
    } else if report.over_budget {
        terminal::warning(
            "the budget was too small for all data: debuggers may show less than in the original",
        );
    }
}

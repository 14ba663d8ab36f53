//! `epitaph handler`: our own program for the kernel's cores.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use epitaph_bundle::open_core_file;
use epitaph_capture::Host;
use epitaph_capture::handler::{
    Change, Destination, HandlerLimits, InstallOptions, OwnPattern, Plan, Server, Status, Way, receive, take,
    uninstall as put_back, work,
};
use epitaph_triage::Silent;
use serde_json::json;

use crate::args::{
    DebuginfodArgs, HandlerArgs, HandlerCommand, HandlerInstallArgs, HandlerServeArgs, HandlerStatusArgs,
    HandlerUninstallArgs, SearchArgs,
};
use crate::error::Error;
use crate::examine::Examiner;
use crate::exit::Exit;
use crate::terminal;

/// What a core is called that has no name: its folder is not there, so that no files are looked for beside it.
const NAMELESS: &str = "/nonexistent/core";

pub(crate) fn run(args: &HandlerArgs) -> Result<Exit, Error> {
    match &args.command {
        // The kernel doesn't look at how it ends; whoever tries it by hand does.
        HandlerCommand::Run(args) => receive(&args.arguments).map(drop)?,
        HandlerCommand::Work(args) => work(args.uid, args.gid, &judge)?,
        HandlerCommand::Serve(args) => serve(args)?,
        HandlerCommand::Take(args) => take(&args.spool).map(drop)?,
        HandlerCommand::Install(args) => install(args)?,
        HandlerCommand::Uninstall(args) => uninstall(args)?,
        HandlerCommand::Status(args) => return status(args),
    }
    Ok(Exit::Done)
}

/// Returns the signature of a crash, by which the handler counts. Files are opened with the rights of the user whose
/// process crashed, and no server is asked.
fn judge(slim: File) -> Option<String> {
    let opened = open_core_file(Path::new(NAMELESS), slim).ok()?;
    let search = SearchArgs {
        debuginfod: DebuginfodArgs { no_debuginfod: true, ..DebuginfodArgs::default() },
        ..SearchArgs::default()
    };
    let examiner = Examiner::new(&search, Arc::default()).crashed_thread_only(true);
    let triaged = examiner.examine(&opened, None, &mut Silent).ok()?;
    triaged.summary.signature?.strict
}

fn serve(args: &HandlerServeArgs) -> Result<(), Error> {
    let server = Server::open(&std::path::absolute(&args.spool)?)?;
    terminal::note(&format!("cores are received at {}", server.socket().display()));
    match server.run()? {}
}

fn install(args: &HandlerInstallArgs) -> Result<(), Error> {
    let to = match &args.program {
        _ if args.socket => Destination::Socket,
        Some(program) => Destination::Program(program.clone()),
        None => Destination::Program(std::env::current_exe()?),
    };
    let options = InstallOptions {
        to,
        spool: std::path::absolute(&args.spool)?,
        limits: HandlerLimits { quota: args.quota, keep_free: args.keep_free, first: args.first },
        force: args.force,
    };
    let plan = Plan::new(&Host::real(), &options)?;
    if args.dry_run {
        return tell_changes(plan.changes(), true);
    }
    plan.apply()?;
    terminal::note(&format!("cores of this host are kept in {}", options.spool.display()));
    terminal::hint(
        "`epitaph handler uninstall` puts everything back, and a restart of the host does as well",
    );
    tell_changes(plan.changes(), false)
}

fn uninstall(args: &HandlerUninstallArgs) -> Result<(), Error> {
    let done = put_back(&Host::real(), args.spool.as_deref(), args.dry_run)?;
    tell_changes(&done.changes, args.dry_run)?;
    if let Some(pattern) = done.left_alone {
        terminal::warning(&format!("the core pattern is not ours any more and is left alone: {pattern}"));
    }
    if !args.dry_run {
        terminal::note(&format!("the cores that were kept are still in {}", done.spool.display()));
    }
    Ok(())
}

fn tell_changes(changes: &[Change], dry_run: bool) -> Result<(), Error> {
    let mut out = terminal::stdout();
    let text = |bytes: &[u8]| terminal::clean(&String::from_utf8_lossy(bytes));
    for change in changes {
        let would = if dry_run { "would be changed" } else { "changed" };
        writeln!(out, "{}: {would}", change.path.display())?;
        writeln!(out, "  from {}", text(&change.from))?;
        writeln!(out, "  to   {}", text(&change.to))?;
    }
    if changes.is_empty() {
        writeln!(out, "No setting has to be changed.")?;
    }
    out.flush()?;
    Ok(())
}

/// Tells of the handler; fails where the next core would not get to it.
fn status(args: &HandlerStatusArgs) -> Result<Exit, Error> {
    let status = Status::of(&Host::real(), args.spool.as_deref())?;
    if args.json {
        let mut out = terminal::stdout();
        writeln!(out, "{}", as_json(&status))?;
        out.flush()?;
    } else {
        tell_status(&status)?;
    }
    let works = status.own.is_some() && status.trouble.is_none();
    Ok(if works { Exit::Done } else { Exit::Failed })
}

fn tell_status(status: &Status) -> Result<(), Error> {
    let mut out = terminal::stdout();
    let pattern = terminal::clean(&status.pattern);
    match (&status.own, &status.trouble) {
        (None, _) => writeln!(out, "The handler is not installed: the core pattern is {pattern}")?,
        (Some(own), None) => writeln!(out, "The handler is installed: {}", own_place(own).display())?,
        (Some(own), Some(trouble)) => {
            writeln!(out, "The handler is installed, and will not work: {}", own_place(own).display())?;
            writeln!(out, "  {}", terminal::clean(trouble))?;
        }
    }
    if let Some(limits) = &status.limits {
        let (quota, free) = (terminal::bytes(limits.quota), terminal::bytes(limits.keep_free));
        writeln!(
            out,
            "  {quota} for each user, {free} of the disk left free, the first {} of a signature a day",
            limits.first
        )?;
    }
    writeln!(
        out,
        "Cores in {}: {}",
        status.spool.display(),
        if status.users.is_empty() { "none" } else { "" }
    )?;
    for user in &status.users {
        let (crashes, bytes) = (user.crashes, terminal::bytes(user.bytes));
        writeln!(out, "  user {}: {crashes} crashes, {bytes}; {} more were counted", user.uid, user.counted)?;
    }
    out.flush()?;
    Ok(())
}

/// Returns the program or socket that the kernel gives cores to.
fn own_place(own: &OwnPattern) -> &Path {
    match &own.way {
        Way::Program { path, .. } | Way::Socket { path } => path,
    }
}

fn as_json(status: &Status) -> serde_json::Value {
    let (program, socket) = match status.own.as_ref().map(|own| &own.way) {
        Some(Way::Program { path, layout }) => (Some((path, layout)), None),
        Some(Way::Socket { path }) => (None, Some(path)),
        None => (None, None),
    };
    let users = status.users.iter().map(|user| {
        json!({ "uid": user.uid, "crashes": user.crashes, "bytes": user.bytes, "counted": user.counted })
    });
    json!({
        "installed": status.own.is_some(),
        "program": program.map(|(path, _)| path.to_string_lossy()),
        "layout": program.map(|(_, layout)| layout),
        "socket": socket.map(|path| path.to_string_lossy()),
        "trouble": status.trouble,
        "core_pattern": status.pattern,
        "core_pipe_limit": status.pipe_limit,
        "spool": status.spool.to_string_lossy(),
        "quota": status.limits.map(|limits| limits.quota),
        "keep_free": status.limits.map(|limits| limits.keep_free),
        "first": status.limits.map(|limits| limits.first),
        "users": users.collect::<Vec<_>>(),
    })
}

//! Crashes without a core, told from what the kernel logged of them.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use epitaph_bundle::{Identity, OutputFolder, SealRequest, Sealed};
use epitaph_capture::{
    CodeSearch, FilePlaces, Host, KernelCrash, KernelLog, RunOutcome, SearchLimits, kernel_crashes,
    kernel_crashes_since,
};
use epitaph_report::{Options, text};
use epitaph_summary::{Collection, CrashSummary, Process, Warning};
use epitaph_triage::{Silent, Triaged};

use crate::args::{KeepArgs, KeepCore, RunArgs, SearchArgs};
use crate::config;
use crate::environment;
use crate::error::{Error, message};
use crate::examine::Examiner;
use crate::input;
use crate::keep::{binaries, id_of, not_stored};
use crate::kept::Kept;
use crate::retention;
use crate::terminal;

/// What is called the collector of what the kernel's log tells.
const COLLECTOR: &str = "kernel log";
/// Most bytes that are read of a log.
const LARGEST_LOG: u64 = 256 << 20;
/// Bytes of a thread's name that the kernel keeps (`TASK_COMM_LEN` without the NUL).
const LONGEST_NAME: usize = 15;
/// A file's time and the kernel's may differ by this much.
const GRACE: Duration = Duration::from_secs(2);

/// Reads the crashes in a log that was saved; none at all is an error.
pub(crate) fn in_log(path: &Path) -> Result<Vec<KernelCrash>, Error> {
    let unreadable = |error| Error::from(error).context(format!("{} cannot be read", path.display()));
    let file = if input::is_stream(path) { input::open_stream(path) } else { std::fs::File::open(path) };
    let mut log = Vec::new();
    file.and_then(|file| file.take(LARGEST_LOG).read_to_end(&mut log)).map_err(unreadable)?;
    let crashes = kernel_crashes(&String::from_utf8_lossy(&log));
    if crashes.is_empty() {
        return Err(message(
            format!("{}: the kernel logged no crash in it", path.display()),
            Some(
                "give what `dmesg` or `journalctl -k` print; the kernel logs faults only (SIGSEGV, SIGILL, …), no abort",
            ),
        ));
    }
    Ok(crashes)
}

/// Returns the host whose libraries may have been mapped.
pub(crate) fn host(search: &SearchArgs) -> Host {
    search.sysroot.as_ref().map_or_else(Host::real, Host::at)
}

/// Returns where the file may be that a crash was in: the program that was named, the job's `tree`, and where programs are
/// started from.
pub(crate) fn places(search: &SearchArgs, tree: Option<PathBuf>) -> FilePlaces {
    let path = environment::variable("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    FilePlaces {
        files: search.exe.iter().cloned().collect(),
        trees: tree.into_iter().collect(),
        folders: folders.map(|folder| host(search).path(folder)).collect(),
    }
}

/// Tells the story of a crash, as far as it is known; of what process it is and when it was, may not be.
pub(crate) fn examine(
    examiner: &Examiner<'_>,
    search: &SearchArgs,
    crash: &KernelCrash,
    pid: Option<u32>,
    died: Option<SystemTime>,
) -> Result<Triaged, Error> {
    let mut remains = crash.remains.clone();
    let file = remains.code.as_ref().map(|code| PathBuf::from(&code.file));
    // What was found beneath a root is recorded as the process saw it.
    if let (Some(code), Some(root)) = (&mut remains.code, &search.sysroot)
        && let Ok(inside) = Path::new(&code.file).strip_prefix(std::path::absolute(root).unwrap_or_default())
    {
        code.file = Path::new("/").join(inside).into_os_string();
    }
    let told = Process {
        pid,
        name: Some(crash.thread_name.clone()),
        executable: file
            .as_deref()
            .filter(|file| file.is_absolute() && is_named(file, &crash.thread_name))
            .map(|file| file.to_string_lossy().into_owned()),
        ..Process::default()
    };
    let mut triaged = examiner.examine_remains(&remains, told, died.map(|died| died + GRACE), &mut Silent)?;
    let message = environment::masks().apply(&crash.message);
    if let Some(file) = file.filter(|file| !file.is_absolute()) {
        let text = format!("no file was found that {} can be, which the process crashed in", file.display());
        triaged.summary.warnings.push(Warning::new("code_file_missing", text));
    }
    triaged.summary.collection = Some(Collection {
        collector: Some(COLLECTOR.to_owned()),
        collector_facts: [("message".to_owned(), message)].into(),
        ..Collection::default()
    });
    Ok(triaged)
}

/// Tells whether a thread is called as the main thread of a program is whose file this is.
fn is_named(file: &Path, thread: &str) -> bool {
    let name = file.file_name().map(OsStr::as_bytes).unwrap_or_default();
    name.get(..LONGEST_NAME).unwrap_or(name) == thread.as_bytes()
}

/// A crash without a core that belongs to the job.
pub(crate) struct Found {
    died: SystemTime,
    /// The process, where that is known: the kernel logs the thread.
    pid: Option<u32>,
    crash: KernelCrash,
}

/// Finds what the kernel logged of processes of the command that left no core.
///
/// The log says neither whose process it was nor whose child. It was the command's if that was seen to end by a signal.
/// Where none was seen, it may be one that died of the signal which the command's shell passed on: in the command's program,
/// in a file beneath its folder, or as the only one meanwhile. The code that the kernel logged has to be that of the file
/// then: names and sizes are soon alike.
pub(crate) fn of_command(host: &Host, log: KernelLog, args: &RunArgs, outcome: &RunOutcome) -> Vec<Found> {
    let mut places = places(&args.keep.search, outcome.own_folder().map(Path::to_owned));
    places.files.extend(outcome.executable.clone());
    let mut code = CodeSearch::new(host, places, args.search_budget);
    let mut crashes = log.crashes();
    let seen = |crash: &KernelCrash| outcome.crashed().any(|crashed| crashed.pid == crash.remains.tid);
    let any_seen = crashes.iter().any(seen);
    let passed_on = outcome.exit.probable_signal();
    let of_signal = |crash: &KernelCrash| Some(crash.remains.signal.number) == passed_on;
    let is_only_one = crashes.iter().filter(|crash| of_signal(crash)).count() == 1;
    // Whose others are is soon said: their files are not looked for.
    crashes.retain(
        |crash| {
            if any_seen { seen(crash) } else { of_signal(crash) && crash.remains.bytes.is_some() }
        },
    );
    let found = crashes.into_iter().filter_map(|mut crash| {
        let file = code.find(&mut crash);
        let pid = any_seen.then_some(crash.remains.tid);
        let likely = || {
            file.is_some_and(|file| {
                is_only_one || Some(&file) == outcome.executable.as_ref() || outcome.has_in_its_folder(&file)
            })
        };
        (pid.is_some() || likely()).then_some(Found { died: outcome.ended, pid, crash })
    });
    found.collect()
}

/// Tells whether a file came to its place only after that time, by the time of its inode, which copying doesn't preserve:
/// an earlier job had the same file in another place.
fn is_younger(file: &Path, time: SystemTime) -> bool {
    let Ok(metadata) = file.metadata() else { return false };
    let seconds = u64::try_from(metadata.ctime()).unwrap_or_default();
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    changed > time + GRACE
}

/// Finds what the kernel logged since then of crashes in files beneath `tree`, the job's folder: where the code that it
/// logged is that of the file.
pub(crate) fn beneath(host: &Host, search: &SearchArgs, tree: &Path, since: SystemTime) -> Vec<Found> {
    let places = FilePlaces { folders: Vec::new(), ..places(search, Some(tree.to_owned())) };
    let mut code = CodeSearch::new(host, places, SearchLimits::default().time);
    let crashes = kernel_crashes_since(host, since).into_iter();
    let found = crashes.filter(|(_, crash)| crash.remains.bytes.is_some()).filter_map(|(died, mut crash)| {
        let file = code.find(&mut crash)?;
        let ours = file.starts_with(tree) && !is_younger(&file, died);
        ours.then_some(Found { died, pid: None, crash })
    });
    found.collect()
}

/// Tells the stories of crashes without a core, and keeps them where there is a folder; returns how many there are.
pub(crate) fn tell_and_keep(
    found: Vec<Found>,
    folder: Option<&OutputFolder>,
    args: &KeepArgs,
    collection: &Collection,
    out: &mut impl Write,
    kept: &mut Kept,
) -> usize {
    let count = found.len();
    if count == 0 {
        return 0;
    }
    if let Some(folder) = folder {
        kept.count_what_is_in(folder, args);
    }
    let examiner = Examiner::new(&args.search, config::rules_or_warning(&args.config)).all_files();
    let options = Options { color: true, width: terminal::width(), ..Options::default() };
    for Found { died, pid, crash } in found {
        let mut keep = || -> Result<(), Error> {
            let mut triaged = examine(&examiner, &args.search, &crash, pid, Some(died))?;
            let told = text::story(&triaged.summary, &options, &mut *out);
            // That nobody reads on is no reason not to keep the crash.
            let _ = told
                .and_then(|()| text::rest(&triaged.summary, &options, &mut *out))
                .and_then(|()| out.flush());
            if pid.is_none() {
                let text = "the kernel's log names neither the process nor its folder: another job's of the same program \
                            would look the same";
                triaged.summary.warnings.push(Warning::new("whose_is_unknown", text.to_owned()));
            }
            let own = triaged.summary.collection.take().unwrap_or_default();
            triaged.summary.collection = Some(Collection {
                collector: own.collector,
                collector_facts: own.collector_facts,
                ..collection.clone()
            });
            let Some(folder) = folder else { return Ok(()) };
            seal(folder, triaged, &crash, died, args, kept)
        };
        if let Err(error) = keep() {
            error.print_as_warning();
            kept.failed += 1;
        }
    }
    count
}

fn seal(
    folder: &OutputFolder,
    triaged: Triaged,
    crash: &KernelCrash,
    died: SystemTime,
    args: &KeepArgs,
    kept: &mut Kept,
) -> Result<(), Error> {
    let message = format!("{:?} {}", crash.since_boot, crash.message);
    let identity = Identity::on_this_host(&message.as_bytes(), Some(crash.remains.tid))?;
    let id = id_of(&triaged.summary, Some(died), &identity);
    if let Some(refusal) = kept.retention.judge(&triaged.summary, Some(&id)) {
        let mut summary = CrashSummary { id: Some(id), ..triaged.summary };
        let collection = summary.collection.take().unwrap_or_default();
        kept.left_out.push(retention::not_kept(summary, collection, refusal));
        return Ok(());
    }
    let mut request = SealRequest::new(&id, triaged.summary);
    if args.core != KeepCore::None {
        request = request.with_binaries(binaries(triaged.files));
    }
    let sealed = match folder.seal(request)? {
        Sealed::Stored(stored) => {
            terminal::warnings(&stored.warnings);
            terminal::warnings(&not_stored(&stored.summary));
            kept.new += 1;
            kept.told.push(stored.summary.clone());
            stored.summary.id.unwrap_or_default()
        }
        Sealed::AlreadyThere { id } => {
            kept.known += 1;
            id
        }
    };
    let place = folder.path().join("crashes").join(sealed);
    terminal::note(&format!("what the kernel logged of a crash is kept as {}", place.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threads_name_is_the_first_of_its_programs() {
        assert!(is_named(Path::new("/x/parser"), "parser"));
        assert!(is_named(Path::new("/x/a-name-longer-than-fifteen"), "a-name-longer-t"));
        assert!(!is_named(Path::new("/x/parser"), "worker"));
        assert!(!is_named(Path::new("/"), "worker"));
    }
}

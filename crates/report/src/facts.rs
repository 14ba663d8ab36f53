//! The facts about a dead process that every format shows, in a few short lines.

use epitaph_summary::{CiJob, Completeness, Core, CrashSummary, Process};

use crate::escape::clean;
use crate::headline::{Headline, is_crash, signal_name, why};
use crate::quantity::bytes;

/// A fact: a label of ours, and a clean text.
#[derive(Debug)]
pub(crate) struct Fact {
    /// One word.
    pub(crate) label: &'static str,
    /// What is known.
    pub(crate) text: String,
    /// Where there is more: an address of the web that means nothing else to any format.
    pub(crate) link: Option<String>,
}

impl Fact {
    /// The fact and its address, for formats that have no links.
    pub(crate) fn with_link(&self) -> String {
        match &self.link {
            Some(link) => format!("{}, {link}", self.text),
            None => self.text.clone(),
        }
    }
}

/// The label of the command line.
pub(crate) const COMMAND: &str = "command";

/// The label of the copy that was kept of the core.
pub(crate) const STORED: &str = "stored";

/// Returns the facts that are known, in the order to show them.
pub(crate) fn facts(summary: &CrashSummary) -> Vec<Fact> {
    let process = summary.process.as_ref();
    let core = summary.core.as_ref();
    let job = summary.collection.as_ref().and_then(|collection| collection.ci.as_ref());
    let all = [
        ("signal", signal_line(summary), None),
        ("test", test_line(summary), None),
        (COMMAND, process.and_then(command), None),
        ("program", program(summary), None),
        ("process", process_line(summary), None),
        ("job", job.and_then(job_line), job.and_then(CiJob::page)),
        ("core", core.and_then(core_line), None),
        (
            STORED,
            core.and_then(stored_line),
            job.zip(core).and_then(|(job, core)| job.link(core.file.as_deref()?)),
        ),
    ];
    let known = |(label, text, link): (_, Option<String>, _)| text.map(|text| Fact { label, text, link });
    all.into_iter().filter_map(known).collect()
}

/// What the last lines of the command's standard error are called, where they are known.
pub(crate) const OUTPUT_TAIL: &str = "The end of the command's stderr";

/// Those lines, clean.
pub(crate) fn output_tail(summary: &CrashSummary) -> Vec<String> {
    let lines = summary.collection.iter().flat_map(|collection| &collection.output_tail);
    lines.map(|line| clean(line).into_owned()).collect()
}

/// What the signal tells, where the headline tells the cause instead.
fn signal_line(summary: &CrashSummary) -> Option<String> {
    let signal = summary.signal.as_ref()?;
    let told = why(signal)?;
    if Headline::of(summary).why.as_ref() == Some(&told) {
        return None;
    }
    let code = signal.code_name.as_deref().map(clean).filter(|code| !told.contains(code.as_ref()));
    let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
    Some(format!("{}{code}: {told}", signal_name(signal)?))
}

/// The framework of the test that was running, and what told it.
fn test_line(summary: &CrashSummary) -> Option<String> {
    let test = summary.test.as_ref()?;
    let known = |text: &Option<String>| text.as_deref().map(|text| clean(text).into_owned());
    let source =
        known(&test.source).filter(|source| !source.is_empty()).map(|source| source.replace('_', " "));
    joined([known(&test.framework), source.map(|source| format!("known by its {source}"))])
}

fn command(process: &Process) -> Option<String> {
    let command = process.command_line.as_deref().filter(|line| !line.is_empty())?;
    let cut = if process.command_line_truncated == Some(true) { " ... (cut off)" } else { "" };
    Some(format!("{}{cut}", clean(command)))
}

/// The executable and its build ID.
fn program(summary: &CrashSummary) -> Option<String> {
    let main = summary.modules.iter().find(|module| module.main);
    let recorded = summary.process.as_ref().and_then(|process| process.executable.as_deref());
    let path = recorded.or_else(|| main?.path.as_deref());
    let build_id = main.and_then(|module| module.build_id.as_deref());
    joined([path.map(|path| clean(path).into_owned()), build_id.map(|id| format!("build ID {}", clean(id)))])
}

fn process_line(summary: &CrashSummary) -> Option<String> {
    let pid = summary.process.as_ref().and_then(|process| process.pid);
    let arch = summary.system.as_ref().and_then(|system| system.arch.as_deref());
    let time = summary.time.as_deref();
    let cause = summary.cause.as_ref();
    let verb = if cause.is_none() || is_crash(summary) { "died" } else { "dumped" };
    joined([
        pid.map(|pid| format!("pid {pid}")),
        arch.map(|arch| clean(arch).into_owned()),
        time.map(|time| format!("{verb} {}", clean(time))),
    ])
}

/// Which run of which job: `acme/app, job test 1234, node 3 of 4, pull request 42, branch fix, commit 0123456789ab`.
fn job_line(job: &CiJob) -> Option<String> {
    const SHORT_COMMIT: usize = 12;
    let named = |what: &str, value: Option<&str>| value.map(|value| format!("{what} {}", clean(value)));
    let attempt = job.attempt.filter(|attempt| *attempt > 1).map(|attempt| format!("attempt {attempt}"));
    let node = job.node_index.zip(job.node_total.filter(|total| *total > 1));
    joined([
        job.repo.as_deref().or(job.provider.as_deref()).map(|name| clean(name).into_owned()),
        named("job", job.job.as_deref().filter(|name| job.repo.as_deref() != Some(name))),
        named("run", job.run_id.as_deref()),
        attempt,
        node.map(|(index, total)| format!("node {index} of {total}")),
        named("pull request", job.pull_request.as_deref()),
        named("branch", job.branch.as_deref()),
        named("tag", job.tag.as_deref()),
        named("commit", job.sha.as_deref().map(|sha| sha.get(..SHORT_COMMIT).unwrap_or(sha))),
    ])
}

fn core_line(core: &Core) -> Option<String> {
    let size = core.size.map(|size| match core.size_on_disk.filter(|on_disk| *on_disk < size) {
        Some(on_disk) => format!("{} ({} on disk)", bytes(size), bytes(on_disk)),
        None => bytes(size),
    });
    joined([core.path.as_deref().map(|path| clean(path).into_owned()), size, slim(core), truncation(core)])
}

/// Says of a slim core how large the original was.
fn slim(core: &Core) -> Option<String> {
    let original = core.slim.as_ref()?.original_size?;
    Some(format!("slim core of {}", bytes(original)))
}

fn stored_line(core: &Core) -> Option<String> {
    let file = core.file.as_deref()?;
    let encrypted = core.encryption.map(|_| "encrypted: needs the key".to_owned());
    joined([Some(clean(file).into_owned()), core.stored_size.map(bytes), encrypted])
}

/// Says what a truncated core lacks, and what that means for the stacks.
fn truncation(core: &Core) -> Option<String> {
    let missing = core.missing_bytes.filter(|missing| *missing > 0);
    let consequence = match core.completeness {
        Some(Completeness::Stacks) => ", but every stack is there",
        Some(Completeness::CrashingStack) => ", but the crashing thread's stack is there",
        Some(Completeness::Notes) => ", also of the crashing thread's stack",
        Some(Completeness::Headers) => ", also of the notes on threads and files",
        // Complete, a grade that isn't known, or none.
        _ => {
            missing?;
            ""
        }
    };
    // The program headers may be cut themselves, and then there were more of them.
    let least = if core.completeness == Some(Completeness::Headers) { "at least " } else { "" };
    let missing = missing.map_or_else(|| "a part".to_owned(), |missing| format!("{least}{}", bytes(missing)));
    Some(format!("truncated: {missing} missing{consequence}"))
}

fn joined<const N: usize>(parts: [Option<String>; N]) -> Option<String> {
    let known: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    (!known.is_empty()).then(|| known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_known_is_nothing_said() {
        let mut summary = CrashSummary::new("0");
        summary.process = Some(Process::default());
        summary.core = Some(Core::default());
        assert!(facts(&summary).is_empty());
    }

    #[test]
    fn a_job_is_told_in_one_line() {
        let known = |text: &str| Some(text.to_owned());
        let mut job = CiJob { provider: known("circleci"), ..CiJob::default() };
        assert_eq!(job_line(&job).unwrap(), "circleci");
        job.repo = known("acme/app");
        job.job = known("test\u{1b}[31m");
        job.run_id = known("1234");
        job.attempt = Some(1);
        (job.node_index, job.node_total) = (Some(3), Some(4));
        job.branch = known("fix");
        job.sha = known("0123456789abcdef");
        let told = job_line(&job).unwrap();
        assert!(told.starts_with("acme/app, job test") && !told.contains('\u{1b}'), "{told}");
        assert!(told.ends_with(", run 1234, node 3 of 4, branch fix, commit 0123456789ab"), "{told}");
    }

    #[test]
    fn a_core_says_what_it_lacks() {
        let mut core = Core { path: Some("/tmp/core".into()), size: Some(2048), ..Core::default() };
        assert_eq!(core_line(&core).unwrap(), "/tmp/core, 2.0 KiB");
        core.completeness = Some(Completeness::Complete);
        core.missing_bytes = Some(0);
        assert_eq!(core_line(&core).unwrap(), "/tmp/core, 2.0 KiB");
        core.completeness = Some(Completeness::Notes);
        core.missing_bytes = Some(4096);
        assert_eq!(
            core_line(&core).unwrap(),
            "/tmp/core, 2.0 KiB, truncated: 4.0 KiB missing, also of the crashing thread's stack"
        );
        core.size_on_disk = Some(512);
        core.completeness = None;
        assert_eq!(
            core_line(&core).unwrap(),
            "/tmp/core, 2.0 KiB (512 bytes on disk), truncated: 4.0 KiB missing"
        );
    }
}

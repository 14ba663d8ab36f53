//! The crashes of this job that are kept already: those that `epitaph run` has told of before `collect` comes.

use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use epitaph_bundle::OutputFolder;
use epitaph_report::Brief;
use epitaph_summary::CrashSummary;

use crate::args::KeepArgs;
use crate::ci;

/// The most that are named.
const MOST_NAMED: usize = 10;

/// Returns the crashes in the folder that are of this job: not older than it may be, nor of another job of the CI system,
/// where that says which it is.
pub(crate) fn of_this_job(
    folder: &OutputFolder,
    args: &KeepArgs,
    oldest: Option<SystemTime>,
) -> Vec<CrashSummary> {
    let Ok(crashes) = folder.summaries() else { return Vec::new() };
    let run = ci::collected_in(args).and_then(|job| job.run);
    let of_this_job = |crash: &CrashSummary| {
        let theirs = crash.collection.as_ref().and_then(|collection| collection.ci.as_ref()?.run.as_ref());
        let is_other = run.as_ref().zip(theirs).is_some_and(|(ours, theirs)| ours != theirs);
        !is_other && !is_older(crash, oldest)
    };
    crashes.summaries.into_iter().filter(of_this_job).collect()
}

/// Tells whether a crash is older than a job's may be; of one without a time that is not known.
fn is_older(crash: &CrashSummary, oldest: Option<SystemTime>) -> bool {
    let time = crash.time.as_deref().and_then(|time| time.parse::<jiff::Timestamp>().ok());
    time.zip(oldest).is_some_and(|(time, oldest)| SystemTime::from(time) < oldest)
}

/// Says what is kept already, where no other core was found.
pub(crate) fn tell(crashes: &[CrashSummary], folder: &Path, out: &mut impl Write) -> io::Result<()> {
    let (count, folder) = (crashes.len(), folder.display());
    let are = if count == 1 { "crash of this job is" } else { "crashes of this job are" };
    writeln!(out, "No other core was found. {count} {are} kept in {folder} already:")?;
    for crash in crashes.iter().take(MOST_NAMED) {
        let Brief { sentence, place, .. } = Brief::of(crash);
        writeln!(out, "  {sentence}{}", place.map(|place| format!(", {place}")).unwrap_or_default())?;
    }
    if count > MOST_NAMED {
        writeln!(out, "  and {} more", count - MOST_NAMED)?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use epitaph_summary::{CiJob, Collection};

    use super::*;

    fn crash(time: Option<&str>) -> CrashSummary {
        CrashSummary { time: time.map(str::to_owned), ..CrashSummary::new("0") }
    }

    #[test]
    fn what_is_older_than_the_job_may_be_is_not_its_own() {
        let oldest = "2026-01-02T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
        let oldest = Some(SystemTime::from(oldest));
        assert!(is_older(&crash(Some("2026-01-01T23:59:59Z")), oldest));
        assert!(!is_older(&crash(Some("2026-01-02T00:00:01Z")), oldest));
        for unknown in [crash(None), crash(Some("yesterday"))] {
            assert!(!is_older(&unknown, oldest));
        }
        assert!(!is_older(&crash(Some("1999-01-01T00:00:00Z")), None));
    }

    #[test]
    fn many_are_counted() {
        let ci = Some(CiJob::default());
        let crash =
            CrashSummary { collection: Some(Collection { ci, ..Collection::default() }), ..crash(None) };
        let mut out = Vec::new();
        tell(&vec![crash; 12], Path::new("out"), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("No other core was found. 12 crashes of this job are kept in out"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 12);
        assert!(text.ends_with("  and 2 more\n"), "{text}");
    }
}

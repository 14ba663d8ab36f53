//! `epitaph report --merge`: crashes put into the job's own JUnit report.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use epitaph_report::Options;
use epitaph_report::merge::{LARGEST, MergeError, Placed, merge};
use epitaph_summary::CrashSummary;

use crate::error::{Error, message};
use crate::{output, terminal};

/// Writes the report with the crashes in it: to stdout, or whole or not at all into a file, which may be the report itself.
pub(crate) fn run(
    report: &Path,
    target: Option<&Path>,
    summaries: &[CrashSummary],
    options: &Options,
) -> Result<(), Error> {
    let unreadable = |error| Error::from(error).context(format!("cannot read {}", report.display()));
    let mut text = Vec::new();
    // One byte more than is read tells that there is more.
    File::open(report)
        .and_then(|file| file.take(LARGEST as u64 + 1).read_to_end(&mut text))
        .map_err(unreadable)?;
    let refused = |error: MergeError| {
        message(format!("{} cannot be merged into: {error}", report.display()), error.hint())
    };
    let merged = merge(&text, summaries, options).map_err(refused)?;
    drop(text);
    match target {
        Some(target) => replace(target, &merged.xml)?,
        None => output::write(None, &merged.xml)?,
    }
    let count = |what| merged.placed.iter().filter(|placed| **placed == what).count();
    let (matched, added, there) = (count(Placed::Matched), count(Placed::Added), count(Placed::AlreadyThere));
    terminal::note(&format!(
        "{}: {matched} in the test cases that died, {added} in cases of their own, {there} were there already",
        report.display()
    ));
    Ok(())
}

/// Puts a file in another's place once it is whole, with the other's rights.
fn replace(target: &Path, content: &[u8]) -> Result<(), Error> {
    let failed = |error| Error::from(error).context(format!("cannot write {}", target.display()));
    // What a link leads to is meant, not the link.
    let target = target.canonicalize().unwrap_or_else(|_| target.to_owned());
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new().prefix(".epitaph-").tempfile_in(folder).map_err(failed)?;
    temporary.write_all(content).map_err(failed)?;
    let permissions = match std::fs::metadata(&target) {
        Ok(metadata) => metadata.permissions(),
        Err(_) => std::os::unix::fs::PermissionsExt::from_mode(0o644),
    };
    temporary.as_file().set_permissions(permissions).map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(&target).map_err(|error| failed(error.error))?;
    Ok(())
}

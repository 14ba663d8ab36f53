//! Where a document goes: to stdout, or into a file.

use std::io::Write as _;
use std::path::Path;

use crate::error::Error;
use crate::terminal;

/// Writes a document to a file, or to stdout where none was named.
pub(crate) fn write(path: Option<&Path>, document: &[u8]) -> Result<(), Error> {
    match path {
        Some(path) => std::fs::write(path, document)
            .map_err(|error| Error::from(error).context(format!("cannot write {}", path.display()))),
        None => {
            let mut out = terminal::stdout();
            out.write_all(document)?;
            out.flush()?;
            Ok(())
        }
    }
}

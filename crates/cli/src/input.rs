//! What a path on the command line is read as: a file or folder, or a stream that can be read only once.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use epitaph_bundle::{
    CoreInTree, Identities, OpenError, OpenLimits, OpenedCore, find_cores, open_core_as, open_core_file_as,
    open_core_pipe,
};

use crate::error::{Error, message};
use crate::terminal;

/// The path that means standard input.
const STANDARD_INPUT: &str = "-";
/// What standard input is called where its core is told of.
const STANDARD_INPUT_NAME: &str = "standard input";

/// Tells whether a path that the user gave is a stream: `-`, or a pipe that has a name (FIFO).
pub(crate) fn is_stream(path: &Path) -> bool {
    path.as_os_str() == STANDARD_INPUT
        || std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
}

/// Returns what a stream is called where it is told of.
pub(crate) fn stream_name(path: &Path) -> String {
    if path.as_os_str() == STANDARD_INPUT {
        STANDARD_INPUT_NAME.to_owned()
    } else {
        path.display().to_string()
    }
}

/// Opens a stream; one that a terminal would have to type is refused.
pub(crate) fn open_stream(path: &Path) -> io::Result<File> {
    if path.as_os_str() != STANDARD_INPUT {
        return File::open(path);
    }
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a terminal, which nobody types summaries into",
        ));
    }
    stdin.as_fd().try_clone_to_owned().map(File::from)
}

/// Opens the core at a path that the user gave; what is a stream is read within `limits`, and what is encrypted is
/// decrypted by `identities`. A core that was found in a `tree` of files is one of them, whatever its path has come to
/// mean.
pub(crate) fn open(
    path: &Path,
    tree: Option<&Path>,
    limits: &OpenLimits,
    identities: &Identities,
) -> Result<OpenedCore, Error> {
    if tree.is_some() {
        return Ok(open_core_as(path, limits, identities)?);
    }
    let unreadable = |error| Error::from(error).context(format!("{} cannot be read", path.display()));
    if path.as_os_str() == STANDARD_INPUT {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            let hint = "pipe a core into this command: zstd -dc core.zst | epitaph show -";
            return Err(message("no core comes from a terminal", Some(hint)));
        }
        let file = File::from(stdin.as_fd().try_clone_to_owned().map_err(unreadable)?);
        let name = Path::new(STANDARD_INPUT_NAME);
        // A file that was redirected can be read at random.
        let is_file = file.metadata().map_err(unreadable)?.is_file();
        return Ok(if is_file {
            open_core_file_as(name, file, limits, identities)?
        } else {
            open_pipe(name, file, limits)?
        });
    }
    if is_stream(path) {
        return open_pipe(path, File::open(path).map_err(unreadable)?, limits);
    }
    Ok(open_core_as(path, limits, identities)?)
}

/// Finds the crashes at a path; none at all is an error, unless it is an output folder, which can do without.
pub(crate) fn crashes_at(path: &Path) -> Result<Vec<CoreInTree>, Error> {
    if is_stream(path) {
        return Ok(vec![CoreInTree { core: Some(path.to_owned()), ..CoreInTree::default() }]);
    }
    let found = find_cores(path)?;
    terminal::warnings(&found.warnings);
    if found.crashes.is_empty() {
        if path.join("crashes").is_dir() && path.join("manifest.json").is_file() {
            terminal::note(&format!("{}: no crash was collected into it", path.display()));
            return Ok(Vec::new());
        }
        return Err(message(
            format!("{}: there is neither a core nor a summary in it", path.display()),
            Some("give a core file, or a folder that `epitaph collect` or `epitaph pull` wrote"),
        ));
    }
    Ok(found.crashes)
}

/// Returns what a core at this path came in, if it is a folder.
pub(crate) fn tree(path: &Path) -> Option<&Path> {
    path.is_dir().then_some(path)
}

/// Opens a core that is read once, from its start to its end. An encrypted one is read at random, by the end of it first.
fn open_pipe(name: &Path, pipe: File, limits: &OpenLimits) -> Result<OpenedCore, Error> {
    open_core_pipe(name, pipe, limits).map_err(|error| match error {
        OpenError::Encrypted { .. } => {
            let hint = "decrypt it on its way: age -d -i KEYFILE core.zst.age | epitaph show -";
            message(format!("{error}, and comes through a pipe"), Some(hint))
        }
        error => error.into(),
    })
}

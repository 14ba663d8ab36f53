//! Source lines, from the folder that holds the sources: never from anywhere else, whatever a core says.
//!
//! Debug information names files where they were when they were compiled. A file is taken where it is named, if that is
//! beneath the root; where nothing is there, the longest end of its path that exists beneath the root is taken, since
//! sources that were compiled in a container are elsewhere in a checkout. Two files of a crash whose paths would have to
//! begin in two different places are of two projects: then neither is taken.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use epitaph_summary::SourceLine;
use epitaph_triage::{FoundSources, SourcePlace, Sources};
use rustix::fs::OFlags;

/// Lines on each side of the one that a frame is at.
const CONTEXT: u32 = 3;
/// Largest file that is read, in bytes.
const LARGEST: u64 = 16 << 20;
/// Longest line that is told, in bytes.
const LONGEST_LINE: usize = 240;
/// Longest path that is looked for, in folders.
const DEEPEST: usize = 64;
/// What sources are called. A core may name any file of the job's folder, and only sources are to be told.
const EXTENSIONS: [&str; 44] = [
    "S", "ada", "adb", "ads", "asm", "c", "c++", "cc", "cpp", "cu", "cxx", "d", "f", "f03", "f08", "f90",
    "f95", "for", "go", "h", "h++", "hh", "hpp", "hxx", "i", "ii", "inc", "inl", "ipp", "l", "m", "mm",
    "nim", "pas", "rs", "s", "swift", "tcc", "tpp", "v", "vala", "y", "yy", "zig",
];

/// The folder that sources are in, and the crash that they are to explain.
#[derive(Clone, Debug)]
pub(crate) struct SourceRoot {
    /// Without symbolic links.
    root: PathBuf,
    /// When the process died, as far as it is known: what was changed later may be something else.
    died: Option<SystemTime>,
}

/// A file that was found.
#[derive(Debug)]
struct Located {
    path: PathBuf,
    /// How much of the recorded path was taken off; `None` where it is the very path.
    moved_from: Option<PathBuf>,
}

impl SourceRoot {
    /// Takes a folder that holds sources; fails where there is none.
    pub(crate) fn new(root: &Path) -> std::io::Result<SourceRoot> {
        Ok(SourceRoot { root: root.canonicalize()?, died: None })
    }

    /// Takes the working folder, unless that is the root of the file system, beneath which everything is.
    pub(crate) fn here() -> Option<SourceRoot> {
        SourceRoot::new(Path::new(".")).ok().filter(|here| here.root != Path::new("/"))
    }

    /// The same for a process that died then.
    pub(crate) fn for_death_at(&self, died: Option<SystemTime>) -> SourceRoot {
        SourceRoot { died, ..self.clone() }
    }

    /// Finds the file that is recorded as `file`.
    fn locate(&self, file: &str) -> Option<Located> {
        let recorded = Path::new(file);
        let names = names(recorded)?;
        if recorded.is_absolute()
            && let Ok(real) = recorded.canonicalize()
        {
            return self.owns(&real).then_some(Located { path: real, moved_from: None });
        }
        (0..names.len()).find_map(|start| {
            let (before, end) = names.split_at_checked(start)?;
            if !self.is_enough(before, end) {
                return None;
            }
            let path = self.root.join(end.iter().collect::<PathBuf>()).canonicalize().ok()?;
            let is_same = before.is_empty() && !recorded.is_absolute();
            let moved_from = (!is_same).then(|| before.iter().collect());
            (self.owns(&path) && path.is_file()).then_some(Located { path, moved_from })
        })
    }

    /// Tells whether the end of a path says enough: many files have the same name, so that one name alone is only enough
    /// where their folders are called alike, or next to nothing comes before it (`/build/main.c`).
    fn is_enough(&self, before: &[&OsStr], end: &[&OsStr]) -> bool {
        end.len() > 1 || before.len() <= 1 || before.last().copied() == self.root.file_name()
    }

    /// Tells whether a path without symbolic links is a source's beneath the root, and in no hidden folder there: nobody's
    /// sources are in such, but other things are.
    fn owns(&self, real: &Path) -> bool {
        let is_hidden = |component: Component<'_>| component.as_os_str().as_encoded_bytes().starts_with(b".");
        real.strip_prefix(&self.root).is_ok_and(|path| is_source(path) && !path.components().any(is_hidden))
    }

    /// Opens a regular file beneath the root; `None` for anything else, also where it has become so meanwhile.
    fn open(&self, path: &Path) -> Option<File> {
        // Looked at before it is opened: opening a device may already do something.
        path.symlink_metadata().ok().filter(|metadata| metadata.is_file() && metadata.len() <= LARGEST)?;
        let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
        let file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path).ok()?;
        let really = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
        (self.owns(&really) && file.metadata().ok()?.is_file()).then_some(file)
    }

    /// Reads the lines around one of a file, or says why they can't be the right ones; `None` where it can't be read.
    fn read(&self, path: &Path, line: u32, problems: &mut Vec<String>) -> Option<Vec<SourceLine>> {
        let file = self.open(path)?;
        let changed = file.metadata().and_then(|metadata| metadata.modified()).ok();
        let lines = lines_around(file, line).ok()?;
        if lines.iter().all(|found| found.line != line) {
            let why = "it is not the one that was compiled";
            problems.push(format!("{}: there is no line {line}: {why}", path.display()));
            return None;
        }
        if changed.zip(self.died).is_some_and(|(changed, died)| changed > died) {
            problems
                .push(format!("{}: it was changed after the crash: its lines may be others", path.display()));
        }
        Some(lines)
    }
}

impl Sources for SourceRoot {
    fn around(&self, places: &[SourcePlace<'_>]) -> FoundSources {
        let mut located: Vec<Option<Located>> = places.iter().map(|place| self.locate(place.file)).collect();
        // All that were moved came from one place, or else they may be files of another project by the same name.
        let mut origins = located.iter().flatten().filter_map(|located| located.moved_from.clone());
        if let Some(first) = origins.next()
            && origins.any(|other| other != first)
        {
            for located in &mut located {
                located.take_if(|located| located.moved_from.is_some());
            }
        }
        let mut problems = Vec::new();
        let lines = places.iter().zip(located).map(|(place, located)| {
            located
                .and_then(|located| self.read(&located.path, place.line, &mut problems))
                .unwrap_or_default()
        });
        let lines = lines.collect();
        problems.dedup();
        FoundSources { lines, problems }
    }
}

fn is_source(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension)))
}

/// Returns the names that a path to a source is made of, `.` and `..` worked out; `None` where it isn't a source's.
fn names(path: &Path) -> Option<Vec<&OsStr>> {
    let mut names: Vec<&OsStr> = Vec::new();
    for component in path.components().take(DEEPEST + 1) {
        match component {
            Component::Normal(name) => names.push(name),
            Component::ParentDir => {
                names.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    (is_source(path) && (1..=DEEPEST).contains(&names.len())).then_some(names)
}

/// Reads up to the lines around one.
fn lines_around(file: impl Read, line: u32) -> std::io::Result<Vec<SourceLine>> {
    let wanted = line.saturating_sub(CONTEXT).max(1)..=line.saturating_add(CONTEXT);
    let mut reader = BufReader::new(file.take(LARGEST));
    let mut lines = Vec::new();
    let mut bytes = Vec::new();
    for number in 1..=*wanted.end() {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        if wanted.contains(&number) {
            lines.push(SourceLine { line: number, text: text(&bytes) });
        }
    }
    Ok(lines)
}

/// Returns a line without its end, and no more of it than is told.
fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end();
    let cut = (0..=LONGEST_LINE).rev().find_map(|end| text.get(..end)).filter(|_| text.len() > LONGEST_LINE);
    cut.map_or_else(|| text.to_owned(), |cut| format!("{cut}…"))
}

#[cfg(test)]
mod tests;

//! Finds the file that a crash was in: the kernel logs its name, without its folders.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use epitaph_elf::{Bytes, Object, Remains};
use rustix::fs::OFlags;

use super::KernelCrash;
use crate::host::Host;
use crate::search::{SearchLimits, named};

/// Where libraries lie that no tree of a job holds; below them, one folder per architecture (Debian) is searched too.
const LIBRARIES: [&str; 6] = ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib", "/usr/libexec"];
/// Most files of one name that are opened.
const MOST_FILES: usize = 64;
/// Folders below those of libraries that are searched.
const LIBRARY_DEPTH: usize = 1;

/// Where the file of a crash may be.
#[derive(Clone, Debug, Default)]
pub struct FilePlaces {
    /// Files that may be it, whatever they are called.
    pub files: Vec<PathBuf>,
    /// Folders whose whole trees may hold it.
    pub trees: Vec<PathBuf>,
    /// Folders that may hold it, such as those of `PATH`.
    pub folders: Vec<PathBuf>,
}

/// Finds the files of crashes, of which a storm may have logged many: each name is looked for once, and all together for a
/// limited time.
#[derive(Debug)]
pub struct CodeSearch {
    host: Host,
    places: FilePlaces,
    /// How long trees may still be searched.
    left: Duration,
    /// Files by folder and name, as far as they were looked for.
    named: HashMap<(PathBuf, OsString), Vec<PathBuf>>,
}

impl CodeSearch {
    /// Prepares to look in `places`, and in trees for as long as `time`.
    pub fn new(host: &Host, places: FilePlaces, time: Duration) -> CodeSearch {
        CodeSearch { host: host.clone(), places, left: time, named: HashMap::new() }
    }

    /// Finds the file whose code the program counter was in, and where the code lies in it: of the files of that name, the
    /// first that fits. Puts both into `crash`, and returns the file.
    pub fn find(&mut self, crash: &mut KernelCrash) -> Option<PathBuf> {
        let name = crash.remains.code.as_ref()?.file.clone();
        // The name is that of a folder's entry; anything else is crafted.
        if Path::new(&name).file_name() != Some(&name) {
            return None;
        }
        let (path, offset) = self.fitting(&name, &crash.remains)?;
        let code = crash.remains.code.as_mut()?;
        code.offset = Some(offset);
        code.file = path.clone().into_os_string();
        Some(path)
    }

    fn fitting(&mut self, name: &OsStr, remains: &Remains) -> Option<(PathBuf, u64)> {
        let fits = |path: &PathBuf| {
            let path = std::path::absolute(path).ok()?;
            let offset = remains.offset_in(&open(&path)?)?;
            Some((path, offset))
        };
        if let Some(given) = self.places.files.iter().find_map(fits) {
            return Some(given);
        }
        if let Some(found) = self.places.folders.iter().find_map(|folder| fits(&folder.join(name))) {
            return Some(found);
        }
        let libraries = LIBRARIES.iter().map(|folder| (self.host.path(folder), LIBRARY_DEPTH));
        let trees = self.places.trees.iter().map(|tree| (tree.clone(), SearchLimits::default().depth));
        let folders: Vec<(PathBuf, usize)> = trees.chain(libraries).collect();
        folders
            .into_iter()
            .find_map(|(folder, depth)| self.in_tree(folder, name, depth).iter().find_map(fits))
    }

    /// Returns the files of a name beneath a folder.
    fn in_tree(&mut self, folder: PathBuf, name: &OsStr, depth: usize) -> &[PathBuf] {
        let (host, left) = (&self.host, &mut self.left);
        self.named.entry((folder, name.to_owned())).or_insert_with_key(|(folder, name)| {
            let limits = SearchLimits { time: *left, ..SearchLimits::default() };
            let started = Instant::now();
            let mut files = named(host, folder, name, depth, limits);
            files.truncate(MOST_FILES);
            *left = left.saturating_sub(started.elapsed());
            files
        })
    }
}

fn open(path: &Path) -> Option<Object> {
    let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path).ok()?;
    (metadata.len() > 0).then(|| Object::parse(Bytes::map(&file).ok()?).ok()).flatten()
}

//! Finds the file that a crash was in: the kernel logs its name, without its folders.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

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

/// Finds the file whose code the program counter was in, and where the code lies in it: of the files of that name, the
/// first that fits. Puts both into `crash`, and returns the file.
pub fn find_code(host: &Host, crash: &mut KernelCrash, places: &FilePlaces) -> Option<PathBuf> {
    let name = crash.remains.code.as_ref()?.file.clone();
    // The name is that of a folder's entry; anything else is crafted.
    if Path::new(&name).file_name() != Some(&name) {
        return None;
    }
    let (path, offset) = find(host, &name, &crash.remains, places)?;
    let code = crash.remains.code.as_mut()?;
    code.offset = Some(offset);
    code.file = path.clone().into_os_string();
    Some(path)
}

fn find(host: &Host, name: &OsStr, remains: &Remains, places: &FilePlaces) -> Option<(PathBuf, u64)> {
    let fits = |path: PathBuf| {
        let path = std::path::absolute(path).ok()?;
        let offset = remains.offset_in(&open(&path)?)?;
        Some((path, offset))
    };
    let given = places.files.iter().cloned();
    let in_folders = places.folders.iter().map(|folder| folder.join(name));
    given.chain(in_folders).find_map(fits).or_else(|| {
        let libraries = LIBRARIES.iter().map(|folder| (host.path(folder), LIBRARY_DEPTH));
        let limits = SearchLimits::default();
        let trees = places.trees.iter().map(|tree| (tree.clone(), limits.depth));
        trees.chain(libraries).find_map(|(folder, depth)| {
            named(host, &folder, name, depth, limits).into_iter().take(MOST_FILES).find_map(fits)
        })
    })
}

fn open(path: &Path) -> Option<Object> {
    let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path).ok()?;
    (metadata.len() > 0).then(|| Object::parse(Bytes::map(&file).ok()?).ok()).flatten()
}

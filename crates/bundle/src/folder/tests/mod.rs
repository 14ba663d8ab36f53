//! The output folder, sealed, read back and attacked.

mod companions;
mod faults;
mod hostile;
mod many;
mod roundtrip;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use epitaph_summary::{CrashSummary, Module};
use serde_json::Value;

use super::*;
use crate::digest::sha256_of;
use crate::id::{Identity, crash_id};
use crate::open::{OpenedCore, open_core};
use crate::testing::moment;

/// The id of a core file, as `collect` would make it.
fn id_of(core: &OpenedCore) -> String {
    let identity = Identity::on_this_host(&*core.source, Some(4711)).unwrap();
    crash_id(core.modified.unwrap(), "parser".as_ref(), "SIGSEGV", &identity)
}

/// A summary with modules of these names.
fn summary(modules: &[&str]) -> CrashSummary {
    let mut summary = CrashSummary::new("0.1.0");
    summary.time = Some("2026-11-22T10:15:01Z".to_owned());
    summary.modules =
        modules.iter().map(|name| Module { name: Some((*name).to_owned()), ..Module::default() }).collect();
    summary
}

/// Writes a core of its own kind and opens it.
fn core_file(folder: &Path, seed: u32, len: usize) -> OpenedCore {
    let path = crate::testing::put(&folder.join(format!("core.{seed}")), &crate::testing::core(seed, len));
    std::fs::File::open(&path).unwrap().set_modified(moment(u64::from(seed))).unwrap();
    open_core(&path).unwrap()
}

/// Seals a core with nothing else.
fn seal(folder: &OutputFolder, core: &OpenedCore) -> Result<Sealed, BundleError> {
    folder.seal(SealRequest::new(&id_of(core), summary(&[])).with_core(CoreInput::from(core)))
}

fn stored(sealed: Result<Sealed, BundleError>) -> Stored {
    match sealed.unwrap() {
        Sealed::Stored(stored) => *stored,
        Sealed::AlreadyThere { id } => panic!("{id} is there already"),
    }
}

/// Reports as the command line makes them: one that lists the ids.
fn reports(crashes: &[CrashSummary]) -> Vec<(String, Vec<u8>)> {
    let ids: String = crashes.iter().map(|crash| crash.id.clone().unwrap() + "\n").collect();
    vec![
        ("junit/epitaph.xml".to_owned(), ids.clone().into_bytes()),
        ("summary.md".to_owned(), ids.into_bytes()),
    ]
}

/// Returns all files beneath `root`, relative to it.
fn files(root: &Path) -> Vec<String> {
    let mut files: Vec<String> = walkdir::WalkDir::new(root)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| !entry.file_type().is_dir())
        .map(|entry| entry.path().strip_prefix(root).unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    files
}

/// Checks that nothing is torn: the manifest tells of every file but itself and is right, every sealed core is whole,
/// and no temporary file is left.
fn check_whole(root: &Path) {
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(root.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["schema"], "epitaph-manifest/1");
    let listed: BTreeMap<String, (u64, String)> = manifest["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| {
            let text = |key: &str| file[key].as_str().unwrap().to_owned();
            (text("path"), (file["size"].as_u64().unwrap(), text("sha256")))
        })
        .collect();
    let actual: BTreeMap<String, (u64, String)> = files(root)
        .into_iter()
        .filter(|name| name != "manifest.json")
        .map(|name| {
            let (hash, size) = sha256_of(&std::fs::File::open(root.join(&name)).unwrap()).unwrap();
            (name, (size, hash))
        })
        .collect();
    assert_eq!(listed, actual);
    for name in actual.keys() {
        assert!(!name.contains(".tmp-"), "{name}");
    }
    for crash in OutputFolder::open(root).unwrap().summaries().unwrap().summaries {
        if let Some(file) = crash.core.as_ref().and_then(|core| core.file.as_ref()) {
            assert_eq!(open_core(&root.join(file)).unwrap().damage, None, "{file}");
        }
    }
}

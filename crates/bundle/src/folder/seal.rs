//! Sealing a crash: the core, the binaries, and last the summary.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use epitaph_elf::ModulePart;
use epitaph_summary::{CrashSummary, Warning};

use super::binary::{BinaryToKeep, store_binary};
use super::core::{CoreInput, StoredCore};
use super::disk::sweep;
use super::ladder::{Ladder, Smaller, SmallerCore};
use super::lock::{FolderLock, NotLocked};
use super::{
    BundleError, CORE, CRASHES, ENCRYPTED_CORE, OutputFolder, SHORT_WAIT, SUMMARY, is_sealed, lock_error,
    make_folder,
};
use crate::cipher::Recipients;
use crate::id::{LONGEST_ID, fingerprint_of};
use crate::names::is_safe_name;
use crate::summaries::{Crashes, read_into};

/// Longest wait for somebody else who is sealing the same crash.
const LONG_WAIT: Duration = Duration::from_secs(600);
/// How often a crash's folder may vanish before it could be locked.
const MOST_TRIES: usize = 1000;

/// A crash to be sealed.
pub struct SealRequest<'a> {
    id: &'a str,
    summary: CrashSummary,
    core: Option<CoreInput<'a>>,
    smaller: Smaller<'a>,
    binaries: Vec<BinaryToKeep>,
    max_core_bytes: Option<u64>,
    max_binary_bytes: Option<u64>,
    recipients: Option<&'a Recipients>,
    progress: Option<Box<dyn FnMut(u64, u64) + 'a>>,
}

impl std::fmt::Debug for SealRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealRequest").field("id", &self.id).field("core", &self.core).finish_non_exhaustive()
    }
}

impl<'a> SealRequest<'a> {
    /// Asks to keep `summary` as the crash `id` (see [`crate::crash_id`]). What it says of stored files is filled in.
    pub fn new(id: &'a str, summary: CrashSummary) -> SealRequest<'a> {
        SealRequest {
            id,
            summary,
            core: None,
            smaller: Box::new(|| None),
            binaries: Vec::new(),
            max_core_bytes: None,
            max_binary_bytes: None,
            recipients: None,
            progress: None,
        }
    }

    /// Keeps the core too.
    #[must_use]
    pub fn with_core(mut self, core: CoreInput<'a>) -> SealRequest<'a> {
        self.core = Some(core);
        self
    }

    /// Keeps a smaller core where there is no room for the one before: `smaller` makes the next each time it is called.
    #[must_use]
    pub fn or_smaller(mut self, smaller: impl FnMut() -> Option<SmallerCore> + 'a) -> SealRequest<'a> {
        self.smaller = Box::new(smaller);
        self
    }

    /// Keeps these binaries too.
    #[must_use]
    pub fn with_binaries(mut self, binaries: Vec<BinaryToKeep>) -> SealRequest<'a> {
        self.binaries = binaries;
        self
    }

    /// Leaves out a core whose stored copy would be larger than `bytes`.
    #[must_use]
    pub fn with_max_core_bytes(mut self, bytes: u64) -> SealRequest<'a> {
        self.max_core_bytes = Some(bytes);
        self
    }

    /// Leaves out binaries that are larger than `bytes`.
    #[must_use]
    pub fn with_max_binary_bytes(mut self, bytes: u64) -> SealRequest<'a> {
        self.max_binary_bytes = Some(bytes);
        self
    }

    /// Stores the core so that only these can read it: as `core.zst.age`. If there are none, everybody can.
    #[must_use]
    pub fn encrypted_for(mut self, recipients: &'a Recipients) -> SealRequest<'a> {
        self.recipients = Some(recipients);
        self
    }

    /// Tells `progress` how many of how many bytes of the core are stored.
    #[must_use]
    pub fn with_progress(mut self, progress: impl FnMut(u64, u64) + 'a) -> SealRequest<'a> {
        self.progress = Some(Box::new(progress));
        self
    }
}

/// What sealing came to.
#[derive(Clone, Debug)]
pub enum Sealed {
    /// The crash is in the folder now.
    Stored(Box<Stored>),
    /// It was there before, as this id.
    AlreadyThere {
        /// The id that it has: another one for a copy of the core with another time stamp.
        id: String,
    },
}

/// A crash that was sealed.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The summary, as it was written; its warnings say what could not be stored.
    pub summary: CrashSummary,
    /// The core, if it was stored.
    pub core: Option<StoredCore>,
    /// Whether no core was stored because even the smallest is larger than was asked for.
    pub is_beyond_limit: bool,
    /// What went wrong after the crash was sealed.
    pub warnings: Vec<Warning>,
}

/// A crash's folder, held for one writer.
struct Claim {
    id: String,
    folder: PathBuf,
    lock: FolderLock,
}

impl OutputFolder {
    /// Seals a crash: stores its core, its binaries and last its summary, and lists them in the manifest.
    ///
    /// A crash that is there already stays as it is, but one that was sealed without its core gets a second chance.
    /// Whoever seals the same crash at the same time waits. What can't be stored for want of space becomes a warning
    /// in the summary; only where there is no space even for the summary, this fails. After a failure, sealing the
    /// same crash again starts anew. The original core is never touched.
    pub fn seal(&self, request: SealRequest<'_>) -> Result<Sealed, BundleError> {
        if !is_safe_name(request.id, LONGEST_ID) {
            return Err(BundleError::BadId { id: request.id.to_owned() });
        }
        let claim = self.claim(request.id)?;
        let sealed = self.seal_claimed(&claim, request);
        if !is_sealed(&claim.folder) {
            // Succeeds only if nothing is in it.
            let _ = std::fs::remove_dir(&claim.folder);
        }
        let Claim { id, lock, .. } = claim;
        drop(lock);
        let Some(mut stored) = sealed? else { return Ok(Sealed::AlreadyThere { id }) };
        let listed = self.lock_reports().and_then(|_lock| self.rewrite_manifest());
        if let Err(error) = listed {
            stored.warnings.push(Warning::new("manifest_not_written", error.to_string()));
        }
        Ok(Sealed::Stored(Box::new(stored)))
    }

    /// Takes the folder of a crash: the one that it has already, under whatever id, or else a new one.
    fn claim(&self, id: &str) -> Result<Claim, BundleError> {
        let crashes = self.crashes();
        let mut tries = 0;
        loop {
            // Under a lock, so that two copies of one core don't both find that they are the first.
            let lock = FolderLock::wait(&crashes, SHORT_WAIT);
            let lock = lock.map_err(|error| lock_error(&crashes, SHORT_WAIT, error))?;
            let id = id_of_same_crash(&crashes, id).unwrap_or_else(|| id.to_owned());
            let folder = crashes.join(&id);
            self.with_reserve(|| make_folder(&folder))?;
            drop(lock);
            tries += 1;
            match FolderLock::wait(&folder, LONG_WAIT) {
                Ok(lock) => return Ok(Claim { id, folder, lock }),
                // Whoever had it before gave up and removed it.
                Err(NotLocked::Gone) if tries < MOST_TRIES => {}
                Err(error) => return Err(lock_error(&folder, LONG_WAIT, error)),
            }
        }
    }

    /// Writes the files of a crash whose folder is ours; `None` if there is nothing to add to what is there.
    fn seal_claimed(&self, claim: &Claim, request: SealRequest<'_>) -> Result<Option<Stored>, BundleError> {
        let SealRequest {
            mut summary,
            core,
            smaller,
            binaries,
            max_core_bytes,
            max_binary_bytes,
            recipients,
            progress,
            ..
        } = request;
        let max_binary_bytes = max_binary_bytes.unwrap_or(u64::MAX);
        let disk = &*self.disk;
        let sealed_before = is_sealed(&claim.folder);
        if sealed_before && (core.is_none() || has_core(&claim.folder)) {
            return Ok(None);
        }
        if claim.lock.excludes_others() {
            sweep(&claim.folder);
            if core.is_some() {
                remove_unsealed_cores(&claim.folder)?;
            }
        } else {
            summary.warnings.push(not_locked(&self.path));
        }

        let recipients = recipients.filter(|recipients| !recipients.is_empty());
        let core_name = if recipients.is_some() { ENCRYPTED_CORE } else { CORE };
        let target = claim.folder.join(core_name);
        let progress = progress.unwrap_or_else(|| Box::new(|_, _| {}));
        let mut ladder = core.map(|core| Ladder {
            core,
            smaller,
            limit: max_core_bytes,
            recipients,
            progress,
            is_beyond_limit: false,
        });
        let name = format!("{CRASHES}/{}/{core_name}", claim.id);
        let mut stored =
            ladder.as_mut().and_then(|ladder| ladder.store(disk, &target, &self.path, &name, &mut summary));
        if sealed_before && stored.is_none() {
            return Ok(None);
        }
        summary.id = Some(claim.id.clone());
        for binary in &binaries {
            self.keep_binary(&claim.folder, binary, max_binary_bytes, &mut summary);
        }

        match self.write_summary(&claim.folder, &summary) {
            Ok(()) => {}
            // What was sealed before stays as it was. A copy that can't be removed is in nobody's way.
            Err(error) if sealed_before => {
                let _ = std::fs::remove_file(&target);
                return Err(error);
            }
            // The story is worth more than the copy of a core whose original is still there.
            Err(BundleError::Full { needed, .. }) if stored.is_some() => {
                // If it can't be removed, the summary fails once more and says why.
                let _ = std::fs::remove_file(&target);
                if let (Some(ladder), Some(copy)) = (&ladder, stored.take()) {
                    let folder = self.path.display();
                    let why =
                        format!("no space left in {folder} for it and for the {needed} bytes of its summary");
                    ladder.take_back(&mut summary, &copy, &why);
                }
                self.write_summary(&claim.folder, &summary)?;
            }
            Err(error) => return Err(error),
        }
        let is_beyond_limit = ladder.is_some_and(|ladder| ladder.is_beyond_limit);
        Ok(Some(Stored { summary, core: stored, is_beyond_limit, warnings: Vec::new() }))
    }

    fn write_summary(&self, folder: &Path, summary: &CrashSummary) -> Result<(), BundleError> {
        let path = folder.join(SUMMARY);
        let mut line = serde_json::to_vec(summary)
            .map_err(|error| BundleError::Write { path: path.clone(), source: error.into() })?;
        line.push(b'\n');
        self.write_small(folder, &path, &line)
    }

    /// Stores one binary and notes where, or why not.
    fn keep_binary(&self, workshop: &Path, binary: &BinaryToKeep, limit: u64, summary: &mut CrashSummary) {
        let Some(module) = summary.modules.get_mut(binary.module) else { return };
        let name = module.name.as_deref().or(module.path.as_deref()).unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or(name).to_owned();
        match store_binary(&*self.disk, &self.path, workshop, binary, name.as_bytes(), limit) {
            Ok(relative) => match &binary.part {
                ModulePart::Image => module.file = Some(relative),
                ModulePart::Debug => {} // found beside the executable, by the build ID
                ModulePart::Companion(_) if module.companion_files.contains(&relative) => {}
                ModulePart::Companion(_) => module.companion_files.push(relative),
            },
            Err(trouble) => {
                let what = match &binary.part {
                    ModulePart::Image => name,
                    ModulePart::Debug => format!("the debug file of {name}"),
                    ModulePart::Companion(companion) => format!("the {companion} of {name}"),
                };
                let text = format!("{what} was not stored: {trouble}");
                summary.warnings.push(Warning::new("binary_not_stored", text));
            }
        }
    }
}

/// Removes what a writer that was killed has left of a core: no summary speaks of it, and it may be readable where the next
/// one is to be encrypted.
fn remove_unsealed_cores(folder: &Path) -> Result<(), BundleError> {
    for name in [CORE, ENCRYPTED_CORE] {
        let path = folder.join(name);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(BundleError::Write { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Warns of a file system that can't keep writers apart.
pub(super) fn not_locked(folder: &Path) -> Warning {
    let text = format!(
        "the file system of {} cannot lock folders: crashes that are sealed at the same time may be missing from its \
         reports",
        folder.display()
    );
    Warning::new("folder_not_locked", text)
}

/// Returns the id under which the crash is in `crashes` already, perhaps with the time stamp of a copy.
fn id_of_same_crash(crashes: &Path, id: &str) -> Option<String> {
    let fingerprint = fingerprint_of(id)?;
    let mut same: Vec<String> = std::fs::read_dir(crashes)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| fingerprint_of(name) == Some(fingerprint))
        .collect();
    same.sort();
    same.into_iter().next()
}

/// Tells whether the sealed crash in `folder` has its core.
fn has_core(folder: &Path) -> bool {
    let mut crashes = Crashes::default();
    read_into(&folder.join(SUMMARY), &mut crashes);
    // A summary that this version can't read is nobody's to replace.
    crashes
        .summaries
        .first()
        .is_none_or(|summary| summary.core.as_ref().is_some_and(|core| core.file.is_some()))
}

//! Storing as much of a core as fits: all of it, else what smaller ones can be made of it, else nothing.

use std::path::Path;

use epitaph_elf::ReadAt;
use epitaph_summary::{CoreContent, CoreEncryption, CrashSummary, Warning};

use super::core::{CoreInput, CoreTrouble, Reduction, StoredCore, Terms, store_core};
use super::disk::Disk;
use super::space::{KEEP_FREE, KEEP_FREE_OF_SMALL};
use crate::cipher::Recipients;

/// A smaller core, for where there is no room for the one before.
pub struct SmallerCore {
    /// Its bytes.
    pub source: Box<dyn ReadAt>,
    /// Its size in bytes.
    pub size: u64,
    /// How it was made.
    pub reduction: Reduction,
    /// What it holds, as in "no more is kept than …".
    pub holds: String,
    /// What is to be said with it.
    pub warnings: Vec<Warning>,
}

impl std::fmt::Debug for SmallerCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmallerCore")
            .field("size", &self.size)
            .field("holds", &self.holds)
            .finish_non_exhaustive()
    }
}

/// What makes the next smaller core each time it is called, until there is none.
pub(super) type Smaller<'a> = Box<dyn FnMut() -> Option<SmallerCore> + 'a>;

/// What is to be stored of a core.
pub(super) struct Ladder<'a> {
    pub(super) core: CoreInput<'a>,
    pub(super) smaller: Smaller<'a>,
    /// The most bytes that the stored copy may have.
    pub(super) limit: Option<u64>,
    /// Who can read the stored copy, if not everybody.
    pub(super) recipients: Option<&'a Recipients>,
    pub(super) progress: Box<dyn FnMut(u64, u64) + 'a>,
    /// Whether nothing was stored because of the limit.
    pub(super) is_beyond_limit: bool,
}

impl Ladder<'_> {
    /// Stores the largest core that fits as `target`, which is called `name` in the folder `root`, and says in
    /// `summary` which that is, and why it isn't more.
    pub(super) fn store(
        &mut self,
        disk: &dyn Disk,
        target: &Path,
        root: &Path,
        name: &str,
        summary: &mut CrashSummary,
    ) -> Option<StoredCore> {
        let mut smaller: Option<SmallerCore> = None;
        let mut first_trouble: Option<CoreTrouble> = None;
        loop {
            let (core, keep_free) = match &smaller {
                None => (self.core, KEEP_FREE),
                Some(made) => {
                    (self.core.reduced(&*made.source, made.size, &made.reduction), KEEP_FREE_OF_SMALL)
                }
            };
            let terms = Terms { limit: self.limit, keep_free, recipients: self.recipients };
            let trouble = match store_core(disk, target, &core, &terms, &mut *self.progress) {
                Ok(copy) => {
                    note_core(summary, &core, &copy, name.to_owned(), self.recipients.is_some());
                    if let (Some(trouble), Some(made)) = (&first_trouble, smaller) {
                        let (why, original) = (trouble.why(&self.core, root), self.core.original().display());
                        let text = format!(
                            "no more is kept of the core than {}: {why}; the original stays at {original}",
                            made.holds
                        );
                        summary.warnings.push(Warning::new("core_kept_small", text));
                        summary.warnings.extend(made.warnings);
                    }
                    return Some(copy);
                }
                Err(trouble) => trouble,
            };
            let next = if trouble.is_want_of_room() { (self.smaller)() } else { None };
            let told = first_trouble.get_or_insert(trouble);
            let Some(next) = next else {
                let why = told.why(&self.core, root);
                note_no_core(summary, &self.core, &why);
                self.is_beyond_limit = matches!(told, CoreTrouble::TooLarge { .. });
                return None;
            };
            smaller = Some(next);
        }
    }

    /// Takes back what [`Ladder::store`] said of the stored copy, which had to go.
    pub(super) fn take_back(&self, summary: &mut CrashSummary, copy: &StoredCore, why: &str) {
        if copy.reduced
            && let Some(noted) = summary.core.as_mut()
        {
            (noted.content, noted.slim, noted.scrubbed) = (None, None, None);
        }
        summary
            .warnings
            .retain(|warning| !["core_kept_small", "core_secrets_left"].contains(&warning.code.as_str()));
        note_no_core(summary, &self.core, why);
    }
}

fn note_core(
    summary: &mut CrashSummary,
    core: &CoreInput<'_>,
    copy: &StoredCore,
    file: String,
    encrypted: bool,
) {
    let noted = summary.core.get_or_insert_default();
    noted.path.get_or_insert_with(|| core.original().display().to_string());
    noted.size.get_or_insert(core.size());
    noted.file = Some(file);
    noted.encryption = encrypted.then_some(CoreEncryption::Age);
    noted.stored_size = Some(copy.size);
    noted.stored_sha256 = Some(copy.sha256.clone());
    noted.data_size = Some(copy.identified.data_size);
    noted.extents_sha256 = Some(copy.identified.extents_sha256.clone());
    match core.reduction() {
        Some(reduction) => {
            noted.content =
                Some(if reduction.slim.is_some() { CoreContent::Slim } else { CoreContent::Full });
            noted.slim.clone_from(&reduction.slim);
            noted.scrubbed = Some(reduction.scrubbed);
        }
        // It is what was read, which may be known to be slim.
        None => {
            noted.content.get_or_insert(CoreContent::Full);
            noted.scrubbed.get_or_insert(false);
        }
    }
    if let Some(why) = &copy.incomplete {
        let text = format!("{}: the stored core is not complete: {why}", core.original().display());
        summary.warnings.push(Warning::new("core_stored_incomplete", text));
    }
}

fn note_no_core(summary: &mut CrashSummary, core: &CoreInput<'_>, why: &str) {
    let noted = summary.core.get_or_insert_default();
    noted.path.get_or_insert_with(|| core.original().display().to_string());
    noted.size.get_or_insert(core.size());
    (noted.file, noted.stored_size, noted.stored_sha256) = (None, None, None);
    noted.encryption = None;
    (noted.data_size, noted.extents_sha256) = (None, None);
    if core.reduction().is_some() {
        (noted.content, noted.slim, noted.scrubbed) = (None, None, None);
    }
    let text = format!("the core was not stored: {why}; the original stays at {}", core.original().display());
    summary.warnings.push(Warning::new("core_not_stored", text));
}

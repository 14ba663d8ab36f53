//! Takes what the walks come across, and sorts it into cores and rejected files.

use std::collections::{BTreeSet, HashSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use epitaph_elf::{FileKind, identify};
use epitaph_summary::{CoreSource, SearchedPlace};

use super::age::Oldest;
use super::beyond::{Beyond, BeyondList};
use super::limits::{Limit, SearchLimits};
use super::names::{Hit, Likeness, Names};
use super::open::{Chosen, Opened, identity, look, open};
use super::rejected::{Reason, Rejected};
use super::settle::{is_fresh, settle};
use super::walk::Entry;
use super::{Candidate, Found, Search};

/// The most rejected files that are listed.
const MOST_REJECTED: usize = 64;

/// What a search has come across so far.
pub(super) struct Collector<'a> {
    names: &'a Names,
    oldest: Option<Oldest>,
    users: &'a [u32],
    limits: SearchLimits,
    started: SystemTime,
    taken: Vec<Taken>,
    seen: HashSet<(u64, u64)>,
    rejected: Vec<Rejected>,
    rejected_more: usize,
    older: usize,
    foreign: usize,
    beyond: BeyondList,
    place: Option<usize>,
    /// Whether that is one whose cores are searched for; so is what was given.
    own: bool,
    /// Where in `taken` the core is that the next better one replaces, as long as that is known.
    least: Option<usize>,
}

/// An open file that is a core, may become one, or was given.
struct Taken {
    path: PathBuf,
    /// The place that it was found in; `None` where it was given.
    place: Option<usize>,
    own: bool,
    opened: Opened,
    hit: Hit,
    fresh: bool,
}

impl<'a> Collector<'a> {
    pub(super) fn new(names: &'a Names, search: &'a Search) -> Collector<'a> {
        Collector {
            names,
            oldest: search.newer_than.map(Oldest::new),
            users: &search.users,
            limits: search.limits,
            started: SystemTime::now(),
            taken: Vec::new(),
            seen: HashSet::new(),
            rejected: Vec::new(),
            rejected_more: 0,
            older: 0,
            foreign: 0,
            beyond: BeyondList::default(),
            place: None,
            own: true,
            least: None,
        }
    }

    /// Returns the time from which on cores are taken, with some grace.
    pub(super) fn newer_than(&self) -> Option<SystemTime> {
        self.oldest.map(Oldest::at_the_least)
    }

    /// Says that what is visited from now on lies in the place of this index, and whether that is one whose cores are
    /// searched for.
    pub(super) fn enter(&mut self, place: usize, own: bool) {
        self.place = Some(place);
        self.own = own;
    }

    /// Takes a file that the user named.
    pub(super) fn given(&mut self, path: &Path) {
        let fields = self.names.recognise(path).map(|hit| hit.fields).unwrap_or_default();
        self.consider(path, Hit { likeness: Likeness::Sure, source: CoreSource::Given, fields });
    }

    /// Looks at what a walk came across.
    pub(super) fn visit(&mut self, entry: &Entry<'_>) {
        if entry.file_type.is_dir() {
            // Source trees are full of folders called `core`. One matters only where a core would have to go.
            if entry.at_top && self.names.is_the_only_name(entry.path) {
                self.reject(entry.path, Reason::Folder);
            }
        } else if let Some(hit) = self.names.recognise(entry.path) {
            self.consider(entry.path, hit);
        }
    }

    fn consider(&mut self, path: &Path, hit: Hit) {
        let given = hit.source == CoreSource::Given;
        let chosen = if given { Chosen::ByUser } else { Chosen::ByName };
        if !given && hit.user().is_some_and(|user| self.is_foreign(user)) {
            // Whether others have cores that are older than the job is nobody's business here.
            let is_newer = |metadata: Metadata| !self.is_older(path, &metadata);
            self.foreign += usize::from(path.symlink_metadata().is_ok_and(is_newer));
            return;
        }
        let seen = match look(path, chosen) {
            Ok(seen) => seen,
            Err(reason) => return self.reject_hit(path, &hit, reason),
        };
        let identity = identity(&seen);
        if self.seen.contains(&identity) {
            return;
        }
        // What it is, nobody needs to know: a store may hold thousands.
        if !given && self.is_older(path, &seen) {
            self.seen.insert(identity);
            self.older += usize::from(hit.likeness > Likeness::Vague);
            return;
        }
        let opened = match open(path, chosen, &seen) {
            Ok(opened) => opened,
            Err(reason) => return self.reject_hit(path, &hit, reason),
        };
        let modified = opened.metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let fresh = is_fresh(modified, self.started.max(SystemTime::now()));
        // A core that was begun just now is empty for a moment. What is given may be a broken wrapper.
        let may_be_core = opened.kind == FileKind::Core
            || opened.wraps_core
            || (opened.kind == FileKind::Empty && fresh && hit.likeness > Likeness::Vague)
            || (opened.kind == FileKind::NotElf && given);
        if !may_be_core {
            if let Some(reason) = Reason::of_kind(opened.kind) {
                self.reject_hit(path, &hit, reason);
            }
            return;
        }
        self.seen.insert(identity);
        self.take(Taken { path: path.to_owned(), place: self.place, own: self.own, opened, hit, fresh });
    }

    /// Takes a core; where there are enough, the least of them goes.
    fn take(&mut self, core: Taken) {
        if self.taken.len() < self.limits.cores {
            self.taken.push(core);
            self.least = None;
            return;
        }
        if self.least.is_none() {
            let taken = self.taken.iter().enumerate();
            self.least = taken.min_by_key(|(_, core)| core.rank()).map(|(index, _)| index);
        }
        let least = self.least.and_then(|index| self.taken.get_mut(index));
        let beyond = match least {
            Some(least) if least.rank() < core.rank() => {
                self.least = None;
                std::mem::replace(least, core)
            }
            _ => core,
        };
        self.beyond.add(beyond.opened.beyond(&beyond.path, beyond.hit));
    }

    fn is_older(&self, path: &Path, metadata: &Metadata) -> bool {
        self.oldest.is_some_and(|oldest| oldest.is_after(path, metadata))
    }

    fn is_foreign(&self, user: u32) -> bool {
        !self.users.is_empty() && !self.users.contains(&user)
    }

    fn reject_hit(&mut self, path: &Path, hit: &Hit, reason: Reason) {
        // What was lost before the job began is not the job's loss.
        let is_older = path.symlink_metadata().is_ok_and(|metadata| self.is_older(path, &metadata));
        if hit.source != CoreSource::Given && reason.is_a_loss() && is_older {
            self.older += 1;
            return;
        }
        let told = match hit.likeness {
            Likeness::Sure => true,
            Likeness::Likely => reason.is_a_loss(),
            Likeness::Vague => false,
        };
        // A file that is gone by now was never ours to take, unless it was given.
        let vanished =
            matches!(reason, Reason::NotFound | Reason::Replaced) && hit.source != CoreSource::Given;
        if told && !vanished {
            self.reject(path, reason);
        }
    }

    fn reject(&mut self, path: &Path, reason: Reason) {
        if self.rejected.iter().any(|rejected| rejected.path == path) {
            return;
        }
        if self.rejected.len() < MOST_REJECTED {
            self.rejected.push(Rejected { path: path.to_owned(), reason });
        } else {
            self.rejected_more += 1;
        }
    }

    /// Waits for what is still being written, and returns everything.
    pub(super) fn finish(mut self, mut places: Vec<SearchedPlace>, mut limits_hit: BTreeSet<Limit>) -> Found {
        let (beyond, beyond_more) = std::mem::take(&mut self.beyond).finish();
        if beyond_more > 0 {
            limits_hit.insert(Limit::Cores);
        }
        let (fresh, still): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.taken).into_iter().partition(|taken| taken.fresh);
        let files: Vec<_> = fresh.iter().map(|taken| &taken.opened.file).collect();
        let growing = settle(&files, self.limits.settle);
        let all = still.into_iter().map(|taken| (taken, false)).chain(fresh.into_iter().zip(growing));
        let mut candidates = Vec::new();
        for (mut taken, growing) in all {
            taken.look_again();
            if let Some(reason) = taken.reason_against() {
                self.reject_hit(&taken.path, &taken.hit, reason);
                continue;
            }
            if let Some(place) = taken.place.and_then(|index| places.get_mut(index)) {
                place.cores += 1;
            }
            candidates.push(taken.into_candidate(growing));
        }
        if candidates.iter().any(|candidate| candidate.growing) {
            limits_hit.insert(Limit::Settle);
        }
        candidates.sort_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
        Found {
            candidates,
            beyond,
            beyond_more,
            rejected: self.rejected,
            rejected_more: self.rejected_more,
            older: self.older,
            foreign: self.foreign,
            places,
            skipped: Vec::new(),
            limits_hit: limits_hit.into_iter().collect(),
        }
    }
}

impl Opened {
    /// Says what is known without its content, and closes it.
    fn beyond(self, path: &Path, hit: Hit) -> Beyond {
        Beyond {
            path: path.to_owned(),
            name_fields: hit.fields,
            source: hit.source,
            modified: self.metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            size: self.metadata.len(),
            size_on_disk: occupied(&self.metadata),
        }
    }
}

impl Taken {
    /// What counts where there are too many: whether it is one of those that are searched for, and how new it is.
    fn rank(&self) -> (bool, SystemTime) {
        (self.own, self.opened.metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH))
    }

    /// Looks again at a file that may have grown since.
    fn look_again(&mut self) {
        if !self.fresh {
            return;
        }
        if let Ok(metadata) = self.opened.file.metadata() {
            self.opened.metadata = metadata;
        }
        if let Ok(kind) = identify(&self.opened.file) {
            self.opened.kind = kind;
        }
    }

    /// Returns why it is no candidate, if so: it stayed empty, or became something else.
    fn reason_against(&self) -> Option<Reason> {
        let may_wrap_a_core = self.opened.kind == FileKind::NotElf
            && (self.opened.wraps_core || self.hit.source == CoreSource::Given);
        Reason::of_kind(self.opened.kind).filter(|_| !may_wrap_a_core)
    }

    fn into_candidate(self, growing: bool) -> Candidate {
        let metadata = self.opened.metadata;
        Candidate {
            path: self.path,
            file: self.opened.file,
            verified: self.opened.kind == FileKind::Core || self.opened.wraps_core,
            name_fields: self.hit.fields,
            source: self.hit.source,
            modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            size: metadata.len(),
            size_on_disk: occupied(&metadata),
            growing,
        }
    }
}

/// Returns the bytes that a file occupies.
fn occupied(metadata: &Metadata) -> u64 {
    // The unit of st_blocks is 512 bytes, whatever the file system's is.
    metadata.blocks().saturating_mul(512)
}

//! Finds cores: in the files and folders that were given, and wherever a crasher may have stood.
//!
//! A name only makes a file worth opening; what it is, its first bytes say. Whatever has a core's name and
//! isn't taken is told ([`Rejected`]), as are the places searched and the limits that cut the search short.

mod age;
mod beyond;
mod collector;
mod limits;
mod named;
mod names;
mod open;
mod places;
mod rejected;
mod settle;
mod walk;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use epitaph_summary::{CoreSource, SearchedPlace};

pub use beyond::Beyond;
pub(crate) use named::named;

pub use limits::{Limit, SearchLimits};
pub use rejected::{Reason, Rejected};

use self::collector::Collector;
use self::names::Names;
use self::places::{Listed, Place};
use self::walk::Walk;
use crate::host::Host;
use crate::text::path_text;

/// A search for cores: say where, then [`run`](Search::run) it.
#[derive(Clone, Debug)]
pub struct Search {
    host: Host,
    given: Vec<PathBuf>,
    trees: Vec<PathBuf>,
    folders: Vec<(PathBuf, usize)>,
    usual: bool,
    changed: bool,
    destination: bool,
    home: Option<PathBuf>,
    newer_than: Option<SystemTime>,
    users: Vec<u32>,
    limits: SearchLimits,
}

/// What a search found.
#[derive(Debug, Default)]
pub struct Found {
    /// The cores, oldest first.
    pub candidates: Vec<Candidate>,
    /// Cores beyond [`SearchLimits::cores`], which are not open: at most 4096, oldest first. Those from elsewhere than the
    /// places that were asked for go before others, and older ones before newer ones.
    pub beyond: Vec<Beyond>,
    /// How many more cores there are than `candidates` and `beyond` list.
    pub beyond_more: usize,
    /// Files that look like cores by their name, or were given, and were not taken.
    pub rejected: Vec<Rejected>,
    /// How many more such files there are than `rejected` lists.
    pub rejected_more: usize,
    /// Cores that were left alone because they are older than [`Search::newer_than`] says.
    pub older: usize,
    /// Cores that were left alone because other users' processes left them, see [`Search::of_users`].
    pub foreign: usize,
    /// The folders that were searched.
    pub places: Vec<SearchedPlace>,
    /// Places that were not searched, or not to their end, because the time was over.
    pub skipped: Vec<PathBuf>,
    /// The limits that kept the search from seeing everything.
    pub limits_hit: Vec<Limit>,
}

/// A core that was found, and is open.
#[derive(Debug)]
pub struct Candidate {
    /// Where it was found.
    pub path: PathBuf,
    /// The file itself: what `path` names may change.
    pub file: File,
    /// Whether its first bytes, or the first that it unpacks to, are those of a core. Where they aren't, it was given
    /// by name and is not an ELF file: it may hold a core in a way that can't be told so fast.
    pub verified: bool,
    /// The values in its name by specifier letter, where a core pattern makes such names.
    pub name_fields: BTreeMap<String, String>,
    /// Why it was looked at.
    pub source: CoreSource,
    /// When it was last written.
    pub modified: SystemTime,
    /// Its size in bytes, holes included.
    pub size: u64,
    /// The bytes that it occupies on disk.
    pub size_on_disk: u64,
    /// Whether it was still growing when the time to wait for it was over.
    pub growing: bool,
}

impl Candidate {
    /// Returns the process id that the name holds: `%p`, else `%P`.
    pub fn named_pid(&self) -> Option<u32> {
        ["p", "P"].into_iter().find_map(|letter| self.name_fields.get(letter)?.parse().ok())
    }

    /// Closes it: what its name and its file tell is left.
    pub fn close(self) -> Beyond {
        Beyond {
            path: self.path,
            name_fields: self.name_fields,
            source: self.source,
            modified: self.modified,
            size: self.size,
            size_on_disk: self.size_on_disk,
        }
    }
}

impl Search {
    /// Prepares a search by the names that `host` gives its cores, and the usual ones.
    pub fn new(host: &Host) -> Search {
        Search {
            host: host.clone(),
            given: Vec::new(),
            trees: Vec::new(),
            folders: Vec::new(),
            usual: false,
            changed: false,
            destination: false,
            home: None,
            newer_than: None,
            users: Vec::new(),
            limits: SearchLimits::default(),
        }
    }

    /// Adds a path that the user named: a file is taken whatever it is called, a folder is searched.
    #[must_use]
    pub fn given(mut self, path: impl Into<PathBuf>) -> Search {
        self.given.push(path.into());
        self
    }

    /// Adds a folder whose whole tree is searched, such as the job's working folder.
    #[must_use]
    pub fn tree(mut self, path: impl Into<PathBuf>) -> Search {
        self.trees.push(path.into());
        self
    }

    /// Adds a folder that is searched so many levels deep; 0 for itself alone.
    #[must_use]
    pub fn folder(mut self, path: impl Into<PathBuf>, depth: usize) -> Search {
        self.folders.push((path.into(), depth));
        self
    }

    /// Adds the folders where crashers stand besides the job's own: that of the host's core pattern, `/tmp`,
    /// `home`, and the working folders of this user's processes; and the stores of other collectors.
    #[must_use]
    pub fn usual_places(mut self, home: Option<&Path>) -> Search {
        self.usual = true;
        self.home = home.map(Path::to_owned);
        self
    }

    /// Adds of the usual places only `/tmp`, and of that only what has changed since the time given to
    /// [`Search::newer_than`]: much less to read, for a search that most likely finds nothing.
    ///
    /// A core that is made changes its folder. Not found are cores that were written over an older file of their name,
    /// those in folders that lie below unchanged ones, and those elsewhere.
    #[must_use]
    pub fn changed_places(mut self) -> Search {
        self.changed = true;
        self
    }

    /// Adds the places alone where the host's core pattern sends cores: its folder or, where it names a program or a socket,
    /// the stores of the collectors that may be behind it.
    ///
    /// A relative pattern sends them wherever a crasher stands, so that it takes more to find them: see
    /// [`sends_to_one_place`](crate::sends_to_one_place).
    #[must_use]
    pub fn destination(mut self) -> Search {
        self.destination = true;
        self
    }

    /// Leaves cores alone that were written before `time`: with two seconds of grace, but only where the file system's clock
    /// may be another one, or a coarse one.
    ///
    /// Files that were given by name are taken all the same.
    #[must_use]
    pub fn newer_than(mut self, time: SystemTime) -> Search {
        self.newer_than = Some(time);
        self
    }

    /// Leaves cores alone that a collector has kept of other users' processes than these.
    ///
    /// A collector keeps the cores of everybody, in files that are root's. Files that were given by name are taken all the
    /// same.
    #[must_use]
    pub fn of_users(mut self, users: impl IntoIterator<Item = u32>) -> Search {
        self.users.extend(users);
        self
    }

    /// Sets how much the search may cost.
    #[must_use]
    pub fn limits(mut self, limits: SearchLimits) -> Search {
        self.limits = limits;
        self
    }

    /// Searches. Trouble with one place or file never keeps the others from being found.
    pub fn run(&self) -> Found {
        let names = Names::of(&self.host);
        let mut collector = Collector::new(&names, self);
        let mut walk = Walk::new(&self.host, self.limits);
        let places = self.places(&names, &mut collector);
        let (mut searched, mut skipped) = (Vec::new(), Vec::new());
        for (index, place) in places.iter().enumerate() {
            collector.enter(index, place.own);
            if walk.has_no_time() {
                skipped.push(place.path.clone());
                searched.push(SearchedPlace { path: path_text(&place.path), ..SearchedPlace::default() });
                continue;
            }
            let depth = place.depth.unwrap_or(self.limits.depth);
            walk.only_changed_since(collector.newer_than().filter(|_| place.changed_only));
            let problem = walk.walk(&place.path, depth, &mut |entry| collector.visit(&entry));
            searched.push(SearchedPlace { path: path_text(&place.path), cores: 0, problem });
            if walk.ran_out_of_time() {
                skipped.push(place.path.clone());
            }
        }
        let mut found = collector.finish(searched, walk.limits_hit());
        found.skipped = skipped;
        let mut places = places.iter();
        found.places.retain(|searched| {
            places.next().is_none_or(|place| match place.listed {
                Listed::Always => true,
                Listed::IfThere => place.path.exists(),
                Listed::IfUseful => searched.cores > 0,
            })
        });
        found
    }

    /// Returns the folders to search, likelier ones first; takes the given files on the way.
    fn places(&self, names: &Names, collector: &mut Collector<'_>) -> Vec<Place> {
        let mut places = Vec::new();
        for path in &self.given {
            if path.is_dir() {
                places.push(Place::tree(path));
            } else {
                collector.given(path);
            }
        }
        if self.usual || self.changed || self.destination {
            places.extend(places::of_pattern(&self.host, names.pattern()));
            places.extend(places::of_handler(&self.host));
        }
        places.extend(self.folders.iter().map(|(path, depth)| Place::folder(path, *depth)));
        places.extend(self.trees.iter().map(Place::tree));
        if self.usual {
            places.extend(places::usual(&self.host, self.home.as_deref()));
            places.extend(places::of_processes(&self.host));
        }
        if self.changed && !self.usual {
            places.push(places::changed(&self.host));
        }
        if self.usual || (self.changed || self.destination) && names.pattern().is_none() {
            places.extend(places::of_collectors(&self.host));
        }
        places
    }
}

#[cfg(test)]
mod tests;

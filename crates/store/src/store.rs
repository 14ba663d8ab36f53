//! The one door to all kinds of stores.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::backend::{Dav, Folder, Objects};
use crate::circleci::CircleCi;
use crate::github::Github;
use crate::gitlab::Gitlab;
use crate::keyed::Keyed;
use crate::listing::{Artifact, Listing};
use crate::location::Location;
use crate::opened::Opened;
use crate::outcome::{Collected, Pulled, Pushed};
use crate::runtime::Blocking;
use crate::{DebuginfodFile, Progress, PushOptions, Selection, Spool, Spooled, StoreError, StoreOptions};

/// A place that artifacts are pushed to and pulled from.
///
/// All methods block. Those of a store on the network panic if they are called from within a worker of an
/// asynchronous runtime; a thread for blocking work is fine.
#[derive(Debug)]
pub struct Store {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Keyed(Box<Keyed>),
    CircleCi(Box<CircleCi>),
    Github(Box<Github>),
    Gitlab(Box<Gitlab>),
}

impl Store {
    /// Opens a store with the default options: [`open_with`](Self::open_with).
    pub fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_with(url, &StoreOptions::default())
    }

    /// Opens a store: a folder, by a plain path or `file:///absolute/path`, an object store, by `s3://BUCKET/PREFIX`,
    /// `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`, a web server that takes files, by `https://HOST/PATH/`, or what a CI
    /// system keeps, by the address of a page of its web application. Short forms of those: `circleci://github/ORG/REPO/`
    /// and a job's number, `workflows/ID`, `pipelines/NUMBER` or `latest?branch=NAME&filter=failed`;
    /// `github://OWNER/REPO/runs/ID`; `gitlab://GROUP/PROJECT/-/jobs/ID` and
    /// `gitlab://GROUP/PROJECT/-/packages/generic/NAME/VERSION`. Nothing is read, created or asked for yet.
    pub fn open_with(url: &str, options: &StoreOptions) -> Result<Self, StoreError> {
        let kind = match Location::parse(url, options.circleci_url.as_deref())? {
            Location::Folder(path) => {
                let folder = Box::new(Folder::new(path));
                Kind::Keyed(Box::new(Keyed::new(folder, Blocking::local()?, options)))
            }
            Location::Objects(url) => {
                let objects = Box::new(Objects::open(&url, options)?);
                Kind::Keyed(Box::new(Keyed::new(objects, Blocking::network()?, options)))
            }
            Location::CircleCi(address) => Kind::CircleCi(Box::new(CircleCi::new(address, options)?)),
            Location::Github(run) => Kind::Github(Box::new(Github::new(run, options)?)),
            Location::Gitlab(place) => Kind::Gitlab(Box::new(Gitlab::new(place, options)?)),
            Location::Http(url) => {
                let server = Box::new(Dav::new(url, options)?);
                Kind::Keyed(Box::new(Keyed::new(server, Blocking::network()?, options)))
            }
        };
        Ok(Self { kind })
    }

    /// Where the store is, as a person may see it.
    pub fn url(&self) -> String {
        match &self.kind {
            Kind::Keyed(store) => store.url(),
            Kind::CircleCi(store) => store.url(),
            Kind::Github(store) => store.url(),
            Kind::Gitlab(store) => store.url(),
        }
    }

    /// The same, and a folder by its absolute path: what names the store also from another folder.
    pub fn address(&self) -> Result<String, StoreError> {
        match &self.kind {
            Kind::Keyed(store) => store.address(),
            Kind::CircleCi(_) | Kind::Github(_) | Kind::Gitlab(_) => Ok(self.url()),
        }
    }

    /// Copies files and folders into the store. Links inside of a folder are not followed, and what is no file is
    /// left out; [`Pushed`] tells. The push becomes visible as a whole, at its end; in a package of GitLab, each file by
    /// itself.
    ///
    /// An error means that nothing became visible. A file that can't be read or stored is no such error.
    pub fn push(
        &self,
        sources: &[PathBuf],
        options: &PushOptions,
        progress: &dyn Progress,
    ) -> Result<Pushed, StoreError> {
        match &self.kind {
            Kind::Keyed(store) => store.push(sources, options, progress),
            Kind::Gitlab(store) => store.push(sources, options, progress),
            Kind::CircleCi(_) | Kind::Github(_) => Err(StoreError::ReadOnly { store: self.url() }),
        }
    }

    /// Does the first half of a [`push`](Self::push) without the store: finds the files, and keeps them in a spool, from
    /// which [`push_spooled`](Self::push_spooled) sends them, if need be later and from another process.
    ///
    /// An error means that nothing was kept.
    pub fn spool(
        &self,
        spool: &Spool,
        sources: &[PathBuf],
        options: &PushOptions,
    ) -> Result<Spooled, StoreError> {
        match &self.kind {
            Kind::Keyed(store) => store.spool(spool, sources, options),
            Kind::CircleCi(_) | Kind::Github(_) | Kind::Gitlab(_) => {
                Err(StoreError::ReadOnly { store: self.url() })
            }
        }
    }

    /// Sends what a spool keeps of a push. What has arrived becomes visible and leaves the spool; whatever happens, a push
    /// that is sent again is seen once, and what failed waits for the next attempt.
    pub fn push_spooled(&self, spooled: &mut Spooled, progress: &dyn Progress) -> Result<Pushed, StoreError> {
        match &self.kind {
            Kind::Keyed(store) => store.push_spooled(spooled, progress),
            Kind::CircleCi(_) | Kind::Github(_) | Kind::Gitlab(_) => {
                Err(StoreError::ReadOnly { store: self.url() })
            }
        }
    }

    /// Lists the selected jobs and artifacts, the newest job first.
    pub fn ls(&self, selection: &Selection) -> Result<Listing, StoreError> {
        self.newest(selection, usize::MAX)
    }

    /// Lists only so many of the selected jobs, the newest ones; the manifests of the others are not read.
    pub fn newest(&self, selection: &Selection, most: usize) -> Result<Listing, StoreError> {
        match &self.kind {
            Kind::Keyed(store) => store.ls(selection, most),
            Kind::CircleCi(store) => store.ls(selection),
            Kind::Github(store) => store.ls(selection),
            Kind::Gitlab(store) => store.ls(selection),
        }
    }

    /// Reads one artifact of a listing into memory, unless it is longer than `limit` bytes. What the store knows of its
    /// content is checked.
    pub fn read(&self, artifact: &Artifact, limit: u64) -> Result<Vec<u8>, StoreError> {
        match &self.kind {
            Kind::Keyed(store) => store.read(artifact, limit),
            Kind::CircleCi(store) => store.read(artifact, limit),
            Kind::Github(store) => store.read(artifact, limit),
            Kind::Gitlab(store) => store.read(artifact, limit),
        }
    }

    /// Opens one artifact of a listing for reading, or a part of it: bytes from `range.start` to before `range.end`,
    /// which must lie within its size. What the store knows of its content is checked where all of it is read: then
    /// the last piece of damaged content is an error.
    pub fn open_artifact(
        &self,
        artifact: &Artifact,
        range: Option<Range<u64>>,
    ) -> Result<Opened, StoreError> {
        match &self.kind {
            Kind::Keyed(store) => store.open(artifact, range),
            Kind::CircleCi(store) => store.open(artifact, range.as_ref()),
            Kind::Github(store) => store.open(artifact, range.as_ref()),
            Kind::Gitlab(store) => store.open(artifact, range.as_ref()),
        }
    }

    /// Opens the file that a debugger finds under a build ID (hex digits), or a part of it, as
    /// [`open_artifact`](Self::open_artifact) does; none if the store has no such file.
    pub fn open_build_id(
        &self,
        build_id: &str,
        kind: DebuginfodFile,
        range: Option<Range<u64>>,
    ) -> Result<Option<Opened>, StoreError> {
        match &self.kind {
            Kind::Keyed(store) => store.open_build_id(build_id, kind, range),
            // Its artifacts are known by their paths alone.
            Kind::CircleCi(_) | Kind::Github(_) | Kind::Gitlab(_) => Ok(None),
        }
    }

    /// Removes pushes that are older than `age` by the store's clock, and content that no push names any more and that
    /// is older than a day. Pushes may run meanwhile: nothing that they name is lost. With `dry_run` it only tells what
    /// would be removed, by the clock of this host.
    ///
    /// A manifest that can't be read is an error, since what it names can't be told from what nobody names.
    pub fn gc(&self, age: Duration, dry_run: bool) -> Result<Collected, StoreError> {
        match &self.kind {
            Kind::Keyed(store) => store.gc(age, dry_run),
            Kind::CircleCi(_) | Kind::Github(_) | Kind::Gitlab(_) => {
                Err(StoreError::ReadOnly { store: self.url() })
            }
        }
    }

    /// Copies the selected artifacts of one job, the newest that is selected, into a folder.
    ///
    /// Files go to `<path>`; to `<node>/<path>` if several nodes of the job have the same path, and always from
    /// CircleCI; to `<job>/<node>/<path>` from a workflow or a pipeline of CircleCI, all of whose jobs are pulled. Files
    /// that are there already are not copied again, and a transfer that was interrupted goes on where it stopped. An error means that nothing was copied; files that failed are listed in [`Pulled`].
    pub fn pull(
        &self,
        dir: &Path,
        selection: &Selection,
        progress: &dyn Progress,
    ) -> Result<Pulled, StoreError> {
        match &self.kind {
            Kind::Keyed(store) => store.pull(dir, selection, progress),
            Kind::CircleCi(store) => store.pull(dir, selection, progress),
            Kind::Github(store) => store.pull(dir, selection, progress),
            Kind::Gitlab(store) => store.pull(dir, selection, progress),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_can_be_shared_between_threads() {
        fn is_shared<T: Send + Sync>(_: &T) {}
        is_shared(&Store::open("circleci://gh/acme/app/1").unwrap());
    }

    #[test]
    fn opening_touches_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        assert_eq!(Store::open(path.to_str().unwrap()).unwrap().url(), path.display().to_string());
        assert!(!path.exists());
        assert_eq!(Store::open("circleci://gh/acme/app/1").unwrap().url(), "circleci://github/acme/app/1");
    }
}

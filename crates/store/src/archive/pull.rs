//! Several artifacts at once: each is fetched, checked against what its CI system says of it, and unpacked.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Seek};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread::{self, Scope};

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::oneshot;
use url::Url;

use super::unpack::{Unpacked, Unpacking};
use crate::download::{Downloads, Part};
use crate::fuse::Fuse;
use crate::hash::{CopyError, copy_hashed};
use crate::http::Service;
use crate::outcome::{Failed, Pulled};
use crate::paths::SafePath;
use crate::target::Target;
use crate::{Progress, StoreError};

/// How zip archives begin, and how an empty one does (APPNOTE.TXT 4.3.7, 4.3.16).
const MAGICS: [&[u8; 4]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// What is done with a file that has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unpack {
    /// Its files go to a folder of its name.
    IntoFolder,
    /// Its files go into the target itself.
    Here,
    /// It is no archive, or is meant as one: it is kept under its name.
    Not,
}

/// An artifact that is served as one file.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    /// The artifact's name; of what is not unpacked, its path. Hostile.
    pub(crate) name: String,
    pub(crate) unpack: Unpack,
    pub(crate) url: Url,
    /// Its size in bytes, where it is told.
    pub(crate) size: Option<u64>,
    /// Its SHA-256 in lower-case hex, where it is told.
    pub(crate) sha256: Option<String>,
}

impl Incoming {
    /// What the target remembers it by: another file may be put under the same URL.
    fn source(&self) -> String {
        format!("{}\n{}", self.url, self.sha256.as_deref().unwrap_or_default())
    }
}

/// What became of an artifact.
enum Arrival {
    /// All of its files were there already.
    Present(u64),
    Unpacked {
        bytes: u64,
        unpacked: Unpacked,
    },
}

/// Fetches and unpacks artifacts into a folder; completes `pulled` with what came of them.
pub(crate) fn pull(
    service: &Service,
    incoming: Vec<Incoming>,
    dir: &Path,
    progress: &dyn Progress,
    mut pulled: Pulled,
) -> Result<Pulled, StoreError> {
    let target = Target::open(dir)?;
    let downloads =
        Downloads { client: service.client(), network: service.network(), target: &target, progress };
    let sizes = incoming.iter().map(|artifact| artifact.size).sum();
    progress.total(incoming.len() as u64, sizes);
    let mut named = Vec::new();
    let mut taken = HashSet::new();
    for artifact in incoming {
        let path = path_on_its_way(&artifact).and_then(|path| {
            let first = taken.insert(path.clone());
            first.then_some(path).ok_or_else(|| StoreError::ListedTwice { path: artifact.name.clone() })
        });
        match path {
            Ok(path) => named.push((artifact, path)),
            Err(error) => count(&artifact.name, Err(error), progress, &mut pulled),
        }
    }
    let fuse = Fuse::new(service.network().transfers);
    let fuse = &fuse;
    thread::scope(|scope| {
        service.block_on(async {
            let transfers = named.iter().map(|(artifact, path)| async move {
                (path.as_str(), fetch(artifact, path, downloads, fuse, scope).await)
            });
            let mut arrivals = stream::iter(transfers).buffer_unordered(service.network().transfers.max(1));
            while let Some((name, arrival)) = arrivals.next().await {
                count(name, arrival, progress, &mut pulled);
            }
        });
    });
    Ok(pulled)
}

/// Returns the path under which an artifact is fetched. An archive never gets it: its name has to be one of a folder.
fn path_on_its_way(artifact: &Incoming) -> Result<SafePath, StoreError> {
    let path = SafePath::parse(None, &artifact.name)?;
    if artifact.unpack == Unpack::Not {
        return Ok(path);
    }
    if path.split().0.next().is_some() {
        return Err(StoreError::UnsafePath {
            path: artifact.name.clone(),
            why: "it is no name of a single folder",
        });
    }
    SafePath::parse(None, &format!("{}.zip", artifact.name))
}

fn count(name: &str, arrival: Result<Arrival, StoreError>, progress: &dyn Progress, pulled: &mut Pulled) {
    match arrival {
        Ok(Arrival::Present(files)) => {
            progress.skipped(name, "it is there already");
            pulled.present += files;
        }
        Ok(Arrival::Unpacked { bytes, unpacked }) => {
            progress.finished(name);
            pulled.bytes += bytes;
            pulled.fetched += unpacked.files;
            pulled.failed.extend(unpacked.failed);
            pulled.warnings.extend(unpacked.warnings);
        }
        Err(error) => {
            progress.failed(name, &error);
            pulled.failed.push(Failed { path: name.to_owned(), error });
        }
    }
}

async fn fetch<'scope, 'env>(
    artifact: &'env Incoming,
    path: &'env SafePath,
    downloads: Downloads<'env>,
    fuse: &Fuse,
    scope: &'scope Scope<'scope, 'env>,
) -> Result<Arrival, StoreError> {
    if let Some(files) = downloads.target.holds_unpacked(&artifact.source()) {
        return Ok(Arrival::Present(files));
    }
    fuse.check(path.as_str())?;
    let (part, bytes) = fuse.note(downloads.fetch_part(&artifact.url, path).await)?;
    let (reply, answer) = oneshot::channel();
    let target = downloads.target;
    // Unpacking takes long, and the other transfers must not wait for it.
    scope.spawn(move || {
        // Nobody listens any more where the pull is over.
        let _ = reply.send(finish(artifact, part, target));
    });
    let ended_early = |_| StoreError::Io {
        action: "unpack",
        path: path.as_str().into(),
        source: io::Error::other("the thread that unpacks it has ended early"),
    };
    Ok(Arrival::Unpacked { bytes, unpacked: answer.await.map_err(ended_early)?? })
}

/// Checks and unpacks what has arrived, and deletes it unless the next pull can do better with it.
fn finish(artifact: &Incoming, part: Part<'_>, target: &Target) -> Result<Unpacked, StoreError> {
    if let Err(error) = check_digest(artifact, part.file()) {
        part.remove();
        return Err(error);
    }
    let source = artifact.source();
    let folder = (artifact.unpack == Unpack::IntoFolder).then_some(artifact.name.as_str());
    match (artifact.unpack, is_zip(part.file())) {
        (Unpack::Here, false) => {
            part.remove();
            let why = "it is no zip archive".to_owned();
            return Err(StoreError::BadArchive { archive: artifact.name.clone(), why });
        }
        // GitHub serves what was stored without an archive around it as it is.
        (Unpack::Not, _) | (Unpack::IntoFolder, false) => {
            part.finish_as(&SafePath::parse(folder, &artifact.name)?, &source)?;
            target.add_unpacked(&source, 1);
            return Ok(Unpacked { files: 1, ..Unpacked::default() });
        }
        (Unpack::Here | Unpack::IntoFolder, true) => {}
    }
    let unpacking = Unpacking { name: &artifact.name, folder, source: &source, target };
    let unpacked = unpacking.run(part.file());
    if !matches!(unpacked, Err(StoreError::Io { .. })) {
        part.remove();
    }
    unpacked
}

fn check_digest(artifact: &Incoming, mut file: &File) -> Result<(), StoreError> {
    let Some(expected) = &artifact.sha256 else { return Ok(()) };
    let failed = |source| StoreError::Io { action: "read", path: artifact.name.clone().into(), source };
    file.rewind().map_err(failed)?;
    let copied = copy_hashed(&mut file, &mut io::sink(), |_| ()).map_err(|error| match error {
        CopyError::Read(source) | CopyError::Write(source) => failed(source),
    })?;
    if copied.sha256 == *expected {
        return Ok(());
    }
    let (path, expected) = (artifact.name.clone(), expected.clone());
    Err(StoreError::WrongDigest { path, expected, found: copied.sha256 })
}

fn is_zip(file: &File) -> bool {
    let mut magic = [0; 4];
    file.read_exact_at(&mut magic, 0).is_ok() && MAGICS.contains(&&magic)
}

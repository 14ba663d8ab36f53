//! Fetching what was planned, some files at a time.

use futures_util::StreamExt;
use futures_util::stream;
use url::Url;

use super::plan::{Plan, Wanted};
use crate::StoreError;
use crate::download::Downloads;
use crate::fuse::Fuse;
use crate::outcome::{Failed, Pulled};
use crate::paths::SafePath;

/// What became of one artifact.
enum Arrival {
    Fetched { bytes: u64 },
    Present,
}

/// Fetches all files, and adds what became of each to `pulled`. `locate` checks where an artifact is said to be.
pub(super) async fn fetch_all(
    plan: Plan,
    downloads: Downloads<'_>,
    locate: impl Fn(&str) -> Result<Url, StoreError>,
    pulled: &mut Pulled,
) {
    let progress = downloads.progress;
    let fuse = Fuse::new(downloads.network.transfers);
    let (fuse, locate) = (&fuse, &locate);
    let transfers = plan.files.into_iter().map(|Wanted { name, url, path }| async move {
        let local = path.as_ref().map_or_else(|_| name.clone(), |path| path.as_str().to_owned());
        let arrival = match path.and_then(|path| Ok((locate(&url)?, path))) {
            Ok((url, path)) => fetch(&url, &path, downloads, fuse).await,
            Err(error) => Err(error),
        };
        (name, local, arrival)
    });
    let mut arrivals = stream::iter(transfers).buffer_unordered(downloads.network.transfers.max(1));
    while let Some((name, local, arrival)) = arrivals.next().await {
        match arrival {
            Ok(Arrival::Fetched { bytes }) => {
                progress.finished(&local);
                pulled.fetched += 1;
                pulled.bytes += bytes;
            }
            Ok(Arrival::Present) => {
                progress.skipped(&local, "it is there already");
                pulled.present += 1;
            }
            Err(error) => {
                progress.failed(&local, &error);
                pulled.failed.push(Failed { path: name, error });
            }
        }
    }
}

async fn fetch(
    url: &Url,
    path: &SafePath,
    downloads: Downloads<'_>,
    fuse: &Fuse,
) -> Result<Arrival, StoreError> {
    if downloads.target.holds(path, url.as_str()) {
        return Ok(Arrival::Present);
    }
    fuse.check(path.as_str())?;
    let bytes = fuse.note(downloads.fetch(url, path).await)?;
    Ok(Arrival::Fetched { bytes })
}

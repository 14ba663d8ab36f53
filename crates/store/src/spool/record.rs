//! What is known of a push that waits, but for its files.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::files::{open_regular, read_capped};
use crate::job::JobId;
use crate::keyed::{Planned, PushOptions};

/// The schema that this version writes, and the only one that it reads.
const SCHEMA: &str = "epitaph-spool/1";

/// Its name.
pub(super) const RECORD: &str = "push.json";

/// Its name before it is whole.
const UNFINISHED: &str = "push.json.part";

/// A record of half a million files with paths of usual length is shorter.
const LONGEST: u64 = 128 << 20;

/// `push.json`. It holds no secret: who may push comes from the environment of whoever does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    schema: String,
    /// The store, as a person may see it; a folder by its absolute path.
    pub(super) url: String,
    /// RFC 3339, UTC.
    created: String,
    provider: String,
    repo: String,
    job: String,
    node: String,
    #[serde(default)]
    destination: Option<String>,
    /// The bytes of the disk that the files take, as long as not all of them were kept.
    pub(super) room: u64,
    pub(super) files: Vec<Kept>,
}

/// A file of the push; its content is in the file that is named by its index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Its artifact path.
    pub(super) path: String,
    /// Where it was found. It is not read from there again.
    pub(super) source: String,
    /// In bytes, when it was found.
    pub(super) size: u64,
}

impl Record {
    pub(super) fn new(
        url: &str,
        options: &PushOptions,
        created: Timestamp,
        room: u64,
        files: Vec<Planned>,
    ) -> Self {
        let JobId { provider, repo, job, node } = options.job.clone();
        let kept = |file: Planned| Kept {
            path: file.artifact,
            source: file.source.display().to_string(),
            size: file.size,
        };
        let files = files.into_iter().map(kept).collect();
        let (schema, created) = (SCHEMA.to_owned(), created.to_string());
        let (url, destination) = (url.to_owned(), options.destination.clone());
        Self { schema, url, created, provider, repo, job, node, destination, room, files }
    }

    /// When the push was made.
    pub(super) fn created(&self) -> Timestamp {
        // What `read` has let pass is one.
        self.created.parse().unwrap_or(Timestamp::UNIX_EPOCH)
    }

    pub(super) fn options(&self) -> PushOptions {
        let (provider, repo) = (self.provider.clone(), self.repo.clone());
        let job = JobId { provider, repo, job: self.job.clone(), node: self.node.clone() };
        PushOptions { destination: self.destination.clone(), job }
    }

    /// Reads the record of the push in that folder; none if there is none.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, StoreError> {
        let path = folder.join(RECORD);
        let mut file = match open_regular(&path) {
            Ok(file) => file,
            Err(error) if error.is_absent() => return Ok(None),
            Err(error) => return Err(error),
        };
        let bytes = read_capped(&mut file, LONGEST).map_err(StoreError::io("read", &path))?;
        let bad = |why| StoreError::BadSpool { path: path.clone(), why };
        let record: Self = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        if record.schema != SCHEMA {
            return Err(bad(format!("its schema is `{}`, not `{SCHEMA}`", record.schema.escape_default())));
        }
        if record.created.parse::<Timestamp>().is_err() {
            return Err(bad("it doesn't say when it was made".to_owned()));
        }
        Ok(Some(record))
    }

    /// Writes the record into the folder of its push, whole or not at all.
    pub(super) fn write(&self, folder: &Path) -> Result<(), StoreError> {
        let (unfinished, path) = (folder.join(UNFINISHED), folder.join(RECORD));
        let failed = || StoreError::io("write", &path);
        let mut text = serde_json::to_vec(self).map_err(|error| failed()(error.into()))?;
        text.push(b'\n');
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished);
        file.and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_data())).map_err(failed())?;
        fs::rename(&unfinished, &path).map_err(failed())
    }
}

//! Moves named blobs to and from stores.
//!
//! A [`Store`] is opened by its URL. A folder (a plain path or `file:///…`), an object store (`s3://…`, `gs://…`,
//! `az://…`) or a web server (`https://…`) takes pushes of any files or folders, as CircleCI's `store_artifacts` does, and
//! gives them back; the artifacts of jobs of CircleCI, GitHub Actions and GitLab (by the addresses of their pages,
//! `circleci://…`, `github://…`, `gitlab://…`) can be listed and pulled. [`Debuginfod`] gets files by their build ID from
//! debuginfod servers. This crate is the only one that speaks to the network, and the only asynchronous one: it blocks
//! outside and keeps a small runtime inside, so it must not be called from within another runtime's worker.
//!
//! It is *not* a place for what a crash means. It knows three names in a pushed tree (`crashes/<id>/summary.json`,
//! `buildid/<hex>/…` and cores), because queries and debuggers look for the first two and the last one goes last, and
//! reads no core.
//!
//! Everything that a store answers is hostile: paths never lead out of the target folder, tokens go only to hosts
//! that may have them, damaged content is refused, and one file's failure doesn't stop the others.
//!
//! ```
//! use epitaph_store::{JobId, NoProgress, PushOptions, Selection, Store};
//!
//! let dir = tempfile::tempdir()?;
//! std::fs::write(dir.path().join("core.4711"), "not really a core")?;
//!
//! let store = Store::open(dir.path().join("store").to_str().unwrap())?;
//! let options = PushOptions { destination: Some("crashes".into()), job: JobId::local("nightly") };
//! let pushed = store.push(&[dir.path().join("core.4711")], &options, &NoProgress)?;
//! assert_eq!(pushed.artifacts[0].path, "crashes");
//!
//! let pulled = store.pull(&dir.path().join("back"), &Selection::default(), &NoProgress)?;
//! assert_eq!((pulled.fetched, pulled.failed.len()), (1, 0));
//! assert_eq!(std::fs::read_to_string(dir.path().join("back/crashes"))?, "not really a core");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod archive;
mod backend;
mod circleci;
mod debuginfod;
mod download;
mod encrypt;
mod error;
mod files;
mod fuse;
mod github;
mod gitlab;
mod hash;
mod http;
mod job;
mod keyed;
mod kind;
mod layout;
mod listing;
mod location;
mod login;
mod opened;
mod options;
mod outcome;
mod paths;
mod progress;
mod runtime;
mod spool;
mod store;
mod target;
mod token;
mod warning;

pub use debuginfod::{
    Debuginfod, DebuginfodFile, DebuginfodOptions, DebuginfodWanted, LookUpLimits, LookUps,
};
pub use encrypt::Encrypt;
pub use error::StoreError;
pub use job::JobId;
pub use keyed::PushOptions;
pub use kind::StoreKind;
pub use listing::{Artifact, Listing, Run, Selection};
pub use login::HttpLogin;
pub use opened::Opened;
pub use options::{CloudSettings, GitlabToken, Network, OidcToken, StoreOptions};
pub use outcome::{Collected, Failed, Pulled, Pushed, Skipped};
pub use progress::{NoProgress, Progress};
pub use spool::{Spool, Spooled};
pub use store::Store;
pub use target::pulled_files;
pub use token::Token;
pub use warning::Warning;

//! Shows a store of crashes over HTTP, read-only.
//!
//! A [`Server`] shows a [`Source`]: a store, or a folder as `collect` and `pull` write it. It has a page of the newest
//! jobs, a page a job with its crashes and artifacts, lists in the shape of CircleCI's API v1.1 and v2, the artifacts
//! themselves in whole or in part, and files by build ID for debuggers, as debuginfod serves them.
//!
//! It is *not* a place that writes, and not one that explains: what a crash was stands in its summary.
//!
//! What it shows is hostile: names, summaries and pages that crashed programs and their jobs chose. So names are looked
//! up in lists rather than opened, pages have no rights in a browser, and nothing is answered to a client that calls the
//! server by a name that isn't its own. What stands around it is hostile too: slow clients cost a connection of a
//! bounded number and a piece of memory, and nothing else.
//!
//! A request flows through `server` (connections), `guard` (whom to answer), `site` (which path is whose) to `page`,
//! `api`, `artifact` or `build_id`; they ask `catalog` and `crashes` what there is, and answer with files by `download`.
//!
//! ```no_run
//! use epitaph_serve::{Options, Server, Source};
//! use epitaph_store::StoreOptions;
//!
//! let source = Source::open("file:///srv/crashes", &StoreOptions::default())?;
//! let server = Server::bind(source, &Options::default(), |problem| drop(problem.to_string()))?;
//! assert_eq!(server.url(), "http://127.0.0.1:8080/");
//! server.run(|| ())?; // until SIGINT or SIGTERM
//! # Ok::<(), epitaph_serve::ServeError>(())
//! ```

mod api;
mod artifact;
mod blocking;
mod build_id;
mod catalog;
mod condition;
mod crashes;
mod download;
mod error;
mod failure;
mod guard;
mod host;
mod link;
mod media;
mod options;
mod page;
mod public;
mod range;
mod server;
mod site;
mod source;
mod stall;
mod token;

pub use error::ServeError;
pub use options::{Limits, Options};
pub use server::Server;
pub use source::Source;
pub use token::AccessToken;

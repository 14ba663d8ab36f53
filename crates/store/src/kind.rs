//! Which kind of store a URL names, and so whose credentials it takes.

use crate::StoreError;
use crate::location::Location;

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// A folder of this host.
    Folder,
    /// An object store.
    Objects,
    /// A web server that takes files.
    Web,
    /// What CircleCI keeps.
    CircleCi,
    /// What GitHub keeps.
    Github,
    /// What GitLab keeps.
    Gitlab,
}

impl StoreKind {
    /// The kind of the store that [`Store::open_with`](crate::Store::open_with) opens. `circleci_url` is the one of its options.
    ///
    /// ```
    /// use epitaph_store::StoreKind;
    ///
    /// assert_eq!(StoreKind::of("s3://crashes/app", None)?, StoreKind::Objects);
    /// assert_eq!(StoreKind::of("https://github.com/acme/app/actions/runs/7", None)?, StoreKind::Github);
    /// # Ok::<(), epitaph_store::StoreError>(())
    /// ```
    pub fn of(url: &str, circleci_url: Option<&str>) -> Result<Self, StoreError> {
        Ok(match Location::parse(url, circleci_url)? {
            Location::Folder(_) => Self::Folder,
            Location::Objects(_) => Self::Objects,
            Location::Http(_) => Self::Web,
            Location::CircleCi(_) => Self::CircleCi,
            Location::Github(_) => Self::Github,
            Location::Gitlab(_) => Self::Gitlab,
        })
    }
}

//! What all requests share, and which of them is answered by whom.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::get;

use crate::catalog::Catalog;
use crate::crashes::Crashes;
use crate::host::Hosts;
use crate::options::Limits;
use crate::public::PublicUrl;
use crate::source::{Files, Source};
use crate::token::AccessToken;
use crate::{ServeError, api, artifact, build_id, guard, page};

/// Is told why a request failed that should not have.
pub(crate) type OnProblem = Arc<dyn Fn(&ServeError) + Send + Sync>;

/// The state of a server.
pub(crate) struct Site {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) catalog: Catalog,
    pub(crate) crashes: Crashes,
    pub(crate) hosts: Hosts,
    pub(crate) public: Option<PublicUrl>,
    pub(crate) token: Option<AccessToken>,
    pub(crate) limits: Limits,
    pub(crate) on_problem: OnProblem,
}

impl Site {
    pub(crate) fn new(
        source: Source,
        hosts: Hosts,
        public: Option<PublicUrl>,
        token: Option<AccessToken>,
        limits: Limits,
        on_problem: OnProblem,
    ) -> Self {
        let files: Arc<dyn Files> = Arc::from(source.files);
        let catalog = Catalog::new(Arc::clone(&files));
        Self { files, catalog, crashes: Crashes::default(), hosts, public, token, limits, on_problem }
    }
}

/// Which path is answered by whom. Only GET and HEAD are answered.
pub(crate) fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(page::jobs))
        .route("/jobs/{provider}/{repo}/{job}", get(page::job))
        .route("/artifacts/{provider}/{repo}/{job}/{node}/{*path}", get(artifact::get))
        .route("/buildid/{id}/{kind}", get(build_id::get))
        .route("/api/v1.1/project/{vcs}/{*rest}", get(api::v1))
        .route("/api/v2/project/{vcs}/{*rest}", get(api::v2))
        .layer(middleware::from_fn_with_state(Arc::clone(&site), guard::guard))
        .with_state(site)
}

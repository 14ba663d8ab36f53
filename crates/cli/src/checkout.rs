//! Where the checkout of the repository is, so that files can be named as the repository does.

use std::path::{Path, PathBuf};

use crate::environment::variable;

/// The variables by which CI systems name the folder of the checkout: GitHub Actions, GitLab, Azure Pipelines, Buildkite,
/// Jenkins, CircleCI.
const CHECKOUTS: [&str; 6] = [
    "GITHUB_WORKSPACE",
    "CI_PROJECT_DIR",
    "BUILD_SOURCESDIRECTORY",
    "BUILDKITE_BUILD_CHECKOUT_PATH",
    "WORKSPACE",
    "CIRCLE_WORKING_DIRECTORY",
];

/// Returns the folder that the user named, or else what the CI system names, or else this one.
pub(crate) fn repository(given: Option<&Path>) -> Option<PathBuf> {
    let absolute = |path: &Path| path.canonicalize().ok();
    let told = || {
        let folders = CHECKOUTS.iter().filter_map(|name| variable(name)).map(PathBuf::from);
        // CircleCI may say `~/project`.
        folders.into_iter().find(|folder| folder.is_absolute())
    };
    given.and_then(absolute).or_else(told).or_else(|| std::env::current_dir().ok())
}

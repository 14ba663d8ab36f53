//! Programs that a test needs, and that a machine may lack.

use std::path::{Path, PathBuf};

use crate::skip;

/// Returns the path of a program in `PATH`.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

/// Returns the path of a program that `make test-all` installs from PyPI or npm into the target folder, or else of one in
/// `PATH`.
pub fn find_peer(program: &str) -> Option<PathBuf> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers");
    let own = ["bin", "node_modules/.bin"].map(|folder| peers.join(folder).join(program));
    own.into_iter().find(|candidate| candidate.is_file()).or_else(|| find(program))
}

/// Tells whether a program is in `PATH`.
pub fn have(program: &str) -> bool {
    find(program).is_some()
}

/// Tells whether all these programs are in `PATH`; when not, says that the running test is skipped.
///
/// ```
/// # use epitaph_testkit::tools;
/// if !tools::have_or_skip(&["gdb", "gcc"]) {
///     return;
/// }
/// ```
pub fn have_or_skip(programs: &[&str]) -> bool {
    let missing: Vec<&str> = programs.iter().copied().filter(|program| !have(program)).collect();
    if !missing.is_empty() {
        skip::skipped(&format!("not installed: {} (make setup installs it)", missing.join(", ")));
    }
    missing.is_empty()
}

/// Ends the running test, as skipped, unless all these programs are in `PATH`.
///
/// ```
/// fn gdb_agrees() {
///     epitaph_testkit::need_tool!("gdb", "gcc");
///     // …
/// }
/// ```
#[macro_export]
macro_rules! need_tool {
    ($($program:expr),+ $(,)?) => {
        if !$crate::tools::have_or_skip(&[$($program),+]) {
            return;
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_found_and_nonsense_is_not() {
        assert!(have("sh"));
        assert!(!have("no-program-has-this-name"));
        assert!(!have(""));
    }
}

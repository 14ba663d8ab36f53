//! The crash on purpose by which `doctor` and `collect` prove whether one leaves a core.

use epitaph_capture::{Canary, RunCommand};

/// Returns a canary that is this very program: what it takes to start one is here for sure.
pub(crate) fn of_this_program() -> std::io::Result<Canary> {
    Ok(Canary::new(RunCommand::new(std::env::current_exe()?, ["doctor", "--canary"])))
}

//! The facts about this host and job that every collected crash carries.

use epitaph_capture::{CorePattern, Host};
use epitaph_summary::Collection;

use crate::args::KeepArgs;
use crate::ci;

/// Returns the facts about this host and job, as `collect` has them.
pub(crate) fn here(host: &Host, args: &KeepArgs) -> Collection {
    let pattern = CorePattern::of(host).ok();
    Collection {
        command: Some("collect".to_owned()),
        core_pattern: pattern.map(|pattern| String::from_utf8_lossy(pattern.raw()).into_owned()),
        ci: ci::collected_in(args),
        ..Collection::default()
    }
}

//! Which CI job this is: one answer for summaries, stores and reports.

use epitaph_store::JobId;
use epitaph_summary::{CiJob, CiProvider};

use crate::args::{CiArgs, CiChoice, KeepArgs};
use crate::environment::{in_ci, masks, variable};

/// What a CI system documents but doesn't tell.
const UNKNOWN: &str = "unknown";

/// Returns the CI system that this runs in.
pub(crate) fn provider(args: CiArgs) -> Option<CiProvider> {
    match args.choice {
        CiChoice::Auto => CiProvider::detect(variable),
        CiChoice::None => None,
        CiChoice::Is(provider) => Some(provider),
    }
}

/// Returns the job that this runs in. No value of a variable that is named as a secret gets into it.
fn job(args: CiArgs) -> Option<CiJob> {
    let provider = provider(args)?;
    let masks = masks();
    Some(CiJob::of(provider, |name| variable(name).map(|value| masks.apply(&value))))
}

/// Returns the job that crashes are collected in, with where the files of their folder will be found.
pub(crate) fn collected_in(args: &KeepArgs) -> Option<CiJob> {
    job(args.ci).map(|job| job.stored_beneath(args.destination.as_deref()))
}

/// Returns the job by which artifacts are stored.
pub(crate) fn stored_as(args: CiArgs) -> JobId {
    let Some(job) = job(args) else { return JobId::local("local") };
    let or = |value: Option<String>, default: &str| value.unwrap_or_else(|| default.to_owned());
    JobId {
        provider: or(job.provider, UNKNOWN),
        repo: or(job.repo, UNKNOWN),
        job: or(job.run, UNKNOWN),
        node: or(job.node, "0"),
    }
}

/// Tells whether what is kept may be published by a CI system: because one is detected, or chosen. That none is chosen
/// makes artifacts no less public.
pub(crate) fn may_publish(args: &KeepArgs) -> bool {
    in_ci() || matches!(args.ci.choice, CiChoice::Is(_))
}

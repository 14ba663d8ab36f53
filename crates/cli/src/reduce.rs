//! What is kept of a core: all of it or what debuggers need, with its secrets or without.

use std::ops::Range;
use std::sync::Arc;

use epitaph_bundle::{OpenedCore, Reduction, SmallerCore};
use epitaph_elf::{CoreFile, ReadAt, Redact, RedactedCore, SlimCore, SlimOptions};
use epitaph_summary::{CrashSummary, Slim, Warning};
use epitaph_triage::Scrubber;

use crate::args::{KeepArgs, KeepCore, Scrub};
use crate::ci::may_publish;
use crate::environment;
use crate::error::{Error, of_core};

/// What is to be kept of one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    /// Nothing.
    Nothing,
    /// The core as it is.
    Raw,
    /// Less of it, or none of its secrets.
    Reduced {
        slim: bool,
        scrub: bool,
        /// Whether the core may be kept as it is, where this can't be done.
        or_raw: bool,
    },
}

impl Plan {
    /// Decides by the options, and by where this runs.
    fn of(args: &KeepArgs, core: &OpenedCore) -> Plan {
        Plan::within(may_publish(args), args.core, args.scrub, data_of(core) > args.slim_above)
    }

    fn within(in_ci: bool, keep: KeepCore, scrub: Scrub, large: bool) -> Plan {
        let slim = match keep {
            KeepCore::None => return Plan::Nothing,
            KeepCore::Full => false,
            KeepCore::Slim => true,
            KeepCore::Auto => in_ci || large,
        };
        let scrub = wants(scrub, in_ci && slim);
        if !slim && !scrub {
            return Plan::Raw;
        }
        Plan::Reduced { slim, scrub, or_raw: !in_ci && !scrub }
    }
}

/// Returns with how much data a core is still kept whole: 0 where none is.
pub(crate) fn whole_below(args: &KeepArgs) -> u64 {
    match Plan::within(may_publish(args), args.core, args.scrub, false) {
        Plan::Nothing | Plan::Reduced { slim: true, .. } => 0,
        Plan::Raw | Plan::Reduced { slim: false, .. } if args.core == KeepCore::Full => u64::MAX,
        Plan::Raw | Plan::Reduced { slim: false, .. } => args.slim_above,
    }
}

/// Decides whether secrets are overwritten, where `by_default` says what `auto` means.
pub(crate) fn wants(scrub: Scrub, by_default: bool) -> bool {
    match scrub {
        Scrub::Always => true,
        Scrub::Never => false,
        Scrub::Auto => by_default,
    }
}

/// The most memory in a core of which little more than the stacks is kept.
const STACKS_BUDGET: u64 = 256 << 10;

/// What less can be kept of a core, where there is no room for what is to be: each smaller than the one before.
pub(crate) struct Smaller<'a> {
    opened: &'a OpenedCore,
    cause: &'a [Range<u64>],
    scrub: bool,
    rungs: std::vec::IntoIter<Rung>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rung {
    Slim,
    Stacks,
}

impl Rung {
    /// The rungs below a plan, the largest first.
    fn below(plan: Plan) -> Vec<Rung> {
        match plan {
            Plan::Nothing => Vec::new(),
            Plan::Raw | Plan::Reduced { slim: false, .. } => vec![Rung::Slim, Rung::Stacks],
            Plan::Reduced { slim: true, .. } => vec![Rung::Stacks],
        }
    }
}

impl<'a> Smaller<'a> {
    /// Prepares what is smaller than what [`to_keep`] decides on.
    pub(crate) fn than_wanted(
        opened: &'a OpenedCore,
        args: &KeepArgs,
        cause: &'a [Range<u64>],
    ) -> Smaller<'a> {
        let rungs = Rung::below(Plan::of(args, opened)).into_iter();
        Smaller { opened, cause, scrub: wants(args.scrub, may_publish(args)), rungs }
    }
}

impl Iterator for Smaller<'_> {
    type Item = SmallerCore;

    fn next(&mut self) -> Option<SmallerCore> {
        loop {
            let (options, holds) = match self.rungs.next()? {
                Rung::Slim => {
                    let also = self.cause.to_vec();
                    (SlimOptions { also, ..SlimOptions::default() }, "what debuggers need".to_owned())
                }
                Rung::Stacks => {
                    let holds = format!("its notes and its stacks (at most {} KiB)", STACKS_BUDGET >> 10);
                    (SlimOptions { budget: STACKS_BUDGET, ..SlimOptions::default() }, holds)
                }
            };
            // Of what can't be made slim, nothing smaller can be made at all: then the story is what is kept.
            let Ok(made) = reduce(self.opened, Some(&options), self.scrub) else { continue };
            let text = (made.left_out > 0).then(|| secrets_left(self.opened, made.left_out));
            let masks = environment::masks();
            let warnings =
                text.map(|text| Warning::new("core_secrets_left", masks.apply(&text))).into_iter().collect();
            let ReducedCore { source, size, reduction, .. } = made;
            return Some(SmallerCore { source, size, reduction, holds, warnings });
        }
    }
}

/// How much data a core has, as far as its file tells: holes take no space on disk.
fn data_of(core: &OpenedCore) -> u64 {
    let is_packed = core.format != "elf";
    core.size_on_disk.filter(|_| !is_packed).map_or(core.size, |held| held.min(core.size))
}

/// What is kept of a core.
pub(crate) enum ToKeep {
    Nothing,
    /// The core as it is.
    Raw,
    /// What was made of it.
    Reduced(ReducedCore),
}

impl ToKeep {
    /// How many bytes there are to be stored, before they are compressed.
    pub(crate) fn size(&self, opened: &OpenedCore) -> u64 {
        match self {
            ToKeep::Nothing => 0,
            ToKeep::Raw => opened.size,
            ToKeep::Reduced(core) => core.size,
        }
    }
}

/// Codes of the warnings of [`to_keep`] that are not told otherwise.
pub(crate) const REDUCING: [&str; 2] = ["core_kept_whole", "core_secrets_left"];

/// Prepares what is kept of a core, a slim one with the memory that told its `cause`; what can't be done is a warning in
/// its summary.
pub(crate) fn to_keep(
    opened: &OpenedCore,
    args: &KeepArgs,
    cause: &[Range<u64>],
    summary: &mut CrashSummary,
) -> ToKeep {
    let (slim, scrub, or_raw) = match Plan::of(args, opened) {
        Plan::Nothing => return ToKeep::Nothing,
        Plan::Raw => return ToKeep::Raw,
        Plan::Reduced { slim, scrub, or_raw } => (slim, scrub, or_raw),
    };
    let path = opened.path.display();
    let mut warn = |code: &str, text: String| {
        summary.warnings.push(Warning::new(code, environment::masks().apply(&text)));
    };
    let slim = slim.then(|| SlimOptions { also: cause.to_vec(), ..SlimOptions::default() });
    match reduce(opened, slim.as_ref(), scrub) {
        Ok(core) => {
            if core.left_out > 0 {
                warn("core_secrets_left", secrets_left(opened, core.left_out));
            }
            ToKeep::Reduced(core)
        }
        Err(error) if or_raw => {
            warn("core_kept_whole", format!("{path} is kept whole: no slim core can be made of it: {error}"));
            ToKeep::Raw
        }
        Err(error) => {
            let text = format!(
                "the core was not stored: it may hold secrets, and no core without them can be made of it: {error}; the \
                 original stays at {path}, and --core full keeps it as it is"
            );
            warn("core_not_stored", text);
            ToKeep::Nothing
        }
    }
}

/// Says that not all secrets of a core were looked for.
pub(crate) fn secrets_left(opened: &OpenedCore, count: usize) -> String {
    let path = opened.path.display();
    format!(
        "{path}: {count} values that are named as secrets are too many: they may be left where no name is beside them"
    )
}

/// A core that was made of another.
pub(crate) struct ReducedCore {
    pub(crate) source: Box<dyn ReadAt>,
    pub(crate) size: u64,
    pub(crate) reduction: Reduction,
    /// How many secrets are not overwritten everywhere, because there are too many.
    left_out: usize,
}

/// Makes of a core what is kept of it: a slim one, if it is said of which kind.
fn reduce(opened: &OpenedCore, slim: Option<&SlimOptions>, scrub: bool) -> Result<ReducedCore, Error> {
    let core = CoreFile::open(opened.source.clone()).map_err(|error| of_core(&opened.path, error))?;
    let core = Arc::new(core);
    if let Some(options) = slim {
        let (slim, left_out) = slim_core(&core, options, scrub)?;
        let made_of = &slim.report().made_of;
        let left =
            Slim { original_size: Some(made_of.original_size), dropped_bytes: Some(made_of.dropped_bytes) };
        let reduction = Reduction { slim: Some(left), scrubbed: made_of.scrubbed };
        return Ok(ReducedCore { size: slim.size(), source: Box::new(slim), reduction, left_out });
    }
    let kept = core.parts().iter().map(|part| part.address..part.address.saturating_add(part.file_size));
    let scrubber = Scrubber::new(Arc::clone(&core), kept, &environment::masks());
    let left_out = scrubber.left_out();
    let redacted = RedactedCore::new(Arc::clone(&core), Arc::new(scrubber))?;
    let reduction = Reduction { slim: None, scrubbed: true };
    Ok(ReducedCore { size: core.size(), source: Box::new(redacted), reduction, left_out })
}

/// Makes a core slim, and overwrites its secrets if that is wanted; returns how many secrets are too many for that, too.
pub(crate) fn slim_core(
    core: &Arc<CoreFile>,
    options: &SlimOptions,
    scrub: bool,
) -> Result<(SlimCore, usize), Error> {
    let made = |options: &SlimOptions| SlimCore::new(core, options).map_err(|error| Error::new(error, None));
    let slim = made(options)?;
    if !scrub {
        return Ok((slim, 0));
    }
    let scrubber = Scrubber::new(Arc::clone(core), slim.kept(), &environment::masks());
    let left_out = scrubber.left_out();
    let redact: Arc<dyn Redact> = Arc::new(scrubber);
    Ok((made(&SlimOptions { redact: Some(redact), ..options.clone() })?, left_out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_smaller_depends_on_what_was_wanted() {
        let reduced = |slim| Plan::Reduced { slim, scrub: true, or_raw: false };
        assert_eq!(Rung::below(Plan::Raw), [Rung::Slim, Rung::Stacks]);
        assert_eq!(Rung::below(reduced(false)), [Rung::Slim, Rung::Stacks]);
        assert_eq!(Rung::below(reduced(true)), [Rung::Stacks]);
        assert_eq!(Rung::below(Plan::Nothing), []);
    }

    #[test]
    fn what_is_kept_depends_on_where_it_may_go() {
        let reduced = |slim, scrub, or_raw| Plan::Reduced { slim, scrub, or_raw };
        for (in_ci, keep, scrub, large, plan) in [
            (false, KeepCore::Auto, Scrub::Auto, false, Plan::Raw),
            (false, KeepCore::Auto, Scrub::Auto, true, reduced(true, false, true)),
            (false, KeepCore::Slim, Scrub::Auto, false, reduced(true, false, true)),
            (false, KeepCore::Auto, Scrub::Always, false, reduced(false, true, false)),
            (false, KeepCore::None, Scrub::Always, true, Plan::Nothing),
            (true, KeepCore::Auto, Scrub::Auto, false, reduced(true, true, false)),
            (true, KeepCore::Slim, Scrub::Auto, false, reduced(true, true, false)),
            (true, KeepCore::Slim, Scrub::Never, false, reduced(true, false, false)),
            (true, KeepCore::Full, Scrub::Auto, true, Plan::Raw),
            (true, KeepCore::Full, Scrub::Always, true, reduced(false, true, false)),
        ] {
            assert_eq!(Plan::within(in_ci, keep, scrub, large), plan, "{in_ci} {keep:?} {scrub:?} {large}");
        }
    }
}

//! Crashes that were found and not kept, counted: what died, how often, and why no more is kept of it.
//!
//! Of such a crash a small summary is left, whose last warning says why it wasn't kept.

use std::collections::HashMap;
use std::io;

use epitaph_summary::CrashSummary;

use crate::escape::{brief, markdown as escaped};
use crate::headline::Headline;
use crate::quantity::{grouped, plural};

/// How many kinds of crashes are shown.
pub(crate) const MOST_KINDS: usize = 20;
/// How many processes of a kind are named.
const MOST_PIDS: usize = 8;
/// The most characters of what died, and of the reason.
const LIMIT: usize = 300;

/// Crashes that are alike and were left out for the same reason. All texts are clean.
pub(crate) struct Kind {
    /// What died of what.
    pub(crate) what: String,
    /// Why no more is kept of it.
    pub(crate) reason: String,
    pids: Vec<u32>,
    /// How often.
    pub(crate) count: usize,
}

impl Kind {
    /// Counts crashes, the most frequent kind first.
    pub(crate) fn of(crashes: &[CrashSummary]) -> Vec<Kind> {
        let mut kinds: Vec<Kind> = Vec::new();
        let mut known: HashMap<(String, String), usize> = HashMap::new();
        for crash in crashes {
            let title = crash.signature.as_ref().and_then(|signature| signature.title.as_deref());
            let what = title.map_or_else(|| Headline::of(crash).sentence(), |title| brief(title, LIMIT));
            let reason = crash.warnings.last().map(|warning| brief(&warning.text, LIMIT)).unwrap_or_default();
            let at = *known.entry((what, reason)).or_insert_with_key(|(what, reason)| {
                kinds.push(Kind { what: what.clone(), reason: reason.clone(), pids: Vec::new(), count: 0 });
                kinds.len() - 1
            });
            if let Some(kind) = kinds.get_mut(at) {
                kind.count += 1;
                let pid = crash.process.as_ref().and_then(|process| process.pid);
                kind.pids.extend(pid.filter(|_| kind.pids.len() < MOST_PIDS));
            }
        }
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
        kinds
    }

    /// `pids 1, 2, 3 and 7 more`
    pub(crate) fn pids(&self) -> String {
        let named: Vec<String> = self.pids.iter().map(ToString::to_string).collect();
        match (named.len(), self.count - named.len()) {
            (0, _) => String::new(),
            (1, 0) => format!("pid {}", named.join("")),
            (_, 0) => format!("pids {}", named.join(", ")),
            (_, more) => format!("pids {} and {} more", named.join(", "), grouped(more as u64)),
        }
    }
}

/// Writes how many crashes were not kept, and a line for each kind of them; nothing if there are none.
pub fn text(crashes: &[CrashSummary], out: &mut dyn io::Write) -> io::Result<()> {
    if crashes.is_empty() {
        return Ok(());
    }
    let kinds = Kind::of(crashes);
    writeln!(out, "{}, whose cores, if any, stay where they are:", not_kept(crashes.len()))?;
    for kind in kinds.iter().take(MOST_KINDS) {
        let (count, pids) = (grouped(kind.count as u64), kind.pids());
        let pids = if pids.is_empty() { pids } else { format!(" ({pids})") };
        writeln!(out, "  {count} x {}: {}{pids}", kind.what, kind.reason)?;
    }
    match kinds.len().saturating_sub(MOST_KINDS) {
        0 => Ok(()),
        more => writeln!(out, "  and {} of crashes", plural(more as u64, "more kind")),
    }
}

/// Writes the same as a section of a Markdown report.
pub fn markdown(crashes: &[CrashSummary], out: &mut dyn io::Write) -> io::Result<()> {
    if crashes.is_empty() {
        return Ok(());
    }
    let kinds = Kind::of(crashes);
    writeln!(out, "\n**{}**, whose cores, if any, stay where they are.\n", not_kept(crashes.len()))?;
    writeln!(out, "| Crashes | What | Why not | Processes |\n|--:|---|---|---|")?;
    for kind in kinds.iter().take(MOST_KINDS) {
        let count = grouped(kind.count as u64);
        writeln!(out, "| {count} | {} | {} | {} |", escaped(&kind.what), escaped(&kind.reason), kind.pids())?;
    }
    match kinds.len().saturating_sub(MOST_KINDS) {
        0 => Ok(()),
        more => writeln!(out, "\nAnd {} of crashes.", plural(more as u64, "more kind")),
    }
}

/// `3 more crashes were not kept`
pub(crate) fn not_kept(count: usize) -> String {
    let verb = if count == 1 { "was" } else { "were" };
    format!("{} {verb} not kept", plural(count as u64, "more crash"))
}

#[cfg(test)]
mod tests {
    use epitaph_summary::{Process, Signature, Warning};

    use super::*;

    fn crash(pid: u32, title: &str, why: &str) -> CrashSummary {
        CrashSummary {
            process: Some(Process { pid: Some(pid), ..Process::default() }),
            signature: Some(Signature { title: Some(title.to_owned()), ..Signature::default() }),
            warnings: vec![Warning::new("beyond_max_cores", why)],
            ..CrashSummary::new("0")
        }
    }

    fn rendered(
        crashes: &[CrashSummary],
        render: fn(&[CrashSummary], &mut dyn io::Write) -> io::Result<()>,
    ) -> String {
        let mut bytes = Vec::new();
        render(crashes, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn they_are_counted_by_kind_the_most_frequent_first() {
        let mut crashes: Vec<_> = (1..=10).map(|pid| crash(pid, "parser: segv in parse", "enough")).collect();
        crashes.insert(0, crash(77, "worker: abort in give_up", "enough"));
        assert_eq!(
            rendered(&crashes, text),
            "11 more crashes were not kept, whose cores, if any, stay where they are:\n  \
             10 x parser: segv in parse: enough (pids 1, 2, 3, 4, 5, 6, 7, 8 and 2 more)\n  \
             1 x worker: abort in give_up: enough (pid 77)\n"
        );
        assert!(rendered(&crashes, markdown).contains("| 10 | parser: segv in parse | enough | pids 1, "));
        assert_eq!(rendered(&[], text) + &rendered(&[], markdown), "");
    }

    #[test]
    fn hostile_names_and_many_kinds_stay_harmless() {
        let hostile = "\u{1b}[2J\n::error::x|@you";
        let mut crashes = vec![crash(1, hostile, hostile)];
        crashes.extend((0..30).map(|index| crash(index, &format!("kind {index}"), "why")));
        let (text, markdown) = (rendered(&crashes, text), rendered(&crashes, markdown));
        assert!(!text.contains('\u{1b}') && text.lines().all(|line| !line.starts_with("::")), "{text}");
        assert!(text.ends_with("  and 11 more kinds of crashes\n"), "{text}");
        assert!(!markdown.contains("|@you") && !markdown.contains('\u{1b}'), "{markdown}");
        assert_eq!(text.lines().count(), MOST_KINDS + 2);
    }
}

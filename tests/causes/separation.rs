//! The table of signatures: whether all builds of one bug have the same, and any two bugs different ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use epitaph_summary::{Signature, Trust};

use super::judge::Said;

/// One bug, in all its builds.
struct Bug<'a> {
    name: &'a str,
    builds: Vec<&'a Said>,
}

/// The table.
pub(super) struct Separation<'a> {
    bugs: Vec<Bug<'a>>,
}

/// One of a signature's hashes.
type Hash = fn(&Signature) -> Option<&str>;

const STRICT: Hash = |signature| signature.strict.as_deref();
const PHYS: Hash = |signature| signature.phys.as_deref();
const LOOSE: Hash = |signature| signature.loose.as_deref();

impl<'a> Separation<'a> {
    pub(super) fn of(all: impl IntoIterator<Item = &'a Said>) -> Separation<'a> {
        let mut bugs: BTreeMap<&str, Vec<&Said>> = BTreeMap::new();
        for said in all {
            bugs.entry(&said.case.bug).or_default().push(said);
        }
        Separation { bugs: bugs.into_iter().map(|(name, builds)| Bug { name, builds }).collect() }
    }

    /// Pairs of bugs that have a strict signature in common, with that.
    pub(super) fn collisions(&self) -> Vec<String> {
        let mut owners: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for bug in &self.bugs {
            for hash in bug.hashes(STRICT).into_keys().flatten() {
                owners.entry(hash).or_default().insert(bug.name);
            }
        }
        let shared = owners.into_iter().filter(|(_, names)| names.len() > 1);
        shared
            .map(|(hash, names)| format!("{hash}: {}", names.into_iter().collect::<Vec<_>>().join(", ")))
            .collect()
    }

    /// Builds whose strict signature isn't that of most builds of the bug, each with what differs, and whether a frame
    /// that a compiler took away explains it.
    pub(super) fn odd_builds(&self) -> Vec<(String, bool)> {
        self.bugs.iter().flat_map(Bug::odd_builds).collect()
    }
}

impl<'a> Bug<'a> {
    /// The hashes of its builds, with how often each comes.
    fn hashes(&self, of: Hash) -> BTreeMap<Option<&'a str>, usize> {
        let mut hashes = BTreeMap::new();
        for said in &self.builds {
            *hashes.entry(said.summary.signature.as_ref().and_then(of)).or_default() += 1;
        }
        hashes
    }

    fn odd_builds(&self) -> Vec<(String, bool)> {
        let hashes = self.hashes(STRICT);
        let Some((most, _)) = hashes.iter().max_by_key(|(_, times)| **times) else { return Vec::new() };
        let is_usual = |said: &Said| said.summary.signature.as_ref().and_then(STRICT) == *most;
        let Some(usual) = self.builds.iter().find(|said| is_usual(said)) else { return Vec::new() };
        let odd = self.builds.iter().filter(|said| !is_usual(said));
        odd.map(|said| {
            let (why, explained) = difference(said, usual);
            (format!("{} by {}: {why}", self.name, said.case.build), explained)
        })
        .collect()
    }
}

fn lines(said: &Said) -> &[String] {
    said.summary.signature.as_ref().map(|signature| &*signature.frames).unwrap_or_default()
}

/// What the signature of one build has that the usual one hasn't, and the other way round; and whether frames that were
/// taken away explain it: each list is the other one with some lines left out, at the end or in the middle.
fn difference(odd: &Said, usual: &Said) -> (String, bool) {
    let (ours, theirs) = (lines(odd), lines(usual));
    let without: Vec<&str> = theirs.iter().filter(|line| !ours.contains(line)).map(String::as_str).collect();
    let with: Vec<&str> = ours.iter().filter(|line| !theirs.contains(line)).map(String::as_str).collect();
    let same_class = !ours.is_empty() && ours.first() == theirs.first();
    let called = |said: &Said, name: &str| {
        let frames = said.summary.crashing_thread().map(|thread| &*thread.frames).unwrap_or_default();
        frames.iter().any(|frame| {
            frame.trust != Some(Trust::TailCall)
                && frame.function.as_deref().is_some_and(|known| known.contains(name))
        })
    };
    // What one of them lacks isn't in its stack at all; what it has instead comes after it in the other's.
    let gone_here = without.iter().any(|name| !called(odd, name));
    let gone_there = with.iter().any(|name| !called(usual, name));
    let explained = same_class && (gone_here || gone_there);
    let mut why = format!("without [{}], with [{}]", without.join(", "), with.join(", "));
    if explained {
        why.push_str(" (a frame is gone: a tail call, or calls that were merged)");
    }
    (why, explained)
}

impl fmt::Display for Separation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.bugs.iter().map(|bug| bug.name.len()).max().unwrap_or_default().max(3);
        writeln!(f, "| {:width$} | builds | strict | phys | loose |", "bug")?;
        writeln!(f, "|-{:-<width$}-|-------:|-------:|-----:|------:|", "")?;
        for bug in &self.bugs {
            let [strict, phys, loose] = [STRICT, PHYS, LOOSE].map(|of| bug.hashes(of).len());
            let builds = bug.builds.len();
            writeln!(f, "| {:width$} | {builds:6} | {strict:6} | {phys:4} | {loose:5} |", bug.name)?;
        }
        let stable = self.bugs.iter().filter(|bug| bug.hashes(STRICT).len() == 1).count();
        writeln!(
            f,
            "{} bugs, of which {stable} have one strict signature in all their builds",
            self.bugs.len()
        )?;
        let (odd, collisions) = (self.odd_builds(), self.collisions());
        writeln!(f, "{} builds differ:", odd.len())?;
        odd.iter().try_for_each(|(why, _)| writeln!(f, "  {why}"))?;
        writeln!(f, "{} strict signatures that bugs share:", collisions.len())?;
        collisions.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

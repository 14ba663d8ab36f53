//! The signature of a process that hung: what its threads stood in.

use super::key::{Judge, Key, Names, Story, basis};
use super::model::Basis;
use super::view::View;
use crate::model::CrashSummary;
use crate::rules::Rules;

/// How many kinds of threads count.
const MOST: usize = 64;
/// What stands between the names of one thread.
const CALLED_BY: &str = " < ";

/// Makes the key of all threads, or of those in a deadlock: what else was going on is chance then. Each kind counts once:
/// how many workers there are depends on the machine. The order of threads doesn't count.
pub(super) fn key(crash: &CrashSummary, rules: &Rules, names: Names) -> Option<Key> {
    let mut judge = Judge::new(crash, rules, names);
    let locked: Vec<u32> = crash.deadlocks.iter().flatten().copied().collect();
    let counts = |tid: Option<u32>| locked.is_empty() || tid.is_some_and(|tid| locked.contains(&tid));
    let mut kinds = Vec::new();
    let mut without_own = None;
    for thread in crash.threads.iter().filter(|thread| counts(thread.tid)) {
        let view = View::of(thread);
        let (inner, outer) = (judge.all(view.inner), judge.all(view.outer));
        let Some(key) = Story::of(&inner, &outer).key(crash, &inner, false) else { continue };
        let line = key.names.join(CALLED_BY);
        if inner.iter().chain(&outer).any(|judged| judged.mark.in_app) {
            kinds.push((line, basis(inner.iter().filter(|judged| judged.is_story()))));
        } else if without_own.is_none() {
            without_own = Some((line, key.basis));
        }
    }
    if kinds.is_empty() {
        kinds.extend(without_own);
    }
    kinds.sort_by(|a, b| a.0.cmp(&b.0));
    kinds.dedup_by(|a, b| a.0 == b.0);
    kinds.truncate(MOST);
    let basis = kinds.iter().map(|(_, basis)| *basis).max().unwrap_or(Basis::Address);
    let names: Vec<String> = kinds.into_iter().map(|(line, _)| line).collect();
    (!names.is_empty()).then_some(Key { names, basis, in_heap: false })
}

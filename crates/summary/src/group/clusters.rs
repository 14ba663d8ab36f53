//! Groups of stacks that are alike: complete linkage, cut at a threshold.
//!
//! Linking all with all takes a table of all distances. But stacks that are joined are within the threshold, so what is
//! joined lies within one component of the graph of near pairs, and each component is linked by itself. The result is
//! the same: two clusters are as far apart as their farthest members, and from one component to another all are too far.

use std::num::NonZero;
use std::thread;

use kodama::{Method, linkage};

use super::likeness::Likeness;
use super::neighbours::Neighbours;
use super::trace::Trace;

/// How many pairs of stacks are compared to find the components: some ten seconds' worth.
const MOST_PAIRS: u64 = 40_000_000;
/// How many stacks are linked with each other at once: their table takes 128 MiB.
const LARGEST_TABLE: usize = 8192;

/// Groups of stacks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Clusters {
    /// The numbers of the stacks of each group, rising; the groups by their first.
    pub(super) groups: Vec<Vec<u32>>,
    /// Whether there were too many to compare them all, so that some alike ones may stand apart.
    pub(super) incomplete: bool,
}

/// Groups stacks so that any two of a group are no farther apart than `threshold`. Where there are too many to compare,
/// those that come first are compared.
pub(super) fn clusters(traces: &[&Trace], likeness: &Likeness, threshold: f32) -> Clusters {
    let neighbours = Neighbours::new(traces, likeness, threshold);
    let mut budget = MOST_PAIRS;
    let rows: Vec<(u32, &Trace)> = (0u32..).zip(traces.iter().copied()).collect();
    let affordable = rows
        .iter()
        .take_while(|(number, trace)| {
            let cost = neighbours.at_most(trace, *number);
            let affordable = cost <= budget;
            budget = budget.saturating_sub(cost);
            affordable
        })
        .count();
    let near = |one: &Trace, other: u32| {
        traces.get(other as usize).is_some_and(|other| {
            !likeness.surely_beyond(one, other, threshold) && likeness.distance(one, other) <= threshold
        })
    };
    // Rows are dealt out in turn, since the later ones are longer. Each thread joins what it finds near by itself.
    let rows = rows.get(..affordable).unwrap_or_default();
    let parts = in_parallel(|thread, threads| {
        let mut sets = Sets::new(traces.len());
        for (number, trace) in rows.iter().skip(thread).step_by(threads) {
            for other in neighbours.of(trace, *number) {
                if sets.find(*number) != sets.find(other) && near(trace, other) {
                    sets.join(*number, other);
                }
            }
        }
        sets
    });
    let mut sets = Sets::new(traces.len());
    for part in &parts {
        sets.join_all(part);
    }

    let mut found = Clusters { incomplete: affordable < traces.len(), ..Clusters::default() };
    for component in sets.into_groups() {
        found.incomplete |= component.len() > LARGEST_TABLE;
        for members in component.chunks(LARGEST_TABLE) {
            let distance = |a: u32, b: u32| match (traces.get(a as usize), traces.get(b as usize)) {
                (Some(a), Some(b)) if !likeness.surely_beyond(a, b, threshold) => likeness.distance(a, b),
                _ => 1.0,
            };
            found.groups.extend(link(members, threshold, &distance));
        }
    }
    found.groups.sort_unstable();
    found
}

/// Groups some stacks by complete linkage. A distance beyond the threshold need not be exact.
fn link(members: &[u32], threshold: f32, distance: &(dyn Fn(u32, u32) -> f32 + Sync)) -> Vec<Vec<u32>> {
    if members.len() < 2 {
        return vec![members.to_vec()];
    }
    let mut table = table(members, distance);
    let dendrogram = linkage(&mut table, members.len(), Method::Complete);
    // A step makes one cluster of two; its number follows those of the members and of the steps before it.
    let mut clusters: Vec<Vec<u32>> = members.iter().map(|member| vec![*member]).collect();
    for step in dendrogram.steps() {
        let near = step.dissimilarity <= threshold;
        let mut take = |number: usize| clusters.get_mut(number).filter(|_| near).map(std::mem::take);
        let joined = take(step.cluster1).into_iter().chain(take(step.cluster2)).flatten().collect();
        clusters.push(joined);
    }
    clusters.retain(|cluster| !cluster.is_empty());
    for cluster in &mut clusters {
        cluster.sort_unstable();
    }
    clusters
}

/// The distances of all pairs: first with the others, second with those after it, and so on.
fn table(members: &[u32], distance: &(dyn Fn(u32, u32) -> f32 + Sync)) -> Vec<f32> {
    let row = |number: usize| {
        let (one, others) = members.get(number..).and_then(<[u32]>::split_first)?;
        Some(others.iter().map(|other| distance(*one, *other)).collect::<Vec<f32>>())
    };
    // Not worth a thread.
    if members.len() < 64 {
        return (0..members.len()).filter_map(row).flatten().collect();
    }
    let parts = in_parallel(|thread, threads| -> Vec<Vec<f32>> {
        (thread..members.len()).step_by(threads).filter_map(row).collect()
    });
    let mut parts: Vec<_> = parts.into_iter().map(Vec::into_iter).collect();
    let mut table = Vec::with_capacity(members.len() * (members.len() - 1) / 2);
    // Row by row, as they were dealt out.
    loop {
        let before = table.len();
        for row in parts.iter_mut().filter_map(Iterator::next) {
            table.extend(row);
        }
        if table.len() == before {
            return table;
        }
    }
}

/// Calls `work` with its number and how many there are, in a thread for each processor.
fn in_parallel<T: Send>(work: impl Fn(usize, usize) -> T + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let work = &work;
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|thread| scope.spawn(move || work(thread, threads))).collect();
        let mut done = vec![work(0, threads)];
        for other in others {
            match other.join() {
                Ok(part) => done.push(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    })
}

/// Disjoint sets of numbers.
#[derive(Debug)]
struct Sets {
    parents: Vec<u32>,
}

impl Sets {
    fn new(count: usize) -> Sets {
        Sets { parents: (0u32..).take(count).collect() }
    }

    /// Returns the least number of a set.
    fn find(&mut self, number: u32) -> u32 {
        let mut at = number;
        while let Some(parent) = self.parents.get(at as usize).copied()
            && parent != at
        {
            // Halve the way for the next one.
            let above = self.parents.get(parent as usize).copied().unwrap_or(parent);
            if let Some(slot) = self.parents.get_mut(at as usize) {
                *slot = above;
            }
            at = above;
        }
        at
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.find(a), self.find(b));
        if let Some(slot) = self.parents.get_mut(a.max(b) as usize) {
            *slot = a.min(b);
        }
    }

    fn join_all(&mut self, other: &Sets) {
        for (number, parent) in (0u32..).zip(&other.parents) {
            self.join(number, *parent);
        }
    }

    /// The sets, each rising.
    fn into_groups(mut self) -> Vec<Vec<u32>> {
        let mut groups: Vec<Vec<u32>> = vec![Vec::new(); self.parents.len()];
        for number in (0u32..).take(self.parents.len()) {
            let set = self.find(number);
            if let Some(group) = groups.get_mut(set as usize) {
                group.push(number);
            }
        }
        groups.retain(|group| !group.is_empty());
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Random, families};
    use super::*;

    fn sorted(mut groups: Vec<Vec<u32>>) -> Vec<Vec<u32>> {
        groups.sort_unstable();
        groups
    }

    /// Component by component gives what all at once gives. No two distances are equal, or else either could choose.
    #[test]
    fn components_are_linked_as_the_whole_is() {
        let mut random = Random(11);
        for round in 0..40 {
            let count = 2 + random.below(60) as u32;
            let distances: Vec<f32> =
                (0..count * count).map(|_| random.below(1 << 20) as f32 / (1 << 20) as f32).collect();
            let distance = |a: u32, b: u32| distances[(a.min(b) * count + a.max(b)) as usize];
            let threshold = [0.02, 0.1, 0.35, 0.9][round % 4];
            let members: Vec<u32> = (0..count).collect();
            let whole = sorted(link(&members, threshold, &distance));
            let mut sets = Sets::new(count as usize);
            for a in 0..count {
                (0..a).filter(|b| distance(a, *b) <= threshold).for_each(|b| sets.join(a, b));
            }
            let beyond_is_far =
                |a, b| Some(distance(a, b)).filter(|found| *found <= threshold).unwrap_or(1.0);
            let parts =
                sets.into_groups().into_iter().flat_map(|part| link(&part, threshold, &beyond_is_far));
            assert_eq!(sorted(parts.collect()), whole, "{count} at {threshold}");
        }
    }

    #[test]
    fn any_two_of_a_group_are_alike() {
        let likeness = Likeness::new();
        let traces = families(&mut Random(3), 400);
        let traces: Vec<&Trace> = traces.iter().collect();
        let found = clusters(&traces, &likeness, 0.35);
        assert!(!found.incomplete);
        let mut all: Vec<u32> = found.groups.iter().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..400).collect::<Vec<u32>>(), "each is in one group");
        assert!(found.groups.iter().any(|group| group.len() > 2));
        for group in &found.groups {
            for (a, b) in group.iter().flat_map(|a| group.iter().map(move |b| (a, b))).filter(|(a, b)| a < b)
            {
                let distance = likeness.distance(traces[*a as usize], traces[*b as usize]);
                assert!(distance <= 0.35, "{distance}");
            }
        }
        // No two groups could be joined as a whole.
        for (number, one) in found.groups.iter().enumerate() {
            for other in &found.groups[..number] {
                let far = |a: &u32, b: &u32| likeness.distance(traces[*a as usize], traces[*b as usize]);
                let farthest = |a| other.iter().map(|b| far(a, b)).fold(0.0, f32::max);
                let farthest = one.iter().map(farthest).fold(0.0, f32::max);
                assert!(farthest > 0.35, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn nothing_is_grouped_into_nothing() {
        assert_eq!(clusters(&[], &Likeness::new(), 0.35), Clusters::default());
    }

    #[test]
    fn what_has_no_frames_stays_alone() {
        let empty = Trace::default();
        assert_eq!(clusters(&[&empty, &empty], &Likeness::new(), 0.35).groups, [[0], [1]]);
    }
}

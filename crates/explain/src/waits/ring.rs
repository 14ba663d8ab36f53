//! Rings of threads that wait for each other.

use super::{Holder, ThreadState};

/// Threads of which each waits for the next one, and the last one for the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Their indices among the process's threads, from the lowest on.
    pub threads: Vec<usize>,
}

/// Finds every ring. A thread waits for one other at most, so that each is looked at once.
pub(super) fn find(states: &[ThreadState]) -> Vec<Ring> {
    let next = |index: usize| match states.get(index)?.wait.as_ref().filter(|wait| wait.sure)?.holder? {
        Holder::Living { index, .. } => Some(index),
        Holder::Gone { .. } => None,
    };
    // By thread, the first thread from which it was reached.
    let mut reached: Vec<Option<usize>> = vec![None; states.len()];
    let mut rings = Vec::new();
    for start in 0..states.len() {
        let mut at = Some(start);
        while let Some(index) = at {
            match reached.get_mut(index) {
                Some(from @ None) => *from = Some(start),
                Some(Some(from)) if *from == start => {
                    rings.push(ring_through(index, next));
                    break;
                }
                _ => break,
            }
            at = next(index);
        }
    }
    rings.sort_by_key(|ring| ring.threads.first().copied());
    rings
}

/// Goes once around the ring that a thread is in.
fn ring_through(member: usize, next: impl Fn(usize) -> Option<usize>) -> Ring {
    let others =
        std::iter::successors(next(member), |index| next(*index)).take_while(|index| *index != member);
    let mut threads: Vec<usize> = std::iter::once(member).chain(others).collect();
    let lowest = threads.iter().enumerate().min_by_key(|(_, index)| **index).map_or(0, |(place, _)| place);
    threads.rotate_left(lowest);
    Ring { threads }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waits::{Wait, WaitKind};

    fn rings(edges: &[Option<usize>]) -> Vec<Vec<usize>> {
        let state = |edge: &Option<usize>| ThreadState {
            call: None,
            wait: edge.map(|index| Wait {
                kind: WaitKind::Mutex,
                address: 0x1000,
                holder: Some(Holder::Living { tid: index as u32 + 1, index }),
                sure: true,
                timed: false,
            }),
        };
        let states: Vec<ThreadState> = edges.iter().map(state).collect();
        find(&states).into_iter().map(|ring| ring.threads).collect()
    }

    #[test]
    fn rings_are_found_once_and_what_leads_to_them_is_no_part() {
        assert_eq!(rings(&[Some(1), Some(0)]), [[0, 1]]);
        assert_eq!(rings(&[Some(0)]), [[0]]);
        assert_eq!(rings(&[Some(2), Some(2), Some(3), Some(1), None]), [[1, 2, 3]]);
        assert_eq!(rings(&[Some(4), Some(3), Some(1), Some(2), Some(0)]), [vec![0, 4], vec![1, 3, 2]]);
        assert_eq!(rings(&[Some(1), Some(2), None]), [[0; 0]; 0]);
        assert_eq!(rings(&[Some(7), None]), [[0; 0]; 0]);
    }

    #[test]
    fn a_wait_that_is_not_sure_makes_no_ring() {
        let holder = Some(Holder::Living { tid: 1, index: 0 });
        let wait = Wait { kind: WaitKind::Mutex, address: 0, holder, sure: false, timed: false };
        assert_eq!(find(&[ThreadState { call: None, wait: Some(wait) }]), []);
    }

    #[test]
    fn long_chains_are_walked_once() {
        let count = 200_000_usize;
        let edges: Vec<Option<usize>> = (0..count).map(|index| index.checked_sub(1).or(Some(0))).collect();
        assert_eq!(rings(&edges), [[0]]);
    }
}

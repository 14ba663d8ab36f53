//! Finds the recursions of a stack while it is walked: runs of frames that repeat themselves.
//!
//! Only the last few frames are looked back at, so that a stack of any depth takes constant memory. A run is found
//! twice: by the addresses of its frames, and by their functions, which repeat themselves also where a function calls
//! itself from several places. The first says more, and is taken where it covers as much.

/// Most frames of a cycle: mutual recursions of more functions are rare.
const LONGEST_PERIOD: usize = 16;
/// Fewest frames that count as a recursion: shorter runs are as easily read as what says that they repeat.
const SHORTEST_RUN: usize = 32;
/// Fewest times that a cycle stands in a run.
const FEWEST_CYCLES: usize = 3;

/// A run of frames that repeat themselves: a recursion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// Index of its first frame. The whole first cycle is among the frames that were kept, others need not be.
    pub first: usize,
    /// Frames of the cycle.
    pub period: usize,
    /// How many times the whole cycle stands there: 3 or more.
    pub count: usize,
    /// Whether the frames have the same addresses each time, and not only the same functions.
    pub exact: bool,
}

impl Repeat {
    fn end(&self) -> usize {
        self.first + self.period * self.count
    }

    fn frames(&self) -> usize {
        self.period * self.count
    }

    /// Returns it for a stack of which only the first `inner` frames and those from `outer` on were kept; `None` if too
    /// little of it was.
    pub(crate) fn among_kept(self, inner: usize, outer: usize) -> Option<Repeat> {
        if self.first + self.period <= inner {
            return Some(self);
        }
        let kept = self.after(outer)?;
        Some(Repeat { first: kept.first - (outer - inner), ..kept })
    }

    /// Returns what is left of it from a frame on, in whole cycles.
    fn after(self, from: usize) -> Option<Repeat> {
        let before = from.saturating_sub(self.first).div_ceil(self.period);
        let count = self.count.checked_sub(before).filter(|count| *count >= FEWEST_CYCLES)?;
        Some(Repeat { first: self.first + before * self.period, count, ..self })
    }
}

/// Finds recursions by addresses and by functions.
#[derive(Debug)]
pub(crate) struct Repeats {
    by_address: Runs,
    by_function: Runs,
}

impl Repeats {
    pub(crate) fn new() -> Repeats {
        Repeats { by_address: Runs::new(true), by_function: Runs::new(false) }
    }

    /// Takes the next frame, by its address and by what identifies its function.
    pub(crate) fn push(&mut self, address: u64, function: u64) {
        self.by_address.push(address);
        self.by_function.push(function);
    }

    /// Returns the recursions, in their order: none overlaps another.
    pub(crate) fn finish(mut self) -> Vec<Repeat> {
        self.by_address.close();
        self.by_function.close();
        let mut exact = self.by_address.found.into_iter().peekable();
        let mut all: Vec<Repeat> = Vec::new();
        for run in self.by_function.found {
            // Equal addresses are equal functions: what repeats itself exactly lies in such a run.
            let mut within = Vec::new();
            while let Some(next) = exact.next_if(|next| next.first < run.end()) {
                within.push(next);
            }
            let longest = within.iter().map(Repeat::frames).max().unwrap_or(0);
            if longest.saturating_mul(4) < run.frames().saturating_mul(3) {
                within = vec![run];
            }
            for run in within {
                let free = all.last().map_or(0, Repeat::end);
                all.extend(run.after(free));
            }
        }
        all
    }
}

/// Finds runs of one kind of key.
#[derive(Debug)]
struct Runs {
    exact: bool,
    /// The last keys; that of frame `n` is at `n % LONGEST_PERIOD`.
    recent: [u64; LONGEST_PERIOD],
    /// How many keys were taken.
    taken: usize,
    /// The first frame that is in no run before.
    free: usize,
    /// By period less 1: how many of the last keys in a row were the same as that many before.
    same: [usize; LONGEST_PERIOD],
    /// The run that goes on: its first frame and its period.
    open: Option<(usize, usize)>,
    found: Vec<Repeat>,
}

impl Runs {
    fn new(exact: bool) -> Runs {
        Runs {
            exact,
            recent: [0; LONGEST_PERIOD],
            taken: 0,
            free: 0,
            same: [0; LONGEST_PERIOD],
            open: None,
            found: Vec::new(),
        }
    }

    fn push(&mut self, key: u64) {
        if let Some((_, period)) = self.open {
            if self.is_as_before(key, period) {
                return self.keep(key);
            }
            self.close();
        }
        let longest = (self.taken - self.free).min(LONGEST_PERIOD);
        for period in 1..=longest {
            let same = self.is_as_before(key, period);
            let Some(count) = self.same.get_mut(period - 1) else { break };
            *count = if same { *count + 1 } else { 0 };
            // The run began a cycle before the first key that was found again.
            let run = *count + period;
            if self.open.is_none() && run >= SHORTEST_RUN.max(FEWEST_CYCLES * period) {
                self.open = Some((self.taken + 1 - run, period));
            }
        }
        self.keep(key);
    }

    /// Tells whether the next key is that of `period` frames before.
    fn is_as_before(&self, key: u64, period: usize) -> bool {
        let before = self.taken.wrapping_sub(period) % LONGEST_PERIOD;
        self.recent.get(before) == Some(&key)
    }

    fn keep(&mut self, key: u64) {
        if let Some(place) = self.recent.get_mut(self.taken % LONGEST_PERIOD) {
            *place = key;
        }
        self.taken += 1;
    }

    /// Ends the run that goes on, if there is one.
    fn close(&mut self) {
        let Some((first, period)) = self.open.take() else { return };
        let repeat = Repeat { first, period, count: (self.taken - first) / period, exact: self.exact };
        // What is left of a last cycle may begin another run.
        self.free = repeat.end();
        self.same = [0; LONGEST_PERIOD];
        self.found.push(repeat);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeats(addresses: impl IntoIterator<Item = u64>) -> Vec<Repeat> {
        let mut repeats = Repeats::new();
        for address in addresses {
            // A function of 16 bytes.
            repeats.push(address, address / 16);
        }
        repeats.finish()
    }

    /// Frames that differ, from a number on.
    fn others(from: u64, count: u64) -> impl Iterator<Item = u64> {
        (from..from + count).map(|number| 0x10_0000 + number * 16)
    }

    fn exact(first: usize, period: usize, count: usize) -> Repeat {
        Repeat { first, period, count, exact: true }
    }

    #[test]
    fn cycles_of_any_length_are_found_between_other_frames() {
        for period in 1..=LONGEST_PERIOD as u64 {
            let count = 100;
            let cycle = (0..period * count).map(|frame| 0x1000 + frame % period * 16);
            let stack = others(0, 5).chain(cycle).chain(others(9, 3));
            assert_eq!(repeats(stack), [exact(5, period as usize, count as usize)], "{period}");
        }
        let longer = LONGEST_PERIOD as u64 + 1;
        assert_eq!(repeats((0..longer * 100).map(|frame| frame % longer * 16)), []);
    }

    #[test]
    fn a_cycle_within_another_is_the_smaller_one() {
        // visit, visit, ...: also a cycle of 2 and of 3.
        assert_eq!(repeats([7; 1000]), [exact(0, 1, 1000)]);
    }

    #[test]
    fn short_runs_are_none() {
        assert_eq!(repeats([7; SHORTEST_RUN - 1]), []);
        assert_eq!(repeats([7; SHORTEST_RUN]), [exact(0, 1, SHORTEST_RUN)]);
        // Two and a half cycles of 16.
        assert_eq!(repeats((0..40).map(|frame| frame % 16 * 16)), []);
        assert_eq!(repeats(others(0, 500)), []);
        assert_eq!(repeats([]), []);
    }

    #[test]
    fn what_is_left_of_a_cycle_is_in_no_run() {
        let stack = (0..32).map(|frame| frame % 3 * 16).chain(others(0, 2));
        assert_eq!(repeats(stack), [exact(0, 3, 10)]);
    }

    #[test]
    fn one_run_may_follow_another() {
        let stack = [1; 50].into_iter().chain((0..90).map(|frame| 0x1000 + frame % 2 * 16)).chain([1; 40]);
        assert_eq!(repeats(stack), [exact(0, 1, 50), exact(50, 2, 45), exact(140, 1, 40)]);
    }

    #[test]
    fn what_two_runs_have_in_common_is_in_the_first() {
        let run = exact(10, 3, 20);
        assert_eq!(run.after(10), Some(run));
        assert_eq!(run.after(11), Some(exact(13, 3, 19)));
        assert_eq!(run.after(13), Some(exact(13, 3, 19)));
        assert_eq!(run.after(61), Some(exact(61, 3, 3)));
        assert_eq!(run.after(62), None);
        assert_eq!(run.after(900), None);
    }

    #[test]
    fn a_run_begins_with_a_cycle_that_was_kept() {
        // Of 1000 frames the first 20 were kept, and the last 10.
        let kept = |first, count| exact(first, 3, count).among_kept(20, 990);
        assert_eq!(kept(5, 300), Some(exact(5, 3, 300)));
        assert_eq!(kept(17, 3), Some(exact(17, 3, 3)));
        assert_eq!(kept(18, 3), None);
        assert_eq!(kept(18, 327), Some(exact(20, 3, 3)));
        assert_eq!(kept(19, 327), Some(exact(21, 3, 3)));
        assert_eq!(kept(991, 3), Some(exact(21, 3, 3)));
    }

    #[test]
    fn a_function_that_calls_itself_from_several_places_repeats_itself() {
        // No cycle of addresses is in this sequence (the number of ones in binary is odd or even), one of functions is.
        let places = (0..1000_u64).map(|frame| 0x1000 + u64::from(frame.count_ones() % 2));
        let stack = others(0, 4).chain(places).chain(others(9, 4));
        assert_eq!(repeats(stack), [Repeat { first: 4, period: 1, count: 1000, exact: false }]);
    }

    #[test]
    fn addresses_that_repeat_themselves_say_more_than_functions() {
        // One function, of which two places take turns.
        let turns = (0..1000).map(|frame| 0x1000 + frame % 2);
        assert_eq!(repeats(turns), [exact(0, 2, 500)]);
        // But not where they do so for a small part only.
        let part = (0..100).map(|frame| 0x1000 + frame % 2);
        let rest = (0..1000_u64).map(|frame| 0x1002 + u64::from(frame.count_ones() % 2));
        assert_eq!(repeats(part.chain(rest)), [Repeat { first: 0, period: 1, count: 1100, exact: false }]);
    }
}

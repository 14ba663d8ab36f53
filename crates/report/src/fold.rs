//! Which of a thread's frames are shown, and what stands for the others: recursions are folded into their first cycle.

use std::ops::Range;

use epitaph_summary::{Repeat, Thread};

/// A part of a stack, in the order of its frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Frames that are shown.
    Shown {
        /// Their indices in the thread's frames.
        frames: Range<usize>,
        /// The first one's number in the whole stack.
        number: u64,
    },
    /// Frames that repeat others.
    Repeats {
        /// How many they are.
        count: u64,
        /// The number of the first frame that they repeat.
        first: u64,
        /// The number of the last one.
        last: u64,
        /// Whether they are the same but for what is on the stack, and not only of the same functions.
        exact: bool,
    },
    /// Frames of which nothing is known but how many they are.
    LeftOut(u64),
    /// Frames that one line stands for, as they tell little.
    Machinery {
        /// Their indices in the thread's frames.
        frames: Range<usize>,
        /// The first one's number in the whole stack.
        number: u64,
        /// What they do.
        kind: Kind,
    },
}

/// What a run of machinery does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It ends the process.
    Dying,
    /// It is called by the program and calls the program.
    Between,
    /// It starts the thread.
    Starting,
}

/// Divides a thread's stack. Without `fold`, all frames are shown that the summary has.
pub(crate) fn parts(thread: &Thread, fold: bool) -> Vec<Part> {
    let mut folding =
        Folding { gap: Gap::of(thread), next: 0, machine: 0, number: 0, parts: Vec::new(), thread };
    for repeat in thread.repeats.iter().filter(|_| fold) {
        folding.fold(repeat);
    }
    folding.show(thread.frames.len());
    folding.parts
}

/// Frames that the summary lacks.
struct Gap {
    /// The index of the frame that follows them; `None` if there are none.
    before: Option<usize>,
    /// How many machine frames they are.
    count: u64,
}

impl Gap {
    fn of(thread: &Thread) -> Gap {
        let kept = machine_frames(thread, 0..thread.frames.len());
        let count = u64::from(thread.frames_total.unwrap_or(0)).saturating_sub(kept);
        let end = thread.frames.len();
        let before = thread.omitted_after.map_or(end, |after| end.min((after as usize).saturating_add(1)));
        Gap { before: Some(before).filter(|_| count > 0), count }
    }
}

/// Counts the frames that are no inlined calls.
fn machine_frames(thread: &Thread, frames: Range<usize>) -> u64 {
    let frames = thread.frames.get(frames).unwrap_or_default();
    frames.iter().filter(|frame| !frame.inlined).count() as u64
}

struct Folding<'a> {
    thread: &'a Thread,
    gap: Gap,
    /// The index of the next frame.
    next: usize,
    /// How many machine frames stand before it.
    machine: u64,
    /// Its number: the frames that were left out count as many as their machine frames.
    number: u64,
    parts: Vec<Part>,
}

impl Folding<'_> {
    /// Shows the frames up to an index, and says where some are missing.
    fn show(&mut self, end: usize) {
        if let Some(before) = self.gap.before.filter(|before| *before <= end) {
            self.show_whole(before);
            self.leave_out(self.gap.count);
            self.gap.before = None;
        }
        self.show_whole(end);
    }

    fn show_whole(&mut self, end: usize) {
        let frames = self.next..end;
        if frames.is_empty() {
            return;
        }
        let number = self.number;
        self.next = end;
        self.machine = self.machine.saturating_add(machine_frames(self.thread, frames.clone()));
        self.number = number.saturating_add(frames.len() as u64);
        match self.parts.last_mut() {
            Some(Part::Shown { frames: before, .. }) => before.end = end,
            _ => self.parts.push(Part::Shown { frames, number }),
        }
    }

    fn leave_out(&mut self, count: u64) {
        if count > 0 {
            self.parts.push(Part::LeftOut(count));
            self.machine = self.machine.saturating_add(count);
            self.number = self.number.saturating_add(count);
        }
    }

    /// Shows the frames up to a recursion and its first cycle, and passes over the others. One that makes no sense is
    /// not folded.
    fn fold(&mut self, repeat: &Repeat) {
        let (first, period) = (repeat.first as usize, repeat.period as usize);
        let cycles = u64::from(repeat.count).saturating_sub(1);
        let shown = first.saturating_add(period);
        let in_gap = self.gap.before.is_some_and(|before| first < before && before < shown);
        if first < self.next || period == 0 || cycles == 0 || shown > self.thread.frames.len() || in_gap {
            return;
        }
        self.show(first);
        let number = self.number;
        self.show_whole(shown);
        let machine = machine_frames(self.thread, first..shown);
        let end = self.machine.saturating_add(machine.saturating_mul(cycles));
        let count = (period as u64).saturating_mul(cycles);
        let last = self.number.saturating_sub(1);
        self.parts.push(Part::Repeats { count, first: number, last, exact: repeat.exact });
        self.number = self.number.saturating_add(count);
        self.pass_over(end);
    }

    /// Passes over the frames before a machine frame, and those that the summary lacks.
    fn pass_over(&mut self, end: u64) {
        while self.machine < end {
            if self.gap.before == Some(self.next) {
                let passed = self.gap.count.min(end - self.machine);
                self.machine += passed;
                self.gap.count -= passed;
                self.gap.before = self.gap.before.filter(|_| self.gap.count > 0);
                continue;
            }
            let Some(frame) = self.thread.frames.get(self.next) else { return };
            self.machine += u64::from(!frame.inlined);
            self.next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use epitaph_summary::Frame;

    use super::*;

    /// A thread of frames of which the capital ones are inlined.
    fn thread(frames: &str) -> Thread {
        let frame = |name: char| Frame {
            function: Some(name.to_string()),
            inlined: name.is_uppercase(),
            ..Frame::default()
        };
        Thread { frames: frames.chars().map(frame).collect(), ..Thread::default() }
    }

    fn exact(first: u32, period: u32, count: u32) -> Repeat {
        Repeat { first, period, count, exact: true }
    }

    fn shown(frames: Range<usize>, number: u64) -> Part {
        Part::Shown { frames, number }
    }

    fn repeats(count: u64, first: u64, last: u64) -> Part {
        Part::Repeats { count, first, last, exact: true }
    }

    #[test]
    fn a_recursion_is_its_first_cycle() {
        let mut thread = thread("xabababababm");
        thread.repeats = vec![exact(1, 2, 5)];
        assert_eq!(parts(&thread, true), [shown(0..3, 0), repeats(8, 1, 2), shown(11..12, 11)]);
        assert_eq!(parts(&thread, false), [shown(0..12, 0)]);
    }

    #[test]
    fn a_recursion_may_go_on_among_the_frames_that_were_left_out() {
        let mut thread = thread("xababababm");
        thread.omitted_after = Some(5);
        thread.frames_total = Some(10 + 9_000);
        // To its end beyond them, as whole cycles.
        thread.repeats = vec![exact(1, 2, 4504)];
        assert_eq!(parts(&thread, true), [shown(0..3, 0), repeats(9_006, 1, 2), shown(9..10, 9_009)]);
        // Only for a part of them.
        thread.repeats = vec![exact(1, 2, 1_000)];
        assert_eq!(
            parts(&thread, true),
            [shown(0..3, 0), repeats(1_998, 1, 2), Part::LeftOut(7_005), shown(6..10, 9_006)]
        );
        // Not at all.
        thread.repeats = Vec::new();
        let unfolded = [shown(0..6, 0), Part::LeftOut(9_000), shown(6..10, 9_006)];
        assert_eq!(parts(&thread, true), unfolded);
        // Up to the last frame.
        thread.repeats = vec![exact(6, 1, 4)];
        assert_eq!(
            parts(&thread, true),
            [shown(0..6, 0), Part::LeftOut(9_000), shown(6..7, 9_006), repeats(3, 9_006, 9_006)]
        );
    }

    #[test]
    fn inlined_calls_have_numbers_but_are_no_machine_frames() {
        let mut thread = thread("xVvVvVvVvm");
        thread.repeats = vec![exact(1, 2, 1_000)];
        thread.frames_total = Some(1_002);
        thread.omitted_after = Some(4);
        assert_eq!(parts(&thread, true), [shown(0..3, 0), repeats(1_998, 1, 2), shown(9..10, 2_001)]);
        thread.repeats.clear();
        assert_eq!(parts(&thread, true), [shown(0..5, 0), Part::LeftOut(996), shown(5..10, 1_001)]);
    }

    #[test]
    fn one_recursion_follows_another() {
        let mut thread = thread("aaaabbbbm");
        thread.repeats = vec![exact(0, 1, 4), exact(4, 1, 4)];
        let both = [shown(0..1, 0), repeats(3, 0, 0), shown(4..5, 4), repeats(3, 4, 4), shown(8..9, 8)];
        assert_eq!(parts(&thread, true), both);
    }

    #[test]
    fn what_makes_no_sense_is_not_folded() {
        let mut thread = thread("aaaa");
        for repeat in [exact(4, 1, 9), exact(0, 0, 9), exact(0, 5, 9), exact(u32::MAX, u32::MAX, u32::MAX)] {
            thread.repeats = vec![repeat, exact(0, 1, 1)];
            assert_eq!(parts(&thread, true), [shown(0..4, 0)], "{repeat:?}");
        }
        // Overlapping ones, and one that claims more frames than there are.
        thread.repeats = vec![exact(1, 1, u32::MAX), exact(0, 1, 2), exact(2, 1, 2)];
        assert_eq!(parts(&thread, true), [shown(0..2, 0), repeats(u64::from(u32::MAX) - 1, 1, 1)]);
        // A cycle across the frames that were left out.
        thread.repeats = vec![exact(1, 2, 9)];
        (thread.omitted_after, thread.frames_total) = (Some(1), Some(6));
        assert_eq!(parts(&thread, true), [shown(0..2, 0), Part::LeftOut(2), shown(2..4, 4)]);
    }
}

//! Which machine frame ran an evaluation.

use epitaph_python::Evaluation;
use epitaph_summary::{Frame, Stop, Thread};

/// Where an evaluation belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is run by the machine frame of this index.
    At(usize),
    /// By one that the walk didn't come to.
    Beyond,
    /// By one of those that were left out.
    LeftOut,
}

/// The machine frames of a thread.
struct Machine<'a> {
    /// Index among all frames, and the frame.
    frames: Vec<(usize, &'a Frame)>,
    /// How many of them stand before those that were left out.
    before_gap: Option<usize>,
    is_evaluator: fn(&Frame) -> bool,
}

/// Returns for each evaluation, from the innermost on, where it belongs: by its address on the stack, or else by its place
/// among the evaluator's calls.
pub(super) fn places(
    thread: &Thread,
    evaluations: &[Evaluation],
    is_evaluator: fn(&Frame) -> bool,
) -> Vec<Found> {
    let frames: Vec<(usize, &Frame)> =
        thread.frames.iter().enumerate().filter(|(_, frame)| !frame.inlined).collect();
    let before = |after: u32| frames.partition_point(|(index, _)| *index as u64 <= u64::from(after));
    let machine = Machine { before_gap: thread.omitted_after.map(before), frames, is_evaluator };
    let stacks: Option<Vec<u64>> = evaluations.iter().map(|evaluation| evaluation.stack).collect();
    match stacks {
        Some(stacks) => machine.by_address(&stacks),
        None => machine.by_order(evaluations.len(), thread.stop == Some(Stop::End)),
    }
}

impl Machine<'_> {
    /// A frame reaches up to its canonical frame address; the next outer one begins there.
    fn by_address(&self, stacks: &[u64]) -> Vec<Found> {
        let at = |stack: &u64| {
            let beyond = self.frames.iter().enumerate().filter_map(|(number, (index, frame))| {
                frame.cfa.filter(|cfa| cfa.0 > *stack).map(|cfa| (cfa.0, number, *index))
            });
            // Another stack than the thread's own (a handler's) may lie above or below.
            let Some((_, number, index)) = beyond.min() else { return Found::Beyond };
            let is_after_gap = self.before_gap == Some(number);
            let is_evaluator = self.frames.get(number).is_some_and(|(_, frame)| (self.is_evaluator)(frame));
            if is_after_gap && !is_evaluator { Found::LeftOut } else { Found::At(index) }
        };
        let mut found: Vec<Found> = stacks.iter().map(at).collect();
        // Of several that seem to be run by the frame after the gap, the outermost is.
        for number in 1..found.len() {
            let (Some(inner), Some(outer)) = (found.get(number - 1).copied(), found.get(number)) else {
                break;
            };
            if inner == *outer
                && matches!(inner, Found::At(_))
                && let Some(inner) = found.get_mut(number - 1)
            {
                *inner = Found::LeftOut;
            }
        }
        found
    }

    /// The first evaluations are run by the first of the evaluator's calls, and the last ones by the last. Where the two
    /// are not as many, one was about to begin or had ended: the outer ones are sure, if the walk came to the end.
    fn by_order(&self, count: usize, is_whole: bool) -> Vec<Found> {
        let evaluators = |(_, frame): &&(usize, &Frame)| (self.is_evaluator)(frame);
        let (inner, outer) = self.frames.split_at(self.before_gap.unwrap_or(0).min(self.frames.len()));
        let inner: Vec<usize> = inner.iter().filter(evaluators).map(|(index, _)| *index).collect();
        let outer: Vec<usize> = outer.iter().filter(evaluators).map(|(index, _)| *index).collect();
        let from_inner = |number: usize, of: &[usize]| of.get(number).copied();
        let from_outer = |number: usize| {
            let to_end = (count - 1).checked_sub(number)?;
            outer.get((outer.len().checked_sub(1)?).checked_sub(to_end)?).copied()
        };
        let find = |number: usize| match (self.before_gap, is_whole) {
            (None, true) => from_outer(number).map_or(Found::Beyond, Found::At),
            (None, false) => from_inner(number, &outer).map_or(Found::Beyond, Found::At),
            (Some(_), true) => {
                from_inner(number, &inner).or_else(|| from_outer(number)).map_or(Found::LeftOut, Found::At)
            }
            (Some(_), false) => from_inner(number, &inner).map_or(Found::LeftOut, Found::At),
        };
        (0..count).map(find).collect()
    }
}

#[cfg(test)]
mod tests {
    use epitaph_summary::Hex;

    use super::*;

    /// Machine frames of 16 bytes each: `e` is the evaluator's, `l` another, `i` an inlined one.
    fn thread(frames: &str) -> Thread {
        let frame = |(number, name): (usize, char)| Frame {
            function: Some(name.to_string()),
            inlined: name == 'i',
            cfa: (name != 'i').then_some(Hex(0x1000 + 16 * (number as u64 + 1))),
            ..Frame::default()
        };
        let frames = frames.chars().enumerate().map(frame).collect();
        Thread { frames, stop: Some(Stop::End), ..Thread::default() }
    }

    fn found(thread: &Thread, stacks: &[Option<u64>]) -> Vec<Found> {
        let evaluation = |stack: &Option<u64>| Evaluation { stack: *stack, frames: Vec::new() };
        let evaluations: Vec<Evaluation> = stacks.iter().map(evaluation).collect();
        places(thread, &evaluations, |frame| frame.function.as_deref() == Some("e"))
    }

    #[test]
    fn an_evaluation_belongs_to_the_frame_that_its_address_is_in() {
        let thread = thread("lielel");
        let stacks = [0x1028, 0x1048, 0x2000].map(Some);
        assert_eq!(found(&thread, &stacks), [Found::At(2), Found::At(4), Found::Beyond]);
    }

    #[test]
    fn without_addresses_the_outermost_are_counted_from() {
        let mut thread = thread("lelelel");
        assert_eq!(found(&thread, &[None; 3]), [1, 3, 5].map(Found::At));
        assert_eq!(found(&thread, &[None; 2]), [3, 5].map(Found::At));
        assert_eq!(found(&thread, &[None; 4]), [Found::Beyond, Found::At(1), Found::At(3), Found::At(5)]);
        thread.stop = Some(Stop::NoCfi);
        assert_eq!(found(&thread, &[None; 4]), [Found::At(1), Found::At(3), Found::At(5), Found::Beyond]);
        assert_eq!(found(&thread, &[]), []);
    }

    #[test]
    fn what_ran_in_the_gap_is_left_out() {
        let mut thread = thread("lelelel");
        thread.omitted_after = Some(2);
        let middle = [Found::LeftOut; 3];
        let of_five = [&[Found::At(1)][..], &middle, &[Found::At(3), Found::At(5)]].concat();
        assert_eq!(found(&thread, &[None; 6]), of_five);
        // The frames beyond the gap begin at 0x1030.
        for frame in thread.frames.iter_mut().skip(3) {
            frame.cfa = frame.cfa.map(|cfa| Hex(cfa.0 + 0x1000));
        }
        let stacks = [0x1018, 0x1500, 0x1800, 0x2038, 0x2058].map(Some);
        let expected = [Found::At(1), Found::LeftOut, Found::LeftOut, Found::At(3), Found::At(5)];
        assert_eq!(found(&thread, &stacks), expected);
    }
}

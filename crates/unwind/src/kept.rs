//! What is kept of a stack while it is walked.

use std::collections::VecDeque;

use crate::frame::{Frame, Stop, Unwound};
use crate::repeats::Repeats;

/// How many frames of a long stack are kept: its inner and its outer end say the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Most frames from the inner end.
    pub inner: usize,
    /// Most frames from the outer end, where there are more.
    pub outer: usize,
}

/// The frames of a stack that were kept so far.
pub(crate) struct Kept {
    keep: Keep,
    inner: Vec<Frame>,
    outer: VecDeque<Frame>,
    total: usize,
    repeats: Repeats,
}

impl Kept {
    /// Starts a stack.
    pub(crate) fn new(keep: Option<Keep>) -> Kept {
        let keep = keep.unwrap_or(Keep { inner: usize::MAX, outer: 0 });
        Kept { keep, inner: Vec::new(), outer: VecDeque::new(), total: 0, repeats: Repeats::new() }
    }

    /// How many frames there are so far.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// Adds the next frame, of the function that is identified by the address `function`.
    pub(crate) fn push(&mut self, frame: Frame, function: u64) {
        self.repeats.push(frame.address.pc(), function);
        self.total += 1;
        if self.inner.len() < self.keep.inner {
            self.inner.push(frame);
            return;
        }
        if self.outer.len() >= self.keep.outer {
            self.outer.pop_front();
        }
        if self.keep.outer > 0 {
            self.outer.push_back(frame);
        }
    }

    /// Ends the stack.
    pub(crate) fn finish(mut self, stop: Stop) -> Unwound {
        let (inner, outer) = (self.inner.len(), self.total - self.outer.len());
        let repeats = self.repeats.finish().into_iter();
        self.inner.extend(self.outer);
        Unwound {
            frames: self.inner,
            total: self.total,
            left_out_after: (inner < outer).then_some(inner),
            repeats: repeats.filter_map(|repeat| repeat.among_kept(inner, outer)).collect(),
            stop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CodeAddress, Trust};

    fn walked(keep: Option<Keep>, count: u64) -> (Vec<u64>, usize, Option<usize>) {
        let mut kept = Kept::new(keep);
        for number in 0..count {
            let address = CodeAddress::Exact(number);
            kept.push(Frame { address, cfa: None, trust: Trust::Cfi, signal_trampoline: false }, number);
        }
        let unwound = kept.finish(Stop::End);
        let numbers = unwound.frames.iter().map(|frame| frame.address.pc()).collect();
        (numbers, unwound.total, unwound.left_out_after)
    }

    #[test]
    fn both_ends_of_a_long_stack_are_kept() {
        let keep = |inner, outer| Some(Keep { inner, outer });
        assert_eq!(walked(keep(3, 2), 9), (vec![0, 1, 2, 7, 8], 9, Some(3)));
        assert_eq!(walked(keep(3, 2), 6), (vec![0, 1, 2, 4, 5], 6, Some(3)));
        assert_eq!(walked(keep(3, 2), 5), (vec![0, 1, 2, 3, 4], 5, None));
        assert_eq!(walked(keep(3, 2), 2), (vec![0, 1], 2, None));
        assert_eq!(walked(keep(2, 0), 4), (vec![0, 1], 4, Some(2)));
        assert_eq!(walked(None, 4), (vec![0, 1, 2, 3], 4, None));
    }
}

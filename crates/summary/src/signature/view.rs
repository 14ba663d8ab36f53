//! The frames of a thread that signatures look at, whatever number of them is shown.

use crate::thread::{Frame, Thread};

/// How many machine frames from a stack's inner end a signature may look at. Where fewer are to be shown, it is made first.
pub const SIGNED_INNER_FRAMES: usize = 256;
/// How many from its outer end, where there are more.
pub const SIGNED_OUTER_FRAMES: usize = 64;

/// What a frame is called where the kernel called a signal handler.
pub(crate) const SIGNAL_FRAME: &str = "<signal handler called>";

/// The frames of a thread that a signature looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// From the inner end.
    pub(super) inner: &'a [Frame],
    /// From the outer end, beyond frames that are left out; empty where none are.
    pub(super) outer: &'a [Frame],
}

impl<'a> View<'a> {
    pub(super) fn of(thread: &'a Thread) -> View<'a> {
        let frames = thread.frames.as_slice();
        if let Some(last) = thread.omitted_after {
            let (inner, outer) = frames.split_at(frames.len().min(last as usize + 1));
            return View { inner, outer };
        }
        let machine = frames.iter().filter(|frame| !frame.inlined).count();
        if machine <= SIGNED_INNER_FRAMES + SIGNED_OUTER_FRAMES {
            return View { inner: frames, outer: &[] };
        }
        let inner = end_of_machine_frames(frames.iter(), SIGNED_INNER_FRAMES);
        let outer = end_of_machine_frames(frames.iter(), machine - SIGNED_OUTER_FRAMES);
        View {
            inner: frames.get(..inner).unwrap_or_default(),
            outer: frames.get(outer..).unwrap_or_default(),
        }
    }
}

/// Returns the index after the frame of the last of `count` machine frames. Calls that were inlined into one stand before it.
fn end_of_machine_frames<'a>(frames: impl Iterator<Item = &'a Frame>, count: usize) -> usize {
    let mut ends = frames.enumerate().filter(|(_, frame)| !frame.inlined).map(|(index, _)| index + 1);
    if count == 0 { 0 } else { ends.nth(count - 1).unwrap_or(0) }
}

//! Functions of which compilers split unlikely code off: by the machine code alone each part is a function, and a jump
//! from one to another a tail call.

use epitaph_unwind::{Frame, Trust, Unwound};

/// Takes out the frames of tail calls that only led from one part of a function to another. `function` names the
/// function that a frame's code was compiled into.
pub(crate) fn join<'n>(unwound: &mut Unwound, function: impl Fn(&Frame) -> Option<&'n str>) {
    if unwound.frames.iter().all(|frame| frame.trust != Trust::TailCall) {
        return;
    }
    // By index, up to the number of all: how many of the frames before were taken out.
    let mut joined_before = Vec::with_capacity(unwound.frames.len() + 1);
    let (mut index, mut joined, mut inside) = (0, 0, None);
    unwound.frames.retain(|frame| {
        // Across the gap, the frame before isn't the one that was jumped to.
        let jumped_to = inside.filter(|_| unwound.left_out_after != Some(index));
        let function = function(frame);
        let joins = frame.trust == Trust::TailCall && function.is_some() && function == jumped_to;
        joined_before.push(joined);
        joined += usize::from(joins);
        index += 1;
        inside = function;
        !joins
    });
    joined_before.push(joined);
    let moved = |index: usize| index - joined_before.get(index).copied().unwrap_or(joined);
    unwound.total -= joined;
    unwound.left_out_after = unwound.left_out_after.map(moved);
    for repeat in &mut unwound.repeats {
        let first = moved(repeat.first);
        (repeat.first, repeat.period) = (first, moved(repeat.first + repeat.period) - first);
    }
    unwound.repeats.retain(|repeat| repeat.period > 0);
}

/// Takes off a symbol's name what GCC and LLVM add to it for a part of a function: `.cold`, `.cold.1`, `.part.0`.
pub(crate) fn whole_function(symbol: &str) -> &str {
    let unnumbered = symbol.trim_end_matches(|digit: char| digit.is_ascii_digit());
    let numbered = unnumbered.len() < symbol.len();
    let part = if numbered {
        unnumbered.strip_suffix(".cold.").or_else(|| unnumbered.strip_suffix(".part."))
    } else {
        symbol.strip_suffix(".cold")
    };
    part.map_or(symbol, whole_function)
}

#[cfg(test)]
mod tests {
    use epitaph_unwind::{CodeAddress, Repeat, Stop};

    use super::*;

    #[test]
    fn parts_bear_the_name_of_their_function() {
        for part in ["f", "f.cold", "f.cold.12", "f.part.0", "f.part.0.cold"] {
            assert_eq!(whole_function(part), "f", "{part}");
        }
    }

    #[test]
    fn other_functions_keep_their_own() {
        for name in ["f.constprop.0", "f.cold.", "f.cold_start", "f2", "alloc..cold..f", ""] {
            assert_eq!(whole_function(name), name);
        }
    }

    /// A stack of these addresses; the function of an address is its tens, and the odd ones were jumped to from the
    /// next.
    fn stack(addresses: &[u64]) -> Unwound {
        let frames: Vec<Frame> = addresses
            .iter()
            .map(|address| Frame {
                address: CodeAddress::Exact(*address),
                cfa: None,
                trust: if address % 2 == 1 { Trust::TailCall } else { Trust::Cfi },
                signal_trampoline: false,
            })
            .collect();
        Unwound { total: frames.len(), frames, left_out_after: None, repeats: Vec::new(), stop: Stop::End }
    }

    fn joined(mut unwound: Unwound) -> (Vec<u64>, Unwound) {
        join(&mut unwound, |frame| ["f", "g", "h"].get(frame.address.pc() as usize / 10).copied());
        (unwound.frames.iter().map(|frame| frame.address.pc()).collect(), unwound)
    }

    #[test]
    fn a_jump_within_a_function_is_no_frame() {
        assert_eq!(joined(stack(&[10, 11, 0, 1, 20])).0, [10, 0, 20]);
        assert_eq!(joined(stack(&[10, 21, 11, 0])).0, [10, 21, 11, 0]);
    }

    #[test]
    fn what_points_to_frames_still_points_to_them() {
        let cycles = [10, 11, 0].repeat(4);
        let mut unwound = stack(&[&[0, 1, 20][..], &cycles, &[11, 20, 21, 0]].concat());
        unwound.total = 1000;
        unwound.left_out_after = Some(15);
        unwound.repeats = vec![Repeat { first: 3, period: 3, count: 300, exact: true }];
        let (addresses, unwound) = joined(unwound);
        assert_eq!(addresses, [0, 20, 10, 0, 10, 0, 10, 0, 10, 0, 11, 20, 0]);
        assert_eq!((unwound.total, unwound.left_out_after), (994, Some(10)));
        assert_eq!(unwound.repeats, [Repeat { first: 2, period: 2, count: 300, exact: true }]);
    }
}

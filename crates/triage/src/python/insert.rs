//! Puts frames between a thread's frames, and keeps what points to these right.

use epitaph_summary::{Frame, Repeat, Thread};

/// Frames that are to stand before another one.
#[derive(Clone, Debug)]
pub(super) struct Insertion {
    /// The other's index; the number of all frames to stand behind them.
    pub(super) before: usize,
    pub(super) frames: Vec<Frame>,
}

/// Inserts frames.
pub(super) fn insert(thread: &mut Thread, mut insertions: Vec<Insertion>) {
    insertions.retain(|insertion| !insertion.frames.is_empty());
    if insertions.is_empty() {
        return;
    }
    // Those for one place stay in their order.
    insertions.sort_by_key(|insertion| insertion.before);
    let added = |is_counted: &dyn Fn(usize) -> bool| -> usize {
        let counted = insertions.iter().filter(|insertion| is_counted(insertion.before));
        counted.map(|insertion| insertion.frames.len()).sum()
    };
    // What stands before a cycle's first frame belongs to the cycle, as that frame runs it.
    let boundary = |index: usize| index + added(&|before| before < index);
    let gap = thread.omitted_after.map(|after| after as usize + added(&|before| before <= after as usize));
    let moved = |repeat: &Repeat| {
        let first = boundary(repeat.first as usize);
        let end = boundary((repeat.first as usize).saturating_add(repeat.period as usize));
        Some(Repeat {
            first: u32::try_from(first).ok()?,
            period: u32::try_from(end.checked_sub(first)?).ok()?,
            ..*repeat
        })
    };
    let repeats: Vec<Option<Repeat>> = thread.repeats.iter().map(moved).collect();
    thread.omitted_after = gap.and_then(|gap| u32::try_from(gap).ok());

    let mut frames = Vec::with_capacity(thread.frames.len() + added(&|_| true));
    let mut insertions = insertions.into_iter().peekable();
    for (index, frame) in std::mem::take(&mut thread.frames).into_iter().enumerate() {
        while let Some(insertion) = insertions.next_if(|insertion| insertion.before <= index) {
            frames.extend(insertion.frames);
        }
        frames.push(frame);
    }
    frames.extend(insertions.flat_map(|insertion| insertion.frames));
    thread.frames = frames;
    let repeats = repeats.into_iter().flatten();
    thread.repeats = repeats.filter_map(|repeat| still_repeats(thread, repeat)).collect();
}

/// Returns a recursion as far as it is one still: the machine's frames may repeat where Python's don't.
fn still_repeats(thread: &Thread, repeat: Repeat) -> Option<Repeat> {
    let end = thread.omitted_after.map_or(thread.frames.len(), |after| after as usize + 1);
    let (first, period) = (repeat.first as usize, repeat.period as usize);
    let kept = thread.frames.get(first..end.max(first))?;
    let mut cycles = kept.chunks_exact(period.max(1)).take(repeat.count as usize);
    let cycle = cycles.next()?;
    let mut exact = repeat.exact;
    for other in cycles {
        for (one, other) in cycle.iter().zip(other) {
            if (&one.function, &one.file, one.language) != (&other.function, &other.file, other.language) {
                return None;
            }
            exact &= one.line == other.line;
        }
    }
    Some(Repeat { exact, ..repeat })
}

#[cfg(test)]
mod tests {
    use epitaph_summary::Language;

    use super::*;

    fn frames(names: &str) -> Vec<Frame> {
        let frame = |name: char| Frame {
            function: Some(name.to_string()),
            language: name.is_uppercase().then_some(Language::Python),
            inlined: name.is_uppercase(),
            ..Frame::default()
        };
        names.chars().map(frame).collect()
    }

    fn names(thread: &Thread) -> String {
        thread.frames.iter().filter_map(|frame| frame.function.as_deref()).collect()
    }

    fn at(before: usize, names: &str) -> Insertion {
        Insertion { before, frames: frames(names) }
    }

    #[test]
    fn frames_get_to_their_places() {
        let mut thread = Thread { frames: frames("lelelm"), omitted_after: Some(3), ..Thread::default() };
        insert(&mut thread, vec![at(3, "BC"), at(1, "A"), at(6, "Z"), at(2, "")]);
        assert_eq!((names(&thread).as_str(), thread.omitted_after), ("lAelBCelmZ", Some(6)));
    }

    #[test]
    fn recursions_stay_where_they_are_ones() {
        let recursion = |inserted: &[&str]| {
            let repeats = vec![Repeat { first: 1, period: 2, count: 4, exact: true }];
            let mut thread = Thread { frames: frames("xelelelelm"), repeats, ..Thread::default() };
            let places = [1, 3, 5, 7];
            insert(
                &mut thread,
                places.iter().zip(inserted).map(|(place, names)| at(*place, names)).collect(),
            );
            (names(&thread), thread.repeats.first().map(|repeat| (repeat.first, repeat.period, repeat.count)))
        };
        assert_eq!(recursion(&["A"; 4]), ("xAelAelAelAelm".to_owned(), Some((1, 3, 4))));
        assert_eq!(recursion(&["A", "A", "B", "A"]).1, None);
        assert_eq!(recursion(&["A", "A"]).1, None);
    }
}

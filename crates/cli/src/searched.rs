//! What a search for cores came across, for people.

use epitaph_capture::Found;

use crate::terminal;

/// Tells what looked like a core and was not taken, and what was not searched.
pub(crate) fn tell_trouble(found: &Found) {
    for rejected in &found.rejected {
        terminal::warning(&rejected.sentence());
        if let Some(hint) = rejected.reason.hint() {
            terminal::hint(hint);
        }
    }
    if found.older > 0 {
        terminal::note(&format!("{} older cores were left alone", found.older));
    }
    if found.foreign > 0 {
        terminal::note(&format!("{} cores of other users' processes were left alone", found.foreign));
    }
    if found.rejected_more > 0 {
        terminal::warning(&format!("{} more such files were not taken", found.rejected_more));
    }
    tell_skipped(found);
    for limit in &found.limits_hit {
        terminal::warning(&format!("the search for cores is not complete: {limit}"));
    }
    for place in &found.places {
        if let Some(problem) = &place.problem {
            terminal::warning(&format!("{}: {problem}", place.path));
        }
    }
}

/// Tells which places there was no time to search.
pub(crate) fn tell_skipped(found: &Found) {
    const MOST_NAMED: usize = 5;
    if found.skipped.is_empty() {
        return;
    }
    let named = found.skipped.iter().take(MOST_NAMED).map(|path| path.display().to_string());
    let more = match found.skipped.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = named.collect::<Vec<_>>().join(", ");
    terminal::warning(&format!("there was no time to look for cores (to the end) in {named}{more}"));
}

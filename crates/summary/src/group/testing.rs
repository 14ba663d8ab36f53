//! Stacks for tests.

use super::trace::Trace;

/// Numbers that look random and are the same in each run (xorshift; Marsaglia, "Xorshift RNGs", 2003).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// Stacks in families: variants of a few, by frames that were replaced, inserted or lost.
pub(super) fn families(random: &mut Random, count: usize) -> Vec<Trace> {
    let bases: Vec<Vec<u64>> =
        (0..=count / 10).map(|_| (0..=random.below(24)).map(|_| 1 + random.below(200)).collect()).collect();
    let variant = |_| {
        let mut symbols = bases[random.below(bases.len() as u64) as usize].clone();
        for _ in 0..random.below(4) {
            let place = random.below(symbols.len() as u64 + 1) as usize;
            match random.below(3) {
                0 => symbols.insert(place, 1 + random.below(200)),
                1 => symbols.truncate(place.max(1)),
                _ if place < symbols.len() => symbols[place] = random.below(200),
                _ => {}
            }
        }
        Trace::of_symbols(symbols)
    };
    (0..count).map(variant).collect()
}

//! The dice: a sequence of numbers that a seed fixes for good.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014), written out because a
/// seed that failed once has to make the same program in every later version.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn of_seed(seed: u64) -> Chance {
        Chance(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which isn't 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True once in `times`, on average.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of these, which are some.
    pub(crate) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_the_sequence_for_good() {
        let mut chance = Chance::of_seed(1234567);
        // The reference implementation's first numbers.
        assert_eq!(chance.next(), 6457827717110365317);
        assert_eq!(chance.next(), 3203168211198807973);
    }

    #[test]
    fn everything_comes_up() {
        let mut chance = Chance::of_seed(1);
        let mut seen = [0; 5];
        (0..200).for_each(|_| seen[chance.below(5)] += 1);
        assert!(seen.iter().all(|times| *times > 20), "{seen:?}");
    }
}
